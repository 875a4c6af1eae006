"""Kernels of finite networks: against Jacobians, training steps, and the infinite-width values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.finite import cases
from theorysim import kernels
from theorysim.compare import exponent
from theorysim.errors import ProblemError
from theorysim.finite import empirical
from theorysim.finite.kernels import empirical_nngp, empirical_ntk
from theorysim.finite.movement import trained_parameters
from theorysim.finite.network import Parameters, activation_of, initialise, outputs
from theorysim.finite.training import train
from theorysim.problem import GD, MLP

NETWORKS = [
    {},
    {"parameterization": "standard"},
    {"parameterization": "mup", "gamma0": 0.6, "bias_rates": 0.3},
    {"weight_rates": (0.0, 1.0, 2.0), "bias_rates": (0.0, 0.0, 0.4)},
]


def jacobian_kernel(training, p: Parameters, x1, x2):
    """Return sum_l a_l J J' by central differences of every parameter, shape (B1, B2, C, C)."""
    layers, function = training.layers, activation_of(training.network)
    rates = [*layers.weight_steps, *layers.bias_steps]
    total = 0.0
    for array, a in zip(p.arrays, rates, strict=True):
        for place in np.ndindex(array.shape):
            kept, slopes = array[place], []
            for x in (x1, x2):
                f = []
                for h in (1e-5, -1e-5):
                    array[place] = kept + h
                    f.append(outputs(p, layers, function, x)[0])
                slopes.append((f[0] - f[1]) / 2e-5)
                array[place] = kept
            total = total + a * np.einsum("ic,jd->ijcd", *slopes)
    return total


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("outputs_", [1, 3])
def test_kernel_is_the_product_of_jacobians(network, outputs_, monkeypatch):
    training = cases.run(cases.regression(outputs_), **network)
    p, layers = initialise(training.layers, [2], seed=1), training.layers
    exact = jacobian_kernel(training, p, cases.X, cases.X_TEST)
    for chunk in (1 << 23, 60):  # one block, then blocks of a few samples
        monkeypatch.setattr(empirical, "_CHUNK", chunk)
        full = empirical.ntk_between_outputs(p, layers, training.network, cases.X, cases.X_TEST)[0]
        np.testing.assert_allclose(full, exact, rtol=1e-7, atol=1e-8 * np.abs(exact).max())
        mean = empirical.ntk(p, layers, training.network, cases.X, cases.X_TEST)[0]
        np.testing.assert_allclose(mean, np.trace(full, axis1=2, axis2=3) / outputs_, rtol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_kernel_predicts_one_small_step(network, loss):
    eta = 1e-6
    samples = cases.classes() if loss == "cross-entropy" else cases.regression(3)
    training = cases.run(samples, steps=1, optimizer=GD(learning_rate=eta), loss=loss, **network)
    ours, y = train(training, replicas=1, seed=1), training.samples.y_train
    p = initialise(training.layers, [0], seed=1)
    theta = empirical.ntk_between_outputs(p, training.layers, training.network, cases.X_TEST, cases.X)[0]
    f = ours.train_prediction.values[0, ..., 0]
    error = f - y if loss == "mse" else np.exp(f) / np.exp(f).sum(axis=1, keepdims=True) - y
    predicted = -eta * training.kappa * np.einsum("ijcd,jd->ic", theta, error)
    moved = ours.test_prediction.values[1, ..., 0] - ours.test_prediction.values[0, ..., 0]
    np.testing.assert_allclose(moved, predicted, atol=1e-4 * np.abs(predicted).max())


def test_wide_networks_have_the_kernels_of_one_hidden_relu_layer():
    """Arc-cosine kernels, T = s (sin t + (pi - t) cos t)/(2 pi), T' = (pi - t)/(2 pi) (Cho and Saul 2009)."""
    network, x = MLP(depth=1, width=4000), cases.X
    layers = network.layers(inputs=4, outputs=1)
    p = initialise(layers, range(20), seed=0)
    sigma = 2.0 * x @ x.T / 4
    size = np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))
    angle = np.arccos(np.clip(sigma / size, -1, 1))
    dual = size * (np.sin(angle) + (math.pi - angle) * np.cos(angle)) / (2 * math.pi)
    slope = (math.pi - angle) / (2 * math.pi)
    for ours, exact in (
        (empirical.nngp(p, layers, network, x), 2 * dual),
        (empirical.ntk(p, layers, network, x), 2 * dual + 2 * slope * sigma),
    ):
        error = ours.std(axis=0) / math.sqrt(20)
        assert (np.abs(ours.mean(axis=0) - exact) < 5 * error + 1e-12).all()
        assert (error < 0.02 * np.abs(exact).max()).all()


def squared_distances(activation, widths, replicas, factor=1.0):
    """Return mean and standard error of |Theta_N - factor Theta|^2/|Theta|^2 at every width."""
    found = []
    for width in widths:
        network = MLP(depth=2, width=width, activation=activation, bias_std=0.3)
        limit = factor * kernels.ntk(network, cases.X).values
        p = initialise(network.layers(inputs=4, outputs=1), range(replicas), seed=width)
        runs = empirical_ntk(network, p, cases.X).transpose("replica", ...).values
        each = np.sum((runs - limit) ** 2, axis=(1, 2)) / np.sum(limit**2)
        found.append((each.mean(), each.std(ddof=1) / math.sqrt(replicas)))
    return np.array(found).T


WIDTHS = np.array([32.0, 64.0, 128.0, 256.0])


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_mean_square_distance_from_the_limit_falls_as_one_over_width(activation):
    p, error = exponent(WIDTHS, *squared_distances(activation, WIDTHS.astype(int), 200))
    assert error < 0.12
    assert abs(p - 1.0) < 3 * error
    assert abs(p - 2.0) > 5 * error  # what a wrong theory of the fluctuations would claim


def test_a_limit_fifteen_percent_off_shows_in_the_exponent():
    p, error = exponent(WIDTHS, *squared_distances("relu", WIDTHS.astype(int), 200, factor=1.15))
    assert abs(p - 1.0) > 3 * error


def test_relative_change():
    first = np.eye(3)[None]
    assert empirical.relative_change(first * 1.25, first) == pytest.approx(0.25)


def test_labelled_kernels_of_ours_and_of_named_weights(tmp_path):
    training = cases.run()
    p = trained_parameters(training, replicas=3, seed=1)
    theta = empirical_ntk(training.network, p, cases.X, cases.X_TEST)
    assert dict(theta.sizes) == {"sample": 9, "sample_other": 5, "replica": 3} and theta.attrs["symbol"] == r"\Theta"
    names = {f"W{i + 1}": w[2] for i, w in enumerate(p.weights)} | {f"b{i + 1}": b[2] for i, b in enumerate(p.biases)}
    np.savez(tmp_path / "weights.npz", **names)
    for weights in (names, tmp_path / "weights.npz"):
        for kernel in (empirical_ntk, empirical_nngp):
            ours, theirs = (kernel(training.network, w, cases.X, cases.X_TEST) for w in (p, weights))
            np.testing.assert_array_equal(theirs[..., 0], ours[..., 2])
    with pytest.raises(ProblemError, match="`W3` must be there"):
        empirical_ntk(training.network, {"W1": names["W1"]}, cases.X)
