"""Dual maps of x, x^2, x^p and Hermite polynomials."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import sympy as sp
from sympy.utilities.lambdify import implemented_function

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import mean_of, moment, q1, q2, q12, u, v

q = sp.Symbol("q", positive=True)
y, z = sp.symbols("y z", real=True)
U = sp.sqrt(q1) * y
V = q12 / sp.sqrt(q1) * y + sp.sqrt(q2 - q12**2 / q1) * z


def linear_kernel() -> Claim:
    """T = q12, Tdot = 1 for phi(x) = x."""
    proof = Proof()
    proof.equal("E u v", moment(U * V, y, z), q12, mean_of(u * v))
    return proof.claim((q1, q2, q12), (q12, sp.Integer(1)), PAIRS)


def quadratic_kernel() -> Claim:
    """T = 2 q12^2 + q1 q2, Tdot = 4 q12 for phi(x) = x^2 (Isserlis)."""
    proof = Proof()
    t = 2 * q12**2 + q1 * q2
    proof.equal("E u^2 v^2", moment(U**2 * V**2, y, z), t, mean_of(u**2 * v**2))
    proof.equal("E 2u 2v", moment(4 * U * V, y, z), 4 * q12, mean_of(4 * u * v))
    proof.equal("Price's theorem", sp.Derivative(t, q12), 4 * q12)
    return proof.claim((q1, q2, q12), (t, 4 * q12), PAIRS)


def linear_diagonal() -> Claim:
    """E u^2 = q for u ~ N(0, q); the slope is 1."""
    proof = Proof()
    proof.equal("E u^2", moment(q * y**2, y), q, mean_of(u**2))
    return proof.claim((q,), (q, sp.Integer(1)), VARIANCES)


def quadratic_diagonal() -> Claim:
    """E u^4 = 3 q^2, E (2u)^2 = 4 q for u ~ N(0, q)."""
    proof = Proof()
    proof.equal("E u^4", moment(q**2 * y**4, y), 3 * q**2, mean_of(u**4))
    proof.equal("E 4 u^2", moment(4 * q * y**2, y), 4 * q, mean_of(4 * u**2))
    return proof.claim((q,), (3 * q**2, 4 * q), VARIANCES)


HIGHEST = 20
s, t = sp.symbols("s t", real=True)
n = sp.Symbol("n", integer=True, positive=True)


def _legendre(degree: int, first: sp.Expr, second: sp.Expr) -> sp.Expr:
    """Return P_n as the finite sum over i."""
    terms = (
        sp.factorial(degree)
        / (sp.factorial(degree - 2 * i) * sp.factorial(i) ** 2 * 4**i)
        * first**i
        * second ** (degree - 2 * i)
        for i in range(degree // 2 + 1)
    )
    return sp.Add(*terms)


def _numeric(degree: Any, first: Any, second: Any) -> Any:
    return mpmath.fsum(
        mpmath.factorial(degree)
        / (mpmath.factorial(degree - 2 * i) * mpmath.factorial(i) ** 2 * 4**i)
        * mpmath.mpf(first) ** i
        * mpmath.mpf(second) ** (degree - 2 * i)
        for i in range(int(degree) // 2 + 1)
    )


P = implemented_function("P", _numeric)
"""P_n(s, t), summed term by term in mpmath."""


@cache
def _lemma() -> Proof:
    """Prove that n! P_n(q1 q2, q12) = E u^n v^n and P_n((q1-1)(q2-1), q12) = E He_n(u) He_n(v)/n!, n <= 20."""
    proof = Proof()
    x, y, a, b = sp.symbols("x y a b")
    proof.note("E e^{x u + y v} = e^{(x^2 q1 + y^2 q2)/2 + x y q12}; the coefficient of x^n y^n/n!^2 is E u^n v^n")
    proof.note("e^{x u - x^2/2} generates He_n(u) x^n/n!: the same exponent with q1 - 1, q2 - 1")
    proof.note("with a, b for q1, q2 or q1 - 1, q2 - 1; the coefficient of x^n y^n, times n!:")
    for degree in range(HIGHEST + 1):
        powers = (
            (a / 2) ** i / sp.factorial(i) * (b / 2) ** i / sp.factorial(i) * q12**k / sp.factorial(k)
            for i in range(degree // 2 + 1)
            for k in (degree - 2 * i,)
        )
        left = sp.factorial(degree) * sp.Add(*powers)
        proof.equal(f"degree {degree}", left - _legendre(degree, a * b, q12), 0, sp.Symbol(f"P_{degree}"))
    exponent = sp.exp(x**2 * a / 2) * sp.exp(y**2 * b / 2) * sp.exp(x * y * q12)
    direct = sp.diff(exponent, x, 3, y, 3).subs({x: 0, y: 0})
    proof.equal("directly, degree 3", direct, sp.factorial(3) ** 2 * _legendre(3, a * b, q12) / sp.factorial(3))
    for degree in range(1, HIGHEST):
        following = (2 * degree + 1) * t * _legendre(degree, s, t) + degree * (s - t**2) * _legendre(degree - 1, s, t)
        difference = sp.expand((degree + 1) * _legendre(degree + 1, s, t) - following)
        proof.equal(f"recursion, n = {degree}", difference, 0, sp.Symbol(f"P_{degree + 1}"))
        proof.equal(
            f"Price's theorem: dP_{degree}/dt",
            sp.expand(sp.diff(_legendre(degree, s, t), t) - degree * _legendre(degree - 1, s, t)),
            0,
            sp.Symbol(f"dP_{degree}"),
        )
    return proof


def legendre() -> Claim:
    """P_n(s, t) = sum_i n!/((n-2i)! i!^2 4^i) s^i t^(n-2i); (n+1) P_{n+1} = (2n+1) t P_n + n (s - t^2) P_{n-1}."""
    proof = Proof()
    proof.include(_lemma())
    domain = Domain((Range(-3, 3), Range(-3, 3), Range(1, HIGHEST, whole=True)), edges=((0.0, 1.0, 5), (1.0, 1.0, 20)))
    size = P(n, sp.Abs(s), sp.Abs(t)) + P(n - 1, sp.Abs(s), sp.Abs(t))
    return proof.claim((s, t, n), (P(n, s, t), P(n - 1, s, t)), domain, scale=size)


def _degrees(highest: int) -> Domain:
    return Domain(
        (*PAIRS.ranges, Range(1, highest, whole=True)),
        lambda a, b, cosine, degree: (*covariance(a, b, cosine), degree),
        tuple((*place, degree) for place in PAIRS.edges for degree in (1, 3, 6)),
    )


def monomial_kernel() -> Claim:
    """T = n! P_n(q1 q2, q12), Tdot = n n! P_{n-1}(q1 q2, q12) for phi(x) = x^n, by the finite sum over pairings."""
    proof = Proof()
    proof.include(_lemma())
    for degree in (2, 3):
        direct = moment(U**degree * V**degree, y, z)
        proof.equal(f"directly, n = {degree}", direct, sp.factorial(degree) * _legendre(degree, q1 * q2, q12))
    top = sp.factorial(n)
    formula = (top * P(n, q1 * q2, q12), n * top * P(n - 1, q1 * q2, q12))
    size = top * (P(n, q1 * q2, sp.Abs(q12)) + n * P(n - 1, q1 * q2, sp.Abs(q12)))
    return proof.claim((q1, q2, q12, n), formula, _degrees(10), scale=size)


def hermite_kernel() -> Claim:
    """T = P_n((q1-1)(q2-1), q12), Tdot = n P_{n-1}((q1-1)(q2-1), q12) for He_n/sqrt(n!); c^n at unit variance."""
    proof = Proof()
    proof.include(_lemma())
    proof.equal("at unit variance", _legendre(7, 0, q12), q12**7)
    excess = (q1 - 1) * (q2 - 1)
    size = P(n, sp.Abs(excess), sp.Abs(q12)) + n * P(n - 1, sp.Abs(excess), sp.Abs(q12))
    formula = (P(n, excess, q12), n * P(n - 1, excess, q12))
    return proof.claim((q1, q2, q12, n), formula, _degrees(10), scale=size)
