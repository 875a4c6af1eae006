"""Finite residual networks: gradients, updates, replicas, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.finite.network import initialise
from theorysim.finite.residual import Passes

DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(5, 4)), DRAW.normal(size=(5, 2))
DATA = ts.data.arrays(X, Y, X[:2], Y[:2], labels="regression")


def run(optimizer=None, **network) -> ts.Training:
    keywords = {"depth": 3, "width": 7, "activation": "tanh", "gamma0": 1.3, "branch_scale": 0.8} | network
    return ts.Training(data=DATA, network=ts.ResidualMLP(**keywords), optimizer=optimizer or ts.GD(learning_rate=0.2),
                       steps=3)  # fmt: skip


def forward(weights, x, branch, scale):
    h = x @ weights[0].T
    for w in weights[1:-1]:
        h = h + branch * np.tanh(h) @ w.T
    return scale * np.tanh(h) @ weights[-1].T


def test_gradients_are_finite_differences() -> None:
    network = run().network
    layers = network.matrices(inputs=4, outputs=2)
    p, passes, cotangent = initialise(layers, [0, 1], seed=3), Passes(network, layers), DRAW.normal(size=(2, 5, 2))
    found, f = p.zeros(), passes.forward(p, X)
    passes.backward(p, X, cotangent, found)
    np.testing.assert_allclose(
        f[1], forward([w[1] for w in p.weights], X, network.branch, layers.output_scale), rtol=1e-12
    )
    for weights, gradient in zip(p.weights, found.weights, strict=True):
        for place in [(0, 0, 0), (1, 1, 3)]:
            kept, values = weights[place], []
            for step in (1e-6, -1e-6):
                weights[place] = kept + step
                values.append(np.sum(passes.forward(p, X) * cotangent))
            weights[place] = kept
            np.testing.assert_allclose((values[0] - values[1]) / 2e-6, gradient[place], rtol=1e-7, atol=1e-9)


def test_one_step_by_hand() -> None:
    """The first step of the unit-variance form: rate eta gamma0^2 N for every matrix, loss (1/2PC) sum."""
    training = run(initial_output="subtracted")
    found = ts.train(training, replicas=2, seed=5)
    network, layers = training.network, training.network.matrices(inputs=4, outputs=2)
    weights = [w[1] for w in initialise(layers, [0, 1], seed=5).weights]
    start = forward(weights, X, network.branch, layers.output_scale)
    rate, moved = 0.2 * 1.3**2 * 7, []
    for i, w in enumerate(weights):
        gradient = np.empty_like(w)
        for place in np.ndindex(w.shape):
            values = []
            for step in (1e-6, -1e-6):
                other = [each.copy() for each in weights]
                other[i][place] += step
                values.append(np.sum(-Y / 10.0 * forward(other, X, network.branch, layers.output_scale)))
            gradient[place] = (values[0] - values[1]) / 2e-6
        moved.append(w - rate / w.shape[1] * gradient)
    expected = forward(moved, X, network.branch, layers.output_scale) - start
    np.testing.assert_allclose(found.train_prediction.sel(replica=1, step=1), expected, rtol=1e-6, atol=1e-9)


def test_a_replica_is_the_same_alone_and_among_others() -> None:
    training = run(ts.SGD(learning_rate=0.2, batch=2, momentum=0.5, weight_decay=0.1, ridge=0.3))
    many, few = (ts.train(training, replicas=n, seed=1, threads=t) for n, t in ((80, 2), (3, 1)))
    np.testing.assert_array_equal(many.train_prediction[..., :3], few.train_prediction)
    assert many.sizes["replica"] == 80 and float(many.test_loss.std()) > 0.0


def test_refusals() -> None:
    flow = ts.Training(data=DATA, network=run().network, optimizer=ts.GradientFlow(), time=1.0)
    with pytest.raises(ProblemError, match="residual"):
        ts.train(flow, replicas=1)
    with pytest.raises(ProblemError, match=r"meanfield\.residual"):
        ts.train(run(), replicas=1, initial={"W1": np.zeros((7, 4))})
    with pytest.raises(FloatingPointError, match="not finite at step"):
        ts.train(ts.Training(data=DATA, network=run(activation="linear").network, optimizer=ts.GD(learning_rate=1e4),
                             steps=200), replicas=1)  # fmt: skip
