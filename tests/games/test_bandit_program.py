"""Exact regret of agents, the least regret, imitation: the numbers of the notes, and plain enumeration."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests.games import bandit_enumeration as plain
from theorysim.equations.bandits import beta_above
from theorysim.errors import ProblemError
from theorysim.games import learning
from theorysim.games.learning.laws import compare_row

LAWS = {"thompson": plain.thompson, "ucb1": plain.ucb1(), "greedy": plain.greedy}
AGENTS = (*LAWS, "bayes-optimal")


def test_least_regret_of_all_agents():
    found = learning.optimal_regret([1, 2, 5, 10, 20, 50, 100])
    notes = [1 / 6, 1 / 4, 0.44444444, 0.64488095, 0.90206843, 1.33662145, 1.74824602]
    np.testing.assert_allclose(found.values, notes, atol=5.1e-9)
    assert float(found.sel(horizon=5)) == pytest.approx(4 / 9, abs=1e-14)
    every = learning.optimal_regret(10)
    np.testing.assert_allclose(every.values, [float(plain.least_regret(t)) for t in range(1, 11)], atol=1e-14)


@pytest.mark.parametrize(
    ("agent", "ten", "fifty"),
    [("thompson", 0.96212248, 2.12581499), ("ucb1", 1.06447751, 3.51809535), ("greedy", 0.66085588, 1.67240849)],
)
def test_regret_of_agents(agent, ten, fifty):
    curve = learning.regret(agent, 50)
    assert float(curve[10]) == pytest.approx(ten, abs=5.1e-9)
    assert float(curve[50]) == pytest.approx(fifty, abs=5.1e-9)
    assert float(curve[10]) == pytest.approx(float(plain.regret(LAWS[agent], 10)), abs=1e-13)
    assert np.all(curve.values[1:] >= learning.optimal_regret(50).values - 1e-13)


def test_logarithm_of_one_more_pull_is_told_apart():
    """Power: UCB1 with log(t + 1) is another agent, in the third digit."""
    assert float(plain.regret(plain.ucb1(clock=1), 10)) == pytest.approx(1.06574735, abs=5.1e-9)
    assert abs(float(learning.regret("ucb1", 10)[10]) - 1.06574735) > 1e-3


@pytest.mark.parametrize("agent", LAWS)
def test_given_arms(agent):
    means = (Fraction(9, 10), Fraction(3, 5))
    found = learning.regret(agent, 9, means=[float(p) for p in means])
    assert float(found[9]) == pytest.approx(float(plain.regret(LAWS[agent], 9, means)), abs=1e-13)


def test_the_best_agent_of_a_horizon_is_best_there():
    curve = learning.regret("bayes-optimal", 30)
    assert float(curve[30]) == pytest.approx(float(learning.optimal_regret([30])[0]), abs=1e-13)
    assert np.all(curve.values[5:26] > learning.optimal_regret(range(5, 26)).values)


def test_other_priors():
    assert learning.expected_best(((1, 1), (1, 1))) == pytest.approx(2 / 3, abs=1e-15)
    known = ((6000, 4000), (5000, 5000))
    assert learning.expected_best(known) == pytest.approx(0.6, abs=1e-6)
    assert float(learning.regret("greedy", 20, prior=known)[20]) == pytest.approx(0.0, abs=1e-3)
    swapped = [float(learning.regret("thompson", 12, prior=p)[12]) for p in (((2, 1), (1, 3)), ((1, 3), (2, 1)))]
    assert swapped[0] == pytest.approx(swapped[1], abs=1e-14)


def test_large_counts_do_not_underflow():
    """Rows by recursion, up to 900 counts, and state by state above."""
    for prior in (((230, 200), (210, 220)), ((3000, 2000), (2900, 2000)), ((1500, 1500), (1, 2))):
        teacher = learning.imitation_gap("thompson", 6, histories=[0], prior=prior)["teacher_regret"].values
        np.testing.assert_allclose(learning.regret("thompson", 6, prior=prior).values, teacher, atol=1e-13)
    even = learning.regret("thompson", 4, prior=((4000, 4000),) * 2)
    assert float(even[4]) == pytest.approx(4 * (learning.expected_best(((4000, 4000),) * 2) - 0.5), rel=2e-3)


def test_rows_of_comparisons_keep_relative_digits():
    row = np.zeros(400)
    for a1, b1, a2, b2, trials in ((150, 2, 1, 1, 148), (1, 150, 1, 1, 149), (75, 75, 3, 2, 140), (2, 100, 7, 1, 198)):
        compare_row(a1, b1, a2, b2, trials, row, 3)
        direct = [beta_above(a1, b1, a2 + s, b2 + trials - s) for s in range(trials + 1)]
        np.testing.assert_allclose(row[3 : trials + 4], direct, rtol=1e-14)


@pytest.mark.parametrize("agent", LAWS)
@pytest.mark.parametrize("history", [0, 1, 2, 3])
def test_imitation_is_that_of_all_trajectories(agent, history):
    found = learning.imitation_gap(agent, 5, histories=[history])
    direct = plain.imitation_regret(LAWS[agent], 5, history)
    assert float(found["regret"][0, 5]) == pytest.approx(float(direct), abs=1e-14)


@pytest.mark.parametrize("agent", AGENTS)
def test_imitation_of_ten_pulls(agent):
    found = learning.imitation_gap(agent, 10)
    np.testing.assert_allclose(found["teacher_regret"].values, learning.regret(agent, 10).values, atol=1e-14)
    last = found["gap"].values[:, -1]
    assert list(found["history"].values) == list(range(10))
    assert abs(last[-1]) < 1e-14 and np.all(last[:-1] > 1e-5)
    assert np.all(np.diff(last) < 0.0)
    assert float(found["regret"][0, -1]) == pytest.approx(10 / 6, abs=1e-13)  # by symmetry a fair coin


def test_imitation_of_thompson_sampling_is_pinned():
    last = learning.imitation_gap("thompson", 10, histories=[0, 1, 2, 5])["gap"].values[:, -1]
    np.testing.assert_allclose(last, [0.704544, 0.406085, 0.22219, 0.03819], atol=5.1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning.regret("ucb", 3), '^regret: `agent` must be one of .*; got "ucb" \\(did you mean "ucb1"'),
        (lambda: learning.regret("ucb1", 0), "^regret: `horizon` must be a whole number from 1 to 300, got 0$"),
        (lambda: learning.regret("ucb1", 3, means=(2, 1)), r"^regret: `means` must be numbers in \[0, 1\], one for"),
        (lambda: learning.regret("ucb1", 3, means=(0.1,) * 3), "^regret: `means` must hold 2 numbers, got 3$"),
        (
            lambda: learning.regret("ucb1", 3, prior=[(1, 1)] * 3),
            "two arms for the exact recursion, got 3; .* simulate",
        ),
        (lambda: learning.regret("ucb1", 3, prior=[(1, 0.5)] * 2), "^regret: `prior` must hold a pair"),
        (lambda: learning.regret("ucb1", 3, prior=[(1, 1), (1,)]), "^regret: `prior` must hold a pair"),
        (lambda: learning.optimal_regret([301]), "from 1 to 300, got 301$"),
        (lambda: learning.optimal_regret(0), "from 1 to 300, got 0$"),
        (lambda: learning.imitation_gap("thompson", 40, histories=[12]), "must need at most 20000000 states"),
        (lambda: learning.imitation_gap("thompson", 4, histories=[-1]), "must be a whole number of at least 0, got -1"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ProblemError, match=message):
        call()
