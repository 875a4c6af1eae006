"""Hand-written gradients against central differences of the loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.activation_examples import ALL, table
from tests.finite import cases
from theorysim.equations.activations import custom
from theorysim.finite.losses import LOSSES, subtract_rows, targets
from theorysim.finite.network import Pass, activation_of, initialise, outputs


def loss_and_gradients(training, p, subtracted=None):
    x, y = training.samples.x_train, targets(training)[0]
    rows = np.arange(len(x))[None]
    through, out = Pass(training.layers, activation_of(training.network), p.replicas, len(x)), p.zeros()
    f = through.forward(p, x)
    if subtracted is not None:
        subtract_rows(f, subtracted, rows)
    value = LOSSES[training.loss].values(f, y)
    LOSSES[training.loss].gradient(f, y, rows)
    through.backward(p, x, f, out)
    return value, out


def check(training, subtracted=None):
    p = initialise(training.layers, [0, 3], seed=2)
    _, exact = loss_and_gradients(training, p, subtracted)
    rng = np.random.default_rng(0)
    for array, gradient in zip(p.arrays, exact.arrays, strict=True):
        for _ in range(4):
            place = tuple(rng.integers(n) for n in array.shape)
            kept, h, values = array[place], 1e-5, []
            for sign in (1, -1):
                array[place] = kept + sign * h
                values.append(loss_and_gradients(training, p, subtracted)[0][place[0]])
            array[place] = kept
            assert (values[0] - values[1]) / (2 * h) == pytest.approx(gradient[place], rel=2e-6, abs=2e-10)


@pytest.mark.parametrize("name", [*ALL, "custom"])
def test_every_activation(name):
    mine = custom(lambda x: np.log(1.0 + np.exp(x)), lambda x: 1.0 / (1.0 + np.exp(-x)), name="my softplus")
    check(cases.run(activation=mine if name == "custom" else table(name)))


KINDS = [{"parameterization": "ntk"}, {"parameterization": "standard"}, {"parameterization": "mup", "gamma0": 0.7}]


@pytest.mark.parametrize(("kind", "loss"), list(itertools.product(KINDS, ["mse", "cross-entropy"])))
def test_every_parameterization_and_loss(kind, loss):
    check(cases.run(cases.classes(), loss=loss, bias_rates=1.0, **kind))


@pytest.mark.parametrize("outputs", [1, 3])
def test_one_and_several_outputs(outputs):
    check(cases.run(cases.regression(outputs), depth=1, width=7))


def test_subtracted_outputs():
    training = cases.run(parameterization="mup", initial_output="subtracted", bias_rates=0.5)
    check(training, np.random.default_rng(1).standard_normal((2, 9, 3)))


def test_frozen_layers_get_no_gradients_and_the_others_the_right_ones():
    free, frozen = cases.run(bias_rates=(0.0, 0.0, 1.0)), cases.run(weight_rates=(0, 1, 1), bias_rates=(0.0, 0.0, 1.0))
    p = initialise(free.layers, [0], seed=1)
    _, every = loss_and_gradients(free, p)
    _, some = loss_and_gradients(frozen, p)
    assert not some.weights[0].any() and every.weights[0].any()
    for i in (1, 2):
        assert np.array_equal(some.weights[i], every.weights[i])


def test_outputs_in_chunks_equal_the_pass():
    training = cases.run()
    p, x = initialise(training.layers, [0, 1], seed=1), np.random.default_rng(0).standard_normal((300, 4))
    through = Pass(training.layers, activation_of(training.network), 2, 300)
    f = outputs(p, training.layers, activation_of(training.network), x)
    np.testing.assert_allclose(f, through.forward(p, x), rtol=1e-13, atol=1e-15)


def test_initial_parameters_have_the_stated_moments():
    training = cases.run(width=(300, 400), weight_std=(1.0, 1.5, 2.0), bias_std=(0.0, 0.3, 0.5))
    p = initialise(training.layers, range(4), seed=0)
    for i, (w, b) in enumerate(zip(p.weights, p.biases, strict=True)):
        stated = training.layers.weight_std[i] ** 2 / training.layers.widths[i]
        assert w.var() == pytest.approx(stated, rel=5 * np.sqrt(2 / w.size))
        assert b.std() == pytest.approx(training.layers.bias_std[i], rel=5 / np.sqrt(b.size))
        assert abs(w.mean()) < 5 * np.sqrt(stated / w.size)
