"""What an agent of a two-armed Bernoulli bandit does, given its counts: the probability of pulling arm 1.

    thompson        P(X1 > X2), X_a of the posterior of arm a: the probability that arm 1 is the better one
    ucb1            the larger of mean + sqrt(2 log t/n), t = pulls made so far; an arm without pulls first
    greedy          the larger posterior mean
    bayes-optimal   what backward recursion finds (`dynamic_program`)

Equal values, to 1e-12, share the pull. Arm 1 is the arm of index 0.

Sources  [Thompson1933], [Auer2002].
"""

from __future__ import annotations

import math
from typing import Any

from theorysim.backend.compile import body
from theorysim.equations.bandits import beta_above
from theorysim.games.learning.counts import place

THOMPSON, UCB1, GREEDY, BAYES_OPTIMAL, KL_UCB = 0, 1, 2, 3, 4
CODES = {"thompson": THOMPSON, "ucb1": UCB1, "greedy": GREEDY, "bayes-optimal": BAYES_OPTIMAL, "kl-ucb": KL_UCB}
"""Agents by name."""
EXACT = ("thompson", "ucb1", "greedy", "bayes-optimal")
"""Agents whose law at given counts is known in closed form, or by recursion."""
FEW = 900
"""Counts in all up to which the terms of `compare_row` are far above the smallest double."""
TIE = 1e-12
"""Difference below which two values are equal."""


@body
def share(one: float, other: float) -> float:
    """Return 1, 1/2 or 0 as `one` is above, equal to or below `other`."""
    if math.fabs(one - other) <= TIE:
        return 0.5
    return 1.0 if one > other else 0.0


@body
def optimistic(n1: int, s1: int, n2: int, s2: int) -> float:
    """Return the probability with which UCB1 pulls arm 1 after n pulls and s successes of each."""
    if n1 == 0 or n2 == 0:
        return share(1.0 if n1 == 0 else 0.0, 1.0 if n2 == 0 else 0.0)
    twice = 2.0 * math.log(float(n1 + n2))
    return share(s1 / n1 + math.sqrt(twice / n1), s2 / n2 + math.sqrt(twice / n2))


@body
def posterior_mean(n: int, s: int, arm: int, prior: Any) -> Any:
    """Return (a + s)/(a + b + n)."""
    return (prior[arm, 0] + s) / (prior[arm, 0] + prior[arm, 1] + n)


@body
def compare_row(a1: int, b1: int, a2: int, b2: int, trials: int, out: Any, start: int) -> None:
    """Write P(X1 > X2), X2 ~ Beta(a2 + s, b2 + trials - s), for s = 0, ..., trials from `start` on.

    Downwards from s = trials, where it is smallest, by h (1/a + 1/b) > 0 with h = B(a1+a, b1+b)/(B(a1, b1) B(a, b)),
    a = a2 + s - 1, b = b2 + trials - s: nothing cancels. Counts add up to `FEW` at most: nothing underflows.
    """
    a, total = a2 + trials, float(a1 + b1 + a2 + b2 + trials)
    term = 1.0
    for j in range(b1):
        term *= (b2 + j) / (a + b2 + j)
    above = 0.0
    for i in range(a1):
        above += term
        term *= (a + i) / (1.0 + i) * ((b1 + i) / (a + b1 + b2 + i))
    out[start + trials] = above
    b, sure = b2, a1 + a - 1.0
    h = a1 * term * ((total - 1.0) / sure) * ((a - 1.0) / (a + b2 - 1.0)) if trials > 0 else 0.0
    for s in range(trials - 1, -1, -1):
        a -= 1
        above += h * (1.0 / a + 1.0 / b)
        out[start + s] = above
        h *= (b1 + b) / (a1 + a - 1.0) * ((a - 1.0) / b)
        b += 1


@body
def fill_laws(agent: int, n1: int, s1: int, n2: int, prior: Any, table: Any, out: Any, start: int) -> None:
    """Write the probabilities with which an agent pulls arm 1, for s2 = 0, ..., n2, from `start` on.

    Parameters
    ----------
    agent : int
        One of `CODES`, of an agent in `EXACT`.
    n1, s1, n2 : int
        Pulls of both arms and successes of arm 1.
    prior : ndarray of int64, shape (2, 2)
        Rows (a, b) of the Beta priors.
    table : ndarray of int8
        Choices of the Bayes-optimal agent, 2 for arm 1, 1 for either, in the places of `out`.
    """
    a1, b1, a2, b2 = prior[0, 0] + s1, prior[0, 1] + n1 - s1, prior[1, 0], prior[1, 1]
    if agent == THOMPSON and a1 + b1 + a2 + b2 + n2 <= FEW:
        compare_row(a1, b1, a2, b2, n2, out, start)
        return
    for s2 in range(n2 + 1):
        if agent == THOMPSON:
            out[start + s2] = beta_above(a1, b1, a2 + s2, b2 + n2 - s2)
        elif agent == UCB1:
            out[start + s2] = optimistic(n1, s1, n2, s2)
        elif agent == GREEDY:
            out[start + s2] = share(posterior_mean(n1, s1, 0, prior), posterior_mean(n2, s2, 1, prior))
        else:
            out[start + s2] = 0.5 * table[start + s2]


@body
def law(agent: int, t: int, n1: int, s1: int, s2: int, prior: Any, table: Any) -> Any:
    """Return the probability of arm 1 in one state after t pulls; `table` the choices of the Bayes-optimal agent."""
    n2 = t - n1
    if agent == THOMPSON:
        return beta_above(prior[0, 0] + s1, prior[0, 1] + n1 - s1, prior[1, 0] + s2, prior[1, 1] + n2 - s2)
    if agent == UCB1:
        return optimistic(n1, s1, n2, s2)
    if agent == GREEDY:
        return share(posterior_mean(n1, s1, 0, prior), posterior_mean(n2, s2, 1, prior))
    return 0.5 * table[place(t, n1, s1, s2)]
