"""Dual maps of phi(x) = x Phi(x), Phi the normal distribution function (gelu).

    p = (1 + q1)(1 + q2),  D = p - q12^2
    T    = q12/4 + [(q12^2 + q1 q2 D)/(p sqrt D) + q12 atan(q12/sqrt D)]/(2 pi)
    Tdot = 1/4 + atan(q12/sqrt D)/(2 pi) + q12/(2 pi sqrt D) (1/D + (1 - q1 q2)/p + 1)

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2); then D >= 1 + q1 + q2.
Sources  [Tsuchida2021] for T. Proof: derivations/dual_gelu.py.
"""

from __future__ import annotations

import math

from theorysim.backend.compile import body
from theorysim.backend.mathfun import atan
from theorysim.backend.order import larger
from theorysim.equations.registry import equation

_PER_TWO_PI = 1.0 / (2.0 * math.pi)


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (q, 1/(1 + q))."""
    return q, 1.0 / (1.0 + q)


@body
def pair(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) from q12 and the prepared numbers of both samples."""
    product = a1 * a2
    per_p = b1 * b2
    d = larger(1.0, 1.0 + a1 + a2 + (product - q12 * q12))
    root = 1.0 / math.sqrt(d)
    angle = _PER_TWO_PI * atan(q12 * root)
    t = q12 * (0.25 + angle) + _PER_TWO_PI * per_p * root * (q12 * q12 + product * d)
    tdot = 0.25 + angle + _PER_TWO_PI * q12 * root * (root * root + (1.0 - product) * per_p + 1.0)
    return t, tdot


@equation("dual_gelu.kernel")
def kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair."""
    a1, b1 = prepare(q1)
    a2, b2 = prepare(q2)
    return pair(q12, a1, b1, a2, b2)


@equation("dual_gelu.diagonal")
def diagonal(q: float) -> tuple[float, float]:
    """Return (E phi(u)^2, E phi'(u)^2) for u ~ N(0, q)."""
    root = 1.0 / math.sqrt(1.0 + 2.0 * q)
    angle = _PER_TWO_PI * atan(q * root)
    per = 1.0 / (1.0 + q)
    t = q * (0.25 + angle) + _PER_TWO_PI * root * 2.0 * q * q * per
    tdot = 0.25 + angle + _PER_TWO_PI * q * root * (root * root + 2.0 * per)
    return t, tdot
