"""Dual maps of phi = sin and phi = cos.

    sin: T = e^{-(q1+q2)/2} sinh(q12),  Tdot = e^{-(q1+q2)/2} cosh(q12);   cos: the two exchanged

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  the characteristic function of a Gaussian. Proof: derivations/dual_sine.py.
"""

from __future__ import annotations

from theorysim.backend.compile import body
from theorysim.backend.mathfun import exp, tanh
from theorysim.equations.registry import equation


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (q/2, 0)."""
    return 0.5 * q, 0.0


@body
def pair_sin(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of sin from q12 and the prepared numbers of both samples.

    sinh = cosh tanh keeps the digits of small q12, one exponent per term keeps large q finite.
    """
    m = a1 + a2
    even = 0.5 * (exp(q12 - m) + exp(-q12 - m))
    return even * tanh(q12), even


@body
def pair_cos(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of cos from q12 and the prepared numbers of both samples."""
    t, tdot = pair_sin(q12, a1, b1, a2, b2)
    return tdot, t


@equation("dual_sine.sin_kernel")
def sin_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi = sin."""
    return pair_sin(q12, 0.5 * q1, 0.0, 0.5 * q2, 0.0)


@equation("dual_sine.cos_kernel")
def cos_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi = cos."""
    return pair_cos(q12, 0.5 * q1, 0.0, 0.5 * q2, 0.0)


@equation("dual_sine.sin_diagonal")
def sin_diagonal(q: float) -> tuple[float, float]:
    """Return (E sin(u)^2, E cos(u)^2) for u ~ N(0, q)."""
    even = 0.5 * (1.0 + exp(-2.0 * q))
    return even * tanh(q), even


@equation("dual_sine.cos_diagonal")
def cos_diagonal(q: float) -> tuple[float, float]:
    """Return (E cos(u)^2, E sin(u)^2) for u ~ N(0, q)."""
    t, tdot = sin_diagonal(q)
    return tdot, t
