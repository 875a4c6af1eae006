"""Two-armed Bernoulli bandits by plain enumeration: written apart from the package, in rational numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import product

Law = Callable[[int, int, int, int], Fraction]
HALF = Fraction(1, 2)


@cache
def above(a1: int, b1: int, a2: int, b2: int) -> Fraction:
    """P(X1 > X2) of Beta variables: X2 <= x is at least a2 successes in n2 = a2 + b2 - 1 trials."""
    n = a2 + b2 - 1

    def beta(a: int, b: int) -> Fraction:
        return Fraction(math.factorial(a - 1) * math.factorial(b - 1), math.factorial(a + b - 1))

    return sum((math.comb(n, k) * beta(a1 + k, b1 + n - k) for k in range(a2, n + 1)), Fraction(0)) / beta(a1, b1)


def thompson(n1: int, s1: int, n2: int, s2: int) -> Fraction:
    return above(1 + s1, 1 + n1 - s1, 1 + s2, 1 + n2 - s2)


def greedy(n1: int, s1: int, n2: int, s2: int) -> Fraction:
    one, two = Fraction(1 + s1, 2 + n1), Fraction(1 + s2, 2 + n2)
    return HALF if one == two else Fraction(int(one > two))


def ucb1(clock: int = 0, tie: Fraction = HALF) -> Law:
    """UCB1 whose logarithm is of t + clock; `tie` is the share of arm 1 where values are equal."""

    def law(n1: int, s1: int, n2: int, s2: int) -> Fraction:
        if n1 == 0 or n2 == 0:
            return tie if n1 == n2 else Fraction(int(n1 == 0))
        twice = 2 * math.log(n1 + n2 + clock)
        gap = s1 / n1 + math.sqrt(twice / n1) - s2 / n2 - math.sqrt(twice / n2)
        return tie if abs(gap) <= 1e-12 else Fraction(int(gap > 0))

    return law


def regret(law: Law, horizon: int, means: tuple[Fraction, Fraction] | None = None) -> Fraction:
    """Expected regret, in the mean over uniform arms or at given ones."""

    @cache
    def reward(n1: int, s1: int, n2: int, s2: int) -> Fraction:
        if n1 + n2 == horizon:
            return Fraction(0)
        p = law(n1, s1, n2, s2)
        m1, m2 = means or (Fraction(1 + s1, 2 + n1), Fraction(1 + s2, 2 + n2))
        found = Fraction(0)
        if p:
            found += p * m1 * (1 + reward(n1 + 1, s1 + 1, n2, s2)) + p * (1 - m1) * reward(n1 + 1, s1, n2, s2)
        if p != 1:
            rest = 1 - p
            found += rest * m2 * (1 + reward(n1, s1, n2 + 1, s2 + 1)) + rest * (1 - m2) * reward(n1, s1, n2 + 1, s2)
        return found

    return horizon * (max(means) if means else Fraction(2, 3)) - reward(0, 0, 0, 0)


def least_regret(horizon: int) -> Fraction:
    """Bayes regret of the best agent, uniform arms."""

    @cache
    def reward(n1: int, s1: int, n2: int, s2: int) -> Fraction:
        if n1 + n2 == horizon:
            return Fraction(0)
        m1, m2 = Fraction(1 + s1, 2 + n1), Fraction(1 + s2, 2 + n2)
        one = m1 * (1 + reward(n1 + 1, s1 + 1, n2, s2)) + (1 - m1) * reward(n1 + 1, s1, n2, s2)
        two = m2 * (1 + reward(n1, s1, n2 + 1, s2 + 1)) + (1 - m2) * reward(n1, s1, n2 + 1, s2)
        return max(one, two)

    return horizon * Fraction(2, 3) - reward(0, 0, 0, 0)


Pairs = tuple[tuple[int, int], ...]


def _counts(pairs: Pairs) -> tuple[int, int, int, int]:
    n1, n2 = sum(arm == 0 for arm, _ in pairs), sum(arm == 1 for arm, _ in pairs)
    return n1, sum(r for arm, r in pairs if arm == 0), n2, sum(r for arm, r in pairs if arm == 1)


def _trajectories(pulls: Callable[[Pairs], Fraction], length: int) -> Iterator[tuple[Pairs, Fraction]]:
    """All sequences of pairs (arm, reward) with their probability under uniform arms."""
    for pairs in product(product((0, 1), (0, 1)), repeat=length):
        weight = Fraction(1)
        for t, (arm, r) in enumerate(pairs):
            n1, s1, n2, s2 = _counts(pairs[:t])
            mean = Fraction(1 + s1, 2 + n1) if arm == 0 else Fraction(1 + s2, 2 + n2)
            p = pulls(pairs[:t])
            weight *= (p if arm == 0 else 1 - p) * (mean if r else 1 - mean)
            if not weight:
                break
        if weight:
            yield pairs, weight


def imitation_regret(law: Law, horizon: int, history: int) -> Fraction:
    """Regret of E[law | time, last pairs], the mean over all trajectories of the teacher, by listing them."""
    imitated: dict[tuple[int, Pairs], Fraction] = {}
    for t in range(horizon):
        total: dict[Pairs, Fraction] = {}
        share: dict[Pairs, Fraction] = {}
        for pairs, weight in _trajectories(lambda seen: law(*_counts(seen)), t):
            context = pairs[max(t - history, 0) :]
            total[context] = total.get(context, Fraction(0)) + weight
            share[context] = share.get(context, Fraction(0)) + weight * law(*_counts(pairs))
        imitated |= {(t, context): share[context] / total[context] for context in total}

    def student(seen: Pairs) -> Fraction:
        return imitated[len(seen), seen[max(len(seen) - history, 0) :]]

    rewards = sum(w * sum(r for _, r in pairs) for pairs, w in _trajectories(student, horizon))
    return horizon * Fraction(2, 3) - rewards
