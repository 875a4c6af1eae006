"""Dual maps of e^{-r x^2} and of e^{-x^2} sin(x)."""

from __future__ import annotations

from functools import cache

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import mean_of, q1, q2, q12, tilt, u, v

q, r = sp.symbols("q r", positive=True)
x = sp.Symbol("x", real=True)
EQUAL = {q1: q, q2: q, q12: q}
CLOSE = ((1e4, 1e4, 1e4), (1e6, 1e6, 999999.0), (1e6, 1e2, -1e4))
"""Pairs for which 1 + 2 q1 + 2 q2 + 4 (q1 q2 - q12^2) cancels most."""


def _gaussian(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    weight, _ = tilt(proof, 2)
    at_rate = {q1: r * q1, q2: r * q2, q12: r * q12}
    t = weight.subs(at_rate, simultaneous=True)
    proof.equal("phi'", sp.Derivative(sp.exp(-r * x**2), x), -2 * r * x * sp.exp(-r * x**2))
    proof.note("T: the weight at the variances r q", sp.Eq(mean_of(sp.exp(-r * (u**2 + v**2))), t, evaluate=False))
    tdot = 4 * r**2 * q12 * t**3
    proof.equal("Price's theorem: dT/dq12 = Tdot", sp.Derivative(t, q12), tdot)
    return t, tdot


def gaussian_kernel() -> Claim:
    """T = D^{-1/2}, Tdot = 4 r^2 q12 D^{-3/2}, D = (1 + 2 r q1)(1 + 2 r q2) - 4 r^2 q12^2."""
    proof = Proof()
    domain = Domain(
        (*PAIRS.ranges, Range(0.1, 3.0)),
        lambda y, z, c, rate: (*covariance(y, z, c), rate),
        tuple((*place, 1.0) for place in (*PAIRS.edges, *CLOSE)),
    )
    return proof.claim((q1, q2, q12, r), _gaussian(proof), domain)


def gaussian_diagonal() -> Claim:
    """E e^{-2 r u^2} = (1 + 4 r q)^{-1/2}, E phi'(u)^2 = 4 r^2 q (1 + 4 r q)^{-3/2} for u ~ N(0, q)."""
    proof = Proof()
    t, tdot = (e.subs(EQUAL) for e in _gaussian(proof))
    own = 1 / sp.sqrt(1 + 4 * r * q)
    proof.equal("D at q1 = q2 = q12", sp.expand(t**-2), sp.expand(own**-2))
    proof.equal("Tdot", tdot / t**3, 4 * r**2 * q)
    domain = Domain((*VARIANCES.ranges, Range(0.1, 3.0)), edges=((0.0, 1.0), (1e4, 0.5)))
    return proof.claim((q, r), (own, 4 * r**2 * q * own**3), domain)


@cache
def _gabor() -> tuple[Proof, sp.Expr, sp.Expr]:
    """Prove and return T and Tdot of gabor."""
    proof = Proof()
    weight, s = tilt(proof, 2)
    d = (1 + 2 * q1) * (1 + 2 * q2) - 4 * q12**2
    s12, m = q12 / d, (q1 + q2 + 4 * (q1 * q2 - q12**2)) / d
    proof.equal("S12", s[0, 1], s12)
    proof.equal("S11 + S22", s[0, 0] + s[1, 1], m)
    odd, even = (f(s12) * sp.exp(-m / 2) for f in (sp.sinh, sp.cosh))
    proof.note("under S, E sin u sin v = e^{-M/2} sinh(S12) (derivation of sin), so T = D^{-1/2} times it")
    slope = sp.exp(-(x**2)) * (sp.cos(x) - 2 * x * sp.sin(x))
    proof.equal("phi'", sp.Derivative(sp.exp(-(x**2)) * sp.sin(x), x), slope)
    t = weight * odd
    own_even, own_odd = (1 + 2 * q1) * (1 + 2 * q2) / d**2 + 4 * s12**2, 4 * s12 * (2 - m)
    proof.note("dT/dq12 over D^{-1/2} e^{-M/2}: the factors of cosh(S12) and of sinh(S12); Price: this is Tdot")
    factors = (
        ("cosh", sp.diff(s12, q12), own_even),
        ("sinh", -sp.diff(d, q12) / (2 * d) - sp.diff(m, q12) / 2, own_odd),
    )
    for name, found, written in factors:
        proof.equal(f"the factor of {name}", sp.cancel(found - written), 0, sp.Symbol(name))
    tdot = weight * (even * own_even + odd * own_odd)
    return proof, t, tdot


def gabor_kernel() -> Claim:
    """T = D^{-1/2} e^{-M/2} sinh(q12/D), D = (1+2q1)(1+2q2) - 4 q12^2, M = (q1+q2+4 q1 q2-4 q12^2)/D; Tdot by Price."""
    proof = Proof()
    lemma, t, tdot = _gabor()
    proof.include(lemma)
    domain = Domain(PAIRS.ranges, covariance, (*PAIRS.edges, *CLOSE))
    return proof.claim((q1, q2, q12), (t, tdot), domain)


def gabor_diagonal() -> Claim:
    """E phi(u)^2 and E phi'(u)^2 for u ~ N(0, q): the kernel at q1 = q2 = q12 = q, where D = 1 + 4q, S12 = M/2."""
    proof = Proof()
    proof.include(_gabor()[0])
    d = 1 + 4 * q
    s = q / d
    determinant = (1 + 2 * q1) * (1 + 2 * q2) - 4 * q12**2
    proof.equal("D", determinant.subs(EQUAL), d)
    proof.equal("S12", (q12 / determinant).subs(EQUAL), s)
    proof.equal("M", ((q1 + q2 + 4 * q1 * q2 - 4 * q12**2) / determinant).subs(EQUAL), 2 * s)
    at = sp.Symbol("s", positive=True)
    for sign, wave in ((1, sp.cosh(at)), (-1, sp.sinh(at))):
        proof.equal("e^{-M/2} with S12 = M/2", sp.exp(-at) * wave, (1 + sign * sp.exp(-2 * at)) / 2)
    even, odd = ((1 + sign * sp.exp(-2 * s)) / (2 * sp.sqrt(d)) for sign in (1, -1))
    own_tdot = even * (((1 + 2 * q) / d) ** 2 + 4 * s**2) + 8 * s * (1 - s) * odd
    proof.note("T", odd)
    proof.note("Tdot: 4 S12 (2 - M) = 8 s (1 - s)", own_tdot)
    return proof.claim((q,), (odd, own_tdot), VARIANCES)
