"""Closed forms of population games: rock-paper-scissors, matching pennies, coordination.

Rock-paper-scissors pays `win` and costs `lose`: A = ((0, -lose, win), (win, 0, -lose), (-lose, win, 0)).

    replicator at the centre      eigenvalues (lose - win)/6 +- i (win + lose)/(2 sqrt 3)
    x+ = softmax(beta A x)        multipliers of modulus beta times that of these: beta/sqrt 3 for 1 and 1
    period of win = lose = 1      2 pi/agm(sqrt(c (d - b)), sqrt(b (d - c))),  b < c < d roots of x (1 - x)^2 = 4 x1x2x3
    matching pennies, payoffs s   (2 pi/s)/agm(1, 4 sqrt(x (1 - x) y (1 - y))): period of two replicators
    coordination, m = x1 - x2     slope of m+ = tanh(g m/2): (g/2)(1 - tanh^2), 1 at g = 2, m = 0: a pitchfork

Domain   win, lose, beta, s > 0; 0 < x1x2x3 <= 1/27; 0 < x (1 - x) y (1 - y) <= 1/16.
Sources  [Hofbauer1998] for the stability of rock-paper-scissors. Proof: derivations/populations.py.
"""

from __future__ import annotations

import math

from theorysim.backend.compile import body
from theorysim.equations.registry import equation

_TURN = 6.283185307179586


@body
def _mean(a: float, b: float) -> float:
    """Return the arithmetic-geometric mean; quadratic convergence, from ratios of 1e-300 on."""
    for _ in range(16):
        a, b = 0.5 * (a + b), math.sqrt(a * b)
    return a


@equation("populations.rps_eigenvalue")
def rps_eigenvalue(win: float, lose: float) -> tuple[float, float]:
    """Return the real part and the modulus of the imaginary part of the replicator's eigenvalues at the centre."""
    return (lose - win) / 6.0, (win + lose) / (2.0 * math.sqrt(3.0))


@equation("populations.rps_logit_multiplier")
def rps_logit_multiplier(beta: float, win: float, lose: float) -> float:
    """Return the factor per round of discrete logit at the centre."""
    return beta * math.hypot((lose - win) / 6.0, (win + lose) / (2.0 * math.sqrt(3.0)))


@equation("populations.rps_period")
def rps_period(product: float) -> float:
    """Return the period of the replicator of rock-paper-scissors at a given x1 x2 x3; 2 pi sqrt 3 at 1/27."""
    share = 27.0 * product
    s = 2.0 / 3.0 * math.asin(math.sqrt(share if share < 1.0 else 1.0))  # pi/3 less the angle of the cubic
    d = 2.0 / 3.0 * (1.0 + math.cos(_TURN / 6.0 - s))
    c = 2.0 / 3.0 * (1.0 + math.cos(_TURN / 6.0 + s))
    b = 4.0 * product / (c * d)
    return _TURN / _mean(math.sqrt(c * (d - b)), math.sqrt(b * 2.0 / math.sqrt(3.0) * math.sin(s)))


@equation("populations.pennies_period")
def pennies_period(scale: float, product: float) -> float:
    """Return the period of two replicators in matching pennies at a given x (1 - x) y (1 - y)."""
    return _TURN / (scale * _mean(1.0, 4.0 * math.sqrt(product)))


@equation("populations.coordination_slope")
def coordination_slope(gain: float, m: float) -> float:
    """Return d/dm tanh(gain m/2): beyond 1 the state m of equal payoffs and shares gives way to two others."""
    return 0.5 * gain / math.cosh(0.5 * gain * m) ** 2
