"""Local steps of federated averaging on quadratics: how far a client pulls in a round.

    x <- x - g h (x - c), E times:  x - c shrinks by (1 - g h)^E, so the client moves by pull (c - x)

Domain   0 <= g h < 2, E >= 0.
Sources  Own derivation. Proof: derivations/federated.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("federated.pull")
def pull(x: float, steps: int) -> float:
    """Return 1 - (1 - x)^E, x = g h: E x for small x, without cancellation."""
    if x == 1.0:
        return 1.0 if steps > 0 else 0.0
    if x < 1.0:
        return -math.expm1(steps * math.log1p(-x))
    size = math.exp(steps * math.log(x - 1.0))
    return 1.0 - (size if steps % 2 == 0 else -size)
