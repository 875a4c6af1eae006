"""Dual maps of rectified monomials: the arc-cosine kernels of any degree."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath
import sympy as sp
from sympy.utilities.lambdify import implemented_function

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import q1, q2, q12

c = sp.Symbol("c", real=True)
s = sp.Symbol("s", positive=True)  # sin(theta), s^2 = 1 - c^2
q = sp.Symbol("q", positive=True)
p = sp.Symbol("p", integer=True, positive=True)
PI = sp.pi
HIGHEST = 20


def _parts(n: int) -> tuple[sp.Expr, sp.Expr]:
    """Return the polynomials (A, B) in c of J_n = A sin(theta) + (pi - theta) B, n >= 0, by the recursion."""
    before, now = (sp.Integer(0), sp.Integer(1)), (sp.Integer(1), c)
    for k in range(n):
        before, now = (
            now,
            tuple(  # type: ignore[assignment]
                sp.expand((2 * k + 3) * c * new + (k + 1) ** 2 * (1 - c**2) * old)
                for new, old in zip(now, before, strict=True)
            ),
        )
    return before


@cache
def _lemma() -> Proof:
    """Prove the recursion for all degrees up to the highest: J_p is the solution of J_p' = p^2 J_{p-1}, J_p(-1) = 0."""
    proof = Proof()
    proof.note(
        "unit variances, M_p(c) = E u_+^p v_+^p; P(u > 0, v > 0) = (pi - theta)/(2 pi): two lines at angle theta"
    )
    proof.note("Price's theorem: dM_p/dc = p^2 M_{p-1}; and M_p(-1) = 0, since u v < 0 there. With J_p = 2 pi M_p:")
    proof.note("dJ_p/dc = p^2 J_{p-1}, J_p(-1) = 0, J_0 = pi - theta")
    proof.note("J_p = A_p sin(theta) + (pi - theta) B_p, d sin(theta)/dc = -c/sin(theta), d theta/dc = -1/sin(theta)")
    for n in range(1, HIGHEST + 1):
        (a, b), (a_below, b_below) = _parts(n), _parts(n - 1)
        proof.equal(f"degree {n}, factor of pi - theta", sp.diff(b, c) - n**2 * b_below, 0, sp.Symbol(f"B_{n}"))
        sine = sp.diff(a, c) * (1 - c**2) - a * c + b - n**2 * a_below * (1 - c**2)
        proof.equal(f"degree {n}, the rest times sin(theta)", sine, 0, sp.Symbol(f"A_{n}"))
    proof.note("at c = -1 both sin(theta) and pi - theta vanish")
    return proof


def _angular(degree: Any, at: Any) -> Any:
    """Return J_degree at a correlation, in mpmath, from the polynomials that the lemma proves."""
    a, b = (sp.Poly(part, c).all_coeffs() for part in _parts(int(degree)))
    at = mpmath.mpf(at)
    values = [mpmath.polyval([int(k) for k in part], at) for part in (a, b)]
    return values[0] * mpmath.sqrt((1 - at) * (1 + at)) + mpmath.acos(-at) * values[1]


J = implemented_function("J", _angular)


def angular() -> Claim:
    """J_0 = pi - theta, J_1 = sin(theta) + (pi - theta) c, J_{n+1} = (2n+1) c J_n + n^2 (1 - c^2) J_{n-1}.

    Source: Cho & Saul (2009) for J_0, J_1, J_2; the recursion is proved here for all degrees up to 20.
    """
    proof = Proof()
    proof.include(_lemma())
    a, b = _parts(2)
    proof.equal("J_2: A", a, 3 * c)
    proof.equal("J_2: B", b, 1 + 2 * c**2)
    domain = Domain(
        (Range(-0.999, 1.0), Range(1, HIGHEST, whole=True)),
        edges=((1.0, 1), (1.0, 7), (-1.0, 1), (-1.0, 2), (0.0, 3), (1 - 1e-12, 2), (-1 + 1e-9, 3)),
    )
    size = sp.factorial2(2 * p - 1) * PI  # J_p at c = 1
    return proof.claim((c, p), (J(p, c), J(p - 1, c)), domain, scale=size, guard=20)


def kernel() -> Claim:
    """T = (q1 q2)^{p/2} J_p/(2 pi), Tdot = p^2 (q1 q2)^{(p-1)/2} J_{p-1}/(2 pi) for x^p, x > 0."""
    proof = Proof()
    proof.include(_lemma())
    proof.note("phi(sqrt(q) z) = q^{p/2} phi(z), phi' = p x^{p-1}: the maps at any variance")
    at, root = q12 / sp.sqrt(q1 * q2), sp.sqrt(q1 * q2)
    formula = (root**p * J(p, at) / (2 * PI), p**2 * root ** (p - 1) * J(p - 1, at) / (2 * PI))
    domain = Domain(
        (*PAIRS.ranges, Range(2, 8, whole=True)),
        lambda x, y, cosine, degree: (*covariance(x, y, cosine), degree),
        tuple((*place, degree) for place in PAIRS.edges if place[0] > 0 for degree in (2, 3)),
    )
    size = sp.factorial2(2 * p - 1) * root ** (p - 1) * (p + root)
    return proof.claim((q1, q2, q12, p), formula, domain, scale=size, guard=20)


def diagonal() -> Claim:
    """E phi(u)^2 = (2p-1)!! q^p/2, E phi'(u)^2 = p^2 (2p-3)!! q^{p-1}/2 for u ~ N(0, q)."""
    proof = Proof()
    x = sp.Symbol("x", positive=True)
    for n in range(1, HIGHEST + 1):
        half = sp.integrate(x ** (2 * n) * sp.exp(-(x**2) / 2), (x, 0, sp.oo)) / sp.sqrt(2 * PI)
        proof.equal(f"half the moment {2 * n}", half, sp.factorial2(2 * n - 1) / 2, sp.Symbol(f"M_{n}"))
        b = _parts(n)[1].subs(c, 1) * PI
        proof.equal(f"as J_{n} at theta = 0", b / (2 * PI), sp.factorial2(2 * n - 1) / 2, sp.Symbol(f"J_{n}(1)"))
    own = sp.factorial2(2 * p - 1) * q**p / 2
    below = p**2 * sp.factorial2(2 * p - 3) * q ** (p - 1) / 2
    domain = Domain((*VARIANCES.ranges, Range(1, 8, whole=True)), edges=((0.0, 2), (1e-12, 3), (1e4, 3), (2.0, 1)))
    return proof.claim((q, p), (own, below), domain)
