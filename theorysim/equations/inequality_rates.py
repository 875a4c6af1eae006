"""Contraction factors of methods for variational inequalities, F L-Lipschitz and m-strongly monotone, step a.

    forward-backward        sqrt(1 - 2 a m + a^2 L^2),  a < 2 m/L^2; best at a = m/L^2: sqrt(1 - m^2/L^2)
    extragradient, Tseng    sqrt(1 - c d/(c + d)),  c = 1 - a^2 L^2, d = 2 a m,  a < 1/L
    reflected resolvent     sqrt((1 - 2 a m + a^2 L^2)/(1 + 2 a m + a^2 L^2)), F linear: Peaceman-Rachford
    optimistic, rotation    the spectral radius of z+ = z - 2 e J z + e J z-, J a quarter turn

Domain   0 < m <= L, a > 0; e > 0.
Sources  [Winston2020] for forward-backward; [Tseng2000]. Proof: derivations/inequality_rates.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("inequality_rates.forward_backward")
def forward_backward(a: float, m: float, lipschitz: float) -> float:
    """Return sqrt(1 - 2 a m + a^2 L^2), the factor by which z - a F z contracts distances."""
    rest = a * lipschitz - m / lipschitz
    return math.sqrt((1.0 - m / lipschitz) * (1.0 + m / lipschitz) + rest * rest)


@equation("inequality_rates.extragradient")
def extragradient(a: float, m: float, lipschitz: float) -> float:
    """Return sqrt(1 - c d/(c + d)), c = 1 - a^2 L^2 > 0, d = 2 a m: factor of the distance to the solution."""
    c, d = (1.0 - a * lipschitz) * (1.0 + a * lipschitz), 2.0 * a * m
    return math.sqrt(1.0 - c * d / (c + d))


@equation("inequality_rates.reflected_resolvent")
def reflected_resolvent(a: float, m: float, lipschitz: float) -> float:
    """Return sqrt((1 - 2 a m + a^2 L^2)/(1 + 2 a m + a^2 L^2)), the factor of 2 (1 + a F)^{-1} - 1 for linear F."""
    square = 1.0 + (a * lipschitz) ** 2
    return math.sqrt((square - 2.0 * a * m) / (square + 2.0 * a * m))


@equation("inequality_rates.optimistic_rotation")
def optimistic_rotation(e: float) -> float:
    """Return the factor per step of the optimistic method on min-max xy: below 1 for e < 1/sqrt 3."""
    if e <= 0.5:
        return math.sqrt(0.5 * (1.0 + math.sqrt((1.0 - 2.0 * e) * (1.0 + 2.0 * e))))
    return 0.5 * math.hypot(1.0, 2.0 * e + math.sqrt((2.0 * e - 1.0) * (2.0 * e + 1.0)))


@equation("inequality_rates.halpern_rotation")
def halpern_rotation(k: int, angle: float) -> float:
    """Return 2 |sin((k + 1) angle/2)|/(k + 1): the residual of Halpern steps on a rotation, over |x_0|."""
    return 2.0 * abs(math.sin(0.5 * (k + 1) * angle)) / (k + 1)
