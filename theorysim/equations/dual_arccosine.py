"""Dual maps of the rectified monomial phi(x) = x^p for x > 0, else 0.

    T = (q1 q2)^{p/2} J_p/(2 pi),  Tdot = p^2 (q1 q2)^{(p-1)/2} J_{p-1}/(2 pi),  c = cos(theta) = q12/sqrt(q1 q2)
    J_0 = pi - theta,  J_1 = sin(theta) + (pi - theta) c,  J_{n+1} = (2n + 1) c J_n + n^2 (1 - c^2) J_{n-1}

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2); p >= 2 (relu is p = 1, with a treatment of close pairs of its own).
         No digit is lost on the diagonal, nor as theta -> 0, where J_p is smooth for p >= 1.
Sources  [Cho2009] for J_p. Proof: derivations/dual_arccosine.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.compile import body
from theorysim.backend.mathfun import acos
from theorysim.backend.order import larger, smaller
from theorysim.equations.dual_abrelu import prepare
from theorysim.equations.registry import equation

Body = Callable[..., Any]
_PER_TWO_PI = 1.0 / (2.0 * math.pi)


@equation("dual_arccosine.angular")
def angular(c: float, p: int) -> tuple[float, float]:
    """Return (J_p, J_{p-1}) at a correlation, p >= 1."""
    sine2 = (1.0 - c) * (1.0 + c)
    before = acos(-c)
    now = math.sqrt(sine2) + before * c
    for n in range(1, p):
        before, now = now, (2.0 * n + 1.0) * c * now + n * n * sine2 * before
    return larger(0.0, now), larger(0.0, before)


@body
def pair(q12: float, s1: float, r1: float, s2: float, r2: float, p: int) -> tuple[float, float]:
    """Return (T, Tdot) from q12 and the prepared numbers of both samples."""
    j, below = angular(smaller(1.0, larger(-1.0, q12 * r1 * r2)), p)
    scale = _PER_TWO_PI
    for _ in range(p - 1):
        scale *= s1 * s2
    return scale * s1 * s2 * j, p * p * scale * below


@equation("dual_arccosine.kernel")
def kernel(q1: float, q2: float, q12: float, p: int) -> tuple[float, float]:
    """Return (T, Tdot) of one pair."""
    s1, r1 = prepare(q1)
    s2, r2 = prepare(q2)
    return pair(q12, s1, r1, s2, r2, p)


@equation("dual_arccosine.diagonal")
def diagonal(q: float, p: int) -> tuple[float, float]:
    """Return (E phi(u)^2, E phi'(u)^2) = ((2p - 1)!! q^p, p^2 (2p - 3)!! q^{p-1})/2 for u ~ N(0, q)."""
    below = 0.5
    for n in range(1, p):
        below *= (2.0 * n - 1.0) * q
    return (2.0 * p - 1.0) * q * below, p * p * below


@cache
def rectified(p: int) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of x^p for x > 0, else 0."""

    @body
    def pair_rectified(q12: float, s1: float, r1: float, s2: float, r2: float) -> tuple[float, float]:
        return pair(q12, s1, r1, s2, r2, p)

    @body
    def diagonal_rectified(q: float) -> tuple[float, float]:
        return diagonal(q, p)

    return prepare, pair_rectified, diagonal_rectified
