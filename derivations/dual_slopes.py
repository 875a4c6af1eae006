"""Slopes of the dual maps: derivatives of T and Tdot in the covariance, of any activation and of the relu family."""

from __future__ import annotations

from functools import cache

import sympy as sp

from .claim import Claim, Domain, Proof, Range
from .gaussian import q1, q2, q12

u = sp.Symbol("u", real=True)


def self_slopes() -> Claim:
    """d/dq E g(u) = E g He_2(z)/(2 q), d^2/dq^2 = E g He_4(z)/(4 q^2), u = sqrt(q) z ~ N(0, q): no derivative of g."""
    proof = Proof()
    q = sp.Symbol("q", positive=True)
    density = sp.exp(-(u**2) / (2 * q)) / sp.sqrt(2 * sp.pi * q)
    heat = sp.diff(density, u, 2) / 2
    proof.equal("heat equation of the density", sp.Derivative(density, q), heat)
    ratio = u / sp.sqrt(q)
    hermite2, hermite4 = ratio**2 - 1, ratio**4 - 6 * ratio**2 + 3
    proof.equal("first derivative over the density", sp.diff(density, q) / density, hermite2 / (2 * q))
    proof.equal("second derivative over the density", sp.diff(density, q, 2) / density, hermite4 / (4 * q**2))
    proof.equal("hence E phi'' phi = d/dq of E phi phi doubled, phi = u^4", 2 * sp.diff(105 * q**4, q), 840 * q**3)
    return proof.claim((q, u), (hermite2 / (2 * q), hermite4 / (4 * q**2)), Domain(()))


def pair_slopes() -> Claim:
    """d/dq1 = (1/2) d^2/du^2, d/dq12 = d^2/du dv on the density of (u, v): slopes of T are means of derivatives of phi.

    dT/dq1 = E phi''(u) phi(v)/2, d^2T/dq1 dq2 = E phi''(u) phi''(v)/4, and so on.
    """
    proof = Proof()
    x, y = sp.symbols("u v", real=True)
    det = q1 * q2 - q12**2
    density = sp.exp(-(q2 * x**2 - 2 * q12 * x * y + q1 * y**2) / (2 * det)) / (2 * sp.pi * sp.sqrt(det))
    for name, left, right in (
        ("q1", sp.diff(density, q1), sp.diff(density, x, 2) / 2),
        ("q12", sp.diff(density, q12), sp.diff(density, x, y)),
    ):
        proof.equal(f"heat equation in {name} (over the density)", sp.simplify(left / density), right / density)
    proof.note("integrate by parts; the derivatives commute, which gives all orders")
    return proof.claim((q1, q2, q12), det, Domain(()))


@cache
def _abrelu() -> tuple[Proof, sp.Expr, sp.Expr, sp.Symbol]:
    proof = Proof()
    strength, mean = sp.symbols("f m", positive=True)  # (a - b)^2/(2 pi), (a^2 + b^2)/2
    angle = sp.acos(q12 / sp.sqrt(q1 * q2))
    kernel_dot = mean - strength * angle
    kernel = strength * sp.sqrt(q1 * q2 - q12**2) + q12 * kernel_dot
    proof.note("T and Tdot as in dual_abrelu.kernel, sqrt(q1 q2) sin(theta) = sqrt(D), D = q1 q2 - q12^2")
    return proof, kernel, kernel_dot, strength


_ORDERS = ((q1, q1), (q2, q2), (q1, q2), (q1, q12), (q2, q12), (q12, q12))


def _pairs(ranges: tuple[Range, ...]) -> Domain:
    def arguments(x: float, y: float, c: float, strength: float) -> tuple[float, ...]:
        return x, y, c * (x * y) ** 0.5, strength

    return Domain((*ranges, Range(0.1, 1)), arguments, edges=((1.0, 2.0, 0.0, 0.2), (1.0, 1.0, -0.5, 0.2)))


# The slopes diverge where the inputs are parallel; the code refuses them, and here they stay away from it.
_INSIDE = (Range(1e-2, 30.0, "log"), Range(1e-2, 30.0, "log"), Range(-0.9, 0.9))


def abrelu_first() -> Claim:
    """dT/dq1 = f sqrt(D)/(2 q1), dT/dq2 = f sqrt(D)/(2 q2), D = q1 q2 - q12^2, f = (a-b)^2/(2 pi)."""
    lemma, kernel, kernel_dot, strength = _abrelu()
    proof = Proof()
    proof.include(lemma)
    root = sp.sqrt(q1 * q2 - q12**2)
    proof.equal("Price's theorem", sp.Derivative(kernel, q12), kernel_dot)
    expression = (strength * root / (2 * q1), strength * root / (2 * q2))
    proof.equal("dT/dq1", sp.Derivative(kernel, q1), expression[0])
    proof.equal("dT/dq2", sp.Derivative(kernel, q2), expression[1])
    return proof.claim((q1, q2, q12, strength), expression, _pairs(_INSIDE))


def abrelu_second() -> Claim:
    """Second derivatives 11, 22, 1-2, 1-12, 2-12, 12-12 of T for a x (x < 0), b x (x > 0)."""
    lemma, kernel, _, strength = _abrelu()
    proof = Proof()
    proof.include(lemma)
    root = sp.sqrt(q1 * q2 - q12**2)
    half = strength * (q12**2 - q1 * q2 / 2) / (2 * root)
    expression = (half / q1**2, half / q2**2, strength / (4 * root),
                  -strength * q12 / (2 * q1 * root), -strength * q12 / (2 * q2 * root), strength / root)  # fmt: skip
    for order, formula in zip(_ORDERS, expression, strict=True):
        proof.equal(f"second derivative in {order[0]} and {order[1]}", sp.Derivative(kernel, *order), formula)
    return proof.claim((q1, q2, q12, strength), expression, _pairs(_INSIDE), tolerance=1e-13, scale=strength / root)


def abrelu_third() -> Claim:
    """Second derivatives 11, 22, 1-2, 1-12, 2-12, 12-12 of Tdot for a x (x < 0), b x (x > 0)."""
    lemma, _, kernel_dot, strength = _abrelu()
    proof = Proof()
    proof.include(lemma)
    det = q1 * q2 - q12**2
    cube = strength / det ** sp.Rational(3, 2)
    common = cube * q12 * (3 * q1 * q2 - 2 * q12**2) / 4
    expression = (common / q1**2, common / q2**2, cube * q12 / 4, -cube * q2 / 2, -cube * q1 / 2, cube * q12)
    for order, formula in zip(_ORDERS, expression, strict=True):
        proof.equal(f"second derivative in {order[0]} and {order[1]}", sp.Derivative(kernel_dot, *order), formula)
    return proof.claim((q1, q2, q12, strength), expression, _pairs(_INSIDE), tolerance=1e-13)
