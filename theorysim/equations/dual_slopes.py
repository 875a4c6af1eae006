"""Slopes of the dual map T of a x (x < 0), b x (x > 0): relu, leaky relu, abs; f = (a - b)^2/(2 pi).

Domain   q1, q2 > 0, |q12| < sqrt(q1 q2): they diverge for parallel inputs, as 1/sin(angle) and its cube.
Proof    derivations/dual_slopes.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("dual_slopes.abrelu_first")
def abrelu_first(q1: float, q2: float, q12: float, f: float) -> tuple[float, float]:
    """Return (dT/dq1, dT/dq2) of a x (x < 0), b x (x > 0), dT/dq12 is Tdot."""
    root = math.sqrt(q1 * q2 - q12 * q12)
    return 0.5 * f * root / q1, 0.5 * f * root / q2


@equation("dual_slopes.abrelu_second")
def abrelu_second(q1: float, q2: float, q12: float, f: float) -> tuple[float, float, float, float, float, float]:
    """Return the second derivatives 11, 22, 1-2, 1-12, 2-12, 12-12 of T; the last three are those of Tdot."""
    determinant = q1 * q2 - q12 * q12
    root = math.sqrt(determinant)
    one = -0.5 * f * q12 / root
    half = 0.5 * f * (q12 * q12 - 0.5 * q1 * q2) / root
    return half / (q1 * q1), half / (q2 * q2), 0.25 * f / root, one / q1, one / q2, f / root


@equation("dual_slopes.abrelu_third")
def abrelu_third(q1: float, q2: float, q12: float, f: float) -> tuple[float, float, float, float, float, float]:
    """Return the second derivatives 11, 22, 1-2, 1-12, 2-12, 12-12 of Tdot."""
    determinant = q1 * q2 - q12 * q12
    cube = f / (determinant * math.sqrt(determinant))
    square = 0.25 * cube * q12 * (3.0 * q1 * q2 - 2.0 * q12 * q12)
    return (square / (q1 * q1), square / (q2 * q2), 0.25 * cube * q12,
            -0.5 * cube * q2, -0.5 * cube * q1, cube * q12)  # fmt: skip
