"""How fast signals and gradients settle with depth.

Sources  [Schoenholz2017] for correlation lengths; [Roberts2022] for the criticality of relu. Proof:
         derivations/criticality.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("criticality.correlation_length")
def correlation_length(chi: float) -> float:
    """Return 1/|ln chi|, the layers in which what is multiplied by chi > 0 a layer changes e-fold."""
    return 1.0 / abs(math.log(chi))


@equation("criticality.abrelu_weight_variance")
def abrelu_weight_variance(a: float, b: float) -> float:
    """Return 2/(a^2 + b^2), the critical weight variance of phi = a x for x < 0, b x for x > 0."""
    return 2.0 / (a * a + b * b)
