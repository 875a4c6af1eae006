"""Exact second moments of SGD in the kernel regime, and the largest stable step."""

from __future__ import annotations

from itertools import combinations, product

import sympy as sp

from .claim import Claim, Domain, Proof

eta, n, size = sp.symbols("eta N B", positive=True)


def _symmetric(name: str, order: int) -> sp.Matrix:
    return sp.Matrix(order, order, lambda i, j: sp.Symbol(f"{name}{min(i, j)}{max(i, j)}", real=True))


def _enumerated(order: int, count: int, replacement: bool) -> tuple[sp.Matrix, sp.Matrix]:
    """Return E (1 - eta Theta M/B) C (1 - eta Theta M/B)^T over all batches, and the closed form."""
    theta, c = _symmetric("K", order), _symmetric("C", order)
    samples = range(order)
    batches = list(product(samples, repeat=count) if replacement else combinations(samples, count))
    total = sp.zeros(order, order)
    for batch in batches:
        chosen = sp.diag(*[batch.count(i) for i in range(order)])
        step = sp.eye(order) - eta * theta * chosen / count
        total += step * c * step.T
    mean = sp.eye(order) - eta * theta / order
    factor = sp.Rational(1, count) if replacement else sp.Rational(order - count, count * (order - 1))
    spread = order * sp.diag(*[c[i, i] for i in range(order)]) - c
    closed = mean * c * mean.T + eta**2 * factor / order**2 * theta * spread * theta
    return (total / len(batches)).expand(), closed.expand()


def second_moment() -> Claim:
    """C' = (1 - eta Theta/N) C (1 - eta Theta/N) + eta^2 noise/N^2 Theta (N diag(C) - C) Theta, C = E r r^T.

    noise = (N - B)/(B (N - 1)) for batches of different samples, 1/B with replacement; r the residuals of one
    output, mean-squared loss with a half, no momentum.
    """
    proof = Proof()
    proof.note("a batch with multiplicities m moves r by -(eta/B) Theta diag(m) r; Theta does not move")
    for order, count in ((2, 1), (3, 1), (3, 2), (3, 3)):
        left, right = _enumerated(order, count, False)
        proof.equal_entries(f"all subsets, N = {order}, B = {count}", left, right)
    for order, count in ((2, 1), (2, 2), (3, 2)):
        left, right = _enumerated(order, count, True)
        proof.equal_entries(f"all draws with replacement, N = {order}, B = {count}", left, right)
    proof.note("any N: E diag(m) C diag(m) has entries C_ij E m_i m_j, i.e. p2 C + (p1 - p2) diag(C)")
    p1, p2 = size / n, size * (size - 1) / (n * (n - 1))
    noise = (n - size) / (size * (n - 1))
    proof.equal("subset, off the diagonal: 1/N^2 - noise/N^2", p2 / size**2, 1 / n**2 - noise / n**2)
    proof.equal("subset, diagonal: noise/N", (p1 - p2) / size**2, noise / n)
    p2_drawn, p1_drawn = size * (size - 1) / n**2, size / n + size * (size - 1) / n**2
    proof.equal("replacement, off the diagonal", p2_drawn / size**2, 1 / n**2 - 1 / (size * n**2))
    proof.equal("replacement, diagonal", (p1_drawn - p2_drawn) / size**2, 1 / (size * n))
    return proof.claim((n, size), noise, Domain(()))


def largest_step() -> Claim:
    """Gradient descent on mode w is stable iff eta kappa w < 2: eta_max = 2/(kappa w_max)."""
    proof = Proof()
    kappa, w = sp.symbols("kappa w", positive=True)
    edge = 2 / (kappa * w)
    proof.equal("the factor of one step at the edge", 1 - eta.subs(eta, edge) * kappa * w, -1)
    return proof.claim((kappa, w), edge, Domain(()))


def ridge_dynamics() -> Claim:
    """With ridge d, one step multiplies r - d/(w + d) by 1 - eta kappa (w + d): fixed point and rate together."""
    proof = Proof()
    kappa, w, d = sp.symbols("kappa w d", positive=True)
    move = sp.Symbol("p", real=True)
    proof.note("p <- p - eta kappa (-sqrt(w) (1 - sqrt(w) p) + d p), r = 1 - sqrt(w) p")
    after = move - eta * kappa * (-sp.sqrt(w) * (1 - sp.sqrt(w) * move) + d * move)
    rest = d / (w + d)
    left = 1 - sp.sqrt(w) * after - rest
    proof.equal("one step", left, (1 - eta * kappa * (w + d)) * (1 - sp.sqrt(w) * move - rest))
    return proof.claim((w, d), rest, Domain(()))
