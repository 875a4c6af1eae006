"""Cross-entropy gradient flow of infinitely wide networks against scipy, small steps, and its fixed point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from theorysim.infinite.classification import flow_paths
from theorysim.infinite.function_space import dual_steps, softmax, softmax_error
from theorysim.infinite.modes import Modes, modes_of
from theorysim.problem.optimizer import GD

Array = NDArray[np.float64]
P, M, C, R = 12, 5, 3, 2
KAPPA = 1 / P


class Case(NamedTuple):
    theta: Array
    modes: Modes
    target: Array
    start: Array
    start_test: Array


def make(rank: int = 40, scale: float = 1.0) -> Case:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((P + M, rank)) * np.geomspace(3, 0.05, rank) * scale
    theta = features @ features.T
    target = np.eye(C)[rng.integers(0, C, P)]
    start = rng.standard_normal((P + M, C, R))
    return Case(theta, modes_of(theta, np.eye(P + M), P), target, start[:P], start[P:])


def reference(case: Case, ridge: float, times: Array) -> list[tuple[Array, Array]]:
    """Outputs from scipy, in the sample basis."""
    inside, across = case.theta[:P, :P], case.theta[P:, :P]

    def slope(_: float, flat: Array) -> Array:
        dual = flat.reshape(P, C, R)
        outputs = case.start + np.einsum("pq,qcr->pcr", inside, dual)
        return -KAPPA * (softmax_error(outputs, case.target) + ridge * dual).ravel()

    run = solve_ivp(slope, (0, times[-1]), np.zeros(P * C * R), "LSODA", t_eval=times, rtol=1e-11, atol=1e-12)
    duals = run.y.T.reshape(-1, P, C, R)
    return [(case.start + np.einsum("pq,qcr->pcr", inside, a), case.start_test + np.einsum("mq,qcr->mcr", across, a))
            for a in duals]  # fmt: skip


@pytest.mark.parametrize("ridge", [0.0, 0.7])
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_agrees_with_scipy(ridge: float, scale: float) -> None:
    case, times = make(scale=scale), np.array([0.0, 0.05, 1.0, 10.0, 60.0])
    found = flow_paths(case.modes, ridge, KAPPA, case.target, case.start, case.start_test, times, 1e-11)
    for (train, test), (train_exact, test_exact) in zip(found, reference(case, ridge, times), strict=True):
        np.testing.assert_allclose(train, train_exact, rtol=0, atol=1e-7)
        np.testing.assert_allclose(test, test_exact, rtol=0, atol=1e-7)


def test_singular_kernels_agree_with_scipy() -> None:
    case, times = make(rank=4), np.array([2.0, 100.0])
    assert np.sum(case.modes.eigenvalues > 1e-10) == 4
    found = flow_paths(case.modes, 0.0, KAPPA, case.target, case.start, case.start_test, times, 1e-10)
    for (train, test), (train_exact, test_exact) in zip(found, reference(case, 0.0, times), strict=True):
        np.testing.assert_allclose(train, train_exact, rtol=0, atol=1e-7)
        np.testing.assert_allclose(test, test_exact, rtol=0, atol=1e-7)


def test_default_tolerance_is_honoured() -> None:
    case, times = make(), np.geomspace(0.01, 300, 12)
    found = flow_paths(case.modes, 0.0, KAPPA, case.target, case.start, case.start_test, times)
    for (train, test), (train_exact, test_exact) in zip(found, reference(case, 0.0, times), strict=True):
        assert np.abs(train - train_exact).max() < 1e-4
        assert np.abs(test - test_exact).max() < 1e-4


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_small_steps_approach_the_flow_at_first_order(ridge: float) -> None:
    case, time = make(), 4.0
    (exact, _), = flow_paths(
        case.modes, ridge, KAPPA, case.target, case.start, case.start_test, np.array([time]), 1e-10
    )  # fmt: skip
    inside, gaps = case.theta[:P, :P], []
    for steps in (800, 1600, 3200):
        optimizer = GD(learning_rate=time / steps, ridge=ridge)
        (dual,) = dual_steps(inside, case.start, case.target, optimizer, KAPPA, np.array([steps]), steps, softmax_error)
        gaps.append(np.abs(case.start + np.einsum("pq,qcr->pcr", inside, dual) - exact).max())
    assert gaps[0] < 0.05
    ratios = np.array(gaps[:-1]) / gaps[1:]
    assert np.all(np.abs(ratios - 2) < 0.05)


def test_the_sum_over_classes_never_moves() -> None:
    case, times = make(), np.array([0.1, 10.0, 1000.0])
    for train, test in flow_paths(case.modes, 0.2, KAPPA, case.target, case.start, case.start_test, times):
        np.testing.assert_allclose((train - case.start).sum(axis=1), 0, atol=1e-11)
        np.testing.assert_allclose((test - case.start_test).sum(axis=1), 0, atol=1e-11)


def test_long_times_reach_the_ridge_optimum() -> None:
    case, ridge = make(), 0.4
    (train, test), = flow_paths(
        case.modes, ridge, KAPPA, case.target, case.start, case.start_test, np.array([5000.0]), 1e-9
    )  # fmt: skip
    dual = -softmax_error(train, case.target) / ridge  # what da/dt = 0 says
    inside, across = case.theta[:P, :P], case.theta[P:, :P]
    np.testing.assert_allclose(train, case.start + np.einsum("pq,qcr->pcr", inside, dual), atol=1e-8)
    np.testing.assert_allclose(test, case.start_test + np.einsum("mq,qcr->mcr", across, dual), atol=1e-8)


def test_each_network_is_alone_and_the_loss_falls() -> None:
    case, times = make(), np.array([0.0, 1.0, 30.0, 900.0])
    together = list(flow_paths(case.modes, 0.0, KAPPA, case.target, case.start, case.start_test, times, 1e-10))
    reached: list[float] = []
    alone = list(flow_paths(case.modes, 0.0, KAPPA, case.target, case.start[..., :1], case.start_test[..., :1],
                            times, 1e-10, progress=reached.append))  # fmt: skip
    for (train, _), (single, _) in zip(together, alone, strict=True):
        np.testing.assert_allclose(train[..., :1], single, atol=1e-7)
    losses = [-np.mean(np.log(np.sum(softmax(train) * case.target[..., None], axis=1))) for train, _ in together]
    assert np.all(np.diff(losses) < 0)
    assert np.all(np.diff(reached) > 0) and set(times[1:]) <= set(np.round(reached, 12))
