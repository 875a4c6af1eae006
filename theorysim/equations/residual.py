"""Residual networks with branches of size 1/sqrt(L): what L blocks do to variances, and what responses add to learning.

Domain   rates from 0 to about 10, any number of blocks.
Sources  [Bordelon2024] for the scaling. Proof: derivations/residual.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("residual.growth")
def growth(rate: float, blocks: float) -> tuple[float, float]:
    """Return (1 + rate/L)^L and its limit e^rate: variance of a homogeneous network after L blocks, over that before.

    rate = (branch_scale weight_std)^2 T(1), T(1) = E phi(u)^2 at variance 1: 1/2 for relu, 1 for linear networks.
    """
    return math.exp(blocks * math.log1p(rate / blocks)), math.exp(rate)


@equation("residual.first_step")
def first_step(rate: float, blocks: float) -> tuple[float, float]:
    """Return df/(eta kappa (y - f)) in the first step of a linear network on one input with K0 = 1, weight_std 1.

    With responses, which is the tangent kernel, and without; rate = branch_scale^2. Their ratio tends to
    (2 + rate)/2: responses do not vanish with depth.
    """
    grown = math.exp(blocks * math.log1p(rate / blocks))
    return grown * (2.0 + rate / (1.0 + rate / blocks)), 2.0 * grown
