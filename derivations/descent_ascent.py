"""Langevin descent-ascent on a quadratic payoff: fluctuations and rates of the empirical means."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

a, b, beta = sp.symbols("a b beta", positive=True)
c = sp.Symbol("c", real=True)
K = sp.Matrix([[a, c], [-c, b]])

_EDGES = ((1.0, 1.0, 0.0), (1.0, 1.0, 3.0), (1e-6, 1e6, 1.0), (2.0, 1.0, 0.5), (1.0, 2.0, 1.5), (1e-8, 1e-8, 1e8))
_RANGES = (Range(1e-3, 100.0, "log"), Range(1e-3, 100.0, "log"), Range(-20.0, 20.0))


def mean_covariance() -> Claim:
    """beta N S with K S + S K^T = 2/(beta N): of N particles a side the means fluctuate less than 1/a where c couples.

    Force on X^i: -(1/N) sum_j (a X^i + c Y^j); their mean is -(a X + c Y), noise sqrt(2/beta) (1/N) sum dW^i.
    """
    proof = Proof()
    count = sp.Symbol("N", positive=True, integer=True)
    x, y = sp.symbols("x y", real=True)
    payoff = a * x**2 / 2 + c * x * y - b * y**2 / 2
    force = sp.Matrix([-sp.diff(payoff, x), sp.diff(payoff, y)])
    proof.equal_entries("descent in x, ascent in y: force = -K z", force, -K * sp.Matrix([x, y]))
    total, product = a + b, a * b + c**2
    xx, yy = ((one * total + 2 * c**2) / (total * product) for one in (b, a))
    xy = c * (b - a) / (total * product)
    s = sp.Matrix([[xx, xy], [xy, yy]]) / (beta * count)
    balance = (K * s + s * K.T).applyfunc(sp.simplify)
    proof.equal_entries("K S + S K^T", balance, 2 / (beta * count) * sp.eye(2))
    proof.equal("no coupling", sp.simplify(xx.subs(c, 0)), 1 / a)
    proof.equal("strong coupling shares the temperature", sp.limit(xx, c, sp.oo), 2 / total)
    proof.note("K + K^T > 0: the solution is unique; a particle adds (1 - 1/N)/(a beta) of its own to the variance S")
    return proof.claim((a, b, c), (xx, xy, yy), Domain(_RANGES, edges=_EDGES), scale=sp.Abs(c) / product)


def mean_rate() -> Claim:
    """Eigenvalues of K, (a+b)/2 -+ sqrt((a-b)^2/4 - c^2): the slowest rate, and the frequency where complex."""
    proof = Proof()
    half, root = (a + b) / 2, sp.sqrt((a - b) ** 2 / 4 - c**2)
    for sign in (1, -1):
        value = half + sign * root
        proof.equal(f"eigenvalue {'+' if sign > 0 else '-'}", sp.expand((K - value * sp.eye(2)).det()), 0)
    product = sp.expand((half - root) * (half + root))
    proof.equal("product of the eigenvalues", product, a * b + c**2)
    over = (a - b) ** 2 / 4 - c**2
    real = sp.Piecewise((half, over < 0), (half - sp.sqrt(sp.Max(over, 0)), True))
    frequency = sp.sqrt(sp.Max(-over, 0))
    scale = sp.sqrt(sp.Abs(a - b) / 2 * sp.Abs(c))
    return proof.claim(
        (a, b, c), (real, frequency), Domain(_RANGES, edges=_EDGES), tolerance=1e-13, scale=scale, guard=40
    )
