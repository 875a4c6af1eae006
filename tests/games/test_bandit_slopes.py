"""What no agent can beat: Gittins indices, slopes of Lai and Robbins and of Graves and Lai, the minimax bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.optimize

from theorysim.errors import ProblemError
from theorysim.games import learning


@pytest.mark.parametrize(("discount", "index"), [(0.5, 0.559019), (0.9, 0.702889), (0.95, 0.761434), (0.99, 0.869860)])
def test_gittins_index_of_a_uniform_arm(discount, index):
    found = learning.gittins_index(discount=discount)
    assert found.item() == pytest.approx(index, abs=5.1e-7)
    assert found.attrs["error"] <= 1e-9


def test_a_truncated_index_is_low_by_less_than_its_error():
    fine = learning.gittins_index(2, 3, discount=0.9, tolerance=1e-12).item()
    for tolerance in (1e-1, 1e-3, 1e-5):
        coarse = learning.gittins_index(2, 3, discount=0.9, tolerance=tolerance)
        assert coarse.item() <= fine + 1e-14
        assert fine <= coarse.item() + coarse.attrs["error"] <= fine + tolerance * 1.001


def test_gittins_index_by_halving():
    """Another route: calibrate the sure reward by halving the sign of continue minus retire, 200 pulls ahead."""
    discount, depth = 0.8, 200

    def worth(level: float) -> float:
        values = np.full(depth + 1, level)
        for n in range(depth - 1, -1, -1):
            m = (1.0 + np.arange(n + 1)) / (2.0 + n)
            values = m * (1 - discount + discount * values[1:]) + (1 - m) * discount * values[:-1]
            values = np.maximum(values, level) if n else values
        return float(values[0])

    halved = scipy.optimize.bisect(lambda level: worth(level) - level, 0.5, 0.99, xtol=1e-13)
    assert learning.gittins_index(discount=discount, tolerance=1e-12).item() == pytest.approx(halved, abs=1e-12)


def test_the_index_of_a_known_arm_is_its_mean():
    assert learning.gittins_index(3e7, 1e7, discount=0.9).item() == pytest.approx(0.75, abs=1e-4)
    assert learning.gittins_index(discount=1e-6).item() == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("means", "slope"), [((0.5, 0.6), 4.89931965), ((0.9, 0.8), 2.2520996985), ((0.5, 0.45, 0.4, 0.3), 17.3802832004)]
)
def test_lai_robbins_of_bernoulli_arms(means, slope):
    found = learning.lai_robbins(means)
    assert found.item() == pytest.approx(slope, abs=5.1e-9 if slope < 5 and means[0] == 0.5 else 5.1e-11)
    assert "no lower bound at any finite n" in found.attrs["meaning"]


def test_lai_robbins_at_the_edges():
    assert learning.lai_robbins((0.0, 0.5, 1.0), law="gaussian").item() == pytest.approx(2 + 4, abs=1e-15)
    assert learning.lai_robbins((0.0, 1.0), law="gaussian", std=3.0).item() == pytest.approx(18.0, abs=1e-14)
    assert learning.lai_robbins((1.0, 0.5)).item() == 0.0  # a failure rules the best arm's law out at once
    assert learning.lai_robbins((0.5, 0.0)).item() == pytest.approx(0.5 / math.log(2), abs=1e-15)
    assert learning.lai_robbins((0.5, 0.5)).item() == 0.0


def test_orthogonal_arms_are_learnt_one_by_one():
    found = learning.graves_lai(np.eye(4), [1.0, 0.9, 0.5, 0.0])
    assert found["slope"].item() == pytest.approx(2 / 0.1 + 2 / 0.5 + 2, rel=1e-7)
    np.testing.assert_allclose(found["pulls"].values, [np.inf, 200, 8, 2], rtol=1e-6)
    assert found["slope_lower"].item() <= found["slope"].item() <= found["slope_lower"].item() * (1 + 1e-6)
    own = learning.lai_robbins([1.0, 0.9, 0.5, 0.0], law="gaussian").item()
    assert found["slope"].item() == pytest.approx(own, rel=1e-7)
    noisy = learning.graves_lai(np.eye(4), [1.0, 0.9, 0.5, 0.0], std=2.0)
    assert noisy["slope"].item() == pytest.approx(4 * own, rel=1e-7)


@pytest.mark.parametrize("epsilon", [0.01, 0.05, 0.2])
def test_where_optimism_is_not_optimal(epsilon):
    """The bad arm 2 tells the good ones apart: 8, however small epsilon; without it, by the close arm alone, 2/e."""
    arms, theta = learning.end_of_optimism(epsilon)
    found = learning.graves_lai(arms, theta)
    assert found["slope"].item() == pytest.approx(8.0, rel=1e-7)
    np.testing.assert_allclose(found["pulls"].values, [np.inf, 8.0, 0.0], atol=1e-4)
    alone = learning.graves_lai(arms[[0, 2]], theta)["slope"].item()
    assert alone == pytest.approx(2 / epsilon, rel=1e-7) and alone > found["slope"].item()


def test_a_linear_slope_agrees_with_another_solver():
    rng = np.random.default_rng(3)
    arms, theta = rng.normal(size=(6, 3)), rng.normal(size=3)
    found = learning.graves_lai(arms, theta)
    gaps = found["gap"].values
    best, others = int(gaps.argmin()), gaps > 0
    unit = arms[best] / np.linalg.norm(arms[best])
    rows = (arms - np.outer(arms @ unit, unit))[others] @ np.linalg.svd(unit[None])[2][1:].T

    def slack(logs):
        weights = np.exp(logs)
        inverse = np.linalg.inv((rows.T * weights) @ rows)
        return gaps[others] ** 2 / 2 - np.einsum("ai,ij,aj->a", rows, inverse, rows)

    start = np.log(np.full(others.sum(), 1e2))
    other = scipy.optimize.minimize(
        lambda logs: np.exp(logs) @ gaps[others],
        start,
        bounds=[(-16.0, 12.0)] * len(start),
        constraints={"type": "ineq", "fun": slack},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found["slope"].item() == pytest.approx(other.fun, rel=1e-4)
    assert found["slope_lower"].item() <= other.fun * (1 + 1e-6)


def test_arms_along_the_best_one_need_no_pulls():
    assert learning.graves_lai([[1.0, 0.0], [0.5, 0.0]], [1.0, 0.0])["slope"].item() == 0.0
    found = learning.graves_lai([[1.0, 0.0], [0.5, 0.0], [0.0, 1.0]], [1.0, 0.0])
    assert found["slope"].item() == pytest.approx(2.0, rel=1e-7)
    assert found["pulls"].values[1] == 0.0


def test_minimax_bound():
    assert learning.minimax_bound(2, 100) == pytest.approx(10 / 27, abs=1e-15)
    gap = 0.1  # the pair of arms behind the bound, Delta ~ sqrt((k - 1)/(4 n)) at n = 25
    runs = learning.gaussian("ucb1", 25, means=[gap, 0.0], runs=2000, seed=0, record=[25])["regret"].values
    assert runs.mean() > learning.minimax_bound(2, 25)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning.gittins_index(discount=1.0), r"^gittins_index: `discount` must be in \(0, 1\), got 1.0$"),
        (lambda: learning.gittins_index(0, discount=0.5), "^gittins_index: `a` must be a positive number, got 0$"),
        (lambda: learning.gittins_index(discount=0.9999), "`tolerance` must allow at most 40000 pulls"),
        (lambda: learning.lai_robbins((0.5, 1.5)), r"^lai_robbins: `means` must be numbers in \[0, 1\]"),
        (lambda: learning.lai_robbins((0.5,), law="normal"), '^lai_robbins: `law` must be one of .*; got "normal"'),
        (
            lambda: learning.graves_lai(np.eye(2), [1.0, 1.0]),
            r"^graves_lai: `arms` must have one best arm, got \[0, 1\]$",
        ),
        (lambda: learning.graves_lai(np.eye(2), [1.0]), r"of shapes \(arms, d\) and \(d,\), got \(2, 2\) and \(1,\)$"),
        (lambda: learning.minimax_bound(1, 5), "^minimax_bound: `arms` must be a whole number of at least 2, got 1$"),
        (
            lambda: learning.minimax_bound(9, 5),
            "^minimax_bound: `horizon` must be a whole number of at least 8, got 5$",
        ),
        (lambda: learning.end_of_optimism(0.0), "`epsilon` must be a positive number, got 0.0$"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ProblemError, match=message):
        call()
