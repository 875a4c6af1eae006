"""Dual maps of waves: sine, cosine, sin(b x + c) and sqrt(2) sin(sqrt(2 g) x + pi/4)."""

from __future__ import annotations

from functools import cache

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import q1, q2, q12

q = sp.Symbol("q", positive=True)
b, g = sp.symbols("b g", positive=True)
c = sp.Symbol("c", real=True)


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


def _with(low: float, high: float, *more: Range) -> Domain:
    """Return the pairs with a rate (and more parameters) appended."""
    return Domain(
        (*PAIRS.ranges, Range(low, high), *more),
        lambda x, y, cosine, *rest: (*covariance(x, y, cosine), *rest),
        tuple((*place, 0.7, *(0.4 for _ in more)) for place in PAIRS.edges),
    )


def _wave(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    """Return E sin(bu + c) sin(bv + c) and b^2 E cos(bu + c) cos(bv + c)."""
    lemma, sines, cosines = _lemma()
    proof.include(lemma)
    u, v = sp.symbols("u v", real=True)
    product = sp.expand_trig(sp.sin(b * u + c)) * sp.expand_trig(sp.sin(b * v + c))
    mixed = sp.sin(b * u) * sp.cos(b * v) + sp.cos(b * u) * sp.sin(b * v)
    split = (
        sp.cos(c) ** 2 * sp.sin(b * u) * sp.sin(b * v)
        + sp.sin(c) ** 2 * sp.cos(b * u) * sp.cos(b * v)
        + sp.sin(c) * sp.cos(c) * mixed
    )
    proof.equal("sin(bu + c) sin(bv + c)", product, split, sp.sin(b * u + c) * sp.sin(b * v + c))
    proof.note("the mixed terms are odd under (u, v) -> (-u, -v): mean 0; the others are those of sin and cos")
    scaled = {q1: b**2 * q1, q2: b**2 * q2, q12: b**2 * q12}
    odd, even = (e.subs(scaled, simultaneous=True) for e in (sines, cosines))
    t = sp.cos(c) ** 2 * odd + sp.sin(c) ** 2 * even
    tdot = b**2 * (sp.cos(c) ** 2 * even + sp.sin(c) ** 2 * odd)
    proof.equal("Price's theorem: dT/dq12 = Tdot", sp.Derivative(t, q12), tdot)
    return t, tdot


def wave_kernel() -> Claim:
    """sin(bx + c): T = cos(c)^2 S + sin(c)^2 C, Tdot = b^2 (cos(c)^2 C + sin(c)^2 S), S, C of sin, cos at b^2 q."""
    proof = Proof()
    t, tdot = _wave(proof)
    # each exponent of size b^2 q is rounded once
    size = sp.exp(-(b**2) * (q1 + q2 - 2 * sp.Abs(q12)) / 2) * (1 + b**2 * (q1 + q2)) * (1 + b**2)
    return proof.claim((q1, q2, q12, b, c), (t, tdot), _with(0.3, 2.0, Range(-3, 3)), scale=size + sp.Float("1e-290"))


def wave_diagonal() -> Claim:
    """E sin(bu + c)^2 and b^2 E cos(bu + c)^2 for u ~ N(0, q)."""
    proof = Proof()
    t, tdot = (e.subs({q1: q, q2: q, q12: q}) for e in _wave(proof))
    fall = sp.exp(-2 * b**2 * q)
    own, own_tdot = (1 - sp.cos(2 * c) * fall) / 2, b**2 * (1 + sp.cos(2 * c) * fall) / 2
    proof.equal("T", sp.expand(sp.expand_trig(own - t).rewrite(sp.exp)), 0, sp.Symbol("T"))
    proof.equal("Tdot", sp.expand(sp.expand_trig(own_tdot - tdot).rewrite(sp.exp)), 0, sp.Symbol("Tdot"))
    domain = Domain((*VARIANCES.ranges, Range(0.3, 2.0), Range(-3, 3)), edges=((0.0, 1.0, 0.3), (1e4, 0.5, 0.0)))
    return proof.claim((q, b, c), (own, own_tdot), domain, scale=b**2)


def rbf_kernel() -> Claim:
    """sqrt(2) sin(sqrt(2g) x + pi/4): T = e^{-g (q1 + q2 - 2 q12)}, Tdot = 2 g T: a Gaussian kernel."""
    proof = Proof()
    t, tdot = (e.subs({b: sp.sqrt(2 * g), c: sp.pi / 4}) for e in _wave(proof))
    own = sp.exp(-g * (q1 + q2 - 2 * q12))
    proof.equal("2 T at b = sqrt(2g), c = pi/4", 2 * t, own)
    proof.equal("2 Tdot", 2 * tdot, 2 * g * own)
    size = own * (1 + g * (q1 + q2)) + sp.Float("1e-290")
    return proof.claim((q1, q2, q12, g), (own, 2 * g * own), _with(0.1, 2.0), scale=size)


def rbf_diagonal() -> Claim:
    """E phi(u)^2 = 1 and E phi'(u)^2 = 2 g at any variance."""
    proof = Proof()
    own = sp.exp(-g * (q1 + q2 - 2 * q12)).subs({q1: q, q2: q, q12: q})
    proof.equal("q1 = q2 = q12", own, 1)
    return proof.claim((q, g), (sp.Integer(1), 2 * g), Domain((*VARIANCES.ranges, Range(0.1, 2.0))))
