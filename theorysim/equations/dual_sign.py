"""Dual maps of phi(x) = m + h sign(x): sign (m = 0, h = 1) and step (m = h = 1/2).

    theta = arccos(q12/sqrt(q1 q2)),  T = m^2 + h^2 (1 - 2 theta/pi)
    Tdot  = (2 h^2/pi)/sqrt(q1 q2 - q12^2)      the limit of steep smooth functions ("distribution"), or
    Tdot  = 0                                   the derivative almost everywhere ("zero")
    Tdot  = NaN                                 where neither was chosen

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2). The singular Tdot is infinite for coinciding and for zero inputs: there a
         network with steep smooth activations has a tangent kernel that grows with the steepness.
Sources  [Cho2009] (the arc-cosine kernel of degree 0) for T. Proof: derivations/dual_sign.py.

Close pairs lose half their digits through q12; `close_layer` carries the gap 1 - cos(theta) instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.compile import body
from theorysim.backend.mathfun import asin
from theorysim.backend.order import larger, smaller
from theorysim.equations.dual_abrelu import prepare
from theorysim.equations.registry import equation

Body = Callable[..., Any]
_TWO_PER_PI = 2.0 / math.pi


@body
def pair(q12: float, r1: float, r2: float, m: float, h: float) -> tuple[float, float]:
    """Return (T, singular Tdot) from q12 and the inverse roots of the variances (0 for a zero input)."""
    per_root = r1 * r2
    c = smaller(1.0, larger(-1.0, q12 * per_root))
    singular = per_root / math.sqrt((1.0 - c) * (1.0 + c)) if per_root > 0.0 else math.inf
    return m * m + h * h * _TWO_PER_PI * asin(c), h * h * _TWO_PER_PI * singular


@equation("dual_sign.kernel")
def kernel(q1: float, q2: float, q12: float, m: float, h: float) -> tuple[float, float]:
    """Return (T, singular Tdot) of one pair."""
    return pair(q12, prepare(q1)[1], prepare(q2)[1], m, h)


@equation("dual_sign.diagonal")
def diagonal(q: float, m: float, h: float) -> float:
    """Return E phi(u)^2 for u ~ N(0, q): m^2 + h^2, or m^2 where u = 0 with certainty."""
    return m * m + (h * h if q > 0.0 else 0.0)


@equation("dual_sign.gap")
def gap(delta: float, w: float, v: float, m: float, h: float) -> float:
    """Return 1 - cos(theta) after a layer w T + v, from the gap `delta` = 1 - cos(theta) before it."""
    theta = 2.0 * math.asin(math.sqrt(0.5 * smaller(2.0, delta)))
    return w * h * h * _TWO_PER_PI * theta / (w * (m * m + h * h) + v)


@cache
def sign(m: float, h: float, derivative: str | None) -> tuple[Body, Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal, close_layer); `derivative` "distribution", "zero" or None."""
    square, singular = h * h, derivative == "distribution"
    own = {"distribution": math.inf, "zero": 0.0, None: math.nan}[derivative]

    @body
    def pair_sign(q12: float, s1: float, r1: float, s2: float, r2: float) -> tuple[float, float]:
        t, tdot = pair(q12, r1, r2, m, h)
        return t, (tdot if singular else own)

    @body
    def diagonal_sign(q: float) -> tuple[float, float]:
        return diagonal(q, m, h), own

    @body
    def close_sign(
        delta: float,
        d: float,
        q1: float,
        q2: float,
        theta: float,
        w: float,
        v: float,
        weight_rate: float,
        bias_rate: float,
    ) -> tuple[float, float, float, float]:
        near = smaller(2.0, delta)
        angle = 2.0 * math.asin(math.sqrt(0.5 * near))
        t = m * m + square - square * _TWO_PER_PI * angle
        tdot = square * _TWO_PER_PI / math.sqrt(q1 * q2 * near * (2.0 - near)) if singular else own
        return gap(delta, w, v, m, h), 0.0, weight_rate * t + bias_rate + w * tdot * theta, w * t + v

    return prepare, pair_sign, diagonal_sign, close_sign
