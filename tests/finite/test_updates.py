"""Every optimizer against the slow second implementation, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from tests.finite import cases, reference
from theorysim.finite.network import initialise
from theorysim.finite.training import train
from theorysim.problem import GD, SGD, Adam, Cosine, PowerLaw, Warmup

BATCHES = [np.array(rows) for rows in ([0, 3, 5], [8, 1, 1], [2, 4], [7, 6, 0], [5, 5, 3])]
MUP = {"parameterization": "mup", "gamma0": 0.8, "bias_rates": (0.3, 0.2, 0.1)}
STANDARD = {"parameterization": "standard"}

OPTIMIZERS = {
    "plain": SGD(learning_rate=0.3),
    "decay": SGD(learning_rate=0.3, weight_decay=0.2),
    "ridge": SGD(learning_rate=0.3, ridge=2.0),
    "heavy ball": SGD(learning_rate=0.2, momentum=0.8),
    "heavy ball, penalties": SGD(learning_rate=0.2, momentum=0.8, weight_decay=0.1, ridge=1.0),
    "nesterov": SGD(learning_rate=0.2, momentum=0.7, nesterov=True),
    "nesterov, penalties": SGD(learning_rate=0.2, momentum=0.7, nesterov=True, weight_decay=0.1, ridge=1.0),
    "warmup": SGD(learning_rate=0.2, momentum=0.7, schedule=Warmup(steps=3)),
    "cosine": SGD(learning_rate=0.2, schedule=Cosine(final=0.1)),
    "power law": SGD(learning_rate=0.2, momentum=0.5, nesterov=True, schedule=PowerLaw(exponent=0.5)),
    "steps": SGD(schedule=(0.1, 0.3, 0.0, 0.2, 0.1), momentum=0.5),
    "adam": Adam(learning_rate=0.02),
    "adam, decay": Adam(learning_rate=0.02, beta1=0.8, beta2=0.9, epsilon=1e-3, weight_decay=0.5),
    "adam, schedule": Adam(learning_rate=0.02, weight_decay=0.5, schedule=Warmup(steps=4)),
    "adam, factors": Adam(learning_rate=0.02, layer_rates=(1.0, 2.0, 0.5), bias_layer_rates=(0.1, 3.0, 2.0)),
}


def compare(training, batches):
    p = initialise(training.layers, [0], seed=4)
    slow = reference.run(training, [w[0] for w in p.weights], [b[0] for b in p.biases], batches)
    ours = train(training, replicas=1, seed=4, batches=batches)
    np.testing.assert_allclose(ours.train_prediction.values[..., 0], slow, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("network", [{}, MUP, STANDARD], ids=["ntk", "mup", "standard"])
def test_optimizer(name, network):
    optimizer = OPTIMIZERS[name]
    if isinstance(optimizer, Adam):
        network = {key: value for key, value in network.items() if key != "bias_rates"}
    compare(cases.run(optimizer=optimizer, **network), BATCHES)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
@pytest.mark.parametrize("initial_output", ["random", "subtracted"])
def test_losses_and_initial_outputs(loss, initial_output):
    training = cases.run(cases.classes(), loss=loss, initial_output=initial_output, activation="tanh")
    compare(training, BATCHES)


def test_rates_of_ones_own_and_no_biases():
    descent = GD(learning_rate=0.4)
    compare(cases.run(weight_rates=(0.5, 0.0, 2.0), bias_rates=(0.0, 0.1, 0.3), optimizer=descent), BATCHES)
    compare(cases.run(bias_std=None, optimizer=descent), BATCHES)


def test_full_batches_are_batches_of_everything():
    training = cases.run(optimizer=GD(learning_rate=0.3, momentum=0.5), initial_output="subtracted")
    ours = train(training, replicas=3, seed=4)
    given = train(training, replicas=3, seed=4, batches=[np.arange(9)] * 5)
    np.testing.assert_allclose(ours.train_prediction, given.train_prediction, rtol=1e-12, atol=1e-14)


def test_mup_at_small_gamma0_is_ntk():
    for optimizer in (SGD(learning_rate=0.5, batch=4, momentum=0.5), Adam(learning_rate=0.1)):
        rates = {} if isinstance(optimizer, Adam) else {"bias_rates": 0.2}
        ntk = train(cases.run(optimizer=optimizer, **rates), replicas=2, seed=1)
        mup = cases.run(optimizer=optimizer, parameterization="mup", gamma0=5**-0.5, **rates)
        np.testing.assert_allclose(train(mup, replicas=2, seed=1).test_prediction, ntk.test_prediction, rtol=1e-12)


def test_weight_decay_alone_shrinks_everything_by_the_same_factor():
    """With all rates zero only the decay acts: each parameter is multiplied by 1 - eta lam at each step."""
    training = cases.run(
        optimizer=SGD(learning_rate=0.5, weight_decay=0.2), activation="linear",
        weight_rates=0.0, bias_rates=0.0, bias_std=0.0, parameterization="mup",
    )  # fmt: skip
    f = train(training, replicas=1).train_prediction.values[..., 0]
    for k in range(6):
        np.testing.assert_allclose(f[k], f[0] * 0.9 ** (3 * k), rtol=1e-12)


def test_twin_of_adam_keeps_its_frozen_rates():
    training = cases.run(optimizer=Adam(learning_rate=0.01), width=16, parameterization="standard")
    compare(training.at_width(4), BATCHES)
