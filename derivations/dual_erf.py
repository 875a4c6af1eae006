"""Dual maps of the error function."""

from __future__ import annotations

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Proof
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
