"""Dual maps of waves: phi = sin, cos, sin(b x + c), and sqrt(2) sin(sqrt(2 g) x + pi/4) (rbf).

    sin: T = e^{-(q1+q2)/2} sinh(q12),  Tdot = e^{-(q1+q2)/2} cosh(q12);   cos: the two exchanged
    sin(b x + c): T = cos(c)^2 S + sin(c)^2 C,  Tdot = b^2 (cos(c)^2 C + sin(c)^2 S),
                  S, C: the maps of sin and cos at b^2 q1, b^2 q2, b^2 q12
    rbf: T = e^{-g (q1 + q2 - 2 q12)},  Tdot = 2 g T

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  the characteristic function of a Gaussian. Proof: derivations/dual_sine.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.compile import body
from theorysim.backend.mathfun import exp, sincos, tanh
from theorysim.backend.order import smaller
from theorysim.equations.registry import equation

Body = Callable[..., Any]


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (q/2, 0)."""
    return 0.5 * q, 0.0


@body
def pair_sin(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of sin from q12 and the prepared numbers of both samples.

    sinh = cosh tanh keeps the digits of small q12, one exponent per term keeps large q finite.
    """
    m = a1 + a2
    even = 0.5 * (exp(q12 - m) + exp(-q12 - m))
    return even * tanh(q12), even


@body
def pair_cos(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of cos from q12 and the prepared numbers of both samples."""
    t, tdot = pair_sin(q12, a1, b1, a2, b2)
    return tdot, t


@equation("dual_sine.sin_kernel")
def sin_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi = sin."""
    return pair_sin(q12, 0.5 * q1, 0.0, 0.5 * q2, 0.0)


@equation("dual_sine.cos_kernel")
def cos_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi = cos."""
    return pair_cos(q12, 0.5 * q1, 0.0, 0.5 * q2, 0.0)


@equation("dual_sine.sin_diagonal")
def sin_diagonal(q: float) -> tuple[float, float]:
    """Return (E sin(u)^2, E cos(u)^2) for u ~ N(0, q)."""
    even = 0.5 * (1.0 + exp(-2.0 * q))
    return even * tanh(q), even


@equation("dual_sine.cos_diagonal")
def cos_diagonal(q: float) -> tuple[float, float]:
    """Return (E cos(u)^2, E sin(u)^2) for u ~ N(0, q)."""
    t, tdot = sin_diagonal(q)
    return tdot, t


@body
def _turned(odd: float, even: float, b: float, c: float) -> tuple[float, float]:
    """Return the maps of sin(b x + c) from those of sin and cos at the variances b^2 q."""
    s, k = sincos(c)
    return k * k * odd + s * s * even, b * b * (k * k * even + s * s * odd)


@equation("dual_sine.wave_kernel")
def wave_kernel(q1: float, q2: float, q12: float, b: float, c: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = sin(b x + c)."""
    odd, even = sin_kernel(b * b * q1, b * b * q2, b * b * q12)
    return _turned(odd, even, b, c)


@equation("dual_sine.wave_diagonal")
def wave_diagonal(q: float, b: float, c: float) -> tuple[float, float]:
    """Return (E sin(b u + c)^2, b^2 E cos(b u + c)^2) for u ~ N(0, q)."""
    odd, even = sin_diagonal(b * b * q)
    return _turned(odd, even, b, c)


@equation("dual_sine.rbf_kernel")
def rbf_kernel(q1: float, q2: float, q12: float, g: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = sqrt(2) sin(sqrt(2 g) x + pi/4)."""
    t = exp(smaller(0.0, g * (2.0 * q12 - q1 - q2)))
    return t, 2.0 * g * t


@equation("dual_sine.rbf_diagonal")
def rbf_diagonal(q: float, g: float) -> tuple[float, float]:
    """Return (1, 2 g): neither depends on the variance."""
    return 1.0, 2.0 * g


@cache
def wave(b: float, c: float) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of sin(b x + c)."""
    square, share, rest = b * b, math.cos(c) ** 2, math.sin(c) ** 2

    @body
    def prepare_wave(q: float) -> tuple[float, float]:
        return 0.5 * square * q, 0.0

    @body
    def pair_wave(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        odd, even = pair_sin(square * q12, a1, b1, a2, b2)
        return share * odd + rest * even, square * (share * even + rest * odd)

    @body
    def diagonal_wave(q: float) -> tuple[float, float]:
        return wave_diagonal(q, b, c)

    return prepare_wave, pair_wave, diagonal_wave


@cache
def rbf(g: float) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of sqrt(2) sin(sqrt(2 g) x + pi/4)."""

    @body
    def prepare_rbf(q: float) -> tuple[float, float]:
        return q, 0.0

    @body
    def pair_rbf(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        return rbf_kernel(a1, a2, q12, g)

    @body
    def diagonal_rbf(q: float) -> tuple[float, float]:
        return rbf_diagonal(q, g)

    return prepare_rbf, pair_rbf, diagonal_rbf
