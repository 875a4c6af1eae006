"""Two-armed Bernoulli bandits with Beta priors, exactly: the regret of agents, and the least regret of all.

A state after t pulls is (n1, s1, s2): pulls of arm 1 and successes of both; n2 = t - n1. There are (t+3)(t+2)(t+1)/6.

    forward    w_{t+1}(next) = sum w_t(state) law(state) P(reward | state): one sweep gives every horizon
    backward   V_t = max over arms of (mean + E V_{t+1}),  V_T = 0: one sweep for each horizon T
    regret     T E max(p1, p2) - (expected rewards) in the mean over the prior; T max(p1, p2) - ... at given arms

States of one time lie one after the other: by n1, then s1, then s2.

Sources  [Thompson1933], [Auer2002]; the recursions are elementary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.equations.bandits import beta_above
from theorysim.games.learning.arguments import agent_of, chances_of, horizon_of, prior_of, two_armed
from theorysim.games.learning.counts import place, states
from theorysim.games.learning.laws import BAYES_OPTIMAL, CODES, EXACT, TIE, fill_laws, posterior_mean
from theorysim.problem.validation import plain

Array = NDArray[np.float64]
Table = NDArray[np.int8]
UNIFORM = ((1, 1), (1, 1))
"""Beta(1, 1) for both arms."""
MOST_PULLS = 300
"""Longest horizon of the recursions: 3.4e8 states in all."""


@body
def chance(arm: int, n: int, s: int, world: Any) -> Any:
    """Return the probability of a success: (a + s)/(a + b + n) under a prior, p where the arm is given."""
    return (world[arm, 0] + world[arm, 2] * s) / (world[arm, 1] + world[arm, 2] * n)


@body("int64, int64, int64[:,::1], float64[:,::1], float64[::1], int8[::1], float64[::1], float64[::1]")
def decide(n1: int, t: int, agent: int, prior: Any, world: Any, weight: Any, table: Any, left: Any, gain: Any) -> None:
    """Write the law times the weight of the states with n1 pulls of arm 1, and their expected reward."""
    n2, total = t - n1, 0.0
    for s1 in range(n1 + 1):
        start = place(t, n1, s1, 0)
        fill_laws(agent, n1, s1, n2, prior, table, left, start)
        one = chance(0, n1, s1, world)
        for s2 in range(n2 + 1):
            p, w = left[start + s2], weight[start + s2]
            total += w * (p * one + (1.0 - p) * chance(1, n2, s2, world))
            left[start + s2] = p * w
    gain[n1] = total


@body("int64, float64[:,::1], float64[::1], float64[::1], float64[::1]")
def advance(n1: int, t: int, world: Any, weight: Any, left: Any, after: Any) -> None:
    """Write the weights of the states with n1 pulls of arm 1 after t + 1 pulls."""
    n2 = t + 1 - n1
    for s1 in range(n1 + 1):
        for s2 in range(n2 + 1):
            total = 0.0
            if n1 > 0:
                if s1 > 0:
                    total += left[place(t, n1 - 1, s1 - 1, s2)] * chance(0, n1 - 1, s1 - 1, world)
                if s1 < n1:
                    total += left[place(t, n1 - 1, s1, s2)] * (1.0 - chance(0, n1 - 1, s1, world))
            if n2 > 0:
                if s2 > 0:
                    i = place(t, n1, s1, s2 - 1)
                    total += (weight[i] - left[i]) * chance(1, n2 - 1, s2 - 1, world)
                if s2 < n2:
                    i = place(t, n1, s1, s2)
                    total += (weight[i] - left[i]) * (1.0 - chance(1, n2 - 1, s2, world))
            after[place(t + 1, n1, s1, s2)] = total


@body("int64, int64[:,::1], float64[::1], float64[::1], int8[::1]")
def improve(n1: int, t: int, prior: Any, after: Any, value: Any, table: Any) -> None:
    """Write value and choice (2, 1, 0: arm 1, either, arm 2) of the states with n1 pulls of arm 1 after t pulls."""
    n2 = t - n1
    for s1 in range(n1 + 1):
        for s2 in range(n2 + 1):
            m1, m2 = posterior_mean(n1, s1, 0, prior), posterior_mean(n2, s2, 1, prior)
            one = m1 * (1.0 + after[place(t + 1, n1 + 1, s1 + 1, s2)])
            one += (1.0 - m1) * after[place(t + 1, n1 + 1, s1, s2)]
            two = m2 * (1.0 + after[place(t + 1, n1, s1, s2 + 1)]) + (1.0 - m2) * after[place(t + 1, n1, s1, s2)]
            i = place(t, n1, s1, s2)
            value[i] = one if one > two else two
            table[i] = 1 if math.fabs(one - two) <= TIE else (2 if one > two else 0)


def optimal(horizon: int, prior: Any, *, device: str = "cpu") -> tuple[float, list[Table]]:
    """Return the largest expected number of successes in `horizon` pulls, and who pulls what in each state.

    Returns
    -------
    value : float
    tables : list of ndarray of int8, shape (states,)
        For t = 0, ..., horizon - 1: 2 where arm 1 is pulled, 0 where arm 2 is, 1 where both are as good.
    """
    beliefs = prior_of(prior, where="optimal", arms=2)
    after = np.zeros(states(horizon))
    tables: list[Table] = []
    for t in range(horizon - 1, -1, -1):
        value, table = np.empty(states(t)), np.empty(states(t), np.int8)
        foreach(improve, t + 1, t, beliefs, after, value, table, device=device)
        tables.append(table)
        after = value
    return float(after[0]), tables[::-1]


def expected_best(prior: Any) -> float:
    """Return E max(p1, p2) under independent Beta priors."""
    (a1, b1), (a2, b2) = prior_of(prior, where="expected_best", arms=2).tolist()
    one = a1 / (a1 + b1) * beta_above(a1 + 1, b1, a2, b2)
    return float(one + a2 / (a2 + b2) * beta_above(a2 + 1, b2, a1, b1))


def optimal_regret(horizons: int | Sequence[int], *, prior: Any = UNIFORM, device: str = "cpu") -> xr.DataArray:
    """Return the least Bayes regret that any agent has, horizon by horizon.

    Parameters
    ----------
    horizons : int or sequence of int
        Numbers of pulls; a single number stands for 1, ..., it. Each costs a sweep of its own (T^4/24 states).
    prior : ((a1, b1), (a2, b2))
        Whole numbers of the Beta priors of the two arms.

    Returns
    -------
    DataArray over ``horizon``.

    Raises
    ------
    ProblemError
        For other than two arms, or a horizon above `MOST_PULLS`.
    """
    two_armed(prior, where="optimal_regret")
    several = plain(horizons)
    wanted = several if isinstance(several, tuple | range) else (several,)
    numbers = [horizon_of(h, where="optimal_regret", most=MOST_PULLS) for h in wanted]
    if not isinstance(several, tuple | range):
        numbers = list(range(1, numbers[0] + 1))
    best = expected_best(prior)
    found = [h * best - optimal(h, prior, device=device)[0] for h in numbers]
    return xr.DataArray(found, dims="horizon", coords={"horizon": numbers}, name="regret", attrs=_LABELS)


_LABELS = {"units": "1", "long_name": "regret", "symbol": "R"}


def occupation(
    agent: str, horizon: int, *, prior: Any = UNIFORM, means: Sequence[float] | None = None, device: str = "cpu"
) -> tuple[Array, list[Array], list[Table]]:
    """Return the expected reward of each pull, the probabilities of all states after 0, ..., T pulls, and the tables.

    Tables are those of `optimal` where the agent is the Bayes-optimal one, else empty.
    """
    beliefs = prior_of(prior, where="occupation", arms=2)
    world = chances_of(beliefs, means)
    code = CODES[agent]
    tables = optimal(horizon, prior, device=device)[1] if code == BAYES_OPTIMAL else []
    weight, rewards, seen = np.ones(1), np.zeros(horizon), [np.ones(1)]
    nothing = np.zeros(1, np.int8)
    for t in range(horizon):
        left, gain, after = np.empty(states(t)), np.empty(t + 1), np.empty(states(t + 1))
        table = tables[t] if tables else nothing
        foreach(decide, t + 1, t, code, beliefs, world, weight, table, left, gain, device=device)
        foreach(advance, t + 2, t, world, weight, left, after, device=device)
        rewards[t] = gain.sum()
        weight = after
        seen.append(weight)
    return rewards, seen, tables


def regret(
    agent: str, horizon: int, *, prior: Any = UNIFORM, means: Sequence[float] | None = None, device: str = "cpu"
) -> xr.DataArray:
    """Return the exact expected regret of an agent after 0, ..., `horizon` pulls.

    Parameters
    ----------
    agent : "thompson", "ucb1", "greedy" or "bayes-optimal"
        The last is the optimal agent of this horizon; `optimal_regret` has the optimum of every horizon.
    horizon : int
    prior : ((a1, b1), (a2, b2))
        The agent's prior, and the law of the arms unless `means` is given.
    means : (p1, p2), optional
        Success probabilities of the arms: then the pseudo-regret T max(p1, p2) - E sum of p of the pulled arms.

    Returns
    -------
    DataArray over ``step``: pulls made.

    Raises
    ------
    ProblemError
        For an unknown agent, other than two arms, a mean outside [0, 1], a horizon above `MOST_PULLS`.
    """
    two_armed(prior, where="regret")
    agent_of(agent, EXACT, where="regret")
    pulls = horizon_of(horizon, where="regret", most=MOST_PULLS)
    rewards, _, _ = occupation(agent, pulls, prior=prior, means=means, device=device)
    best = expected_best(prior) if means is None else max(means)
    curve = np.concatenate([[0.0], np.cumsum(best - rewards)])
    return xr.DataArray(curve, dims="step", coords={"step": np.arange(pulls + 1)}, name="regret", attrs=_LABELS)
