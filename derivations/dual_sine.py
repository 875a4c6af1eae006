"""Dual maps of sine and cosine."""

from __future__ import annotations

from functools import cache

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Proof
from .gaussian import q1, q2, q12

q = sp.Symbol("q", positive=True)


@cache
def _lemma() -> tuple[Proof, sp.Expr, sp.Expr]:
    """Prove and return E sin u sin v and E cos u cos v."""
    proof = Proof()
    x, u, v = sp.symbols("x u v", real=True)
    s = sp.Symbol("s", positive=True)
    density = sp.exp(-(x**2) / (2 * s)) / sp.sqrt(2 * sp.pi * s)
    mean = sp.Integral(sp.cos(x) * density, (x, -sp.oo, sp.oo))
    proof.equal("E cos x = e^{-s/2} for x ~ N(0, s)", mean, sp.exp(-s / 2))
    sines = (sp.cos(u - v) - sp.cos(u + v)) / 2
    cosines = (sp.cos(u - v) + sp.cos(u + v)) / 2
    proof.equal("sin u sin v", sp.sin(u) * sp.sin(v), sines)
    proof.equal("cos u cos v", sp.cos(u) * sp.cos(v), cosines)
    proof.note("u - v and u + v have variances q1 + q2 - 2 q12 and q1 + q2 + 2 q12")
    minus, plus = (sp.exp(-(q1 + q2 + k * 2 * q12) / 2) for k in (-1, 1))
    fall = sp.exp(-(q1 + q2) / 2)
    proof.equal("E sin u sin v", (minus - plus) / 2, fall * sp.sinh(q12))
    proof.equal("E cos u cos v", (minus + plus) / 2, fall * sp.cosh(q12))
    return proof, fall * sp.sinh(q12), fall * sp.cosh(q12)


def _waves(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    lemma, sines, cosines = _lemma()
    proof.include(lemma)
    return sines, cosines


def _diagonals(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    sines, cosines = (e.subs({q1: q, q2: q, q12: q}) for e in _waves(proof))
    own_sine, own_cosine = (1 - sp.exp(-2 * q)) / 2, (1 + sp.exp(-2 * q)) / 2
    proof.equal("q1 = q2 = q12 = q: sin", sines, own_sine)
    proof.equal("q1 = q2 = q12 = q: cos", cosines, own_cosine)
    return own_sine, own_cosine


def sin_kernel() -> Claim:
    """E sin u sin v = e^{-(q1+q2)/2} sinh q12, E cos u cos v = e^{-(q1+q2)/2} cosh q12."""
    proof = Proof()
    sines, cosines = _waves(proof)
    return proof.claim((q1, q2, q12), (sines, cosines), PAIRS, tolerance=1e-14, scale=sp.Float("1e-300"))


def cos_kernel() -> Claim:
    """E cos u cos v = e^{-(q1+q2)/2} cosh q12, E sin u sin v = e^{-(q1+q2)/2} sinh q12."""
    proof = Proof()
    sines, cosines = _waves(proof)
    return proof.claim((q1, q2, q12), (cosines, sines), PAIRS, tolerance=1e-14, scale=sp.Float("1e-300"))


def sin_diagonal() -> Claim:
    """E sin(u)^2 = (1 - e^{-2q})/2, E cos(u)^2 = (1 + e^{-2q})/2 for u ~ N(0, q)."""
    proof = Proof()
    sines, cosines = _diagonals(proof)
    return proof.claim((q,), (sines, cosines), VARIANCES)


def cos_diagonal() -> Claim:
    """E cos(u)^2 = (1 + e^{-2q})/2, E sin(u)^2 = (1 - e^{-2q})/2 for u ~ N(0, q)."""
    proof = Proof()
    sines, cosines = _diagonals(proof)
    return proof.claim((q,), (cosines, sines), VARIANCES)
