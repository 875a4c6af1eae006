"""Which activations have closed dual maps, and their bodies for the loop over pairs of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from theorysim.equations import (
    dual_arccosine,
    dual_erf,
    dual_exponential,
    dual_gaussian,
    dual_gelu,
    dual_polynomial,
    dual_sign,
    dual_sine,
)
from theorysim.equations.activations import ACTIVATIONS, NAMES, Activation, activation
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
        (q12, a1, b1, a2, b2) -> (T, Tdot); branch-free arithmetic, finite for q = 0 (but for a singular Tdot).
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


_SQUARE = (dual_polynomial.prepare, dual_polynomial.pair_quadratic, dual_polynomial.quadratic_diagonal)
_SINE = (dual_sine.prepare, dual_sine.pair_sin, dual_sine.sin_diagonal)
_ERF = (dual_erf.prepare, dual_erf.pair, dual_erf.diagonal)


def _erf(rate: float) -> tuple[Body, ...]:
    return _ERF if rate == 1.0 else dual_erf.scaled(rate)


def _sine(rate: float, phase: float) -> tuple[Body, ...]:
    return _SINE if (rate, phase) == (1.0, 0.0) else dual_sine.wave(rate, phase)


def _jump(middle: float, half: float) -> Callable[[str | None], tuple[Body, ...]]:
    return lambda derivative: dual_sign.sign(middle, half, derivative)


_CLOSED: dict[str, Callable[..., tuple[Body, ...]]] = {
    "relu": lambda: abrelu(0.0, 1.0),
    "leaky_relu": lambda slope: abrelu(slope, 1.0),
    "abrelu": abrelu,
    "abs": lambda: abrelu(-1.0, 1.0),
    "erf": _erf,
    "gelu": lambda: (dual_gelu.prepare, dual_gelu.pair, dual_gelu.diagonal),
    "sin": _sine,
    "cos": lambda: (dual_sine.prepare, dual_sine.pair_cos, dual_sine.cos_diagonal),
    "rbf": dual_sine.rbf,
    "linear": lambda: (dual_polynomial.prepare, dual_polynomial.pair_linear, dual_polynomial.linear_diagonal),
    "quadratic": lambda: _SQUARE,
    "monomial": dual_polynomial.monomial,
    "hermite": dual_polynomial.hermite,
    "rectified_monomial": lambda degree: abrelu(0.0, 1.0) if degree == 1 else dual_arccosine.rectified(degree),
    "sign": _jump(0.0, 1.0),
    "step": _jump(0.5, 0.5),
    "exp": dual_exponential.exponential,
    "gaussian": dual_gaussian.gaussian,
    "gabor": lambda: (dual_gaussian.prepare, dual_gaussian.pair_gabor, dual_gaussian.gabor_diagonal),
}


def dual(name: str, slope: float | None = None, parameters: Mapping[str, Any] | None = None) -> Dual | None:
    """Return the closed dual maps of a built-in activation, None where there are none (tanh).

    Parameters
    ----------
    name : str
        Name of the activation.
    slope : float or None
        Slope for x < 0 of ``"leaky_relu"``.
    parameters : mapping, optional
        As for `activation`.

    Raises
    ------
    ProblemError
        If the name or a parameter is unknown, wrong or missing.
    """
    return dual_of(activation(name, slope, parameters))


@cache
def dual_of(chosen: Activation) -> Dual | None:
    """Return the closed dual maps of an activation, built-in or a user's own; None where there are none."""
    if chosen.maps is not None or chosen.name not in NAMES:
        return chosen.maps
    bodies = _CLOSED.get(chosen.name)
    return None if bodies is None else Dual(chosen.name, *bodies(*(value for _, value in chosen.parameters)))


DUALS: dict[str, Dual] = {name: maps for name, own in ACTIVATIONS.items() if (maps := dual_of(own)) is not None}
"""Closed dual maps of the activations that need no parameter."""
