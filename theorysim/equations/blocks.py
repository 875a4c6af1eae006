"""Kernels behind one layer of a network of blocks, and the normalisation of features.

    K' = w T + c,   Theta' = w Tdot Theta + r T + b;   without an activation T = K, Tdot = 1
    1/sqrt(q + epsilon): the factor of a position under `layer_norm`

Domain   any real numbers; q, epsilon >= 0. A position without features (q = epsilon = 0) stays 0: its factor is 0.
Sources  [Novak2019], [Arora2019] (convolutions, pools, flattening), [Hron2020] (attention).
         Proof: derivations/blocks.py, with those of pools, sums, dropout and attention, which are sums of entries.
"""

from __future__ import annotations

import math

from theorysim.backend.bits import fma
from theorysim.equations.registry import equation


@equation("blocks.layer")
def layer(
    t: float, tdot: float, theta: float, weight: float, constant: float, rate: float, bias: float
) -> tuple[float, float]:
    """Return (K', Theta') of the layer that follows; `weight` = sw^2, `constant` = sb^2, rates alpha, alpha'."""
    return fma(weight, t, constant), fma(weight * tdot, theta, fma(rate, t, bias))


@equation("blocks.inverse_norm")
def inverse_norm(q: float, epsilon: float) -> float:
    """Return 1/sqrt(q + epsilon), 0 where both vanish."""
    square = q + epsilon
    return 1.0 / math.sqrt(square) if square > 1e-300 else 0.0
