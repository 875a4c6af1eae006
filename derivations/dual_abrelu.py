"""Dual maps of a x for x < 0, b x for x > 0 (relu, leaky relu, abs), and the gap of close pairs."""

from __future__ import annotations

import math
from functools import cache

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Domain, Proof, Range, covariance
from .gaussian import q1, q2, q12

a, b = sp.symbols("a b", real=True)
theta = sp.Symbol("theta", nonnegative=True)
alpha = sp.Symbol("alpha", real=True)
r = sp.Symbol("r", positive=True)
PI = sp.pi


def _formula(angle: sp.Expr, product: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Return (T, Tdot) at an angle; `product` is sqrt(q1 q2)."""
    f = (a - b) ** 2 / (2 * PI)
    tdot = (a**2 + b**2) / 2 - f * angle
    return f * product * sp.sin(angle) + product * sp.cos(angle) * tdot, tdot


@cache
def _lemma() -> tuple[Proof, sp.Expr, sp.Expr]:
    """Prove and return T and Tdot, in polar coordinates."""
    proof = Proof()
    root = sp.Symbol("rho", positive=True)  # sqrt(q1 q2)
    density = sp.exp(-(r**2) / 2) / (2 * PI)
    ring, square = 1 / (2 * PI), 1 / PI
    proof.note("u = sqrt(q1) r cos(alpha), v = sqrt(q2) r cos(alpha - theta), cos(theta) = q12/sqrt(q1 q2)")
    proof.equal("the radius, once", sp.Integral(r * density, (r, 0, sp.oo)), ring)
    proof.equal("the radius, with u v", sp.Integral(r**3 * density, (r, 0, sp.oo)), square)
    wave = sp.cos(alpha) * sp.cos(alpha - theta)
    circle = root * square * sp.Integral(wave, (alpha, -PI, PI))
    proof.equal("E u v = q12", circle, root * sp.cos(theta))
    sectors = (  # factor phi'(u) phi'(v), from, to
        (b * b, theta - PI / 2, PI / 2),
        (a * b, PI / 2, theta + PI / 2),
        (a * a, theta + PI / 2, 3 * PI / 2),
        (a * b, -PI / 2, theta - PI / 2),
    )
    proof.note("u > 0 for |alpha| < pi/2, v > 0 for |alpha - theta| < pi/2: four sectors of constant slopes")
    t, tdot = _formula(theta, root)
    angles = sum(factor * (end - start) * ring for factor, start, end in sectors)
    proof.equal("Tdot: slopes times angles", angles, tdot)
    primitive = (alpha * sp.cos(theta) + sp.sin(2 * alpha - theta) / 2) / 2
    proof.equal("primitive of cos(alpha) cos(alpha - theta)", sp.Derivative(primitive, alpha), wave)
    waves = sum(
        factor * root * square * (primitive.subs(alpha, end) - primitive.subs(alpha, start))
        for factor, start, end in sectors
    )
    proof.equal("T: slopes times integrals over the sectors", sp.expand_trig(waves), t)
    angle = sp.acos(q12 / sp.sqrt(q1 * q2))
    t_q, tdot_q = _formula(angle, sp.sqrt(q1 * q2))
    proof.equal("Price's theorem, dT/dq12 = Tdot, an independent route", sp.Derivative(t_q, q12), tdot_q)
    return proof, t_q, tdot_q


def _derive(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    lemma, t, tdot = _lemma()
    proof.include(lemma)
    return t, tdot


def kernel() -> Claim:
    """T = f sqrt(q1 q2) sin(theta) + q12 Tdot, Tdot = (a^2+b^2)/2 - f theta, f = (a-b)^2/(2 pi).

    Source: Cho & Saul (2009), the arc-cosine kernels of degree 0 and 1 for a = 0, b = 1.
    """
    proof = Proof()
    t, tdot = _derive(proof)
    slopes = (Range(-1, 1), Range(0.5, 1.5))

    def arguments(x: float, y: float, c: float, low: float, high: float) -> tuple[float, ...]:
        return (*covariance(x, y, c), low, high)

    # At |correlation| = 1 the angle carries sqrt(rounding); there the code is used through `gap`. Not an edge here.
    edges = tuple((*p, 0.1, 1.0) for p in PAIRS.edges if abs(p[2]) < 0.999 * math.sqrt(p[0] * p[1]))
    domain = Domain((*PAIRS.ranges, *slopes), arguments, edges)
    scale = sp.sqrt(q1 * q2) + 1
    return proof.claim((q1, q2, q12, a, b), (t, tdot), domain, tolerance=1e-14, scale=scale)


def relu() -> Claim:
    """Relu: T = sqrt(q1 q2) (sin(theta) + (pi - theta) cos(theta))/(2 pi), Tdot = (pi - theta)/(2 pi).

    Source: Cho & Saul (2009), J_1 and J_0 up to the normalisation.
    """
    proof = Proof()
    t, tdot = (e.subs({a: 0, b: 1}) for e in _derive(proof))
    angle, root = sp.acos(q12 / sp.sqrt(q1 * q2)), sp.sqrt(q1 * q2)
    relu_t = root * (sp.sin(angle) + (PI - angle) * sp.cos(angle)) / (2 * PI)
    proof.equal("a = 0, b = 1: T", t, relu_t)
    proof.equal("a = 0, b = 1: Tdot", tdot, (PI - angle) / (2 * PI))
    return proof.claim((q1, q2, q12), (relu_t, tdot), PAIRS)


def diagonal() -> Claim:
    """E phi(u)^2 = q (a^2+b^2)/2, E phi'(u)^2 = (a^2+b^2)/2 for u ~ N(0, q)."""
    proof = Proof()
    q = sp.Symbol("q", positive=True)
    t, tdot = (e.subs(theta, 0) for e in _formula(theta, q))
    mean = (a**2 + b**2) / 2
    proof.equal("T at theta = 0", t, q * mean)
    proof.equal("Tdot at theta = 0", tdot, mean)
    half = sp.Integral(r**2 * sp.exp(-(r**2) / (2 * q)) / sp.sqrt(2 * PI * q), (r, 0, sp.oo))
    proof.equal("directly: each half line carries q/2", half * (a**2 + b**2), q * mean)
    domain = Domain((*VARIANCES.ranges, Range(-1, 1), Range(0.5, 1.5)), edges=((0.0, 0.0, 1.0), (1e-12, 0.1, 1.0)))
    return proof.claim((q, a, b), (q * mean, mean), domain)


def segment() -> Claim:
    """sin(theta) - theta cos(theta) = sum_k (-1)^(k+1) 2k theta^(2k+1)/(2k+1)!, its series for small theta."""
    proof = Proof()
    formula = sp.sin(theta) - theta * sp.cos(theta)
    k = sp.Symbol("k", integer=True, positive=True)
    term = (-1) ** (k + 1) * 2 * k / sp.factorial(2 * k + 1)
    proof.equal("1/(2k)! - 1/(2k+1)!", 1 / sp.factorial(2 * k) - 1 / sp.factorial(2 * k + 1), abs(term))
    series = sp.series(formula, theta, 0, 17).removeO()
    by_term = sum(term.subs(k, n) * theta ** (2 * n + 1) for n in range(1, 8))
    proof.equal("the seven terms that the code sums", series, by_term)
    domain = Domain((Range(1e-9, math.pi, "log"),), edges=((0.0,), (0.499999,), (0.5,), (math.pi,)))
    return proof.claim((theta,), formula, domain, tolerance=4e-15)


def gap() -> Claim:
    """1 - cos(theta) after a layer q' = w m q + v, from 1 - cos(theta) before it, as sums of positive terms.

    [w m v (sqrt q1 - sqrt q2)^2/(s' + v + w m s) + w s (m delta - f (sin theta - theta cos theta))]/s',
    s = sqrt(q1 q2), s' = sqrt(q1' q2'), m = (a^2+b^2)/2, f = (a-b)^2/(2 pi).
    """
    proof = Proof()
    x, y, w, var = sp.symbols("x y w v", positive=True)  # x = sqrt(q1), y = sqrt(q2)
    f, m = (a - b) ** 2 / (2 * PI), (a**2 + b**2) / 2
    s = x * y
    t, _ = _formula(theta, s)
    after2 = (w * m * x**2 + var) * (w * m * y**2 + var)
    middle = w * m * s + var
    proof.equal("s'^2 - (w m s + v)^2 does not cancel", after2 - middle**2, w * m * var * (x - y) ** 2)
    delta = 1 - sp.cos(theta)
    gap_t = s * (m * delta - f * (sp.sin(theta) - theta * sp.cos(theta)))
    proof.equal("m s - T", m * s - t, gap_t)
    after = sp.Symbol("s'", positive=True)
    proof.equal(
        "1 - q12'/s' = [(s' - (w m s + v)) + w (m s - T)]/s'",
        1 - (w * t + var) / after,
        ((after - middle) + w * gap_t) / after,
    )
    proof.note("and s' - (w m s + v) = (s'^2 - (w m s + v)^2)/(s' + w m s + v)")
    d = sp.Symbol("d", real=True)
    proof.equal("sqrt q1 - sqrt q2 = (q1 - q2)/(sqrt q1 + sqrt q2)", x - y, sp.cancel((x**2 - y**2) / (x + y)))
    small = sp.Symbol("delta", nonnegative=True)
    angle = sp.acos(1 - small)
    root, after_q = sp.sqrt(q1 * q2), sp.sqrt((w * m * q1 + var) * (w * m * q2 + var))
    norms = w * m * var * (d / (sp.sqrt(q1) + sp.sqrt(q2))) ** 2 / (after_q + w * m * root + var)
    turned = w * root * (m * small - f * (sp.sin(angle) - angle * sp.cos(angle)))

    def arguments(gap_before: float, first: float, ratio: float, *layer: float) -> tuple[float, ...]:
        second = first * (1.0 + ratio)
        return (gap_before, first - second, first, second, *layer)

    ranges = (Range(1e-24, 0.05, "log"), Range(0.1, 10, "log"), Range(1e-12, 0.5, "log"), Range(0.5, 3.0))
    domain = Domain(
        (*ranges, Range(0.0, 0.5), Range(-1, 1), Range(0.5, 1.5)),
        arguments,
        edges=((0.0, 0.0, 1.0, 1.0, 2.0, 0.1, 0.0, 1.0), (1e-20, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, 1.0)),
    )
    return proof.claim((small, d, q1, q2, w, var, a, b), (norms + turned) / after_q, domain, tolerance=1e-14)
