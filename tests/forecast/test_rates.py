"""The best learning rate of a network that was not trained, against networks that were."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.forecast import rates

DATA = ts.data.digits(train=40, test=40, inputs="unit")


def run(rate: float, optimizer: object = None, **network: object) -> ts.Training:
    stated = {"depth": 2, "width": 128, "activation": "tanh"} | network
    chosen = ts.GD(learning_rate=rate) if optimizer is None else optimizer
    return ts.Training(data=DATA, network=ts.MLP(**stated), optimizer=chosen, steps=30)  # type: ignore[arg-type]


@pytest.mark.parametrize("parameterization", ["ntk", "mup"])
def test_best_rate_is_that_of_trained_networks(parameterization: str) -> None:
    found = ts.best_learning_rate(run(2.0, parameterization=parameterization), loss="train_loss")
    assert len(found.learning_rate) >= 5 and np.all(np.diff(found.learning_rate) > 0)
    z = []
    for rate, loss, error in zip(
        found.learning_rate.values, found.train_loss.values, found.train_loss_error.values, strict=True
    ):
        trained = ts.train(run(rate, parameterization=parameterization), replicas=24, seed=9).train_loss[-1]
        z.append((loss - trained.mean()) / np.hypot(error, trained.std(ddof=1) / np.sqrt(24)))
    assert np.max(np.abs(z)) < 4.0
    largest = max([*found.learning_rate.values, *found.attrs["diverged"]])
    assert 0.25 * largest <= float(found.best) <= largest
    assert 0.0 < float(found.best_error) <= float(found.best)


def test_the_search_goes_where_losses_fall_and_stops_where_training_diverges() -> None:
    found = ts.best_learning_rate(run(0.01), loss="train_loss")
    assert len(found.learning_rate) + len(found.attrs["diverged"]) <= rates.MOST
    assert found.learning_rate[-1] > 1.0 and float(found.best) > 0.3
    from_above = ts.best_learning_rate(run(1000.0), loss="train_loss")
    assert len(from_above.attrs["diverged"]) >= 3
    assert from_above.learning_rate[-1] < 1000.0


def test_a_parabola_has_its_vertex_and_error() -> None:
    x = np.array([0.5, 1.0, 2.0])
    best, error, side = rates._optimum(x, np.exp((np.log(x) - 0.1) ** 2), np.full(3, 1e-3))
    assert best == pytest.approx(np.exp(0.1), rel=1e-12) and side == ""
    draws = np.random.default_rng(0).normal(size=(2000, 3))
    moved = [rates._optimum(x, np.exp((np.log(x) - 0.1) ** 2) + 1e-3 * d, np.zeros(3))[0] for d in draws]
    assert error == pytest.approx(np.std(moved), rel=0.1)
    assert rates._optimum(x, np.array([1.0, 2.0, 3.0]), np.zeros(3)) == (0.5, 0.5, "left")
    assert rates._optimum(x, np.array([3.0, 2.0, 1.0]), np.zeros(3)) == (2.0, 2.0, "right")


def test_other_optimizers_and_refusals() -> None:
    adam = ts.best_learning_rate(run(0.0, ts.Adam(learning_rate=1e-2), parameterization="standard", width=40))
    assert adam.attrs["loss"] == "test_loss" and np.all(adam.test_loss > 0)
    with pytest.raises(ProblemError, match="must have a learning rate"):
        ts.best_learning_rate(
            ts.Training(data=DATA, network=ts.MLP(depth=1, width=64), optimizer=ts.GradientFlow(), time=1.0)
        )
    with pytest.raises(ProblemError, match="`loss` must be one of"):
        ts.best_learning_rate(run(1.0), loss="accuracy")
    with pytest.raises(ProblemError, match="`factor` must be"):
        ts.best_learning_rate(run(1.0), factor=1.0)
