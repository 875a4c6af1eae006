"""Dual maps of m + h sign(x): sign and step."""

from __future__ import annotations

import math

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import mean_of, q1, q2, q12

m, h = sp.symbols("m h", real=True)
theta = sp.Symbol("theta", nonnegative=True)
PI = sp.pi


def _derive(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    proof.note(
        "u = sqrt(q1) r cos(alpha), v = sqrt(q2) r cos(alpha - theta), cos(theta) = q12/sqrt(q1 q2), alpha uniform"
    )
    same = 1 - theta / PI
    proof.note("u and v have the same sign on two sectors of angle pi - theta", same)
    proof.equal(
        "E sign u sign v",
        same - (1 - same),
        1 - 2 * theta / PI,
        mean_of(sp.sign(sp.Symbol("u")) * sp.sign(sp.Symbol("v"))),
    )
    proof.note("E sign u = 0, so that T = m^2 + h^2 E sign u sign v")
    angle = sp.acos(q12 / sp.sqrt(q1 * q2))
    t = m**2 + h**2 * (1 - 2 * angle / PI)
    tdot = 2 * h**2 / PI / sp.sqrt(q1 * q2 - q12**2)
    proof.note("phi' = 2 h delta(x): E phi'(u) phi'(v) is 4 h^2 times the density of (u, v) at 0")
    density = 1 / (2 * PI * sp.sqrt(q1 * q2 - q12**2))
    proof.equal("Tdot", 4 * h**2 * density, tdot)
    proof.equal("Price's theorem: dT/dq12 = Tdot", sp.Derivative(t, q12), tdot)
    return t, tdot


def kernel() -> Claim:
    """T = m^2 + h^2 (1 - 2 theta/pi), Tdot = (2 h^2/pi)/sqrt(q1 q2 - q12^2) (a quarter for step).

    Source: Cho & Saul (2009), the arc-cosine kernel of degree 0, for T.
    """
    proof = Proof()
    t, tdot = _derive(proof)
    inside = tuple(p for p in PAIRS.edges if p[0] > 0 and abs(p[2]) < 0.999 * math.sqrt(p[0] * p[1]))
    edges = tuple((*place, *kind) for place in inside for kind in ((0.0, 1.0), (0.5, 0.5)))
    domain = Domain(
        (Range(1e-3, 30.0, "log"), Range(1e-3, 30.0, "log"), Range(-0.99, 0.99), Range(0, 1), Range(0.2, 1)),
        lambda x, y, c, middle, half: (*covariance(x, y, c), middle, half),
        edges,
    )
    return proof.claim((q1, q2, q12, m, h), (t, tdot), domain, scale=1)


def diagonal() -> Claim:
    """E phi(u)^2 = m^2 + h^2 for u ~ N(0, q), q > 0; m^2 for u = 0."""
    proof = Proof()
    q = sp.Symbol("q", positive=True)
    t, _ = _derive(proof)
    own = m**2 + h**2
    proof.equal("T at theta = 0", t.subs({q1: q, q2: q, q12: q}), own)
    domain = Domain((*VARIANCES.ranges, Range(0, 1), Range(0.2, 1)), edges=((1e-300, 0.5, 0.5), (1e4, 0.0, 1.0)))
    at = sp.Symbol("q", nonnegative=True)
    return proof.claim(
        (at, m, h),
        sp.Piecewise((own, at > 0), (m**2, True)),
        Domain(domain.ranges, edges=(*domain.edges, (0.0, 0.5, 0.5))),
    )


def gap() -> Claim:
    """1 - cos(theta') after a layer w T + v: w h^2 (2/pi) theta/(w (m^2 + h^2) + v), from delta = 1 - cos(theta)."""
    proof = Proof()
    w, bias = sp.symbols("w v", positive=True)
    t = m**2 + h**2 * (1 - 2 * theta / PI)
    after = w * (m**2 + h**2) + bias
    formula = w * h**2 * 2 * theta / PI / after
    proof.equal("both diagonals are w (m^2 + h^2) + v", 1 - (w * t + bias) / after, formula)
    delta = sp.Symbol("delta", nonnegative=True)
    proof.equal("theta = 2 asin sqrt(delta/2)", sp.cos(2 * sp.asin(sp.sqrt(delta / 2))), 1 - delta)
    coded = formula.subs(theta, 2 * sp.asin(sp.sqrt(delta / 2)))
    domain = Domain(
        (Range(1e-30, 0.1, "log"), Range(0.3, 3), Range(0, 1), Range(0, 1), Range(0.2, 1)),
        edges=((0.0, 1.0, 0.1, 0.0, 1.0), (1e-300, 1.0, 0.0, 0.5, 0.5), (1.9, 1.0, 0.0, 0.0, 1.0)),
    )
    return proof.claim((delta, w, bias, m, h), coded, domain)
