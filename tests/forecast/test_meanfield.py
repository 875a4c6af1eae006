"""Forecasts of networks that learn features: the mean-field limit where it is cheaper than networks."""

from __future__ import annotations

import json

import numpy as np
import pytest

import theorysim as ts


def training(depth: int, activation: str, samples: int = 6, steps: int = 40) -> ts.Training:
    x = np.random.default_rng(0).normal(size=(samples + 40, 4))
    y = x[:, 0] + 0.3 * x[:, 1]
    return ts.Training(
        data=ts.data.arrays(x[:samples], y[:samples], x[samples:], y[samples:]),
        network=ts.MLP(depth=depth, width=256, activation=activation, parameterization="mup", gamma0=1.0),
        optimizer=ts.GD(learning_rate=0.3),
        steps=steps,
    )


@pytest.mark.parametrize(("depth", "activation", "theory"), [(2, "linear", "meanfield.linear"),
                                                             (1, "tanh", "meanfield.two_layer")])  # fmt: skip
def test_a_cheap_limit_is_the_point_at_infinite_width(depth: int, activation: str, theory: str) -> None:
    problem = training(depth, activation)
    forecast = ts.forecast(problem)
    assert forecast.attrs["theory"] == theory
    truth = ts.train(problem, replicas=64, seed=77)
    for name in ("train_loss", "test_loss"):
        runs = truth[name].values[1:]
        mean, sem = runs.mean(axis=1), runs.std(axis=1, ddof=1) / 8.0
        z = (forecast[name].values[1:] - mean) / np.hypot(forecast[f"{name}_error"].values[1:], sem)
        assert np.abs(z).max() < 4.0
        assert np.abs(1.1 * forecast[name].values[1:] - mean).max() > 4.0 * sem[-1]
        ratio = forecast[f"{name}_std"].values[1:] / runs.std(axis=1, ddof=1)
        assert 0.6 < np.median(ratio) < 1.5
    asked = [verdict["theory"] for verdict in json.loads(forecast.attrs["verdicts"])]
    assert "meanfield.deep" not in asked


def test_a_dear_limit_is_left_to_networks() -> None:
    forecast = ts.forecast(training(2, "tanh", samples=30, steps=30))
    verdicts = {v["theory"]: v for v in json.loads(forecast.attrs["verdicts"])}
    assert forecast.attrs["theory"] not in ("meanfield.deep", "kernels.mlp")
    assert not verdicts["meanfield.deep"]["applies"]
    assert "networks are cheaper" in verdicts["meanfield.deep"]["reason"]
