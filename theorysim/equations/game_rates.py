"""Factors per step of methods for differentiable games on min-max xy, step e: F z = J z, J a quarter turn.

    gradient descent-ascent     sqrt(1 + e^2)
    extragradient               sqrt((1 - e^2)^2 + e^2)
    proximal point              1/sqrt(1 + e^2)
    alternating                 1 for e <= 2, beyond (e^2 - 2 + e sqrt(e^2 - 4))/2
    consensus, symplectic       sqrt((1 - e r)^2 + e^2),  r their strength

Domain   e > 0, r >= 0. Optimistic steps: `inequality_rates.optimistic_rotation`.
Sources  [Gidel2019], [Mescheder2017], [Balduzzi2018]. Proof: derivations/game_rates.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("game_rates.gradient_rotation")
def gradient_rotation(e: float) -> float:
    """Return the factor of simultaneous gradient descent-ascent: above 1 for every step."""
    return math.sqrt(1.0 + e * e)


@equation("game_rates.extragradient_rotation")
def extragradient_rotation(e: float) -> float:
    """Return the factor of extragradient steps: below 1 for e < 1."""
    return math.hypot((1.0 - e) * (1.0 + e), e)


@equation("game_rates.proximal_rotation")
def proximal_rotation(e: float) -> float:
    """Return the factor of proximal points."""
    return 1.0 / math.sqrt(1.0 + e * e)


@equation("game_rates.alternating_rotation")
def alternating_rotation(e: float) -> float:
    """Return the factor of alternating gradient descent-ascent: bounded for e < 2."""
    if e <= 2.0:
        return 1.0
    return 0.5 * (e * e - 2.0 + e * math.sqrt((e - 2.0) * (e + 2.0)))


@equation("game_rates.consensus_rotation")
def consensus_rotation(e: float, strength: float) -> float:
    """Return the factor of consensus optimisation and of symplectic gradient adjustment."""
    return math.hypot(1.0 - e * strength, e)
