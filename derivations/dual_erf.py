"""Dual maps of the error function."""

from __future__ import annotations

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import mean_of, q1, q2, q12, tilt, u, v

x = sp.Symbol("x", real=True)


def _formula() -> tuple[sp.Expr, sp.Expr]:
    product = (1 + 2 * q1) * (1 + 2 * q2)
    t = 2 / sp.pi * sp.asin(2 * q12 / sp.sqrt(product))
    return t, 4 / sp.pi / sp.sqrt(product - 4 * q12**2)


def kernel() -> Claim:
    """T = (2/pi) asin(2 q12/sqrt((1+2q1)(1+2q2))), Tdot = (4/pi)/sqrt((1+2q1)(1+2q2) - 4 q12^2).

    Source: Williams (1997) for T.
    """
    proof = Proof()
    t, tdot = _formula()
    proof.equal("phi'", sp.Derivative(sp.erf(x), x), 2 / sp.sqrt(sp.pi) * sp.exp(-(x**2)))
    weight, _ = tilt(proof, 2)
    proof.equal("Tdot = (4/pi) E e^{-u^2-v^2}", 4 / sp.pi * weight, tdot, 4 / sp.pi * mean_of(sp.exp(-(u**2) - v**2)))
    proof.equal("Price's theorem: dT/dq12 = Tdot", sp.Derivative(t, q12), tdot)
    proof.equal("T = 0 at q12 = 0 (u, v independent, phi odd)", t.subs(q12, 0), 0)
    return proof.claim((q1, q2, q12), (t, tdot), PAIRS, tolerance=1e-14, scale=sp.sqrt(q1 * q2 / (1 + q1 * q2)))


def diagonal() -> Claim:
    """E erf(u)^2 = (2/pi) atan(2q/sqrt(1+4q)), E erf'(u)^2 = (4/pi)/sqrt(1+4q) for u ~ N(0, q)."""
    proof = Proof()
    q = sp.Symbol("q", positive=True)
    t, tdot = (e.subs({q1: q, q2: q, q12: q}) for e in _formula())
    own = 2 / sp.pi * sp.atan(2 * q / sp.sqrt(1 + 4 * q))
    proof.equal("both angles have the same derivative", sp.Derivative(t, q), sp.Derivative(own, q))
    proof.equal("and both vanish at q = 0", sp.Limit(t, q, 0), own.subs(q, 0))
    own_tdot = 4 / sp.pi / sp.sqrt(1 + 4 * q)
    proof.equal("Tdot", tdot, own_tdot)
    return proof.claim((q,), (own, own_tdot), VARIANCES)


b = sp.Symbol("b", positive=True)
SCALED = Domain(
    (*PAIRS.ranges, Range(0.2, 3.0)),
    lambda x, y, c, rate: (*covariance(x, y, c), rate),
    tuple((*place, 0.5) for place in PAIRS.edges),
)


def scaled_kernel() -> Claim:
    """erf(b x): T and b^2 Tdot of erf at the variances of b u, b v."""
    proof = Proof()
    proof.equal("phi'", sp.Derivative(sp.erf(b * x), x), b * sp.diff(sp.erf(x), x).subs(x, b * x))
    proof.equal("covariance of b u, b v", sp.expand((b * u) * (b * v)), b**2 * u * v)
    scaled = {q1: b**2 * q1, q2: b**2 * q2, q12: b**2 * q12}
    t, tdot = (e.subs(scaled, simultaneous=True) for e in _formula())
    proof.equal("Price's theorem: dT/dq12 = Tdot", sp.Derivative(t, q12), b**2 * tdot)
    size = b**2 * sp.sqrt(q1 * q2 / (1 + q1 * q2))
    return proof.claim((q1, q2, q12, b), (t, b**2 * tdot), SCALED, scale=size)


def scaled_diagonal() -> Claim:
    """E erf(b u)^2 and b^2 E erf'(b u)^2: those of erf at the variance b^2 q."""
    proof = Proof()
    q = sp.Symbol("q", positive=True)
    own = 2 / sp.pi * sp.atan(2 * b**2 * q / sp.sqrt(1 + 4 * b**2 * q))
    t, _ = (e.subs({q1: b**2 * q, q2: b**2 * q, q12: b**2 * q}) for e in _formula())
    proof.equal("both angles have the same derivative", sp.Derivative(t, q), sp.Derivative(own, q))
    proof.equal("and both vanish at q = 0", sp.Limit(t, q, 0), own.subs(q, 0))
    domain = Domain((*VARIANCES.ranges, Range(0.2, 3.0)), edges=((0.0, 2.0), (1e4, 0.5)))
    return proof.claim((q, b), (own, b**2 * 4 / sp.pi / sp.sqrt(1 + 4 * b**2 * q)), domain)
