"""Simulated agents: Beta draws, Monte Carlo against exact regret, the warning of the notes, plain loops of numpy."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from tests.games import bandit_enumeration as plain
from theorysim.backend import random
from theorysim.errors import ProblemError
from theorysim.games import learning
from theorysim.games.learning.beta_draws import betas
from theorysim.games.learning.runs import optimistic_mean


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 2), (2, 1), (3, 5), (1, 200), (400, 300)])
def test_beta_draws_have_their_law(a, b):
    draws = betas(np.array([[a, b]]), 40_000, seed=a + b, purpose=random.BANDIT_ARMS)[:, 0]
    law = scipy.stats.beta(a, b)
    assert scipy.stats.kstest(draws, law.cdf).pvalue > 1e-4
    for power in (1, 2):
        z = (np.mean(draws**power) - law.moment(power)) / np.sqrt(
            (law.moment(2 * power) - law.moment(power) ** 2) / len(draws)
        )
        assert abs(z) < 4


def test_a_wrong_law_of_draws_is_rejected():
    """Power: one success more of 700 shows."""
    draws = betas(np.array([[400, 300]]), 40_000, seed=1, purpose=random.BANDIT_ARMS)[:, 0]
    assert scipy.stats.kstest(draws, scipy.stats.beta(401, 300).cdf).pvalue < 1e-4


def z_score(values: np.ndarray, expected: float) -> float:
    return float((values.mean() - expected) / (values.std(ddof=1) / math.sqrt(len(values))))


@pytest.mark.parametrize("agent", ["thompson", "ucb1", "greedy", "bayes-optimal"])
def test_monte_carlo_agrees_with_the_recursion(agent):
    runs = learning.bernoulli(agent, 50, means=[0.7, 0.5], runs=20_000, seed=7, record=[10, 50])
    exact = learning.regret(agent, 50, means=[0.7, 0.5])
    for step in (10, 50):
        assert abs(z_score(runs["regret"].sel(step=step).values, float(exact[step]))) < 4
    np.testing.assert_array_equal(runs["pulls"].sum("arm").values, np.tile([[10], [50]], 20_000))


def test_the_best_agent_plays_for_its_horizon_whatever_is_recorded():
    few, many = (
        learning.bernoulli("bayes-optimal", 40, means=[0.7, 0.5], runs=100, seed=7, record=record)["regret"].sel(step=5)
        for record in ([5], [5, 40])
    )
    np.testing.assert_array_equal(few.values, many.values)


def test_a_wrong_tie_rule_is_rejected():
    """Power: UCB1 that gives every tie to the first, worse arm."""
    means = (Fraction(3, 10), Fraction(7, 10))
    runs = learning.bernoulli("ucb1", 10, means=[0.3, 0.7], runs=20_000, seed=8, record=[10])["regret"].values[0]
    assert abs(z_score(runs, float(plain.regret(plain.ucb1(), 10, means)))) < 4
    assert abs(z_score(runs, float(plain.regret(plain.ucb1(tie=Fraction(1)), 10, means)))) > 4


def test_regret_far_below_the_asymptotic_slope():
    """Case 16: C log n is no bound at n = 100 or 1000."""
    slope = learning.lai_robbins([0.9, 0.8]).item()
    for horizon, runs, noted, error in ((100, 20_000, 2.61, 0.03), (1000, 2000, 6.73, 0.13)):
        found = learning.bernoulli("thompson", horizon, means=[0.9, 0.8], runs=runs, seed=1, record=[horizon])
        values = found["regret"].values[0]
        own = values.std(ddof=1) / math.sqrt(runs)
        assert abs(values.mean() - noted) < 4 * math.hypot(own, error)
        assert values.mean() < 0.5 * slope * math.log(horizon)
    exact = float(learning.regret("thompson", 100, means=[0.9, 0.8])[100])
    assert exact == pytest.approx(2.64, abs=0.02)


def test_optimistic_means_solve_their_equation():
    for mean in (0.01, 0.3, 0.5, 0.97):
        for level in (1e-6, 0.01, 0.5, 3.0):

            def divergence(q, mean=mean):
                return mean * math.log(mean / q) + (1 - mean) * math.log((1 - mean) / (1 - q))

            if divergence(1 - 1e-15) < level:
                assert 1 - 1e-14 <= optimistic_mean(mean, level) <= 1.0
                continue
            root = scipy.optimize.brentq(lambda q, level=level, f=divergence: f(q) - level, mean, 1 - 1e-15, xtol=1e-15)
            assert optimistic_mean(mean, level) == pytest.approx(root, abs=2e-11)
    assert optimistic_mean(0.0, 0.5) == pytest.approx(1 - math.exp(-0.5), abs=1e-15)
    assert optimistic_mean(1.0, 0.5) == 1.0 and optimistic_mean(0.3, 0.0) == 0.3


def test_agents_of_many_arms_learn():
    means = [0.5, 0.45, 0.4, 0.3]
    pulls = {
        agent: learning.bernoulli(agent, 3000, means=means, runs=200, seed=3, record=[3000])["pulls"].values[0].mean(1)
        for agent in ("thompson", "kl-ucb", "ucb1")
    }
    for found in pulls.values():
        assert found.sum() == pytest.approx(3000) and np.all(np.diff(found) < 0)
    assert pulls["thompson"][0] > pulls["kl-ucb"][0] > pulls["ucb1"][0]


def test_gaussian_agents_by_a_plain_loop():
    """The first pulls are known; then UCB1 is followed by numpy with the rewards that its pulls reveal."""
    found = learning.gaussian("ucb1", 400, means=[0.5, 0.0], runs=300, seed=2, std=0.7)
    rng = np.random.default_rng(0)
    regrets = []
    for _ in range(300):
        n, s = np.ones(2), np.array([0.5, 0.0]) + 0.7 * rng.normal(size=2)
        for t in range(2, 400):
            arm = np.argmax(s / n + 0.7 * np.sqrt(2 * np.log(t) / n))
            s[arm] += (0.5, 0.0)[arm] + 0.7 * rng.normal()
            n[arm] += 1
        regrets.append(0.5 * n[1])
    own = found["regret"].values[-1]
    z = (own.mean() - np.mean(regrets)) / np.sqrt((own.var() + np.var(regrets)) / 300)
    assert abs(z) < 4
    bayes = learning.gaussian("thompson", 400, means=[0.5, 0.0], runs=300, seed=2, std=0.7)["regret"].values[-1]
    assert bayes.mean() == pytest.approx(2 * 0.49 / 0.5 * math.log(400), rel=0.6)


def test_linucb_by_a_plain_loop():
    arms, theta = np.random.default_rng(1).normal(size=(4, 3)), np.array([1.0, -0.5, 0.2])
    runs, horizon = 200, 150
    own = learning.linucb(arms, theta, horizon, runs=runs, seed=4, ridge=0.5, std=0.8)["regret"].values[-1]
    rng, gaps = np.random.default_rng(5), (arms @ theta).max() - arms @ theta
    regrets = np.zeros(runs)
    for run in range(runs):
        v, b = 0.5 * np.eye(3), np.zeros(3)
        for _ in range(horizon):
            inverse = np.linalg.inv(v)
            spread = math.log(np.linalg.det(v) / 0.125) + 2 * math.log(horizon)
            width = 0.8 * math.sqrt(spread) + math.sqrt(0.5) * np.linalg.norm(theta)
            arm = np.argmax(arms @ (inverse @ b) + width * np.sqrt(np.einsum("ai,ij,aj->a", arms, inverse, arms)))
            v += np.outer(arms[arm], arms[arm])
            b += arms[arm] * (arms[arm] @ theta + 0.8 * rng.normal())
            regrets[run] += gaps[arm]
    z = (own.mean() - regrets.mean()) / np.sqrt((own.var() + regrets.var()) / runs)
    assert abs(z) < 4


def test_optimism_on_the_arms_that_defeat_it():
    """LinUCB soon leaves arm 2 and learns from the close arm: its slope grows as e falls, the best one is 8."""
    slopes = []
    for epsilon in (0.2, 0.05):
        arms, theta = learning.end_of_optimism(epsilon)
        runs = learning.linucb(arms, theta, 100_000, runs=20, seed=0, record=[10_000, 100_000])["regret"].mean(
            "replica"
        )
        slopes.append(float(runs[1] - runs[0]) / math.log(10))
    assert slopes[1] > 2 * slopes[0] and slopes[1] > 10 * 8
    assert learning.graves_lai(arms, theta)["slope"].item() == pytest.approx(8, rel=1e-7)


def test_episodes_are_solved_exactly():
    process = learning.river(4, 6)
    p, r = process._p, process._r
    best = 0.0
    for policy in np.ndindex(*(2,) * 4):  # policies that do not depend on the step are below the best one
        actions = np.tile(policy, (6, 1))
        value = np.zeros(4)
        for _ in range(6):
            value = r[range(4), policy] + p[range(4), policy] @ value
        assert process.values(actions)[0, 0] == pytest.approx(value[0], abs=1e-15)
        best = max(best, value[0])
    assert process.optimal_value >= best


def test_ucb_vi_learns_and_its_constant_decides():
    process = learning.river(6, 20)
    runs = {c: learning.ucb_vi(process, 600, runs=20, seed=0, bonus=c) for c in (0.0, 0.01, 1.0)}
    slopes = {c: run["regret"].values for c, run in runs.items()}
    for values in slopes.values():
        assert np.all(np.diff(values, axis=0) >= -1e-12)  # no episode does better than the best policy
    steps = runs[0.01]["step"].values
    last = np.searchsorted(steps, 300)
    per_episode = (slopes[0.01][-1] - slopes[0.01][last]) / (steps[-1] - steps[last])
    assert per_episode.mean() < 0.01 * process.optimal_value
    assert slopes[1.0][-1].mean() > 10 * slopes[0.01][-1].mean()
    assert runs[1.0].attrs["bonus"] == 1.0


def test_ucb_vi_without_knowledge_takes_the_first_action():
    """With a bonus above every clip the optimistic policy is action 0 for ever: regret is exact."""
    process = learning.river(4, 6)
    found = learning.ucb_vi(process, 20, runs=2, seed=0, bonus=1e6, record=[0, 7, 20])
    gap = process.optimal_value - process.values(np.zeros((6, 4), np.int64))[0, 0]
    np.testing.assert_allclose(found["regret"].values, gap * np.array([[0, 0], [7, 7], [20, 20]]), rtol=1e-13)


def test_ucb_vi_by_a_plain_loop():
    process = learning.river(3, 5)
    p, r, h_all, episodes, c = process._p, process._r, 5, 60, 0.03
    own = learning.ucb_vi(process, episodes, runs=150, seed=6, bonus=c)["regret"].values[-1]
    rng, width = np.random.default_rng(2), c * h_all * math.sqrt(math.log(3 * 2 * h_all * episodes))
    regrets = np.zeros(150)
    for run in range(150):
        seen = np.zeros((3, 2, 3))
        for _ in range(episodes):
            tries, value, policy = seen.sum(2), np.zeros(3), np.zeros((h_all, 3), int)
            for h in range(h_all - 1, -1, -1):
                n = np.maximum(tries, 1)
                q = np.where(tries > 0, np.minimum(r + seen @ value / n + width / np.sqrt(n), h_all - h), h_all - h)
                policy[h], value = q.argmax(1), q.max(1)
            regrets[run] += process.optimal_value - process.values(policy)[0, 0]
            s = 0
            for h in range(h_all):
                a = policy[h, s]
                after = int((rng.random() > np.cumsum(p[s, a])[:-1]).sum())
                seen[s, a, after] += 1
                s = after
    z = (own.mean() - regrets.mean()) / np.sqrt((own.var() + regrets.var()) / 150)
    assert abs(z) < 4


def bad_process(**changes):
    river = learning.river(3, 5)
    return learning.Episodes(**({"transitions": river.transitions, "rewards": river.rewards, "length": 5} | changes))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: learning.bernoulli("ts", 5, means=[0.5], runs=1, seed=0),
            "^games.learning.bernoulli: `agent` must be",
        ),
        (lambda: learning.bernoulli("ucb1", 5, means=[1.5], runs=1, seed=0), r"`means` must be numbers in \[0, 1\]"),
        (lambda: learning.bernoulli("ucb1", 5, means=[0.5], runs=0, seed=0), "`runs` must be a whole number"),
        (lambda: learning.bernoulli("ucb1", 5, means=[0.5], runs=1, seed=-1), r"^seed: `seed` must be in \[0, 2\*\*64"),
        (
            lambda: learning.bernoulli("ucb1", 5, means=[0.5], runs=1, seed=0, record=[6]),
            "`record` must hold steps from",
        ),
        (
            lambda: learning.bernoulli("ucb1", 5, means=[0.5], runs=1, seed=0, record=[2, 2]),
            "`record` must be ascending",
        ),
        (
            lambda: learning.bernoulli("bayes-optimal", 5, means=[0.5] * 3, runs=1, seed=0),
            '"bayes-optimal" needs two arms and at most 300 pulls, got 3 arms and 5 pulls',
        ),
        (lambda: learning.gaussian("kl-ucb", 5, means=[0.5], runs=1, seed=0), "`agent` must be one of"),
        (lambda: learning.gaussian("ucb1", 5, means=[0.5], runs=1, seed=0, std=0.0), "`std` must be a positive number"),
        (lambda: learning.linucb(np.eye(2), [1.0], 5, runs=1, seed=0), r"got \(2, 2\) and \(1,\)$"),
        (lambda: learning.linucb(np.eye(2), [1, 0], 5, runs=1, seed=0, delta=2.0), "`delta` must be at most 1, got 2$"),
        (lambda: learning.ucb_vi(learning.river(), 5, runs=1, seed=0, bonus=-1.0), "`bonus` must be .*, got -1.0$"),
        (lambda: bad_process(transitions=np.zeros((3, 2, 3))), "`transitions` must be probabilities that add up to 1"),
        (lambda: bad_process(rewards=np.full((3, 2), 2.0)), r"`rewards` must be in \[0, 1\], got 2 to 2$"),
        (lambda: bad_process(rewards=np.zeros((2, 2))), r"must have shapes .*, got \(3, 2, 3\) and \(2, 2\)$"),
        (lambda: bad_process(start=3), "`start` must be a whole number from 0 to 2, got 3$"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ProblemError, match=message):
        call()
