"""Dual maps of phi(x) = a x for x < 0, b x for x > 0: relu (0, 1), leaky relu (a, 1), abs (-1, 1).

    theta = arccos(q12/sqrt(q1 q2)),  f = (a - b)^2/(2 pi),  m = (a^2 + b^2)/2
    Tdot = E phi'(u) phi'(v) = m - f theta
    T    = E phi(u) phi(v)   = f sqrt(q1 q2) sin(theta) + q12 Tdot,      (u, v) ~ N(0, [[q1, q12], [q12, q2]])

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2). For q1 = 0 the kink is met with certainty: phi'(0) = (a + b)/2 then.
Sources  [Cho2009] (arc-cosine kernels J_0, J_1 for relu). Proof: derivations/dual_abrelu.py.

Close pairs (theta -> 0) lose half their digits through q12; `close_start` and `close_layer` carry the gap
1 - cos(theta) instead and keep all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from numpy.typing import NDArray

from theorysim.backend.bits import fma, polynomial
from theorysim.backend.compile import body
from theorysim.backend.order import larger, smaller
from theorysim.backend.trigonometry import ASIN
from theorysim.equations.registry import equation

Body = Callable[..., Any]
_PER_TWO_PI = 1.0 / (2.0 * math.pi)
_PI_2 = 0.5 * math.pi
_TINY = 1e-300


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (sqrt q, 1/sqrt q); the reciprocal is 0 for q = 0, so that such pairs have theta = pi/2."""
    s = math.sqrt(larger(0.0, q))
    return s, (1.0 / s if s > 1e-150 else 0.0)


@body
def pair(q12: float, s1: float, r1: float, s2: float, r2: float, f: float, m: float) -> tuple[float, float]:
    """Return (T, Tdot) from q12 and the prepared numbers of both samples.

    Theta = pi/2 - asin(c), with asin as in `backend.trigonometry` but correct to 1e-16 of 1 only: all that Tdot needs,
    in two thirds of the time of `acos`.
    """
    c = smaller(1.0, larger(-1.0, q12 * r1 * r2))
    a = math.fabs(c)
    big = a > 0.5
    z = fma(-0.5, a, 0.5) if big else c * c
    s = math.sqrt(z) if big else a
    angle = fma(s * z, polynomial(z, ASIN), s)
    tdot = fma(f, math.copysign(fma(-2.0, angle, _PI_2) if big else angle, c), m - f * _PI_2)
    return fma(f * s1 * s2, math.sqrt(fma(-c, c, 1.0)), q12 * tdot), tdot


@equation("dual_abrelu.kernel")
def kernel(q1: float, q2: float, q12: float, a: float, b: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair."""
    s1, r1 = prepare(q1)
    s2, r2 = prepare(q2)
    return pair(q12, s1, r1, s2, r2, (a - b) * (a - b) * _PER_TWO_PI, 0.5 * (a * a + b * b))


@equation("dual_abrelu.diagonal")
def diagonal(q: float, a: float, b: float) -> tuple[float, float]:
    """Return (E phi(u)^2, E phi'(u)^2) for u ~ N(0, q)."""
    m = 0.5 * (a * a + b * b)
    return m * q, m


@equation("dual_abrelu.segment")
def segment(theta: float) -> float:
    """Return sin(theta) - theta cos(theta), without cancellation for small theta (a series below 1/2)."""
    z = theta * theta
    series = 1.0 / 3.0 + z * (
        -1.0 / 30.0
        + z
        * (1.0 / 840.0 + z * (-1.0 / 45360.0 + z * (1.0 / 3991680.0 + z * (-1.0 / 518918400.0 + z / 93405312000.0))))
    )
    return theta * z * series if theta < 0.5 else math.sin(theta) - theta * math.cos(theta)


@equation("dual_abrelu.gap")
def gap(delta: float, d: float, q1: float, q2: float, w: float, v: float, a: float, b: float) -> float:
    """Return 1 - cos(theta) after one layer, from the gap `delta` = 1 - cos(theta) before it.

    Parameters
    ----------
    delta : float
        1 - q12/sqrt(q1 q2), >= 0.
    d : float
        q1 - q2, known without cancellation.
    q1, q2 : float
        Variances of the two samples before the layer, > 0.
    w, v : float
        Weight and bias variances of the layer: q' = w m q + v.
    """
    f, m = (a - b) * (a - b) * _PER_TWO_PI, 0.5 * (a * a + b * b)
    s = math.sqrt(q1 * q2)
    after = math.sqrt((w * m * q1 + v) * (w * m * q2 + v))
    roots = d / (math.sqrt(q1) + math.sqrt(q2))  # sqrt q1 - sqrt q2
    theta = 2.0 * math.asin(math.sqrt(0.5 * delta))
    norms = w * m * v * roots * roots / (after + v + w * m * s)
    return (norms + w * s * (m * delta - f * segment(theta))) / after


@body
def close_start(x: NDArray[Any], y: NDArray[Any], weight_variance: float, bias_variance: float) -> tuple[float, float]:
    """Return (delta, d) of Sigma^1 = weight_variance x.y/dim + bias_variance for two inputs of shape (dim,).

    With U = sqrt(weight_variance/dim) x, one more component sqrt(bias_variance), and the same for V,
    sin(theta) is the length of U - V across U, over |V|: nothing large is subtracted.
    """
    w = weight_variance / x.shape[0]
    uu, ud, dd_half = bias_variance, 0.0, 0.0
    for i in range(x.shape[0]):
        step = x[i] - y[i]
        uu += w * x[i] * x[i]
        ud += w * x[i] * step
        dd_half += w * step * (0.5 * x[i] + 0.5 * y[i])
    along = ud / larger(_TINY, uu)
    across = bias_variance * along * along
    for i in range(x.shape[0]):
        part = (x[i] - y[i]) - along * x[i]
        across += w * part * part
    d = 2.0 * dd_half
    sine2 = smaller(1.0, across / larger(_TINY, uu - d))
    cosine = math.sqrt(1.0 - sine2)
    acute = uu - ud >= 0.0  # U.V = U.U - U.(U - V)
    return sine2 / (1.0 + cosine) if acute else 1.0 + cosine, d


@body
def close_layer(
    delta: float,
    d: float,
    q1: float,
    q2: float,
    theta: float,
    w: float,
    v: float,
    weight_rate: float,
    bias_rate: float,
    a: float,
    b: float,
) -> tuple[float, float, float, float]:
    """Carry a close pair through one layer.

    Parameters
    ----------
    delta, d : float
        Gap 1 - q12/sqrt(q1 q2) and difference q1 - q2, from `close_start` or the layer before.
    q1, q2 : float
        Variances Sigma(x, x), Sigma(y, y) before the layer, > 0.
    theta : float
        Tangent kernel Theta(x, y) before the layer.
    w, v : float
        Weight and bias variances of the layer.
    weight_rate, bias_rate : float
        Rates alpha, alpha' of the layer: Theta' = alpha T + alpha' + w Tdot Theta.

    Returns
    -------
    delta', d', theta', q12' : float
        The same after the layer, and the covariance Sigma'(x, y) = w T + v.
    """
    f, m = (a - b) * (a - b) * _PER_TWO_PI, 0.5 * (a * a + b * b)
    angle = 2.0 * math.asin(math.sqrt(0.5 * smaller(2.0, delta)))
    t = math.sqrt(q1 * q2) * (m - (m * delta - f * segment(angle)))
    tangent = weight_rate * t + bias_rate + w * (m - f * angle) * theta
    return gap(delta, d, q1, q2, w, v, a, b), w * m * d, tangent, w * t + v


@cache
def abrelu(a: float, b: float) -> tuple[Body, Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal, close_layer) with the slopes built in."""
    f, m = (a - b) * (a - b) * _PER_TWO_PI, 0.5 * (a * a + b * b)

    @body
    def pair_ab(q12: float, s1: float, r1: float, s2: float, r2: float) -> tuple[float, float]:
        return pair(q12, s1, r1, s2, r2, f, m)

    @body
    def diagonal_ab(q: float) -> tuple[float, float]:
        return diagonal(q, a, b)

    @body
    def close_ab(
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
        return close_layer(delta, d, q1, q2, theta, w, v, weight_rate, bias_rate, a, b)

    return prepare, pair_ab, diagonal_ab, close_ab
