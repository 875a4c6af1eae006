"""Many runs of an agent on Bernoulli or Gaussian arms (`runs`), one thread for each.

Regret is the sum over arms of pulls x gap (pseudo-regret: the noise of the rewards is averaged away).

Sources  [Thompson1933], [Auer2002], [Garivier2011].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.random import counters
from theorysim.errors import ProblemError
from theorysim.games.learning.arguments import agent_of, horizon_of, means_of, positive, prior_of, whole
from theorysim.games.learning.dynamic_program import MOST_PULLS, optimal
from theorysim.games.learning.laws import CODES
from theorysim.games.learning.runs import bernoulli_run, gaussian_run
from theorysim.problem.record import default_steps
from theorysim.problem.validation import shown

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
GAUSSIAN = ("thompson", "ucb1", "greedy")
"""Agents of Gaussian arms."""
MOST_STEPS = 10_000_000
_PULLS = {"units": "1", "long_name": "pulls of each arm", "symbol": "n_a"}
_REGRET = {"units": "1", "long_name": "regret", "symbol": "R"}


def bernoulli(
    agent: str, horizon: int, *, means: Sequence[float], runs: int, seed: int, prior: Any = None,
    record: Sequence[int] | None = None, device: str = "cpu",
) -> xr.Dataset:  # fmt: skip
    """Run an agent many times on the same Bernoulli arms.

    Parameters
    ----------
    agent : "thompson", "ucb1", "kl-ucb", "greedy" or "bayes-optimal"
        The last for two arms and at most 300 pulls.
    horizon : int
        Pulls.
    means : sequence of float
        Success probabilities.
    runs, seed : int
        Run r is the same however many there are.
    prior : sequence of (a, b), optional
        The agent's Beta priors, whole numbers; default: uniform.
    record : sequence of int, optional
        Ascending numbers of pulls after which regret is kept; default: about 30, log-spaced, the last included.

    Returns
    -------
    Dataset
        ``regret`` (step, replica) and ``pulls`` (step, arm, replica).

    Raises
    ------
    ProblemError
        For an argument that is none of these.
    """
    where = "games.learning.bernoulli"
    agent_of(agent, CODES, where=where)
    values = means_of(means, where=where)
    beliefs = prior_of([(1, 1)] * len(values) if prior is None else prior, where=where, arms=len(values))
    count = whole(runs, "runs", where=where, most=1 << 32)
    total = horizon_of(horizon, where=where, most=MOST_STEPS)
    steps, means_of_runs = steps_of(record, total, where=where), np.tile(values, (count, 1))
    regret, pulls = simulated(agent, means_of_runs, beliefs, steps, horizon=total, seed=seed, device=device)
    return answers(regret, pulls, steps, {"agent": agent, "means": values.tolist(), "seed": seed})


def simulated(
    agent: str, means: Array, prior: Integers, steps: Integers, *, horizon: int, seed: int, device: str = "cpu"
) -> tuple[Array, Integers]:  # fmt: skip
    """Return regret, shape (runs, rows), and pulls, shape (runs, rows, arms), of runs with arms of their own.

    Parameters
    ----------
    means : ndarray, shape (runs, arms)
    prior : ndarray of int64, shape (arms, 2)
    steps : ndarray of int64, shape (rows,)
    horizon : int
        What the Bayes-optimal agent plays for.
    """
    runs, arms = means.shape
    table = np.zeros(1, np.int8)
    if agent == "bayes-optimal":
        if arms != 2 or horizon > MOST_PULLS:
            raise ProblemError(
                f'games.learning: `agent` "bayes-optimal" needs two arms and at most {MOST_PULLS} pulls, '
                f"got {arms} arms and {horizon} pulls"
            )
        table = np.concatenate(optimal(horizon, prior)[1])
    counts, wins, scores = np.empty((runs, arms), np.int64), np.empty((runs, arms), np.int64), np.empty((runs, arms))
    regret, pulls = np.empty((runs, len(steps))), np.empty((runs, len(steps), arms), np.int64)
    _, _, _, k0, k1 = counters(seed, 0, 0, 0)
    means = np.ascontiguousarray(means)
    foreach(bernoulli_run, runs, CODES[agent], means, prior, table, steps, counts, wins, scores, regret, pulls, k0, k1,
            device=device)  # fmt: skip
    return regret, pulls


def gaussian(
    agent: str, horizon: int, *, means: Sequence[float], runs: int, seed: int, std: float = 1.0,
    record: Sequence[int] | None = None, device: str = "cpu",
) -> xr.Dataset:  # fmt: skip
    """Run an agent that knows the standard deviation many times on the same Gaussian arms.

    Parameters
    ----------
    agent : "thompson", "ucb1" or "greedy"
    means : sequence of float
    std : float
        Standard deviation of a reward.
    horizon, runs, seed, record
        As of `bernoulli`.

    Returns
    -------
    Dataset
        ``regret`` (step, replica) and ``pulls`` (step, arm, replica).

    Raises
    ------
    ProblemError
        For an argument that is none of these.
    """
    where = "games.learning.gaussian"
    agent_of(agent, GAUSSIAN, where=where)
    values = means_of(means, where=where, least=-1e100, most=1e100)
    noise = positive(std, "std", where=where)
    count, arms = whole(runs, "runs", where=where, most=1 << 32), len(values)
    steps = steps_of(record, horizon_of(horizon, where=where, most=MOST_STEPS), where=where)
    counts, sums, scores = np.empty((count, arms), np.int64), np.empty((count, arms)), np.empty((count, arms))
    regret, pulls = np.empty((count, len(steps))), np.empty((count, len(steps), arms), np.int64)
    _, _, _, k0, k1 = counters(seed, 0, 0, 0)
    foreach(gaussian_run, count, CODES[agent], np.tile(values, (count, 1)), noise, steps, counts, sums, scores, regret,
            pulls, k0, k1, device=device)  # fmt: skip
    return answers(regret, pulls, steps, {"agent": agent, "means": values.tolist(), "std": noise, "seed": seed})


def steps_of(record: Sequence[int] | None, horizon: int, *, where: str) -> Integers:
    """Return the recorded steps, ascending, none above the horizon."""
    if record is None:
        return np.array(default_steps(horizon), np.int64)
    rows = np.asarray(record)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu" or rows[0] < 0 or rows[-1] > horizon:
        raise ProblemError(f"{where}: `record` must hold steps from 0 to {horizon}, got {shown(record)}")
    if np.any(np.diff(rows) <= 0):
        raise ProblemError(f"{where}: `record` must be ascending, got {shown(record)}")
    return rows.astype(np.int64)


def answers(regret: Array, pulls: Integers, steps: Integers, attrs: dict[str, Any]) -> xr.Dataset:
    """Return regret (runs, rows) and pulls (runs, rows, arms) labelled."""
    data = {"regret": (("step", "replica"), regret.T, _REGRET),
            "pulls": (("step", "arm", "replica"), pulls.transpose(1, 2, 0), _PULLS)}  # fmt: skip
    return xr.Dataset(data, coords={"step": steps}, attrs=attrs)
