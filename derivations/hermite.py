"""The dual maps of any activation as a series in the correlation (the route of tanh and of a user's activation)."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof
from .gaussian import mean_of, moment

c, s, t = sp.symbols("c s t", real=True)
x, y, z = sp.symbols("x y z", real=True)


def mehler() -> Claim:
    """E h_j(x) h_k(y) = c^k for j = k, else 0: normalised Hermite polynomials, standard normals of correlation c."""
    proof = Proof()
    w = sp.Symbol("w", real=True)
    integral = sp.Integral(sp.exp(w * z - z**2 / 2) / sp.sqrt(2 * sp.pi), (z, -sp.oo, sp.oo))
    proof.equal("mean of an exponential", integral, sp.exp(w**2 / 2))
    proof.note("generating function e^{s x - s^2/2} = sum_k s^k h_k(x)/sqrt(k!)")
    variance = s**2 + t**2 + 2 * c * s * t
    proof.equal("variance of s x + t y", moment((s * x + t * (c * x + sp.sqrt(1 - c**2) * z)) ** 2, x, z), variance)
    exponent = variance / 2 - s**2 / 2 - t**2 / 2
    product = sp.exp(s * x - s**2 / 2) * sp.exp(t * y - t**2 / 2)
    proof.equal("mean of both generating functions", sp.exp(exponent), sp.exp(c * s * t), mean_of(product))
    proof.note("compare powers of s and t: only (c s t)^k/k! is there")
    for k in range(4):
        for j in range(k + 1):
            correlated = c * x + sp.sqrt(1 - c**2) * z
            mixed = moment(_hermite(j, x) * _hermite(k, x).subs(x, correlated), x, z)
            expected = c**k * sp.factorial(k) if j == k else 0
            proof.equal(f"directly, He_{j} and He_{k}", mixed, expected)
    return proof.claim((c,), c, Domain(()))


def _hermite(n: int, at: sp.Symbol) -> sp.Expr:
    """Return He_n by its recursion He_{n+1} = x He_n - n He_{n-1}."""
    before, now = sp.Integer(0), sp.Integer(1)
    for k in range(n):
        before, now = now, sp.expand(at * now - k * before)
    return now


def series() -> Claim:
    """T = sum_k a_k(q1) a_k(q2) c^k, Tdot = (q1 q2)^(-1/2) sum_k k a_k(q1) a_k(q2) c^(k-1).

    a_k(q) = E phi(sqrt(q) x) h_k(x) for x ~ N(0, 1), c = q12/sqrt(q1 q2).
    """
    proof = Proof()
    proof.include(mehler())
    proof.note("phi(sqrt(q) x) = sum_k a_k(q) h_k(x); the correlation selects equal orders, whence T")
    q1, q2, q12 = sp.symbols("q1 q2 q12", positive=True)
    k = sp.Symbol("k", integer=True, positive=True)
    correlation = q12 / sp.sqrt(q1 * q2)
    slope = k * correlation ** (k - 1) / sp.sqrt(q1 * q2)
    proof.equal("Price's theorem, Tdot = dT/dq12, term by term", sp.Derivative(correlation**k, q12), slope)
    return proof.claim((q1, q2, q12, k), (correlation**k, slope), Domain(()))
