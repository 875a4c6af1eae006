"""Noisy gradient descent-ascent and extragradient on a rotation with friction, K = ((mu, w), (-w, mu)), k = mu + i w.

    SGDA   z' = z - e (K z + s xi)                                        variance of a coordinate, stationary:
    SEG    z' = z - e (K (z - e (K z + s xi)) + s xi')                    see the functions (times s^2)
    order 1   dz = -K z dt + sqrt(e) s dW        order 2   dz = -(K + (e/2) K^2) z dt + sqrt(e) s dW

Domain   mu > 0; SGDA 0 < e < 2 mu/|k|^2; SEG |1 - e k + e^2 k^2| < 1; order 2 mu + (e/2)(mu^2 - w^2) > 0.
Sources  Own derivation; high-resolution equations [Lu2022]. Proof: derivations/stochastic_games.py.
"""

from __future__ import annotations

from theorysim.equations.registry import equation


@equation("stochastic_games.descent_ascent")
def descent_ascent(mu: float, w: float, e: float) -> float:
    """Return e/(2 mu - e (mu^2 + w^2)): the stationary variance of SGDA."""
    return e / (2.0 * mu - e * (mu * mu + w * w))


@equation("stochastic_games.extragradient")
def extragradient(mu: float, w: float, e: float) -> float:
    """Return e^2 (1 + e^2 |k|^2)/(1 - |1 - e k + e^2 k^2|^2): the stationary variance of stochastic extragradient."""
    size = mu * mu + w * w
    # 1 - |1 - e k + e^2 k^2|^2 over e, so that small steps keep their digits
    left = 2.0 * mu - e * (3.0 * mu * mu - w * w) + e * e * size * (2.0 * mu - e * size)
    return e * (1.0 + e * e * size) / left


@equation("stochastic_games.first_order")
def first_order(mu: float, w: float, e: float) -> float:
    """Return e/(2 mu), that of the equation of order 1: it does not see the rotation."""
    return 0.5 * e / mu + 0.0 * w


@equation("stochastic_games.second_order")
def second_order(mu: float, w: float, e: float) -> float:
    """Return e/(2 mu + e (mu^2 - w^2)), that of the equation of order 2: right in w, on the wrong side in mu."""
    return e / (2.0 * mu + e * (mu - w) * (mu + w))


@equation("stochastic_games.critical_step")
def critical_step(mu: float, w: float) -> float:
    """Return 2 mu/(mu^2 + w^2), the step at which SGDA diverges."""
    return 2.0 * mu / (mu * mu + w * w)
