"""Dual maps of x Phi(x), Phi the normal distribution function."""

from __future__ import annotations

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Proof
from .gaussian import mean_of, moment, q1, q2, q12, tilt, u, v

x = sp.Symbol("x", real=True)
PI = sp.pi


def _formula() -> tuple[sp.Expr, sp.Expr]:
    p = (1 + q1) * (1 + q2)
    d = p - q12**2
    root = sp.sqrt(d)
    angle = sp.atan(q12 / root) / (2 * PI)
    t = q12 / 4 + (q12**2 + q1 * q2 * d) / (2 * PI * p * root) + q12 * angle
    tdot = sp.Rational(1, 4) + angle + q12 / (2 * PI * root) * (1 / d + (1 - q1 * q2) / p + 1)
    return t, tdot


def _rational(e: sp.Expr) -> sp.Expr:
    """Return e sqrt(D), a rational function when e has odd powers of sqrt(D) only."""
    root = sp.sqrt((1 + q1) * (1 + q2) - q12**2)
    return sp.cancel(sp.expand_mul(e * root))


def kernel() -> Claim:
    """T and Tdot of gelu: twice Price's theorem, from the independent case q12 = 0.

    Source: Tsuchida et al., arXiv:2002.08517, for T.
    """
    proof = Proof()
    t, tdot = _formula()
    normal = sp.exp(-(x**2) / 2) / sp.sqrt(2 * PI)
    phi = x * (1 + sp.erf(x / sp.sqrt(2))) / 2
    slope = sp.diff(phi, x)
    proof.equal("phi''", sp.Derivative(phi, x, 2), (2 - x**2) * normal)
    weight, s = tilt(proof, 1)
    y, z = sp.symbols("y z", real=True)
    s11, s22, s12 = sp.symbols("S11 S22 S12", positive=True)
    first = sp.sqrt(s11) * y
    second = s12 / sp.sqrt(s11) * y + sp.sqrt(s22 - s12**2 / s11) * z
    mean = moment((2 - first**2) * (2 - second**2), y, z)
    written = 4 - 2 * s11 - 2 * s22 + s11 * s22 + 2 * s12**2
    proof.equal("under S", mean, written, mean_of((2 - u**2) * (2 - v**2)))
    curvature = mean.subs({s11: s[0, 0], s22: s[1, 1], s12: s[0, 1]}) * weight / (2 * PI)
    left, right = (_rational(e) for e in (sp.diff(tdot, q12), curvature))
    proof.equal("Price twice: sqrt(D) dTdot/dq12 = sqrt(D) E phi''(u) phi''(v)", left, right)
    proof.equal("Price once: dT/dq12 = Tdot", sp.Derivative(t, q12), tdot)
    proof.equal("phi'(x) + phi'(-x) = 1, so that E phi' = 1/2", slope + slope.subs(x, -x), 1)
    proof.equal("Tdot at q12 = 0", tdot.subs(q12, 0), sp.Rational(1, 4))
    q = sp.Symbol("q", positive=True)
    density = sp.exp(-(x**2) / (2 * q)) / sp.sqrt(2 * PI * q)
    proof.equal("x p(x) = -q p'(x): E phi(u) = q E Phi'(u)", x * density, -q * sp.Derivative(density, x))
    gaussian = normal * density
    total = sp.Integral(sp.exp(-(x**2) * (1 + 1 / q) / 2), (x, -sp.oo, sp.oo))
    proof.equal("the exponents add", sp.log(gaussian / gaussian.subs(x, 0)), -(x**2) * (1 + 1 / q) / 2)
    own = q / sp.sqrt(2 * PI * (1 + q))
    proof.equal("E phi(u)", q * total * gaussian.subs(x, 0), own)
    proof.equal("T at q12 = 0: E phi(u) E phi(v)", t.subs(q12, 0), own.subs(q, q1) * own.subs(q, q2))
    return proof.claim((q1, q2, q12), (t, tdot), PAIRS, tolerance=1e-14, scale=sp.sqrt(q1 * q2) / 4)


def diagonal() -> Claim:
    """E phi(u)^2 and E phi'(u)^2 for u ~ N(0, q): the kernel at q1 = q2 = q12 = q, where D = 1 + 2q."""
    proof = Proof()
    q = sp.Symbol("q", positive=True)
    t, tdot = (e.subs({q1: q, q2: q, q12: q}) for e in _formula())
    root = sp.sqrt(1 + 2 * q)
    proof.equal("D", sp.expand((1 + q) ** 2 - q**2), 1 + 2 * q)
    angle = sp.atan(q / root) / (2 * PI)
    own = q * (sp.Rational(1, 4) + angle) + q**2 / (PI * root * (1 + q))
    own_tdot = sp.Rational(1, 4) + angle + q / (2 * PI * root) * (1 / (1 + 2 * q) + 2 / (1 + q))
    flat = {sp.sqrt((1 + q) ** 2 - q**2): root, (1 + q) ** 2 - q**2: 1 + 2 * q}
    proof.equal("T", t.subs(flat), own)
    proof.equal("Tdot", tdot.subs(flat), own_tdot)
    return proof.claim((q,), (own, own_tdot), VARIANCES)
