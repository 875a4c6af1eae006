"""Axes of problems with common random numbers, and problems given by their input kernel."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import meanfield
from theorysim.errors import ProblemError
from theorysim.meanfield.replicas import Size

DRAW = np.random.default_rng(7)
X, X_TEST = DRAW.normal(size=(6, 8)), DRAW.normal(size=(5, 8))
Y, Y_TEST = np.sign(X[:, 0]), np.sign(X_TEST[:, 0])
DATA = ts.data.arrays(X, Y, X_TEST, Y_TEST, labels="sign")
SIZE = Size(512, 4, 1e-4)


def run(data: object = DATA, **network: object) -> ts.Training:
    stated = {"depth": 2, "width": 512, "activation": "tanh", "parameterization": "mup", "gamma0": 1.0} | network
    return ts.Training(data=data, network=ts.MLP(**stated), optimizer=ts.GD(learning_rate=0.3), steps=10)  # type: ignore[arg-type]


def test_richness_shares_its_noise() -> None:
    found = meanfield.sweep(run(), gamma0=[0.0, 0.5, 1.0], size=SIZE)
    assert found.train_loss.dims == ("gamma0", "step")
    alone = meanfield.deep.limit(run(gamma0=0.5), size=SIZE)
    np.testing.assert_array_equal(found.train_loss.sel(gamma0=0.5), alone.train_loss)
    # differences of neighbours are known better than values: over seeds they scatter less
    near = [
        meanfield.sweep(run(), gamma0=[1.0, 1.05], size=Size(512, 1, 1e-4), seed=s).train_loss[:, -1] for s in range(6)
    ]
    values = np.array(near)
    assert np.std(values[:, 1] - values[:, 0]) < 0.3 * np.std(values[:, 0])


def test_learning_rates_and_other_theories() -> None:
    found = meanfield.sweep(run(activation="linear"), learning_rate=[0.1, 0.3], theory="linear")
    np.testing.assert_array_equal(
        found.test_loss.sel(learning_rate=0.3), meanfield.linear.limit(run(activation="linear")).test_loss
    )
    assert found.train_loss[0, -1] > found.train_loss[1, -1]


def test_a_kernel_stands_for_its_inputs() -> None:
    everything = np.concatenate([X, X_TEST])
    kernel = everything @ everything.T / X.shape[1]
    data = ts.data.from_kernel(kernel, Y, Y_TEST, labels="sign")
    x = np.concatenate([data.load().x_train, data.load().x_test])
    np.testing.assert_allclose(x @ x.T / x.shape[1], kernel, atol=1e-13)
    linear = [meanfield.linear.limit(run(each, activation="linear")) for each in (DATA, data)]
    np.testing.assert_allclose(linear[1].test_prediction, linear[0].test_prediction, atol=1e-11)
    deep = [meanfield.deep.limit(run(each), size=SIZE) for each in (DATA, data)]
    spread = np.hypot(deep[0].test_loss_error, deep[1].test_loss_error)[1:]
    assert np.all(np.abs(deep[0].test_loss - deep[1].test_loss)[1:] < 4 * spread)


@pytest.mark.parametrize(
    ("kernel", "line"),
    [
        (np.eye(3), r"`kernel` must have shape \(2, 2\)"),
        ([[1.0, 0.5], [0.4, 1.0]], "must be symmetric"),
        ([[1.0, 2.0], [2.0, 1.0]], "positive semidefinite, got the eigenvalue -1"),
        ([[1.0, np.nan], [np.nan, 1.0]], "must be finite"),
    ],
)
def test_wrong_kernels(kernel: object, line: str) -> None:
    with pytest.raises((ProblemError, ValueError), match=line):
        ts.data.from_kernel(kernel, [1.0, -1.0])


def test_wrong_axes() -> None:
    for given, line in (
        ({}, "one of `gamma0` and `learning_rate`"),
        ({"gamma0": []}, "at least one finite number"),
        ({"gamma0": [1.0], "learning_rate": [1.0]}, "one of `gamma0` and `learning_rate`"),
        ({"gamma0": [float("nan")]}, "at least one finite number"),
        ({"gamma0": [1.0], "theory": "depp"}, "`theory` must be"),
        ({"gamma0": [1.0], "theory": "two_layer", "size": SIZE}, "`size` must be left out"),
    ):
        with pytest.raises(ProblemError, match=line):
            meanfield.sweep(run(), **given)  # type: ignore[arg-type]
