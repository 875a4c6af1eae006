"""Contraction factors of methods for variational inequalities."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

a, m, big, e = sp.symbols("a m L e", positive=True)
s, t = sp.symbols("s t", nonnegative=True)
SIZES = Domain(
    (Range(0.01, 0.95), Range(0.01, 1.0), Range(0.1, 5.0)),
    lambda step, share, lipschitz: (step / lipschitz, share * lipschitz, lipschitz),
    edges=((1.0, 1e-9, 0.5), (1e-9, 1.0, 1.0), (0.1, 1.0, 1.0)),
)


def forward_backward() -> Claim:
    """|u - a (F x - F y)|^2 <= (1 - 2 a m + a^2 L^2)|u|^2 for u = x - y; proximal maps are nonexpansive."""
    proof = Proof()
    inner, square = sp.symbols("inner square", positive=True)  # <u, dF>, |dF|^2 for |u| = 1
    proof.note("|u| = 1, <u, dF> >= m, |dF| <= L")
    value = 1 - 2 * a * m + a**2 * big**2
    proof.equal("at the worst ends", (1 - 2 * a * inner + a**2 * square).subs({inner: m, square: big**2}), value)
    proof.equal("falls with <u, dF>", sp.diff(1 - 2 * a * inner + a**2 * square, inner), -2 * a)
    best = sp.solve(sp.diff(value, a), a)[0]
    proof.equal("best step", best, m / big**2)
    proof.equal("best factor squared", sp.simplify(value.subs(a, best)), 1 - m**2 / big**2)
    return proof.claim((a, m, big), sp.sqrt(value), SIZES)


def extragradient() -> Claim:
    """|z+ - z*|^2 <= |z - z*|^2 - (1 - a^2 L^2)|z - y|^2 - 2 a m |y - z*|^2, so the squared factor is 1 - c d/(c + d).

    The inequality is Korpelevich's for the extragradient and Tseng's for his method, with strong monotonicity kept.
    """
    proof = Proof()
    c, d = sp.symbols("c d", positive=True)
    proof.note("|z - y| + |y - z*| >= |z - z*| = 1: minimise c s^2 + d (1 - s)^2 over s = |z - y|")
    loss = c * s**2 + d * (1 - s) ** 2
    place = sp.solve(sp.diff(loss, s), s)[0]
    proof.equal("least decrease", sp.simplify(loss.subs(s, place)), c * d / (c + d))
    value = sp.sqrt(1 - c * d / (c + d)).subs({c: 1 - a**2 * big**2, d: 2 * a * m})
    return proof.claim((a, m, big), value, SIZES)


def reflected_resolvent() -> Claim:
    """|(1 - a M) u|^2/|(1 + a M) u|^2 <= (1 - 2am + a^2 L^2)/(1 + 2am + a^2 L^2): the reflected resolvent, F linear."""
    proof = Proof()
    one = sp.Symbol("R")
    resolvent = 1 / (1 + a * one)
    proof.equal("2 (1 + aM)^{-1} - 1", sp.simplify(2 * resolvent - 1 - (1 - a * one) * resolvent), 0)
    ratio = (1 - 2 * a * t + a**2 * s) / (1 + 2 * a * t + a**2 * s)
    proof.note("t = <u, Mu> >= m, s = |Mu|^2 <= L^2 for |u| = 1", ratio)
    lower = (1 + 2 * a * t + a**2 * s) ** 2
    proof.equal("rises with s", sp.simplify(sp.diff(ratio, s) * lower), sp.expand(4 * a**3 * t))
    proof.equal("falls with t", sp.simplify(sp.diff(ratio, t) * lower), sp.expand(-4 * a * (1 + a**2 * s)))
    return proof.claim((a, m, big), sp.sqrt(ratio.subs({t: m, s: big**2})), SIZES)


def optimistic_rotation() -> Claim:
    """l^2 = (1 - 2 i e) l + i e: the largest |l|; it is 1 at e = 1/sqrt 3."""
    proof = Proof()
    root, cross = sp.sqrt(1 - 4 * e**2), sp.sqrt(4 * e**2 - 1)
    imaginary = sp.I * e
    for discriminant, sign in ((root, 1), (sp.I * cross, -1)):
        found = (1 - 2 * imaginary + sign * discriminant) / 2
        left = sp.expand(found**2)
        proof.equal("a root of the characteristic polynomial", left, sp.expand((1 - 2 * imaginary) * found + imaginary))
    small = sp.sqrt((1 + root) / 2)
    proof.equal("e <= 1/2: |l|^2", sp.expand(((1 + root) / 2) ** 2 + e**2), sp.expand(small**2))
    large = sp.sqrt(1 + (2 * e + cross) ** 2) / 2
    proof.equal("e > 1/2: at 1/sqrt 3", large.subs(e, 1 / sp.sqrt(3)), 1)
    shown = sp.Piecewise((small, e <= sp.Rational(1, 2)), (large, True))
    edges = ((0.5,), (1e-9,), (0.57735026918962573,))
    return proof.claim((e,), shown, Domain((Range(0.01, 2.0),), edges=edges), tolerance=4e-15)


def halpern_rotation() -> Claim:
    """x_k = (1/(k+1)) sum_{j<=k} T^j x_0 for linear T, so x_k - T x_k = (x_0 - T^{k+1} x_0)/(k + 1)."""
    proof = Proof()
    k = sp.Symbol("k", integer=True, nonnegative=True)
    turn, angle, first = sp.Symbol("T"), sp.Symbol("theta", real=True), sp.Symbol("x0")
    mean = first * (1 - turn ** (k + 1)) / ((1 - turn) * (k + 1))
    after = first * (1 - turn ** (k + 2)) / ((1 - turn) * (k + 2))
    again = first / (k + 2) + (k + 1) * turn * mean / (k + 2)
    proof.equal("the mean of the orbit solves the recursion", sp.simplify(again - after), 0)
    n = sp.Symbol("n", positive=True)
    chord = sp.Abs(sp.sin(n * angle / 2)) * 2
    length = (1 - sp.cos(n * angle)) ** 2 + sp.sin(n * angle) ** 2
    proof.equal("|1 - e^(i n theta)|^2", sp.simplify(sp.expand_trig(length - chord**2)), 0)
    domain = Domain((Range(0, 1000, whole=True), Range(0.0, 3.0)), edges=((0, 0.5), (10, 1.5707963267948966), (5, 0.0)))
    whole = sp.Symbol("k", integer=True, nonnegative=True)
    return proof.claim((whole, angle), chord.subs(n, whole + 1) / (whole + 1), domain, scale=sp.Abs(angle))
