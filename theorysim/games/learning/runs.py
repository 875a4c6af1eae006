"""One run of an agent on Bernoulli or Gaussian arms, as a body: one thread for each run, the same bits for any threads.

    thompson   a draw from the posterior of each arm (Gaussian: N(mean, s^2/n), each arm once before)
    ucb1       mean + sqrt(2 log t/n) (Gaussian: s times the root), t = pulls made so far; arms without pulls first
    kl-ucb     the largest q with n KL(mean, q) <= log t (Bernoulli)
    greedy     the posterior mean (Gaussian: the mean, each arm once before)

The largest value is pulled; values within 1e-12 of it share the pull.

Sources  [Thompson1933], [Auer2002], [Garivier2011].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorysim.backend import random
from theorysim.backend.compile import body
from theorysim.backend.order import smaller
from theorysim.backend.random import normal_pair, uniform_pair
from theorysim.equations.bandits import bernoulli_divergence
from theorysim.games.learning.beta_draws import BLOCKS, beta_draw
from theorysim.games.learning.counts import place, states
from theorysim.games.learning.laws import BAYES_OPTIMAL, GREEDY, KL_UCB, THOMPSON, TIE

_NEWTON = 60
_NOTHING, _PULLS, _BELIEFS = np.uint64(0), np.uint64(random.BANDIT_PULLS), np.uint64(random.BANDIT_BELIEFS)


@body
def picked(i: int, scores: Any, u: float) -> int:
    """Return an arm with the largest score of run i; a uniform number chooses among equal ones."""
    arms, best, equal = scores.shape[1], scores[i, 0], 0
    for arm in range(1, arms):
        if scores[i, arm] > best:
            best = scores[i, arm]
    for arm in range(arms):
        if scores[i, arm] >= best - TIE:
            equal += 1
    left = int(u * equal)
    for arm in range(arms):
        if scores[i, arm] >= best - TIE:
            if left == 0:
                return arm
            left -= 1
    return 0


@body
def optimistic_mean(mean: float, level: float) -> float:
    """Return the largest q with KL(mean, q) <= level: Newton steps down to the root of a convex function.

    They start at the smaller of two upper bounds: Pinsker's, and the one that leaves log q out.
    """
    if mean >= 1.0 or level <= 0.0:
        return mean
    if mean <= 0.0:
        return -math.expm1(-level)
    rest = 1.0 - mean
    q = smaller(mean + math.sqrt(0.5 * level), 1.0 - rest * math.exp((mean * math.log(mean) - level) / rest))
    for _ in range(_NEWTON):
        if q <= mean or q >= 1.0:
            return smaller(q, 1.0)
        step = (bernoulli_divergence(mean, q) - level) * q * (1.0 - q) / (q - mean)
        if step <= 1e-15:
            return q
        q -= step
    return q


@body
def score(agent: int, n: int, s: int, a: int, b: int, log_t: float) -> float:
    """Return what an agent without random beliefs gives an arm with n pulls and s successes, prior Beta(a, b)."""
    if agent == GREEDY:
        return (a + s) / (a + b + n)
    if n == 0:
        return math.inf
    if agent == KL_UCB:
        return optimistic_mean(s / n, log_t / n)
    return s / n + math.sqrt(2.0 * log_t / n)


@body
def write_row(i: int, row: int, means: Any, counts: Any, regret: Any, pulls: Any) -> None:
    """Write regret and pulls of run i into a row."""
    arms, best, total = counts.shape[1], means[i, 0], 0.0
    for arm in range(1, arms):
        best = means[i, arm] if means[i, arm] > best else best
    for arm in range(arms):
        total += counts[i, arm] * (best - means[i, arm])
        pulls[i, row, arm] = counts[i, arm]
    regret[i, row] = total


@body(
    "int64, float64[:,::1], int64[:,::1], int8[::1], int64[::1], int64[:,::1], int64[:,::1], float64[:,::1], "
    "float64[:,::1], int64[:,:,::1], uint64, uint64"
)
def bernoulli_run(
    i: int, agent: int, means: Any, prior: Any, table: Any, steps: Any, counts: Any, wins: Any, scores: Any,
    regret: Any, pulls: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Run agent i to the last of the recorded steps.

    Parameters
    ----------
    means : shape (runs, arms)
    prior : shape (arms, 2)
    table : choices of the Bayes-optimal agent, those of all times one after the other
    steps : shape (rows,), ascending
    counts, wins, scores : shape (runs, arms), work space
    regret : shape (runs, rows)
    pulls : shape (runs, rows, arms)
    """
    arms, stream, row, offset = counts.shape[1], np.uint64(i), 0, 0
    for arm in range(arms):
        counts[i, arm] = 0
        wins[i, arm] = 0
    for t in range(steps[steps.size - 1] + 1):
        if steps[row] == t:
            write_row(i, row, means, counts, regret, pulls)
            row += 1
        if row == steps.size:
            return
        step = np.uint64(t)
        u, v = uniform_pair(_NOTHING, stream, step, _PULLS, k0, k1)
        log_t = math.log(float(t)) if t > 0 else 0.0
        for arm in range(arms):
            n, s = counts[i, arm], wins[i, arm]
            if agent == THOMPSON:
                a, b = prior[arm, 0] + s, prior[arm, 1] + n - s
                scores[i, arm] = beta_draw(a, b, np.uint64(arm * BLOCKS), stream, step, _BELIEFS, k0, k1)
            elif agent == BAYES_OPTIMAL:
                choice = table[offset + place(t, counts[i, 0], wins[i, 0], wins[i, 1])]
                scores[i, arm] = 0.5 * choice if arm == 0 else 1.0 - 0.5 * choice
            else:
                scores[i, arm] = score(agent, n, s, prior[arm, 0], prior[arm, 1], log_t)
        offset += states(t)
        arm = picked(i, scores, u)
        counts[i, arm] += 1
        if v < means[i, arm]:
            wins[i, arm] += 1


@body(
    "int64, float64[:,::1], float64, int64[::1], int64[:,::1], float64[:,::1], float64[:,::1], float64[:,::1], "
    "int64[:,:,::1], uint64, uint64"
)
def gaussian_run(
    i: int, agent: int, means: Any, std: float, steps: Any, counts: Any, sums: Any, scores: Any, regret: Any,
    pulls: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Run agent i on Gaussian arms; arguments as of `bernoulli_run`, `sums` the rewards of each arm."""
    arms, stream, row = counts.shape[1], np.uint64(i), 0
    for arm in range(arms):
        counts[i, arm] = 0
        sums[i, arm] = 0.0
    for t in range(steps[steps.size - 1] + 1):
        if steps[row] == t:
            write_row(i, row, means, counts, regret, pulls)
            row += 1
        if row == steps.size:
            return
        step = np.uint64(t)
        u, _ = uniform_pair(_NOTHING, stream, step, _PULLS, k0, k1)
        z, _ = normal_pair(np.uint64(1), stream, step, _PULLS, k0, k1)
        twice = 2.0 * math.log(float(t)) if t > 0 else 0.0
        for arm in range(arms):
            n = counts[i, arm]
            if n == 0:
                scores[i, arm] = math.inf
            else:
                own = 0.0
                if agent == THOMPSON:
                    own = normal_pair(np.uint64(arm), stream, step, _BELIEFS, k0, k1)[0]
                elif agent != GREEDY:
                    own = math.sqrt(twice)
                scores[i, arm] = sums[i, arm] / n + std * own / math.sqrt(float(n))
        arm = picked(i, scores, u)
        counts[i, arm] += 1
        sums[i, arm] += means[i, arm] + std * z
