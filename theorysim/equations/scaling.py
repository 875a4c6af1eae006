"""Exponents of width in an abc parameterization: how fast features move.

    W^l = n^-a_l w^l,  w^l ~ N(0, n^-2b_l),  learning rate eta n^-c;   features move by n^-r in a step

Domain   any real exponents with a_1 + b_1 = 0 and a_l + b_l = 1/2 in the other hidden layers.
Sources  [Yang2021]. Proof: derivations/scaling.py.
"""

from __future__ import annotations

from theorysim.backend.order import smaller
from theorysim.equations.registry import equation


@equation("scaling.feature_exponent")
def feature_exponent(a: float, b: float, c: float, slowest: float) -> float:
    """Return r; a, b of the readout, `slowest` the least of 2 a_l (2 a_1 + 1 in the input layer) over hidden layers."""
    return smaller(a + b, 2.0 * a + c) + c - 1.0 + slowest
