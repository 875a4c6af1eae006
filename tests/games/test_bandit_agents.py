"""The theory of bandit agents: exact means and spreads against simulated agents, and planted errors."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.games.learning import BayesBandit, agents, optimal_regret, regret
from theorysim.observables import OBSERVABLES
from theorysim.theories import ALL, theory

REPLICAS = 20_000


@pytest.fixture(scope="module")
def answers():
    problem = BayesBandit(horizon=25, agent="thompson", prior=((2, 1), (1, 1)))
    return agents.limit(problem), agents.finite(problem, replicas=REPLICAS, seed=4)


@pytest.mark.parametrize("agent", ["thompson", "ucb1", "greedy", "bayes-optimal"])
def test_simulated_agents_have_the_exact_mean_and_spread(agent):
    problem = BayesBandit(horizon=20, agent=agent)
    scores = ts.compare(agents.limit(problem), agents.finite(problem, replicas=REPLICAS, seed=3))
    for name in agents.OBSERVABLES:
        assert float(np.abs(scores[f"{name}_z"]).max()) < 4
        assert float(np.abs(scores[f"{name}_std_z"]).max()) < 4


def test_planted_errors_are_rejected(answers):
    limit, finite = answers
    honest = ts.compare(limit, finite)
    assert float(np.abs(honest["regret_z"]).max()) < 4 and float(np.abs(honest["regret_std_z"]).max()) < 4
    factor = limit.assign(regret=1.05 * limit["regret"])
    assert float(np.abs(ts.compare(factor, finite)["regret_z"][-1])) > 4
    wider = limit.assign(regret_std=1.1 * limit["regret_std"])
    assert float(np.abs(ts.compare(wider, finite)["regret_std_z"][-1])) > 4
    other = agents.limit(BayesBandit(horizon=25, agent="thompson"))  # the prior of other arms
    assert float(np.abs(ts.compare(other, finite)["regret_z"][-1])) > 4


def test_two_routes_to_the_mean():
    """Sums of rewards, and moments of posteriors; one pull is wrong half of the time."""
    problem = BayesBandit(horizon=40, agent="ucb1")
    limit = agents.limit(problem)
    np.testing.assert_allclose(limit["regret"].values, regret("ucb1", 40).sel(step=limit["step"]).values, atol=1e-13)
    assert np.all(limit["regret_std"].values[1:] > 0.0)
    assert float(limit["best_pulls"].sel(step=1)) == pytest.approx(0.5, abs=1e-14)
    assert float(limit["regret_std"].sel(step=1)) == pytest.approx((1 / 12 - 1 / 36) ** 0.5, abs=1e-14)


def test_the_best_agent_ends_at_the_least_regret():
    limit = agents.limit(BayesBandit(horizon=30, agent="bayes-optimal"))
    assert float(limit["regret"][-1]) == pytest.approx(float(optimal_regret([30])[0]), abs=1e-13)


def test_more_arms_are_simulated_only():
    three = BayesBandit(horizon=10, agent="thompson", prior=((1, 1),) * 3)
    verdict = agents.validity(three)
    assert not verdict.applies and verdict.number == 3 and "simulates" in verdict.reason
    with pytest.raises(ProblemError, match=r"two arms for the exact recursion, got 3; games\.learning\.agents\.finite"):
        agents.limit(three)
    runs = agents.finite(three, replicas=2000, seed=0)["regret"].values
    # three uniform arms: E max = 3/4, the first pull loses 1/4 in the mean
    assert abs(runs[1].mean() - 0.25) < 4 * runs[1].std() / 2000**0.5


def test_long_horizons_are_refused_with_their_number():
    long = BayesBandit(horizon=400, agent="ucb1")
    verdict = agents.validity(long)
    assert not verdict.applies and verdict.number == 400 and verdict.threshold == 300
    with pytest.raises(ProblemError, match="`horizon` must be at most 300 for the exact recursion, got 400"):
        agents.limit(long)
    assert agents.validity(BayesBandit(horizon=300, agent="ucb1")).applies


def test_the_module_is_a_theory(answers):
    limit, finite = answers
    assert set(agents.OBSERVABLES) <= set(OBSERVABLES)
    for name in agents.OBSERVABLES:
        assert {name, f"{name}_std", f"{name}_error"} <= set(limit.data_vars)
        assert finite[name].dims == ("step", "replica") and finite[name].attrs["units"] == "1"
    assert limit.attrs["theory"] == "games.learning.agents" and "horizon" in limit.attrs["problem"]
    for word in ("Limit", "Valid", "Error", "Sources"):
        assert word in (agents.__doc__ or "")
    if "games.learning.agents" in ALL:
        assert theory("games.learning.agents") is agents


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"horizon": 0, "agent": "ucb1"}, "^bandit: `horizon` must be at least 1, got 0$"),
        ({"horizon": 3, "agent": "usb1"}, '^bandit: `agent` must be one of .*; got "usb1" \\(did you mean "ucb1"'),
        ({"horizon": 3, "agent": "ucb1", "prior": [(1, 1)]}, "^bandit: `prior` must hold a pair .* two arms or more"),
        ({"horizon": 3, "agent": "ucb1", "prior": [(1, 1), (0.5, 1)]}, "^bandit: `prior` must hold a pair"),
        ({"horizon": 3, "agent": "ucb1", "arms": 2}, "^bandit: unknown key `arms`"),
    ],
)
def test_wrong_problems(stated, message):
    with pytest.raises(ProblemError, match=message):
        BayesBandit(**stated)


def test_wrong_replicas():
    with pytest.raises(ProblemError, match=r"^games\.learning\.agents: `replicas` must be a whole number"):
        agents.finite(BayesBandit(horizon=3, agent="ucb1"), replicas=0, seed=0)
