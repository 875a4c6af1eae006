"""Dual maps of polynomials: x, x^2, x^p and the normalised Hermite polynomials He_k/sqrt(k!).

    linear:    T = q12,               Tdot = 1
    quadratic: T = 2 q12^2 + q1 q2,   Tdot = 4 q12
    monomial:  T = p! P_p(q1 q2, q12),              Tdot = p p! P_{p-1}(q1 q2, q12)
    hermite:   T = P_k((q1 - 1)(q2 - 1), q12),      Tdot = k P_{k-1}((q1 - 1)(q2 - 1), q12)
    P_n(s, t) = sum_i n!/((n - 2i)! i!^2 4^i) s^i t^{n-2i},
    (n + 1) P_{n+1} = (2n + 1) t P_n + n (s - t^2) P_{n-1}

At unit variance the Hermite polynomials give T = c^k, elsewhere lower powers of q12 as well.

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2).
Sources  Gaussian moments (Isserlis); Legendre's recursion. Proof: derivations/dual_polynomial.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.compile import body
from theorysim.equations.registry import equation

Body = Callable[..., Any]


@body
def prepare(q: float) -> tuple[float, float]:
    """Return (q, 0)."""
    return q, 0.0


@body
def prepare_excess(q: float) -> tuple[float, float]:
    """Return (q - 1, 0)."""
    return q - 1.0, 0.0


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


@equation("dual_polynomial.legendre")
def legendre(s: float, t: float, n: int) -> tuple[float, float]:
    """Return (P_n, P_{n-1}) at (s, t), n >= 1, by Legendre's recursion: no digit is lost for 0 <= t^2 <= s."""
    before, now = 0.0, 1.0
    rest = s - t * t
    for k in range(n):
        before, now = now, (2.0 * k + 1.0) / (k + 1.0) * t * now + k / (k + 1.0) * rest * before
    return now, before


@equation("dual_polynomial.monomial_kernel")
def monomial_kernel(q1: float, q2: float, q12: float, p: int) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi(x) = x^p."""
    factorial = 1.0
    for k in range(p):
        factorial *= k + 1.0
    t, below = legendre(q1 * q2, q12, p)
    return factorial * t, p * factorial * below


@equation("dual_polynomial.hermite_kernel")
def hermite_kernel(q1: float, q2: float, q12: float, k: int) -> tuple[float, float]:
    """Return (T, Tdot) of one pair for phi = He_k/sqrt(k!)."""
    t, below = legendre((q1 - 1.0) * (q2 - 1.0), q12, k)
    return t, k * below


@cache
def monomial(p: int) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of x^p."""
    factorial = float(math.factorial(p))

    @body
    def pair_monomial(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        t, below = legendre(a1 * a2, q12, p)
        return factorial * t, p * factorial * below

    @body
    def diagonal_monomial(q: float) -> tuple[float, float]:
        return monomial_kernel(q, q, q, p)

    return prepare, pair_monomial, diagonal_monomial


@cache
def hermite(k: int) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of He_k/sqrt(k!)."""

    @body
    def pair_hermite(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        t, below = legendre(a1 * a2, q12, k)
        return t, k * below

    @body
    def diagonal_hermite(q: float) -> tuple[float, float]:
        return hermite_kernel(q, q, q, k)

    return prepare_excess, pair_hermite, diagonal_hermite
