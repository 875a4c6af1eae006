"""The limit against trained networks: |z| < 4 at every step for width 2048, and the finite-size exponent."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.compare import compare, widths
from theorysim.kernels import mlp

RNG = np.random.default_rng(11)
X, X_TEST = RNG.normal(size=(24, 6)), RNG.normal(size=(12, 6))
ONE = np.tanh(X @ RNG.normal(size=6))[:, None]
THREE = np.stack([np.sin(X @ w) for w in RNG.normal(size=(3, 6))], axis=1)
STEPS = 40


def training(optimizer: object, width: int = 2048, targets: np.ndarray = ONE, **network: object) -> ts.Training:
    settings = {"depth": 1, "activation": "erf", **network}
    return ts.Training(
        data=ts.data.arrays(X, targets, X_TEST, targets[:12], labels="regression"),
        network=ts.MLP(width=width, **settings),
        optimizer=optimizer,
        steps=STEPS,
    )


RATE = 0.35 * mlp.largest_stable_learning_rate(training(ts.GD(learning_rate=1.0)))
CASES = {
    "gd": training(ts.GD(learning_rate=RATE)),
    "heavy ball": training(ts.GD(learning_rate=0.5 * RATE, momentum=0.8)),
    "nesterov": training(ts.GD(learning_rate=0.5 * RATE, momentum=0.8, nesterov=True)),
    "subset": training(ts.SGD(learning_rate=0.5 * RATE, batch=6)),
    "replacement": training(ts.SGD(learning_rate=0.5 * RATE, batch=6, momentum=0.5, sampling="replacement")),
    "epochs": training(ts.SGD(learning_rate=0.5 * RATE, batch=7, sampling="epochs")),
    "ridge": training(ts.GD(learning_rate=RATE, ridge=2.0)),
    "schedule": training(ts.SGD(learning_rate=RATE, batch=12, schedule=ts.Cosine())),
    # half the rate: deep in training even width 2048 shows its 1/N bias to 200 replicas
    "three outputs, biases": training(ts.GD(learning_rate=0.5 * RATE), targets=THREE, bias_std=0.3, activation="relu"),
    "standard": training(ts.GD(learning_rate=RATE / 2048), parameterization="standard"),
    "tanh by the series": training(ts.GD(learning_rate=RATE), activation="tanh"),
}


@pytest.mark.parametrize("name", CASES)
def test_networks_of_width_2048_agree_with_the_limit(name: str) -> None:
    limit = mlp.limit(CASES[name])
    finite = mlp.finite(CASES[name], replicas=200, seed=1)
    z = compare(limit, finite, names=("train_loss", "test_loss"))
    assert float(abs(z.train_loss_z).max()) < 4
    assert float(abs(z.test_loss_z).max()) < 4
    np.testing.assert_allclose(finite.test_prediction.std("replica").values[-1],
                               limit.test_prediction_std.values[-1], rtol=0.25)  # fmt: skip


def test_planted_factor_in_the_kernel_is_rejected() -> None:
    """A tangent kernel 8 % too large is a learning rate 8 % too large."""
    finite = mlp.finite(CASES["gd"], replicas=200, seed=1)
    wrong = mlp.limit(training(ts.GD(learning_rate=1.08 * RATE)))
    z = compare(wrong.assign_coords(time=finite.time), finite, names=("train_loss",))
    assert float(abs(z.train_loss_z).max()) > 4


def test_bias_falls_as_one_over_width() -> None:
    """The fitted exponent of the bias is 1 within its error, at every step after the first two."""
    optimizer = ts.GD(learning_rate=RATE)
    limit = mlp.limit(training(optimizer, initial_output="subtracted"))
    replicas = {64: 1500, 128: 1500, 256: 1250, 512: 1000}
    networks = {
        n: mlp.finite(training(optimizer, width=n, initial_output="subtracted"), replicas=r, seed=2)
        for n, r in replicas.items()
    }
    fit = widths(limit, networks)
    exponent, error = fit.train_loss_exponent.values[3:], fit.train_loss_exponent_error.values[3:]
    assert np.all(error < 0.25)
    assert np.all(np.abs(exponent - 1.0) < 2 * error)
