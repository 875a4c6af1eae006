"""The second-moment recursion of minibatches against enumeration, Monte Carlo and its own blocks."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

import theorysim as ts
from theorysim.infinite import batch_noise
from theorysim.infinite.batch_noise import noise_covariances
from theorysim.infinite.filters import filter_of
from theorysim.infinite.modes import modes_of
from theorysim.infinite.stability import largest_stable
from theorysim.kernels.learner import learner_of
from theorysim.problem.optimizer import SGD

RNG = np.random.default_rng(3)
P, M, C = 5, 3, 2
_FACTOR = RNG.normal(size=(P + M, 9))
THETA = _FACTOR @ _FACTOR.T / 9
_FACTOR = RNG.normal(size=(P + M, 9))
NNGP = 0.1 * _FACTOR @ _FACTOR.T / 9
TARGET = RNG.normal(size=(P, C))
KAPPA = 1 / (P * C)
MODES = modes_of(THETA, NNGP, P)


def covariances_of(*arguments) -> list[np.ndarray]:
    return [covariance for covariance, _ in noise_covariances(*arguments)]


def enumerated(optimizer: SGD, steps: int) -> np.ndarray:
    """Return E[dual dual^T]/C - (mean part) by the full average over batches, step by step, exactly."""
    if optimizer.sampling == "subset":
        batches = [np.array(b) for b in combinations(range(P), optimizer.batch)]
    else:
        batches = [np.array(b) for b in product(range(P), repeat=optimizer.batch)]
    # state (dual, buffer, f0 - y) is linear: carry its full second moment
    size = 3 * P
    start = np.zeros((size, size))
    start[2 * P :, 2 * P :] = NNGP[:P, :P] + TARGET @ TARGET.T / C
    theta = THETA[:P, :P]
    maps = []
    for batch in batches:
        mask = np.zeros(P)
        np.add.at(mask, batch, P / len(batch))
        gradient = np.hstack([KAPPA * (mask[:, None] * theta + optimizer.ridge * np.eye(P)), np.zeros((P, P)),
                              KAPPA * np.diag(mask)])  # fmt: skip
        buffer = optimizer.momentum * np.eye(P, size, P) + gradient
        update = gradient + optimizer.momentum * buffer if optimizer.nesterov else buffer
        keep = np.eye(size)[2 * P :]
        maps.append(np.vstack([np.eye(P, size) - optimizer.learning_rate * update, buffer, keep]))
    average = np.mean(maps, axis=0)
    mean, moment, results = np.eye(size), start, []
    for _ in range(steps + 1):
        results.append((moment - mean @ start @ mean.T)[:P, :P])
        moment = np.mean([m @ moment @ m.T for m in maps], axis=0)
        mean = average @ mean
    return np.array(results)


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(learning_rate=1.5, batch=2),
        SGD(learning_rate=1.5, batch=2, sampling="replacement"),
        SGD(learning_rate=1.0, batch=3, momentum=0.6, ridge=0.2),
        SGD(learning_rate=1.0, batch=2, momentum=0.7, nesterov=True),
    ],
)
def test_recursion_equals_enumeration_of_all_batches(optimizer: SGD) -> None:
    steps = np.arange(13)
    found = np.array(covariances_of(MODES, optimizer, KAPPA, TARGET, steps, 12))
    exact = MODES.vectors.T @ enumerated(optimizer, 12) @ MODES.vectors
    keep = found.shape[1]
    scale = np.abs(exact).max()
    assert keep == P
    np.testing.assert_allclose(found, exact, atol=1e-12 * scale)


def test_planted_noise_factor_is_rejected() -> None:
    optimizer = SGD(learning_rate=1.5, batch=2)
    wrong = SGD(learning_rate=1.5, batch=2, sampling="replacement")
    exact = MODES.vectors.T @ enumerated(optimizer, 12) @ MODES.vectors
    found = np.array(covariances_of(MODES, wrong, KAPPA, TARGET, np.arange(13), 12))
    assert np.abs(found - exact).max() > 0.05 * np.abs(exact).max()


def test_blocks_agree_with_single_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = SGD(learning_rate=0.7, batch=2, momentum=0.5)
    recorded = np.array([0, 10, 100, 400])
    blocked = np.array(covariances_of(MODES, optimizer, KAPPA, TARGET, recorded, 400))
    monkeypatch.setattr(batch_noise, "EXACT_STEPS", 10_000)
    exact = np.array(covariances_of(MODES, optimizer, KAPPA, TARGET, recorded, 400))
    np.testing.assert_allclose(blocked, exact, atol=batch_noise.NODE_ERROR * np.abs(exact).max())


@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.5, False), (0.5, True)])
def test_largest_stable_rate_separates_decay_from_growth(momentum: float, nesterov: bool) -> None:
    optimizer = SGD(learning_rate=1.0, batch=1, momentum=momentum, nesterov=nesterov, sampling="replacement")
    limit = largest_stable(MODES, optimizer, KAPPA)
    full = largest_stable(MODES, optimizer.model_copy(update={"batch": None}), KAPPA)
    assert limit < full

    def level(factor: float) -> np.ndarray:
        chosen = optimizer.model_copy(update={"learning_rate": factor * limit})
        steps = np.array([0, 200, 400])
        noise = np.array(covariances_of(MODES, chosen, KAPPA, TARGET, steps, 400))
        left = filter_of(chosen, MODES.eigenvalues, KAPPA, steps.astype(float), 400).left
        return np.einsum("kii,i->k", noise, MODES.eigenvalues**2) + np.sum(left**2, axis=1)

    stable, unstable = level(0.97), level(1.05)
    assert stable[2] < stable[1]
    assert unstable[2] > unstable[1]


def test_equal_steps_at_once_are_the_steps_one_by_one() -> None:
    training = ts.Training(
        data=ts.data.digits(train=40, test=5, inputs="unit"),
        network=ts.MLP(depth=2, width=64),
        optimizer=ts.SGD(learning_rate=1.0, batch=8),
        steps=300,
    )
    modes, wanted = learner_of(training).modes, training.samples.y_train
    recorded = np.array([1, 2, 3, 64, 65, 100, 299, 300])
    # steps that differ in the thirteenth digit are no equal steps
    wavering = SGD(batch=8, schedule=tuple(1.0 + 1e-13 * (k % 2) for k in range(300)))

    def covariances(optimizer: SGD) -> list[np.ndarray]:
        return covariances_of(modes, optimizer, training.kappa, wanted, recorded, 300)

    for one, other in zip(covariances(training.optimizer), covariances(wavering), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11 * np.abs(other).max())
        assert np.abs(other).max() > 0
