"""The known mean of a control variate, and the twins that a verdict trains."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.finite.cost import seconds
from theorysim.kernels import mlp


def training(labels: str = "one-hot-centred", **changes: object) -> ts.Training:
    stated = {"optimizer": ts.SGD(learning_rate=2.0, batch=20), "steps": 100, **changes}
    return ts.Training(
        data=ts.data.digits(train=100, test=60, inputs="unit", labels=labels),
        network=ts.MLP(depth=2, width=512),
        **stated,  # type: ignore[arg-type]
    )


def test_propagated_mean_is_the_limit_of_full_batches() -> None:
    mean = mlp.propagated_mean(training())
    assert mean is not None
    limit = mlp.limit(training(optimizer=ts.GD(learning_rate=2.0)))
    assert set(mean) == {"train_loss", "test_loss", "test_accuracy"}
    for name, curve in mean.items():
        np.testing.assert_allclose(curve, limit[name], rtol=1e-12)


def test_propagated_mean_is_the_mean_of_what_is_propagated() -> None:
    rng = np.random.default_rng(0)
    problem = training()
    learner = mlp.learner_of(problem)
    draws = np.linalg.cholesky(learner.prior + 1e-9 * np.eye(160)) @ rng.standard_normal((160, 10 * 400))
    outputs = draws.reshape(160, 10, 400)
    curves = mlp.propagate(problem, outputs[:100], outputs[100:])
    mean = mlp.propagated_mean(problem)
    assert mean is not None
    for name in ("train_loss", "test_loss"):
        error = curves[name].std(axis=1, ddof=1) / 20
        assert np.all(np.abs(curves[name].mean(axis=1) - mean[name]) < 4 * error + 1e-12)


def test_no_closed_mean_where_there_is_none() -> None:
    assert mlp.propagated_mean(training(optimizer=ts.GD(learning_rate=2.0))) is None
    assert mlp.propagated_mean(training("one-hot", loss="cross-entropy")) is None


@pytest.mark.parametrize("steps", [10, 1000, 100_000])
def test_the_probe_costs_little_beside_the_training(steps: int) -> None:
    problem = training(steps=steps)
    width, replicas = mlp.probe(problem)
    cost = replicas * seconds(problem, width)
    assert cost <= max(mlp.PROBE_SECONDS, mlp.PROBE_SHARE * seconds(problem, 512)) or (width, replicas) == (16, 2)
