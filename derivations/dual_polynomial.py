"""Dual maps of x and x^2."""

from __future__ import annotations

import sympy as sp

from .claim import PAIRS, VARIANCES, Claim, Proof
from .gaussian import mean_of, moment, q1, q2, q12, u, v

q = sp.Symbol("q", positive=True)
y, z = sp.symbols("y z", real=True)
U = sp.sqrt(q1) * y
V = q12 / sp.sqrt(q1) * y + sp.sqrt(q2 - q12**2 / q1) * z


def linear_kernel() -> Claim:
    """T = q12, Tdot = 1 for phi(x) = x."""
    proof = Proof()
    proof.equal("E u v", moment(U * V, y, z), q12, mean_of(u * v))
    return proof.claim((q1, q2, q12), (q12, sp.Integer(1)), PAIRS)


def quadratic_kernel() -> Claim:
    """T = 2 q12^2 + q1 q2, Tdot = 4 q12 for phi(x) = x^2 (Isserlis)."""
    proof = Proof()
    t = 2 * q12**2 + q1 * q2
    proof.equal("E u^2 v^2", moment(U**2 * V**2, y, z), t, mean_of(u**2 * v**2))
    proof.equal("E 2u 2v", moment(4 * U * V, y, z), 4 * q12, mean_of(4 * u * v))
    proof.equal("Price's theorem", sp.Derivative(t, q12), 4 * q12)
    return proof.claim((q1, q2, q12), (t, 4 * q12), PAIRS)


def linear_diagonal() -> Claim:
    """E u^2 = q for u ~ N(0, q); the slope is 1."""
    proof = Proof()
    proof.equal("E u^2", moment(q * y**2, y), q, mean_of(u**2))
    return proof.claim((q,), (q, sp.Integer(1)), VARIANCES)


def quadratic_diagonal() -> Claim:
    """E u^4 = 3 q^2, E (2u)^2 = 4 q for u ~ N(0, q)."""
    proof = Proof()
    proof.equal("E u^4", moment(q**2 * y**4, y), 3 * q**2, mean_of(u**4))
    proof.equal("E 4 u^2", moment(4 * q * y**2, y), 4 * q, mean_of(4 * u**2))
    return proof.claim((q,), (3 * q**2, 4 * q), VARIANCES)
