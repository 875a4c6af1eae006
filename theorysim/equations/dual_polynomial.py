"""Dual maps of phi(x) = x and phi(x) = x^2.

    linear:    T = q12,               Tdot = 1
    quadratic: T = 2 q12^2 + q1 q2,   Tdot = 4 q12

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  fourth Gaussian moments (Isserlis). Proof: derivations/dual_polynomial.py.
"""

from __future__ import annotations

from theorysim.backend.compile import body
from theorysim.equations.registry import equation


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (q, 0)."""
    return q, 0.0


@body
def pair_linear(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of the linear activation."""
    return q12, 1.0


@body
def pair_quadratic(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
    """Return (T, Tdot) of the square."""
    return 2.0 * q12 * q12 + a1 * a2, 4.0 * q12


@equation("dual_polynomial.linear_kernel")
def linear_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = x."""
    return pair_linear(q12, q1, 0.0, q2, 0.0)


@equation("dual_polynomial.quadratic_kernel")
def quadratic_kernel(q1: float, q2: float, q12: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = x^2."""
    return pair_quadratic(q12, q1, 0.0, q2, 0.0)


@equation("dual_polynomial.linear_diagonal")
def linear_diagonal(q: float) -> tuple[float, float]:
    """Return (E u^2, 1) for u ~ N(0, q)."""
    return q, 1.0


@equation("dual_polynomial.quadratic_diagonal")
def quadratic_diagonal(q: float) -> tuple[float, float]:
    """Return (E u^4, 4 E u^2) for u ~ N(0, q)."""
    return 3.0 * q * q, 4.0 * q
