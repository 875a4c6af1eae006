"""Training in a random kernel that stays fixed: the response of predictions to the kernel."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof


def divided_differences() -> Claim:
    """The motion of r' = -(W + dW) r to second order in dW: time integrals are divided differences of e^{-w t}.

    With W = diag(w): r_i = e^{-w_i t} r_i(0) - sum_j dW_ij g_ij r_j(0) + sum_jk dW_ij dW_jk g_ijk r_k(0).
    """
    proof = Proof()
    t = sp.Symbol("t", positive=True)
    x, y, c = sp.symbols("w_i w_j w_k", positive=True)
    one = (sp.exp(-x * t) - sp.exp(-y * t)) / (y - x)
    proof.equal("g_ij' = -w_i g_ij + e^{-w_j t}", sp.diff(one, t), -x * one + sp.exp(-y * t))
    two = (one - one.subs({x: y, y: c}, simultaneous=True)) / (c - x)
    inner = one.subs({x: y, y: c}, simultaneous=True)
    proof.equal("g_ijk' = -w_i g_ijk + g_jk", sp.diff(two, t), -x * two + inner)
    proof.equal("both start at 0", one.subs(t, 0) + two.subs(t, 0), 0)
    for j in range(2, 7):
        of = [(-rate) ** j / sp.factorial(j) for rate in (x, y, c)]
        left = ((of[0] - of[1]) / (y - x) - (of[1] - of[2]) / (c - y)) / (c - x)
        power = (-1) ** j * _homogeneous(j - 2, x, y, c) / sp.factorial(j)
        proof.equal(f"coefficient of t^{j}: a complete homogeneous polynomial", sp.cancel(left), power)
    return proof.claim((x, y, c, t), (one, two), Domain(()))


def _homogeneous(order: int, *nodes: sp.Symbol) -> sp.Expr:
    x, y, c = nodes
    return sum(x**i * y**j * c ** (order - i - j) for i in range(order + 1) for j in range(order + 1 - i))
