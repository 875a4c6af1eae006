"""Dual maps of a e^{b x}."""

from __future__ import annotations

import sympy as sp

from .claim import PAIRS, Claim, Domain, Proof, Range, covariance
from .gaussian import mean_of, q1, q2, q12, u, v

a = sp.Symbol("a", real=True)
b, q = sp.symbols("b q", positive=True)
x = sp.Symbol("x", real=True)


def _derive(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    w = sp.Symbol("w", real=True)
    mean = sp.Integral(sp.exp(w * x - x**2 / 2) / sp.sqrt(2 * sp.pi), (x, -sp.oo, sp.oo))
    proof.equal("E e^{w x} = e^{w^2/2} for x ~ N(0, 1)", mean, sp.exp(w**2 / 2))
    proof.note("b (u + v) is Gaussian of variance b^2 (q1 + q2 + 2 q12)")
    t = a**2 * sp.exp(b**2 * (q1 + q2 + 2 * q12) / 2)
    proof.note("so T", sp.Eq(mean_of(a**2 * sp.exp(b * (u + v))), t, evaluate=False))
    proof.equal("phi' = b phi", sp.Derivative(a * sp.exp(b * x), x), b * a * sp.exp(b * x))
    proof.equal("Price's theorem: dT/dq12 = b^2 T", sp.Derivative(t, q12), b**2 * t)
    return t, b**2 * t


def kernel() -> Claim:
    """T = a^2 e^{b^2 (q1 + q2 + 2 q12)/2}, Tdot = b^2 T."""
    proof = Proof()
    t, tdot = _derive(proof)
    domain = Domain(
        (*PAIRS.ranges, Range(-2, 2), Range(0.2, 1.5)),
        lambda y, z, c, scale, rate: (*covariance(y, z, c), scale, rate),
        edges=(
            (0.0, 1.0, 0.0, 1.0, 1.0),
            (1.0, 1.0, 1.0, 1.0, 1.0),
            (4.0, 1.0, -2.0, 1.0, 1.0),
            (300.0, 300.0, 50.0, 1.0, 1.0),
        ),
    )
    size = (t + tdot) * b**2 * (q1 + q2 + 2 * sp.Abs(q12))  # the exponent is rounded
    return proof.claim((q1, q2, q12, a, b), (t, tdot), domain, scale=size, tolerance=1e-15)


def diagonal() -> Claim:
    """E phi(u)^2 = a^2 e^{2 b^2 q}, E phi'(u)^2 = b^2 times it, for u ~ N(0, q)."""
    proof = Proof()
    t, tdot = (e.subs({q1: q, q2: q, q12: q}) for e in _derive(proof))
    own = a**2 * sp.exp(2 * b**2 * q)
    proof.equal("q1 = q2 = q12 = q", t, own)
    domain = Domain(
        (Range(1e-6, 100.0, "log"), Range(-2, 2), Range(0.2, 1.5)), edges=((0.0, 1.0, 1.0), (300.0, 1.0, 1.0))
    )
    return proof.claim((q, a, b), (own, tdot), domain, scale=(own + tdot) * b**2 * q, tolerance=2e-15)
