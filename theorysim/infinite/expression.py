"""A user's activation from a formula: closed dual maps where the Gaussian integrals are known, else Hermite series."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from theorysim.equations.activations import Activation
from theorysim.equations.expression import activation_of_expression
from theorysim.errors import ProblemError
from theorysim.infinite.hermite import expand
from theorysim.infinite.series import cut

_LARGEST_ERROR = 0.1


def activation_from(expression: Any, name: str | None = None) -> Activation:
    """Return the activation phi(x) that a sympy expression of one symbol states, with its derivative.

    Polynomials times e^{a x^2 + b x} and sines or cosines, and sums of them, get closed dual maps: kernels exact to
    rounding, fast, on CUDA as well. Anything else goes through Hermite series, with a bound. Which of the two it is,
    and how accurate, is said by the attribute `route`.

    Parameters
    ----------
    expression : sympy expression
        Of one symbol, made of sympy's elementary functions; kinks (Abs, Max, Piecewise) are allowed, jumps are not.
    name : str, optional
        What tables and files call it; default: the expression as text.

    Raises
    ------
    ProblemError
        If it is not such an expression, jumps, is not real and finite, or grows like e^{x^2}.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x")
    >>> activation_from(x * sp.exp(-x**2)).route
    'closed form: rounding errors'
    """
    found = activation_of_expression(expression, name)
    if found.maps is not None:
        return found
    series = [(e, cut(e, 1.0)) for e in expand(found, np.ones(1))]
    terms = " and ".join(str(len(cut.coefficients)) for _, cut in series)
    relative = [cut.error / max(float(e.moment[0]), 1e-300) for e, cut in series]
    if not max(relative) < _LARGEST_ERROR:
        raise ProblemError(
            "activation: `expression` must have a mean square that quadrature finds, and its derivative too; got "
            f"relative errors {relative[0]:.0e} and {relative[1]:.0e} (does it have a pole?)"
        )
    errors = " and ".join(f"{error:.0e}" for error in relative)
    route = (
        f"Hermite series: {terms} terms for T and Tdot, relative errors at variance 1 of at most {errors} for any pair "
        "of inputs; every kernel carries its own bound"
    )
    return replace(found, route=route)
