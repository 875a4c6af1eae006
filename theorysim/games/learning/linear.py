"""LinUCB on linear bandits: many runs, one thread for each.

    reward  <a, theta> + N(0, s^2);  V = l 1 + sum a a^T over pulled arms,  estimate V^-1 sum a reward
    pull    the largest <a, estimate> + w |a|_{V^-1},  w = s sqrt(log det(V/l) + 2 log(1/delta)) + sqrt(l) |theta|

w is the radius of the confidence ellipsoid that holds theta at all times with probability 1 - delta
[AbbasiYadkori2011, Theorem 2]. Regret is sum over arms of pulls x gap. The slope of regret in log n need not be that of
`graves_lai`: optimism is not optimal here [Lattimore2017].

Sources  [AbbasiYadkori2011], [Lattimore2017].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from theorysim.backend import random
from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.backend.random import counters, normal_pair, uniform_pair
from theorysim.errors import ProblemError
from theorysim.games.learning.arguments import horizon_of, positive, whole
from theorysim.games.learning.ensembles import MOST_STEPS, answers, steps_of
from theorysim.games.learning.runs import picked, write_row

_PULLS, _NOTHING, _ONE = np.uint64(random.BANDIT_PULLS), np.uint64(0), np.uint64(1)


@body
def _applied(i: int, inverse: Any, arms: Any, arm: int, image: Any) -> float:
    """Write V^-1 a into the row of run i, and return a^T V^-1 a."""
    d, square = arms.shape[1], 0.0
    for j in range(d):
        total = 0.0
        for k in range(d):
            total += inverse[i, j, k] * arms[arm, k]
        image[i, j] = total
        square += arms[arm, j] * total
    return square


@body(
    "float64[:,::1], float64[:,::1], float64, float64, float64, float64, int64[::1], int64[:,::1], float64[:,::1], "
    "float64[:,::1], float64[:,:,::1], float64[:,::1], float64[:,::1], int64[:,:,::1], uint64, uint64"
)
def linear_run(
    i: int, arms: Any, means: Any, std: float, ridge: float, sure: float, bound: float, steps: Any, counts: Any,
    scores: Any, moment: Any, inverse: Any, image: Any, regret: Any, pulls: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Run agent i to the last of the recorded steps.

    Parameters
    ----------
    arms : shape (arms, d)
    means : shape (runs, arms)
    sure, bound : 2 log(1/delta), sqrt(ridge) |theta|
    steps : shape (rows,), ascending
    counts, scores : shape (runs, arms); moment, image : shape (runs, d); inverse : shape (runs, d, d); work space
    regret : shape (runs, rows)
    pulls : shape (runs, rows, arms)
    """
    count, d, stream, row, log_det = arms.shape[0], arms.shape[1], np.uint64(i), 0, 0.0
    for arm in range(count):
        counts[i, arm] = 0
    for j in range(d):
        moment[i, j] = 0.0
        for k in range(d):
            inverse[i, j, k] = 1.0 / ridge if j == k else 0.0
    for t in range(steps[steps.size - 1] + 1):
        if steps[row] == t:
            write_row(i, row, means, counts, regret, pulls)
            row += 1
        if row == steps.size:
            return
        radius = std * math.sqrt(log_det + sure) + bound
        for arm in range(count):
            square = _applied(i, inverse, arms, arm, image)
            guess = 0.0
            for j in range(d):
                guess += image[i, j] * moment[i, j]
            scores[i, arm] = guess + radius * math.sqrt(square)
        u, _ = uniform_pair(_NOTHING, stream, np.uint64(t), _PULLS, k0, k1)
        z, _ = normal_pair(_ONE, stream, np.uint64(t), _PULLS, k0, k1)
        arm = picked(i, scores, u)
        square = 1.0 + _applied(i, inverse, arms, arm, image)
        log_det += math.log(square)
        counts[i, arm] += 1
        for j in range(d):
            moment[i, j] += arms[arm, j] * (means[i, arm] + std * z)
            for k in range(d):
                inverse[i, j, k] -= image[i, j] * image[i, k] / square


def linucb(
    arms: ArrayLike, theta: ArrayLike, horizon: int, *, runs: int, seed: int, ridge: float = 1.0, std: float = 1.0,
    delta: float | None = None, record: Sequence[int] | None = None, device: str = "cpu",
) -> xr.Dataset:  # fmt: skip
    """Run LinUCB many times on the same linear bandit.

    Parameters
    ----------
    arms : array_like, shape (arms, d)
    theta : array_like, shape (d,)
        The agent knows its norm.
    horizon : int
        Pulls, n.
    runs, seed : int
        Run r is the same however many there are.
    ridge, std : float
        l, and the standard deviation of a reward.
    delta : float, optional
        Probability that the ellipsoid may fail; default 1/n.
    record : sequence of int, optional
        Ascending numbers of pulls after which regret is kept; default: about 30, log-spaced, the last included.

    Returns
    -------
    Dataset
        ``regret`` (step, replica) and ``pulls`` (step, arm, replica).

    Raises
    ------
    ProblemError
        For an argument out of range.
    """
    where = "games.learning.linucb"
    a, direction = np.ascontiguousarray(arms, float), np.asarray(theta, float)
    if a.ndim != 2 or direction.shape != a.shape[1:] or not np.isfinite(a.sum() + direction.sum()):
        raise ProblemError(
            f"{where}: `arms` and `theta` must be finite, of shapes (arms, d) and (d,), got "
            f"{a.shape} and {direction.shape}"
        )
    pulls = horizon_of(horizon, where=where, most=MOST_STEPS)
    count, steps = whole(runs, "runs", where=where, most=1 << 32), steps_of(record, pulls, where=where)
    noise, strength = positive(std, "std", where=where), positive(ridge, "ridge", where=where)
    failing = positive(1.0 / pulls if delta is None else delta, "delta", where=where)
    if failing > 1.0:
        raise ProblemError(f"{where}: `delta` must be at most 1, got {failing:g}")
    k, d = a.shape
    regret, made = np.empty((count, len(steps))), np.empty((count, len(steps), k), np.int64)
    work = (np.empty((count, k), np.int64), np.empty((count, k)), np.empty((count, d)), np.empty((count, d, d)),
            np.empty((count, d)))  # fmt: skip
    bound = math.sqrt(strength) * float(np.linalg.norm(direction))
    _, _, _, k0, k1 = counters(seed, 0, 0, 0)
    means = np.tile(np.array([float(np.sum(row * direction)) for row in a]), (count, 1))
    foreach(linear_run, count, a, means, noise, strength, -2.0 * math.log(failing), bound, steps, *work, regret, made,
            k0, k1, device=device)  # fmt: skip
    attrs = {"agent": "linucb", "ridge": strength, "std": noise, "delta": failing, "seed": seed}
    return answers(regret, made, steps, attrs)
