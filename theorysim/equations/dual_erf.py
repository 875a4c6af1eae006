"""Dual maps of phi = erf, and of phi(x) = erf(b x).

    T    = (2/pi) asin(2 q12/sqrt((1 + 2 q1)(1 + 2 q2)))
    Tdot = (4/pi)/sqrt((1 + 2 q1)(1 + 2 q2) - 4 q12^2)
    erf(b x): T and b^2 Tdot at b^2 q1, b^2 q2, b^2 q12

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  [Williams1997] for T. Proof: derivations/dual_erf.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.compile import body
from theorysim.backend.mathfun import asin, atan
from theorysim.backend.order import larger, smaller
from theorysim.equations.registry import equation

Body = Callable[..., Any]
_TWO_PER_PI = 2.0 / math.pi
_FOUR_PER_PI = 4.0 / math.pi
_ROUNDING = 1e-32


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (1/sqrt(1 + 2 q), q)."""
    return 1.0 / math.sqrt(1.0 + 2.0 * q), q


@body
def pair(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) from q12 and the prepared numbers of both samples."""
    scale = a1 * a2
    x = smaller(1.0, larger(-1.0, 2.0 * q12 * scale))
    return _TWO_PER_PI * asin(x), _FOUR_PER_PI * scale / math.sqrt((1.0 - x) * (1.0 + x) + _ROUNDING)


@equation("dual_erf.kernel")
def kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair."""
    a1, b1 = prepare(q1)
    a2, b2 = prepare(q2)
    return pair(q12, a1, b1, a2, b2)


@equation("dual_erf.diagonal")
def diagonal(q: float) -> tuple[float, float]:
    """Return (E erf(u)^2, E erf'(u)^2) for u ~ N(0, q); the arctangent does not cancel for large q."""
    root = math.sqrt(1.0 + 4.0 * q)
    return _TWO_PER_PI * atan(2.0 * q / root), _FOUR_PER_PI / root


@equation("dual_erf.scaled_kernel")
def scaled_kernel(q1: float, q2: float, q12: float, b: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = erf(b x)."""
    t, tdot = kernel(b * b * q1, b * b * q2, b * b * q12)
    return t, b * b * tdot


@equation("dual_erf.scaled_diagonal")
def scaled_diagonal(q: float, b: float) -> tuple[float, float]:
    """Return (E erf(b u)^2, b^2 E erf'(b u)^2) for u ~ N(0, q)."""
    t, tdot = diagonal(b * b * q)
    return t, b * b * tdot


@cache
def scaled(b: float) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of erf(b x)."""
    square = b * b

    @body
    def prepare_scaled(q: float) -> tuple[float, float]:
        return prepare(square * q)

    @body
    def pair_scaled(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        t, tdot = pair(square * q12, a1, b1, a2, b2)
        return t, square * tdot

    @body
    def diagonal_scaled(q: float) -> tuple[float, float]:
        return scaled_diagonal(q, b)

    return prepare_scaled, pair_scaled, diagonal_scaled
