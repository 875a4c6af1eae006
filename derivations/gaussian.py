"""Gaussian identities that the dual maps rest on, and the observables of a Gaussian output."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

q1, q2 = sp.symbols("q1 q2", positive=True)
q12 = sp.Symbol("q12", real=True)
u, v = sp.symbols("u v", real=True)


def moment(polynomial: sp.Expr, *normals: sp.Symbol) -> sp.Expr:
    """Return the mean of a polynomial in independent standard normal variables: E z^n = (n - 1)!!, n even."""
    mean = sp.Integer(0)
    for powers, factor in sp.Poly(sp.expand(polynomial), *normals).terms():
        if all(n % 2 == 0 for n in powers):
            mean += factor * sp.prod([sp.factorial2(n - 1) for n in powers])
    return sp.expand(mean)


mean_of = sp.Function("E")
"""The mean, as it is written on the page."""


def tilt(proof: Proof, k: int) -> tuple[sp.Expr, sp.Matrix]:
    """Prove E[g(u, v) e^{-k(u^2+v^2)/2}] = weight E_S[g], and return (weight, S)."""
    sigma = sp.Matrix([[q1, q12], [q12, q2]])
    a, b, c = sp.symbols("A11 A12 A22", positive=True)
    s = sp.Symbol("s", real=True)
    proof.equal(
        "complete the square of the exponent with matrix A",
        a * u**2 + 2 * b * u * v + c * v**2,
        a * (u + b * v / a) ** 2 + (a * c - b**2) / a * v**2,
    )
    one = sp.Integral(sp.exp(-a * s**2 / 2), (s, -sp.oo, sp.oo))
    proof.equal("so that two integrals in one variable are left", one, sp.sqrt(2 * sp.pi / a))
    proof.note("whence the integral over the plane", 2 * sp.pi / sp.sqrt(a * c - b**2))
    precision = sigma.inv() + k * sp.eye(2)
    weight2 = sigma.det() * precision.det()
    determinant = (1 + k * q1) * (1 + k * q2) - k**2 * q12**2
    proof.equal("A = Sigma^-1 + k 1: det Sigma det A", weight2, determinant)
    covariance = (sigma + k * sigma.det() * sp.eye(2)) / determinant
    proof.equal_entries("covariance under the tilted weight", (covariance * precision), sp.eye(2))
    return 1 / sp.sqrt(determinant), covariance


def price() -> Claim:
    """d/dq12 E f(u) g(v) = E f'(u) g'(v) for (u, v) ~ N(0, [[q1, q12], [q12, q2]]) (Price's theorem)."""
    proof = Proof()
    det = q1 * q2 - q12**2
    log_density = -(q2 * u**2 - 2 * q12 * u * v + q1 * v**2) / (2 * det) - sp.log(det) / 2
    left = sp.diff(log_density, q12)
    right = sp.diff(log_density, u, v) + sp.diff(log_density, u) * sp.diff(log_density, v)
    proof.equal("the density p satisfies dp/dq12 = d^2p/du dv (both sides over p)", left, right)
    proof.note("multiply by f(u) g(v), integrate, and integrate by parts once in u and once in v")
    return proof.claim((q1, q2, q12, u, v), left, Domain(()))


def moments() -> Claim:
    """E z^n = (n - 1)!! for even n, 0 for odd n, z ~ N(0, 1); proved for n <= 8, all that is used."""
    proof = Proof()
    z = sp.Symbol("z", real=True)
    for n in range(9):
        integral = sp.Integral(z**n * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), (z, -sp.oo, sp.oo))
        proof.equal(f"moment {n}", integral, moment(z**n, z))
    return proof.claim((z,), z, Domain(()))


m, m1, m2, s12 = sp.symbols("m m1 m2 s12", real=True)
s = sp.Symbol("s", positive=True)


def square_mean() -> Claim:
    """E r^2 = m^2 + s for r ~ N(m, s)."""
    proof = Proof()
    z = sp.Symbol("z", real=True)
    proof.equal("r = m + sqrt(s) z", moment((m + sp.sqrt(s) * z) ** 2, z), m**2 + s, mean_of((m + sp.sqrt(s) * z) ** 2))
    return proof.claim((m, s), m**2 + s, Domain((Range(-3, 3), Range(0, 4)), edges=((0.0, 0.0),)))


def square_covariance() -> Claim:
    """Cov(r1^2, r2^2) = 2 s12^2 + 4 m1 m2 s12; hence Var r.r = 2 tr S^2 + 4 m.S m for r ~ N(m, S)."""
    proof = Proof()
    z, y = sp.symbols("z y", real=True)
    a, b = sp.symbols("a b", positive=True)
    r1, r2 = m1 + a * z, m2 + s12 / a * z + b * y
    covariance = moment(r1**2 * r2**2, z, y) - moment(r1**2, z, y) * moment(r2**2, z, y)
    formula = 2 * s12**2 + 4 * m1 * m2 * s12
    proof.equal("r1 = m1 + a z, r2 = m2 + (s12/a) z + b y, standard normal z, y", covariance, formula)
    n = 3
    matrix = sp.Matrix(n, n, lambda i, j: sp.Symbol(f"S{min(i, j)}{max(i, j)}", real=True))
    mean = sp.Matrix(n, 1, lambda i, j: sp.Symbol(f"m{i}", real=True))
    total = sum(2 * matrix[i, j] ** 2 + 4 * mean[i] * mean[j] * matrix[i, j] for i in range(n) for j in range(n))
    trace = 2 * (matrix * matrix).trace() + 4 * (mean.T * matrix * mean)[0]
    proof.equal("summed over pairs of entries (three entries shown, any number alike)", total, trace)
    domain = Domain((Range(-3, 3), Range(-3, 3), Range(-2, 2)), edges=((0.0, 1.0, 0.0),))
    scale = 2 * s12**2 + sp.Abs(4 * m1 * m2 * s12)
    return proof.claim((m1, m2, s12), formula, domain, scale=scale)


def binary_accuracy() -> Claim:
    """P(f > 0) = erfc(-m/(sqrt(2) s))/2 for f ~ N(m, s^2): the expected accuracy of a network with two classes."""
    proof = Proof()
    f = sp.Symbol("f", real=True)
    formula = sp.erfc(-m / (sp.sqrt(2) * s)) / 2
    at = sp.Symbol("x", real=True)
    density = sp.exp(-((f - m) ** 2) / (2 * s**2)) / (sp.sqrt(2 * sp.pi) * s)
    tail = sp.erfc((at - m) / (sp.sqrt(2) * s)) / 2
    proof.equal("the tail P(f > x) falls by the density", -sp.Derivative(tail, at), density.subs(f, at))
    proof.equal("and vanishes at infinity", sp.Limit(sp.erfc(at), at, sp.oo), 0)
    proof.equal("at x = 0", tail.subs(at, 0), formula)
    domain = Domain((Range(-8, 8), Range(0.3, 3.0)), edges=((-30.0, 1.0), (-1.0, 0.05), (0.0, 1.0), (9.0, 1.0)))
    return proof.claim((m, s), formula, domain, tolerance=2e-13, guard=250)
