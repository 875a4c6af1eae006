"""Regret of bandit agents in the mean over random arms: exact recursions, and simulated agents beside them.

    p_a ~ Beta(a_a, b_a),  reward ~ Bernoulli(p_a),  regret after t pulls  R_t = t max p - sum of p of the pulled arms

Limit    infinitely many runs: E R_t, its standard deviation over runs, pulls of the better arm. The horizon is the
         problem's own: nothing else is taken to a limit. The least E R_t of any agent is `optimal_regret`.
Valid    two arms, whole-number priors, horizon <= 300. The slope of Lai and Robbins (`lai_robbins`) is no bound at such
         horizons: exact regret is often far below C log t.
Error    rounding (1e-13 per pull, checked against rational arithmetic in tests/games/test_bandit_program.py).
Sources  [Thompson1933], [Auer2002], [Lattimore2020]. Proof: derivations/bandits.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.backend.random import BANDIT_ARMS
from theorysim.equations.bandits import beta_above, beta_excess, beta_excess_square
from theorysim.games.learning.arguments import two_armed, whole
from theorysim.games.learning.beta_draws import betas
from theorysim.games.learning.counts import place
from theorysim.games.learning.dynamic_program import MOST_PULLS, expected_best, occupation
from theorysim.games.learning.ensembles import simulated
from theorysim.games.learning.problem import BayesBandit
from theorysim.observables import labelled
from theorysim.problem.provenance import package_version
from theorysim.problem.record import default_steps
from theorysim.theory import Verdict

Array = NDArray[np.float64]
OBSERVABLES = ("regret", "best_pulls")
SOURCES = ("Thompson1933", "Auer2002", "Lattimore2020")
ROUNDING = 1e-13
"""Error of the recursions for each pull."""


def validity(problem: BayesBandit) -> Verdict:
    """Return whether the exact recursion fits: two arms, and a horizon whose states can be visited."""
    arms = len(problem.prior)
    if arms != 2:
        reason = f"The exact recursion holds the states of two arms, and the problem has {arms}; `finite` simulates it."
        return _verdict(applies=False, number=arms, threshold=2, reason=reason)
    horizon = problem.horizon
    reason = f"{horizon} pulls have {horizon**4 // 24:.3g} states in all; the recursion goes to {MOST_PULLS} pulls."
    return _verdict(applies=horizon <= MOST_PULLS, number=horizon, threshold=MOST_PULLS, reason=reason)


def _verdict(*, applies: bool, number: float, threshold: float, reason: str) -> Verdict:
    return Verdict(theory="games.learning.agents", applies=applies, number=float(number), threshold=float(threshold),
                   reason=reason)  # fmt: skip


@body("int64, int64[:,::1], float64[::1], float64[:,::1]")
def _moments(n1: int, t: int, prior: Any, weight: Any, out: Any) -> None:
    """Write E R, E R^2, E B, E B^2 of the states with n1 pulls of arm 1; B pulls of the better arm.

    Given the state R is n2 (p1 - p2)^+ + n1 (p2 - p1)^+, and B is n1 or n2: posteriors are independent Beta laws.
    """
    n2 = t - n1
    for k in range(4):
        out[n1, k] = 0.0
    for s1 in range(n1 + 1):
        a1, b1 = prior[0, 0] + s1, prior[0, 1] + n1 - s1
        for s2 in range(n2 + 1):
            w = weight[place(t, n1, s1, s2)]
            if w > 0.0:
                a2, b2 = prior[1, 0] + s2, prior[1, 1] + n2 - s2
                first = beta_above(a1, b1, a2, b2)
                out[n1, 0] += w * (n2 * beta_excess(a1, b1, a2, b2) + n1 * beta_excess(a2, b2, a1, b1))
                square = n2 * n2 * beta_excess_square(a1, b1, a2, b2)
                out[n1, 1] += w * (square + n1 * n1 * beta_excess_square(a2, b2, a1, b1))
                out[n1, 2] += w * (n1 * first + n2 * (1.0 - first))
                out[n1, 3] += w * (n1 * n1 * first + n2 * n2 * (1.0 - first))


def limit(problem: BayesBandit, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return exact means and standard deviations over runs, at about 30 numbers of pulls up to the horizon.

    Parameters
    ----------
    problem : BayesBandit
    seed, tolerance
        Without effect: nothing is drawn, and the recursion is exact.
    device : {"cpu", "cuda"}

    Returns
    -------
    Dataset
        ``regret``, ``best_pulls`` with ``_std`` and ``_error`` over step (pulls made).

    Raises
    ------
    ProblemError
        For other than two arms, or a horizon above 300; it names the simulation.
    """
    two_armed(problem.prior, where="games.learning.agents", most=MOST_PULLS, horizon=problem.horizon)
    prior = np.array(problem.prior, np.int64)
    rewards, weights, _ = occupation(problem.agent, problem.horizon, prior=prior, device=device)
    steps = np.array(default_steps(problem.horizon))
    moments = np.zeros((len(steps), 4))
    for row, t in enumerate(steps):
        parts = np.empty((t + 1, 4))
        foreach(_moments, t + 1, t, prior, weights[t], parts, device=device)
        moments[row] = parts.sum(axis=0)
    regret = np.concatenate([[0.0], np.cumsum(expected_best(prior) - rewards)])[steps]
    error = ROUNDING * np.maximum(steps, 1)
    values = {
        "regret": regret,
        "regret_std": np.sqrt(np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0.0)),
        "regret_error": error,
        "best_pulls": moments[:, 2],
        "best_pulls_std": np.sqrt(np.maximum(moments[:, 3] - moments[:, 2] ** 2, 0.0)),
        "best_pulls_error": error,
    }
    return labelled(values, steps=steps, time=steps, attrs=_attrs(problem, "limit", device))


def finite(problem: BayesBandit, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Run the agent `replicas` times, on arms drawn anew; replica r is the same run however many there are.

    Returns
    -------
    Dataset
        ``regret`` and ``best_pulls`` over step, replica. Any number of arms.

    Raises
    ------
    ProblemError
        If `replicas` is not positive, or the Bayes-optimal agent has more than two arms or 300 pulls.
    """
    count = whole(replicas, "replicas", where="games.learning.agents", most=1 << 32)
    prior = np.array(problem.prior, np.int64)
    steps = np.array(default_steps(problem.horizon))
    means = betas(prior, count, seed=seed, purpose=BANDIT_ARMS, device=device)
    regret, pulls = simulated(problem.agent, means, prior, steps, horizon=problem.horizon, seed=seed, device=device)
    best = np.take_along_axis(pulls, means.argmax(axis=1)[:, None, None], axis=2)[:, :, 0]
    values = {"regret": regret.T, "best_pulls": best.T.astype(float)}
    attrs = _attrs(problem, "finite", device) | {"seed": seed}
    return labelled(values, steps=steps, time=steps, attrs=attrs, replicas=np.arange(count))


def _attrs(problem: BayesBandit, kind: str, device: str) -> dict[str, Any]:
    return {
        "problem": problem.model_dump_json(), "theory": "games.learning.agents", "version": package_version(),
        "kind": kind, "device": device, "sources": ", ".join(SOURCES), "agent": problem.agent,
    }  # fmt: skip
