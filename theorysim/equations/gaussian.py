"""Observables of a Gaussian output or residual.

Proof: derivations/gaussian.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation

_SQRT_HALF = math.sqrt(0.5)


@equation("gaussian.square_mean")
def square_mean(m: float, s: float) -> float:
    """Return E r^2 = m^2 + s for r ~ N(m, s); summed over entries, E r.r = m.m + tr S."""
    return m * m + s


@equation("gaussian.square_covariance")
def square_covariance(m1: float, m2: float, s12: float) -> float:
    """Return Cov(r1^2, r2^2) = 2 s12^2 + 4 m1 m2 s12 for jointly Gaussian r with means m and covariance s12.

    Summed over all pairs of entries it is Var r.r = 2 tr S^2 + 4 m.S m; for one entry, s12 is its variance.
    """
    return 2.0 * s12 * s12 + 4.0 * m1 * m2 * s12


@equation("gaussian.binary_accuracy")
def binary_accuracy(margin: float, deviation: float) -> float:
    """Return P(f > 0) = Phi(margin/deviation) for f ~ N(margin, deviation^2), to full relative accuracy in the tails.

    Parameters
    ----------
    margin : float
        Mean of the output times the sign of its label.
    deviation : float
        Standard deviation of the output, >= 0. At 0 the answer is 1, 0, or 1/2 for a zero margin.
    """
    if deviation > 0.0:
        return 0.5 * math.erfc(-_SQRT_HALF * margin / deviation)
    return 0.5 * ((1.0 if margin > 0.0 else 0.0) + (1.0 if margin >= 0.0 else 0.0))
