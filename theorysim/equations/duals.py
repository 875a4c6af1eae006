"""Which activations have closed dual maps, and their bodies for the loop over pairs of samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theorysim.equations import dual_erf, dual_gelu, dual_polynomial, dual_sine
from theorysim.equations.activations import activation
from theorysim.equations.dual_abrelu import abrelu

Body = Callable[..., Any]


@dataclass(frozen=True)
class Dual:
    """The dual maps T = E phi(u) phi(v), Tdot = E phi'(u) phi'(v) of one activation, as compiled bodies.

    Attributes
    ----------
    name : str
        Name of the activation.
    prepare : callable
        q -> (a, b): two numbers per sample and layer, so that a pair needs no root of a diagonal.
    pair : callable
        (q12, a1, b1, a2, b2) -> (T, Tdot); branch-free arithmetic, finite for q = 0.
    diagonal : callable
        q -> (T, Tdot) of a sample with itself, exact.
    close : callable or None
        (delta, d, q1, q2, theta, weight_variance, bias_variance, weight_rate, bias_rate) ->
        (delta', d', theta', q12'), for pairs that nearly coincide (see `dual_abrelu.close_layer`; start with
        `dual_abrelu.close_start`); None where `pair` is accurate for such pairs as well.
    """

    name: str
    prepare: Body
    pair: Body
    diagonal: Body
    close: Body | None = None


def _abrelu(name: str, a: float, b: float) -> Dual:
    prepare, pair, diagonal, close = abrelu(a, b)
    return Dual(name, prepare, pair, diagonal, close)


DUALS: dict[str, Dual] = {
    "relu": _abrelu("relu", 0.0, 1.0),
    "abs": _abrelu("abs", -1.0, 1.0),
    "erf": Dual("erf", dual_erf.prepare, dual_erf.pair, dual_erf.diagonal),
    "gelu": Dual("gelu", dual_gelu.prepare, dual_gelu.pair, dual_gelu.diagonal),
    "sin": Dual("sin", dual_sine.prepare, dual_sine.pair_sin, dual_sine.sin_diagonal),
    "cos": Dual("cos", dual_sine.prepare, dual_sine.pair_cos, dual_sine.cos_diagonal),
    "linear": Dual("linear", dual_polynomial.prepare, dual_polynomial.pair_linear, dual_polynomial.linear_diagonal),
    "quadratic": Dual(
        "quadratic", dual_polynomial.prepare, dual_polynomial.pair_quadratic, dual_polynomial.quadratic_diagonal
    ),
}
"""Closed dual maps of the activations without a parameter."""


def dual(name: str, slope: float | None = None) -> Dual | None:
    """Return the closed dual maps of a built-in activation, None where there are none (tanh).

    Parameters
    ----------
    name : str
        Name of the activation.
    slope : float or None
        Slope for x < 0 of ``"leaky_relu"``.

    Raises
    ------
    ProblemError
        If the name is unknown, or the slope is missing or superfluous.
    """
    chosen = activation(name, slope)
    if chosen.slope is not None:
        return _abrelu(name, chosen.slope, 1.0)
    return DUALS.get(name)
