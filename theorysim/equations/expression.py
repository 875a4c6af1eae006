"""Activations from sympy expressions: code of phi and phi', and of the dual maps where they have a closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean

from theorysim.backend import mathfun
from theorysim.backend.compile import user_function
from theorysim.equations.activations import NAMES, Activation, _check_derivative
from theorysim.equations.duals import Dual
from theorysim.equations.gaussian_integrals import Q1, Q2, Q12, X, mean_of_product, terms_of
from theorysim.errors import ProblemError

_CODE = {name: getattr(mathfun, name) for name in mathfun.__all__} | {
    "sqrt": math.sqrt, "tan": math.tan, "sinh": math.sinh, "cosh": math.cosh, "atanh": math.atanh,
    "asinh": math.asinh, "acosh": math.acosh, "pi": math.pi, "e": math.e,
}  # fmt: skip
_FUNCTIONS = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.acosh,
    sp.atanh, sp.erf, sp.erfc, sp.Abs, sp.Piecewise,
)  # fmt: skip
_SPLIT = (sp.Max, sp.Min, sp.sign, sp.Heaviside)  # written as Piecewise
_GRAMMAR = (sp.Add, sp.Mul, sp.Pow, sp.Number, sp.NumberSymbol, sp.Symbol, Boolean, ExprCondPair)
_LARGE = 30.0
_CLOSED = "closed form: rounding errors"


def activation_of_expression(expression: Any, name: str | None = None) -> Activation:
    """Return the activation that a sympy expression of one symbol stands for, with closed dual maps where known.

    Parameters
    ----------
    expression : sympy expression
    name : str, optional
        Default: the expression as text.

    Raises
    ------
    ProblemError
        If it is not such an expression, jumps, or is not real and finite.
    """
    phi = _checked(expression)
    name = str(expression.xreplace({next(iter(expression.free_symbols)): X})) if name is None else name
    if not isinstance(name, str) or not name or name in NAMES:
        raise ProblemError(f'activation: `name` must not be that of a built-in activation, got "{name}"')
    slope = sp.diff(phi, X)
    function, derivative = _compiled((X,), phi), _compiled((X,), _split(slope))
    _check_values(function, derivative, phi)
    _check_derivative(function, derivative, name)
    maps = _maps(name, terms_of(phi), terms_of(slope))
    route = "" if maps is None else _CLOSED
    return Activation(name, function, derivative, maps=maps, route=route, expression=sp.srepr(phi))


def _checked(expression: Any) -> Any:
    """Return the expression in `X`, split into pieces where it has kinks."""
    if not isinstance(expression, sp.Expr) or len(expression.free_symbols) != 1:
        shown = f'"{expression}"' if isinstance(expression, str) else repr(expression)
        raise ProblemError(f"activation: `expression` must be a sympy expression of one symbol, got {shown}")
    phi = _split(expression.xreplace({next(iter(expression.free_symbols)): X}))
    nodes = {type(n) for n in sp.preorder_traversal(phi) if not isinstance(n, (*_FUNCTIONS, *_GRAMMAR))}
    if nodes or phi.has(sp.zoo, sp.nan, sp.oo):
        known = ", ".join(f.__name__ for f in (*_FUNCTIONS, *_SPLIT))
        got = ", ".join(sorted(n.__name__ for n in nodes)) or str(phi)
        raise ProblemError(f"activation: `expression` must be real, made of {known}; got {got}")
    return phi


def _split(expression: Any) -> Any:
    for kind in _SPLIT:
        expression = expression.replace(kind, lambda *a, kind=kind: kind(*a).rewrite(sp.Piecewise))
    return expression


def _check_values(function: Any, derivative: Any, phi: Any) -> None:
    """Refuse what is not finite, and what jumps at the border of two pieces."""
    for x in (0.0, *(_LARGE * k / 40.0 + 0.0137 for k in range(-40, 41))):
        if not (math.isfinite(function(x)) and math.isfinite(derivative(x))):
            raise ProblemError(f"activation: `expression` must be finite with its derivative, is not at x = {x:g}")
    for border in _borders(phi):
        step = 1e-9 * (1.0 + abs(border))
        left, right = function(border - step), function(border + step)
        if abs(left - right) > 1e-6 * (1.0 + abs(left)):
            raise ProblemError(
                f"activation: `expression` must be continuous, jumps at x = {border:g} (for a jump at 0 there are "
                "the activations sign and step)"
            )


def _borders(phi: Any) -> list[float]:
    """Return the places where conditions on x change."""
    found = [sp.solveset(r.lhs - r.rhs, X, sp.S.Reals) for r in phi.atoms(sp.core.relational.Relational)]
    return [float(x) for places in found if isinstance(places, sp.FiniteSet) for x in places]


def _maps(name: str, phi: Any, slope: Any) -> Dual | None:
    if phi is None or slope is None:
        return None
    both = tuple(mean_of_product(terms) for terms in (phi, slope))
    q, unused = sp.Symbol("q", real=True), sp.symbols("b1 b2", real=True)
    own = tuple(mean.xreplace({Q1: q, Q2: q, Q12: q}) for mean in both)
    pair = _compiled((Q12, Q1, unused[0], Q2, unused[1]), both)
    return Dual(name, _compiled((q,), (q, sp.Float(0.0))), pair, _compiled((q,), own))


def _compiled(symbols: Sequence[Any], expression: Any) -> Any:
    """Return the compiled function of an expression, or of several, as floats.

    Code is made of the known functions alone, under names of our own: no text of the user's is ever run.
    """
    several = expression if isinstance(expression, tuple) else (expression,)
    floats = tuple(_float(e) for e in several)
    result = floats if isinstance(expression, tuple) else floats[0]
    return user_function(sp.lambdify(symbols, result, modules=[_CODE], cse=True))


def _float(e: Any) -> Any:
    """Return an expression whose code gives a float, also where all its pieces are whole numbers."""
    if not e.free_symbols:
        return sp.Float(e)
    return sp.Mul(sp.Float(1.0), e, evaluate=False) if isinstance(e, sp.Piecewise) else e
