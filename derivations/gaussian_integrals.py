"""Gaussian means of polynomials times exponentials of second degree: what a user's expression is made of."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof
from .gaussian import moment, q1, q2, q12, u, v

a1, a2, b1, b2 = sp.symbols("a1 a2 b1 b2")
y, z = sp.symbols("y z", real=True)


def exponential() -> Claim:
    """E u^m v^n e^{a1 u^2 + a2 v^2 + b1 u + b2 v} = D^{-1/2} e^{(b1 mu1 + b2 mu2)/2} M_mn, (u, v) ~ N(0, Sigma).

    S = (Sigma^{-1} - 2 diag(a1, a2))^{-1}, mu = S b, and M_mn the moment of a Gaussian of mean mu and covariance S:
    M_mn = mu1 M_{m-1,n} + (m-1) S11 M_{m-2,n} + n S12 M_{m-1,n-1}. Complex b by continuation (both sides are entire).
    """
    proof = Proof()
    sigma = sp.Matrix([[q1, q12], [q12, q2]])
    precision = sigma.inv() - 2 * sp.diag(a1, a2)
    determinant = q1 * q2 - q12**2
    d = 1 - 2 * a1 * q1 - 2 * a2 * q2 + 4 * a1 * a2 * determinant
    proof.equal("D = det Sigma det(Sigma^-1 - 2 diag(a))", sp.cancel(sigma.det() * precision.det()), d)
    covariance = sp.Matrix([[q1 - 2 * a2 * determinant, q12], [q12, q2 - 2 * a1 * determinant]]) / d
    proof.equal_entries("S", (covariance * precision).applyfunc(sp.cancel), sp.eye(2))
    s11, s12, s22 = sp.symbols("S11 S12 S22", positive=True)
    s = sp.Matrix([[s11, s12], [s12, s22]])
    at, slope = sp.Matrix([u, v]), sp.Matrix([b1, b2])
    mu = s * slope
    exponent = (-(at.T * s.inv() * at) / 2 + slope.T * at)[0]
    square = (-((at - mu).T * s.inv() * (at - mu)) / 2 + slope.T * mu / 2)[0]
    proof.equal("complete the square", sp.cancel(exponent - square), 0, sp.Symbol("difference"))
    proof.note("the integral over the plane, over that without exponentials, is D^{-1/2} (see `gaussian.tilt`)")
    m1, m2 = sp.symbols("mu1 mu2")
    first = m1 + sp.sqrt(s11) * y
    second = m2 + s12 / sp.sqrt(s11) * y + sp.sqrt(s22 - s12**2 / s11) * z
    proof.note("E g_1 f(mu + g) = S11 E f_1 + S12 E f_2 (partial integration) with f = u^{m-1} v^n: the recursion")

    def moments(m: int, n: int) -> sp.Expr:
        return moment(first**m * second**n, y, z) if min(m, n) >= 0 else sp.Integer(0)

    for m, n in ((1, 0), (1, 1), (2, 1), (3, 2), (2, 3)):
        right = m1 * moments(m - 1, n) + (m - 1) * s11 * moments(m - 2, n) + n * s12 * moments(m - 1, n - 1)
        proof.equal(f"directly, M_{m}{n}", sp.expand(moments(m, n) - right), 0, sp.Symbol(f"M_{m}{n}"))
    weight = sp.exp((b1 * m1 + b2 * m2) / 2) / sp.sqrt(d)
    return proof.claim((q1, q2, q12, a1, a2, b1, b2), weight, Domain(()))
