"""Finite width, as a user sees it: labelled corrections, exact relu moments, scatter of trained networks, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim.kernels.corrections import finite_width, finite_width_covariance, relu_moments
from theorysim.kernels.lazy_scatter import prediction_scatter
from theorysim.problem import GD, SGD, Adam, GradientFlow

X = np.random.default_rng(2).standard_normal((5, 5))
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)


def run(*, optimizer=None, outputs=1, **network):
    fields = {"depth": 2, "width": 128, "activation": "tanh", "bias_std": 0.2, "initial_output": "subtracted"}
    return ts.Training(
        data=ts.data.arrays(X[:3], Y[:3, :outputs], X[3:], Y[3:, :outputs], labels="regression"),
        network=ts.MLP(**{**fields, **network}),
        optimizer=optimizer or GD(learning_rate=0.5), steps=20, record=(0, 4, 20),
    )  # fmt: skip


def test_labels_and_numbers_of_relu():
    """Depth 3, widths 32, 48, 40, weight_std sqrt 2: K and its corrections by hand."""
    network = ts.MLP(depth=3, width=(32, 48, 40))
    found = finite_width(network, X)
    assert dict(found.sizes) == {"layer": 3, "sample": 5, "sample_other": 5}
    np.testing.assert_array_equal(found.layer, [2, 3, 4])
    for name, array in found.data_vars.items():
        assert array.attrs["units"] == "1" and array.attrs["symbol"] and array.attrs["long_name"], name
        if array.ndim == 3:
            np.testing.assert_array_equal(array, array.transpose("layer", "sample_other", "sample"))
    expected = 15 * np.cumsum([1 / 32, 1 / 48, 1 / 40])
    np.testing.assert_allclose(found.kurtosis, np.repeat(expected[:, None], 5, axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.kernel[-1], ts.kernels.nngp(network, X), rtol=1e-12)
    np.testing.assert_allclose(found.ntk[-1], ts.kernels.ntk(network, X), rtol=1e-12)
    for name in ("kernel_mean_correction", "ntk_mean_correction"):
        assert not np.diagonal(found[name][-1]).any()
    assert found.attrs["order"] == "leading, 1/width"
    assert found.attrs["relative_variance"] == pytest.approx(expected[-1] / 3) and found.attrs["trusted"] == 0


def test_verdict_follows_the_width():
    small, large = (finite_width(ts.MLP(depth=2, width=width), X[:2]) for width in (64, 640))
    assert small.attrs["relative_variance"] == pytest.approx(10 * large.attrs["relative_variance"])
    assert large.attrs["trusted"] == 1 and "depth/width" in large.attrs["reason"]
    np.testing.assert_allclose(small.ntk_variance, 10 * large.ntk_variance)
    np.testing.assert_allclose(small.ntk_mean_correction, 10 * large.ntk_mean_correction, atol=1e-12)


def test_a_sample_does_not_depend_on_its_companions():
    network = ts.MLP(depth=2, width=50, activation="erf", bias_std=0.1, parameterization="standard")
    one, three = finite_width(network, X[:1]), finite_width(network, X[:3])
    for name in one:
        np.testing.assert_allclose(one[name].values.ravel(), three[name].isel({d: 0 for d in one[name].dims[1:]}),
                                   rtol=1e-7)  # fmt: skip


def test_covariance_of_all_pairs():
    network = ts.MLP(depth=2, width=50, activation="erf", bias_std=0.1)
    found, pairs = finite_width_covariance(network, X[:3]), finite_width(network, X[:3])
    for name in ("kernel", "ntk"):
        variance = np.einsum("labab->lab", found[f"{name}_covariance"])
        error = np.einsum("labab->lab", found[f"{name}_covariance_error"])
        exact = pairs[f"{name}_variance"].values
        assert np.all(np.abs(variance - exact) < 6 * error + 1e-12)
        assert np.all(error < 0.01 * exact) and np.any(np.abs(variance - 1.1 * exact) > 10 * error)


def test_exact_moments():
    found = relu_moments(ts.MLP(depth=3, width=(32, 48, 40)), order=2)
    np.testing.assert_allclose(found.kernel_moment, [1.0, 53 / 48 * 45 / 40 * 37 / 32], rtol=1e-13)
    assert float(found.ntk_mean) == pytest.approx(1.0, rel=1e-12)
    two = relu_moments(ts.MLP(depth=2, width=10**6))
    assert 1e6 * (float(two.ntk_moment) - 1) == pytest.approx(58 / 9, rel=1e-4)
    assert "ntk_moment" not in relu_moments(ts.MLP(depth=2, width=9, activation="leaky_relu", slope=0.1))


@pytest.mark.parametrize("outputs", [1, 2])
def test_scatter_of_trained_networks(outputs):
    """Subtracted output: the covariance is complete at O(1/width); the mean, which is not, is not tested."""
    training, networks = run(outputs=outputs, width=128), 500
    found = prediction_scatter(training)
    assert found.attrs["left_out"] and found.prediction.dims == ("step", "sample", "output")
    trained = ts.train(training, replicas=networks, seed=3)
    f = np.concatenate([trained.train_prediction, trained.test_prediction], axis=1)[1:]
    limit = ts.kernels.mlp.limit(training)
    np.testing.assert_allclose(found.prediction[:, :3], limit.train_prediction, atol=1e-10)
    np.testing.assert_allclose(found.prediction[:, 3:], limit.test_prediction, atol=1e-10)
    centred = f - f.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1)
    error = np.sqrt(((centred**4).mean(axis=-1) - variance**2) / networks)
    predicted = found.prediction_std.values[1:] ** 2
    assert np.all(np.abs(variance - predicted) < 4 * error)
    assert np.any(np.abs(variance - 2 * predicted) > 8 * error)  # power
    covariance = np.einsum("tacr,tbcr->tcab", centred, centred) / networks
    assert np.abs(covariance - found.prediction_covariance.values[1:]).max() < 0.3 * np.abs(covariance).max()


def test_flow_is_the_limit_of_small_steps():
    flow = ts.Training(data=run().data, network=run().network, optimizer=GradientFlow(), time=4.0, record=(0.0, 4.0))
    small = ts.Training(data=run().data, network=run().network, optimizer=GD(learning_rate=0.002), steps=2000,
                        record=(0, 2000))  # fmt: skip
    one, two = (prediction_scatter(training) for training in (flow, small))
    for name in ("prediction", "prediction_std", "prediction_shift"):
        np.testing.assert_allclose(one[name][-1], two[name][-1], rtol=3e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameterization": "mup"}, "parameterization"),
        ({"initial_output": "random"}, "initial_output"),
        ({"optimizer": SGD(learning_rate=0.1, batch=2)}, "optimizer"),
        ({"optimizer": Adam(learning_rate=0.1)}, "optimizer"),
        ({"optimizer": GD(learning_rate=0.1, weight_decay=0.1)}, "optimizer"),
    ],
)
def test_other_runs_are_refused(change, message):
    with pytest.raises(ts.ProblemError, match=f"`{message}`"):
        prediction_scatter(run(**change))


def test_ridge_in_a_flow_is_refused():
    training = ts.Training(data=run().data, network=run().network, optimizer=GradientFlow(ridge=0.1), time=1.0)
    with pytest.raises(ts.ProblemError, match="`ridge`"):
        prediction_scatter(training)


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        ({}, np.zeros((1, 3)), "zero"),
        ({}, np.array([[1.0, 2.0], [2.0, 4.0]]), "parallel"),
        ({}, [[1.0, np.nan]], "finite"),
        ({}, np.ones((65, 2)), "samples"),
        ({}, [["a"]], "numbers"),
        ({"activation": {"name": "step", "derivative": "zero"}}, X[:2], "jumps"),
    ],
)
def test_bad_inputs_are_named(network, x, message):
    with pytest.raises(ts.ProblemError, match=message):
        finite_width(ts.MLP(depth=2, width=8, **network), x)


def test_moments_are_of_bias_free_kinked_networks():
    with pytest.raises(ts.ProblemError, match="`activation`"):
        relu_moments(ts.MLP(depth=1, width=8, activation="tanh"))
    with pytest.raises(ts.ProblemError, match="`bias_std`"):
        relu_moments(ts.MLP(depth=1, width=8, bias_std=0.1))
    with pytest.raises(ts.ProblemError, match="`order`"):
        relu_moments(ts.MLP(depth=1, width=8), order=0)
