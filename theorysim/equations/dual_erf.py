"""Dual maps of phi = erf.

    T    = (2/pi) asin(2 q12/sqrt((1 + 2 q1)(1 + 2 q2)))
    Tdot = (4/pi)/sqrt((1 + 2 q1)(1 + 2 q2) - 4 q12^2)

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  [Williams1997] for T. Proof: derivations/dual_erf.py.
"""

from __future__ import annotations

import math

from theorysim.backend.compile import body
from theorysim.backend.mathfun import asin, atan
from theorysim.backend.order import larger, smaller
from theorysim.equations.registry import equation

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
