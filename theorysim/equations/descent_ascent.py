"""Langevin descent-ascent on a x^2/2 + c x y - b y^2/2, N particles on each side, at inverse temperature beta.

    empirical means z = (X, Y):  dz = -K z dt + sqrt(2/(beta N)) dW,  K = ((a, c), (-c, b))
    stationary covariance        K S + S K^T = 2/(beta N) 1

Domain   a, b > 0, c real.
Sources  Own derivation; the dynamics of [DomingoEnrich2020]. Proof: derivations/descent_ascent.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("descent_ascent.mean_covariance")
def mean_covariance(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return beta N (S_xx, S_xy, S_yy) of the empirical means; without coupling 1/a, 0, 1/b."""
    total, pair = a + b, a * b + c * c
    xx = (b * total + 2.0 * c * c) / (total * pair)
    yy = (a * total + 2.0 * c * c) / (total * pair)
    return xx, c * (b - a) / (total * pair), yy


@equation("descent_ascent.mean_rate")
def mean_rate(a: float, b: float, c: float) -> tuple[float, float]:
    """Return the slowest decay rate of the means and their frequency, 0 where they do not oscillate."""
    half = 0.5 * (a - b)
    over = (half - c) * (half + c)
    if over < 0.0:
        return 0.5 * (a + b), math.sqrt(-over)
    # the smaller root by the product of both: no cancellation
    return (a * b + c * c) / (0.5 * (a + b) + math.sqrt(over)), 0.0
