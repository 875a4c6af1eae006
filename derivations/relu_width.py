"""Exact moments of the tangent kernel of finite relu networks without biases, at one input."""

from __future__ import annotations

from functools import cache

import sympy as sp

from .claim import Claim, Domain, Proof
from .gaussian import mean_of

n = sp.Symbol("n", positive=True)


def tangent() -> Claim:
    """Relu without biases, two hidden layers of n neurons, w = alpha = 2: Var Theta/(E Theta)^2 = 58/(9 n) + O(1/n^2).

    From the recursion, exact at every n, of the moments of f and |g| = |df/dh| above a layer of length 1.
    """
    proof = Proof()
    proof.include(lemma())
    return proof.claim((n,), sp.Rational(58, 9) / n, Domain(()))


@cache
def lemma() -> Proof:
    """Prove the recursion of second moments for two hidden layers, all widths n, w = alpha = 2."""
    proof = Proof()
    active = sp.Symbol("A", positive=True)
    proof.note("h = W x, |x| = 1; A of n neurons active, |phi|^2 = S, a sum of A squares of variance w/n")
    mean, mean2 = n / 2, n / 4 + n**2 / 4  # binomial
    proof.equal("E A(A + 2)", mean2 + 2 * mean, n * (n + 5) / 4, mean_of(active * (active + 2)))
    proof.equal("E A(A - 1)", mean2 - mean, n * (n - 1) / 4, mean_of(active * (active - 1)))
    proof.note(
        "W^T g has the component f/|phi| along phi, and A - 1 free ones: |g'|^2 = f^2/S + (w/n) |g|^2 chi^2_{A-1}"
    )
    # E f^2, E g^2, E f^4, E f^2 g^2, E g^4 above a layer, from the last one down
    above = [(2 / n, sp.Integer(1), 12 / n**2, 2 / n, sp.Integer(1))]
    for _ in range(2):
        above.insert(0, tuple(sp.expand(e) for e in _below(above[0])))
    proof.equal("E |g|^2 stays 1: the mean of Theta has no correction", above[0][1], 1)
    ratio = sp.expand(_second_moment(above) / 36 - 1)
    proof.note("relative variance, leaving out P(A = 0) = 2^-n", ratio)
    proof.equal("at order 1/n", sp.limit(n * ratio, n, sp.oo), sp.Rational(58, 9))
    return proof


def _second_moment(above: list[tuple[sp.Expr, ...]]) -> sp.Expr:
    """Return E Theta^2 as a sum over pairs of layers, alpha = 2, for an input of n entries with |x|^2 = n."""
    layers, s2 = range(len(above)), (n + 5) / n
    total = sp.Integer(0)
    for top in layers:
        forward, gradient = above[top][3], above[top][4]
        total += (2 / n) ** 2 * n**2 * s2**top * gradient
        for low in reversed(range(top)):
            gradient = forward + (n - 1) / n * gradient  # w/n E S (A - 1) = (n - 1)/n, E S = 1
            forward = s2 * forward
            total += 2 * (2 / n) ** 2 * n**2 * s2**low * gradient
    return sp.expand(total)


def _below(now: tuple[sp.Expr, ...]) -> tuple[sp.Expr, ...]:
    """Carry E f^2, E g^2, E f^4, E f^2 g^2, E g^4 (relu, w = 2, equal widths) down one layer, without 2^-n."""
    f2, g2, f4, fg, g4 = now
    forward = back = 2 / n
    s, s2, s_rest = n / 2 * forward, n * (n + 5) / 4 * forward**2, n * (n - 1) / 4 * forward
    rest, rest2 = n / 2 - 1, n * (n + 1) / 4 - 1
    return (s * f2, f2 + back * rest * g2, s2 * f4, s * f4 + back * s_rest * fg,
            f4 + 2 * back * rest * fg + back**2 * rest2 * g4)  # fmt: skip
