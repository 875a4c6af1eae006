"""Closed forms of bandits: who is better under two Beta posteriors, what one wrong arm costs, and where sums may stop.

    P(X1 > X2)      X1 ~ Beta(a1, b1), X2 ~ Beta(a2, b2) independent, whole numbers: a sum of a1 positive terms
    E (X1 - X2)^+   and its square, from the same sum at shifted counts
    KL(p, q)        of Bernoulli laws, for the slope Delta/KL of Lai and Robbins; Gaussian: 2 s^2/Delta
    g^N/(1 - g)     by how much a Gittins index computed to N pulls can be too low

Domain   a, b >= 1 whole; 0 <= p, q <= 1 (infinite where q is 0 or 1 and p is not); Delta > 0; 0 < g < 1.
Sources  [Lai1985], [Gittins1979], [Lattimore2020, Theorem 15.2]. Proof: derivations/bandits.py.
"""

from __future__ import annotations

import math

from theorysim.backend.compile import body
from theorysim.equations.registry import equation

_BIG = 2.0**512


@equation("bandits.beta_above")
def beta_above(a1: int, b1: int, a2: int, b2: int) -> float:
    """Return P(X1 > X2) for X1 ~ Beta(a1, b1), X2 ~ Beta(a2, b2): positive terms, at any counts, O(a1 + b1)."""
    first, powers = 1.0, 0  # the first term is first * 2^(512 powers): it may be below the smallest double
    for j in range(b1):
        first *= (b2 + j) / (a2 + b2 + j)
        if first < 1.0 / _BIG:
            first *= _BIG
            powers -= 1
    term, total = 1.0, 1.0
    for i in range(a1 - 1):
        term *= (a2 + i) / (1.0 + i) * ((b1 + i) / (a2 + b1 + b2 + i))
        total += term
        if total > _BIG:
            term /= _BIG
            total /= _BIG
            powers += 1
    value = first * total
    for _ in range(-powers):
        value /= _BIG
    return value


@equation("bandits.beta_excess")
def beta_excess(a1: int, b1: int, a2: int, b2: int) -> float:
    """Return E (X1 - X2)^+ = E X1 P(X1' > X2) - E X2 P(X1 > X2'): a prime adds one to a."""
    return a1 / (a1 + b1) * beta_above(a1 + 1, b1, a2, b2) - a2 / (a2 + b2) * beta_above(a1, b1, a2 + 1, b2)


@equation("bandits.beta_excess_square")
def beta_excess_square(a1: int, b1: int, a2: int, b2: int) -> float:
    """Return E ((X1 - X2)^+)^2 from P at shifted counts."""
    m1, m2 = a1 / (a1 + b1), a2 / (a2 + b2)
    own = m1 * (a1 + 1) / (a1 + b1 + 1) * beta_above(a1 + 2, b1, a2, b2)
    other = m2 * (a2 + 1) / (a2 + b2 + 1) * beta_above(a1, b1, a2 + 2, b2)
    return own - 2.0 * m1 * m2 * beta_above(a1 + 1, b1, a2 + 1, b2) + other


@body
def _above_logarithm(x: float, ratio: float) -> float:
    """Return x - log(ratio) >= 0, ratio = 1 + x; for small x by s = x/(2 + x): x s - 2 s^3 (1/3 + s^2/5 + ...)."""
    if math.fabs(x) > 0.3:
        return x - math.log(ratio)
    s = x / (2.0 + x)
    square, tail = s * s, 0.0
    for k in range(12, 0, -1):
        tail = tail * square + 1.0 / (2 * k + 1)
    return x * s - 2.0 * s * square * tail


@equation("bandits.bernoulli_divergence")
def bernoulli_divergence(p: float, q: float) -> float:
    """Return p log(p/q) + (1 - p) log((1 - p)/(1 - q)) as two positive parts: close p and q keep their digits."""
    if p == q:
        return 0.0
    if p == 0.0:
        return -math.log1p(-q)
    if p == 1.0:
        return -math.log(q)
    gap = q - p
    rest = 1.0 - p
    return p * _above_logarithm(gap / p, q / p) + rest * _above_logarithm(-gap / rest, (1.0 - q) / rest)


@equation("bandits.gaussian_slope")
def gaussian_slope(gap: float, std: float) -> float:
    """Return 2 s^2/Delta = Delta/KL of two Gaussian laws of equal standard deviation s, means Delta apart."""
    return 2.0 * std * std / gap


@equation("bandits.index_shortfall")
def index_shortfall(discount: float, pulls: int) -> float:
    """Return g^N/(1 - g): a Gittins index of [0, 1] rewards truncated after N pulls is too low by this at most."""
    return math.exp(pulls * math.log(discount)) / (1.0 - discount)


@equation("bandits.minimax_bound")
def minimax_bound(arms: int, horizon: int) -> float:
    """Return sqrt((k - 1) n)/27: every policy has this regret on some bandit of k unit Gaussian arms, n >= k - 1."""
    return math.sqrt((arms - 1.0) * horizon) / 27.0
