"""Dual maps of phi(x) = e^{-r x^2} (gaussian) and phi(x) = e^{-x^2} sin(x) (gabor).

    gaussian: D = (1 + 2 r q1)(1 + 2 r q2) - 4 r^2 q12^2,  T = D^{-1/2},  Tdot = 4 r^2 q12 D^{-3/2}
    gabor:    D as for r = 1;  S12 = q12/D,  M = (q1 + q2 + 4 q1 q2 - 4 q12^2)/D,
              T = D^{-1/2} e^{-M/2} sinh(S12),
              Tdot = D^{-1/2} e^{-M/2} {cosh(S12) [(1 + 2 q1)(1 + 2 q2)/D^2 + 4 S12^2] + 4 S12 (2 - M) sinh(S12)}

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  the Gaussian integral. Proof: derivations/dual_gaussian.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.bits import fma
from theorysim.backend.compile import body
from theorysim.backend.mathfun import exp, tanh
from theorysim.backend.order import larger
from theorysim.equations.registry import equation

Body = Callable[..., Any]


@body
def _determinant(a: float, b: float, c: float) -> float:
    """Return a b - c^2 >= 0, to rounding in spite of its cancellation for close pairs."""
    square = c * c
    return larger(0.0, fma(a, b, -square) + fma(-c, c, square))


@equation("dual_gaussian.gaussian_kernel")
def gaussian_kernel(q1: float, q2: float, q12: float, r: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = e^{-r x^2}."""
    a, b, c = 2.0 * r * q1, 2.0 * r * q2, 2.0 * r * q12
    per_d = 1.0 / (1.0 + a + b + _determinant(a, b, c))
    t = math.sqrt(per_d)
    return t, 2.0 * r * c * per_d * t


@equation("dual_gaussian.gaussian_diagonal")
def gaussian_diagonal(q: float, r: float) -> tuple[float, float]:
    """Return (E phi(u)^2, E phi'(u)^2) for u ~ N(0, q)."""
    per_d = 1.0 / (1.0 + 4.0 * r * q)
    t = math.sqrt(per_d)
    return t, 4.0 * r * r * q * per_d * t


@equation("dual_gaussian.gabor_kernel")
def gabor_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = e^{-x^2} sin(x)."""
    a, b, c = 2.0 * q1, 2.0 * q2, 2.0 * q12
    determinant = _determinant(a, b, c)
    per_d = 1.0 / (1.0 + a + b + determinant)
    s12, m = 0.5 * c * per_d, 0.5 * (a + b + 2.0 * determinant) * per_d
    even = 0.5 * (exp(s12 - 0.5 * m) + exp(-s12 - 0.5 * m)) * math.sqrt(per_d)
    odd = even * tanh(s12)
    tdot = even * ((1.0 + a) * per_d * (1.0 + b) * per_d + 4.0 * s12 * s12) + 4.0 * s12 * (2.0 - m) * odd
    return odd, tdot


@equation("dual_gaussian.gabor_diagonal")
def gabor_diagonal(q: float) -> tuple[float, float]:
    """Return (E phi(u)^2, E phi'(u)^2) of gabor for u ~ N(0, q)."""
    per_d = 1.0 / (1.0 + 4.0 * q)
    s = q * per_d
    even = 0.5 * (1.0 + exp(-2.0 * s)) * math.sqrt(per_d)
    odd = even * tanh(s)
    ratio = (1.0 + 2.0 * q) * per_d
    return odd, even * (ratio * ratio + 4.0 * s * s) + 8.0 * s * (1.0 - s) * odd


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (q, 0)."""
    return q, 0.0


@body
def pair_gabor(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of gabor from q12 and the prepared numbers of both samples."""
    return gabor_kernel(a1, a2, q12)


@cache
def gaussian(r: float) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of e^{-r x^2}."""

    @body
    def pair_gaussian(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        return gaussian_kernel(a1, a2, q12, r)

    @body
    def diagonal_gaussian(q: float) -> tuple[float, float]:
        return gaussian_diagonal(q, r)

    return prepare, pair_gaussian, diagonal_gaussian
