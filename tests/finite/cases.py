"""Small data and runs for the tests of finite networks."""

from __future__ import annotations

import numpy as np

from theorysim.problem import GD, MLP, GradientFlow, Training, data

RNG = np.random.default_rng(5)
X, X_TEST = RNG.standard_normal((9, 4)), RNG.standard_normal((5, 4))
TARGETS = {1: np.sin(X[:, :1]), 3: np.stack([np.sin(X[:, 0]), X[:, 1] ** 2, X[:, 2]], axis=1)}
CLASSES = np.argmax(TARGETS[3], axis=1)


def regression(outputs: int):
    """Return nine samples of four inputs with real targets."""
    test = np.ones((5, outputs))
    return data.arrays(X, TARGETS[outputs], X_TEST, test, labels="regression")


def classes():
    """Return the samples with three classes, one-hot."""
    return data.arrays(X, CLASSES, X_TEST, np.array([0, 1, 2, 0, 1]), labels="one-hot")


def run(samples=None, *, optimizer=None, steps=5, loss="mse", record=None, **network):
    """Return a run of a two-layer network of widths (6, 5) with biases unless told otherwise."""
    return Training(
        data=samples or regression(3),
        network=MLP(**{"depth": 2, "width": (6, 5), "activation": "erf", "bias_std": 0.1, **network}),
        optimizer=optimizer or GD(learning_rate=0.1),
        steps=steps,
        loss=loss,
        record=record if record is not None else tuple(range(steps + 1)),
    )


def flow(*, time, optimizer=None, **network):
    """Return a gradient flow of the same network."""
    return Training(
        data=regression(3),
        network=MLP(**{"depth": 2, "width": (6, 5), "activation": "erf", "bias_std": 0.1, **network}),
        optimizer=optimizer or GradientFlow(),
        time=time,
    )
