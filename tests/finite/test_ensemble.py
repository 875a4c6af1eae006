"""Remembered ensembles: the same networks as ever, trained once."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.finite import ensemble as module
from theorysim.finite.ensemble import ensemble, kernel_changes
from theorysim.finite.movement import kernel_change
from theorysim.finite.results import dataset
from theorysim.finite.training import run


def training(width: int = 16, optimizer: ts.SGD | ts.Adam | None = None) -> ts.Training:
    return ts.Training(
        data=ts.data.digits(train=30, test=10, inputs="unit"),
        network=ts.MLP(depth=2, width=width),
        optimizer=optimizer or ts.SGD(learning_rate=1.0, batch=5),
        steps=12,
    )


@pytest.fixture(autouse=True)
def forgotten() -> None:
    module._KEPT.clear()


def test_an_ensemble_grown_in_parts_is_the_one_trained_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def counted(problem: ts.Training, *, replicas: int, **rest: object) -> object:
        trained.append(replicas)
        return run(problem, replicas=replicas, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run", counted)
    changes = kernel_changes(training(), 2, seed=3, samples=30)
    five = ensemble(training(), 5, seed=3)
    three = ensemble(training(), 3, seed=3)
    assert trained == [2, 3]
    whole = dataset(training(), run(training(), replicas=5, seed=3, precision="single"), seed=3)
    np.testing.assert_array_equal(five.curves["test_loss"], whole["test_loss"])
    np.testing.assert_array_equal(five.start_test, whole["test_prediction"].values[0])
    np.testing.assert_array_equal(three.curves["train_loss"], whole["train_loss"].values[:, :3])
    np.testing.assert_allclose(changes, kernel_change(training(), replicas=2, seed=3)[-1], rtol=1e-4)


@pytest.mark.parametrize(
    "optimizer",
    [ts.SGD(learning_rate=1.0, batch=5, momentum=0.5, ridge=0.1, weight_decay=0.01), ts.Adam(learning_rate=1e-3)],
)
def test_single_precision_is_close_and_not_the_same(optimizer: ts.SGD | ts.Adam) -> None:
    problem = training(optimizer=optimizer)
    whole = ts.train(problem, replicas=3, seed=3)
    found = ensemble(problem, 3, seed=3)
    for name, curve in found.curves.items():
        np.testing.assert_allclose(curve, whole[name], rtol=1e-4)
    assert np.any(found.curves["test_loss"] != whole["test_loss"].values)


def test_losses_too_low_for_single_precision_are_found_in_double() -> None:
    x = np.random.default_rng(0).normal(size=(6, 12))
    problem = ts.Training(
        data=ts.data.arrays(x, x[:, 0]),
        network=ts.MLP(depth=1, width=64, activation="linear"),
        optimizer=ts.GD(learning_rate=1.0),
        steps=400,
    )
    whole = ts.train(problem, replicas=2, seed=0)["train_loss"]
    assert whole[-1].max() < module.LOWEST * whole[0].min()
    np.testing.assert_array_equal(ensemble(problem, 2, seed=0).curves["train_loss"], whole)


def test_seeds_and_problems_are_kept_apart() -> None:
    first, other = (ensemble(training(), 2, seed=seed).curves["train_loss"] for seed in (0, 1))
    assert np.any(first != other)
    assert np.any(first != ensemble(training(24), 2, seed=0).curves["train_loss"])


def test_old_ensembles_are_forgotten() -> None:
    for seed in range(module._MOST_KEPT + 3):
        ensemble(training(), 1, seed=seed)
    assert len(module._KEPT) == module._MOST_KEPT
