"""Fluctuations at finite width: known numbers, exact moments of linear networks, trained networks, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from tests.meanfield.test_two_layer import A3, ERF, REAL, a3
from theorysim import meanfield
from theorysim.finite.block import Probe
from theorysim.finite.empirical import features
from theorysim.finite.network import Parameters, activation_of
from theorysim.finite.training import run as train_run
from theorysim.meanfield import fluctuations, kernel_scatter, prediction_scatter
from theorysim.meanfield.batches import order_of, sample_weights
from theorysim.meanfield.leading import Sampled, leading

BATCHES = [np.array([k % 3, (k + 1) % 3]) for k in range(6)]
X = np.random.default_rng(8).normal(size=(5, 3))
CLASSES = ts.data.arrays(X[:3], np.array([0, 1, 1]), X[3:], np.array([1, 0]), labels="one-hot")


def run(optimizer: Any = None, *, data: Any = CLASSES, steps: int = 6, record: Any = (0, 3, 6), loss: str = "mse",
        **network: Any) -> ts.Training:  # fmt: skip
    keywords = {"depth": 1, "width": 256, "activation": "tanh", "parameterization": "mup",
                "initial_output": "subtracted"} | network  # fmt: skip
    optimizer = ts.GD(learning_rate=1.0) if optimizer is None else optimizer
    return ts.Training(data=data, network=ts.MLP(**keywords), optimizer=optimizer, steps=steps, record=record,
                       loss=loss)  # fmt: skip


def scaled(training: ts.Training, **keywords: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return N times the covariance of the first output, shape (steps, samples, samples), and of its error."""
    found, width = prediction_scatter(training, **keywords), training.network.widths[-1]
    parts = found.prediction_covariance, found.prediction_covariance_error
    return tuple(width * part.values[:, :, 0, :, 0] for part in parts)


def three(covariance: np.ndarray) -> list[float]:
    return [covariance[0, 0], covariance[1, 1], covariance[0, 1]]


def test_numbers_of_two_erf_layers() -> None:
    """Rich, by another code with 2^17 points (0.5 %), and kernels; 24000 networks of width 256 for the last."""
    covariance, error = scaled(a3((10, 20)), tolerance=0.01)
    np.testing.assert_allclose(three(covariance[0]), [0.0895, 0.0419, -0.0378], rtol=0.006)
    np.testing.assert_allclose(three(covariance[1]), [0.1007, 0.0683, -0.0636], rtol=0.006)
    assert error.max() < 1e-3
    richer, _ = scaled(a3((10,), gamma0=2.0), tolerance=0.01)
    np.testing.assert_allclose(three(richer[0])[:2], [0.0616, 0.0520], rtol=0.01)
    kernels = kernel_scatter(a3((10,)))
    np.testing.assert_allclose(512 * kernels.feature_kernel_std[0, 0, 1] ** 2, 0.0993, rtol=0.006)


@pytest.mark.parametrize("gamma0", [0.0, 1e-3])
def test_numbers_of_the_lazy_limit(gamma0: float) -> None:
    covariance, _ = scaled(a3((10, 20), gamma0=gamma0), tolerance=0.01)
    np.testing.assert_allclose(three(covariance[0]), [0.0940, 0.0405, -0.0375], atol=1e-4)
    np.testing.assert_allclose(three(covariance[1]), [0.1141, 0.0691, -0.0691], atol=1.1e-4)


def test_lazy_limit_in_closed_form() -> None:
    """A random static kernel: df = -sum_s A^(t-1-s) dK A^s y eta kappa, N Cov dK of single neurons by quadrature."""
    k0 = np.array([[1.0, 0.3], [0.3, 0.8]])
    x, w = np.polynomial.hermite_e.hermegauss(60)
    w = w / w.sum()
    grid = np.stack(np.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2) @ np.linalg.cholesky(k0).T
    weight, y = np.outer(w, w).ravel(), np.array([1.0, -0.5])
    phi = np.vectorize(math.erf)(grid / np.sqrt(2.0))
    slope = np.sqrt(2.0 / np.pi) * np.exp(-0.5 * grid**2)
    one, two = (np.einsum("si,sj->sij", part, part) for part in (phi, slope))
    two = two * k0
    mean = np.einsum("s,sij->ij", weight, one + two)
    second = sum(
        factor * np.einsum("s,sij,skl->ijkl", weight, a, b)
        for a, b, factor in ((one, one, 1.0), (one, two, 1.0), (two, one, 1.0), (two, two, 3.0))  # E z^4 = 3
    )
    covariance = second - np.einsum("ij,kl->ijkl", mean, mean)
    step, a = 0.1, np.eye(2) - 0.1 * mean
    powers = [np.linalg.matrix_power(a, s) for s in range(10)]
    j = step * sum(np.einsum("im,n->imn", powers[9 - s], powers[s] @ y) for s in range(10))
    expected = np.einsum("imn,mnkl,jkl->ij", j, covariance, j)
    found, _ = scaled(a3((10,), gamma0=0.0), tolerance=0.001)
    np.testing.assert_allclose(found[0], expected, rtol=2e-4)
    random = prediction_scatter(a3((10,), gamma0=0.01, initial_output="random"), tolerance=0.001)
    start = np.einsum("s,si,sj->ij", weight, phi, phi) / 0.01**2  # uncentred: the start decays, no cross term
    expected = powers[9] @ a @ start @ a @ powers[9] + expected
    np.testing.assert_allclose(512 * random.prediction_covariance[0, :, 0, :, 0], expected, rtol=1e-3)


def test_numbers_of_two_linear_layers() -> None:
    """Exact moments; 20000 exact networks of width 512 (Wishart) for the shift and within 2 % for the rest."""
    found = prediction_scatter(a3((5, 10), activation="linear", gamma0=1.5))
    covariance = 512 * found.prediction_covariance.values[:, :, 0, :, 0]
    np.testing.assert_allclose(three(covariance[0]), [0.17171, 0.06908, -0.06246], atol=6e-6)
    np.testing.assert_allclose(three(covariance[1]), [0.04107, 0.05805, -0.04195], atol=6e-6)
    np.testing.assert_allclose(-512 * found.prediction_shift[1, :, 0], [0.308, -0.241], atol=6e-4)
    np.testing.assert_allclose([1.0, -0.5] - found.prediction[1, :, 0], [0.08698, -0.13267], atol=5e-6)


LINEAR = {
    "everything, random": (ts.SGD(learning_rate=0.4, batch=2, momentum=0.5, weight_decay=0.1, ridge=0.4), "mse",
                           {"initial_output": "random"}),
    "cross-entropy": (ts.SGD(learning_rate=1.0, batch=2, momentum=0.5, nesterov=True, schedule=ts.Cosine()),
                      "cross-entropy", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_single_neurons_agree_with_exact_moments(name: str) -> None:
    """Responses know nothing of second moments: the same covariance of training and test outputs, within the error.

    The record ends before the run, which the schedule knows.
    """
    optimizer, loss, network = LINEAR[name]
    training = run(optimizer, loss=loss, activation="linear", bias_std=(0.6, 0.5), gamma0=1.2, record=(2, 4), **network)
    exact = leading(training, seed=0, tolerance=0.1, batches=BATCHES, pairs=None)
    weights = sample_weights(order_of(training, seed=0, stream=0, batches=BATCHES), 4, 3)
    none = np.zeros((0, 2), dtype=np.int64)
    found = Sampled(training, seed=0, batches=BATCHES, weights=weights, pairs=none).leading(0.02)
    size = np.abs(exact.covariance).max(axis=(1, 2, 3, 4), keepdims=True)
    assert np.max(np.abs(found.covariance - exact.covariance) / (found.error + 0.002 * size)) < 5.0
    assert np.max(found.error / size) < 0.03
    np.testing.assert_allclose(found.runs.mean(axis=0), exact.runs[0], atol=2e-3)


def networks(training: ts.Training, replicas: int, **keywords: Any) -> np.ndarray:
    runs = ts.train(training, replicas=replicas, **keywords)
    f = np.concatenate([runs.train_prediction.values, runs.test_prediction.values], axis=1)
    return f.reshape(len(f), -1, replicas)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_trained_networks(activation: str) -> None:
    """Variances and covariances of all outputs, cross-entropy; and power: the covariance of single neurons alone."""
    replicas = 2500
    training = run(ts.GD(learning_rate=1.0, momentum=0.3), loss="cross-entropy", activation=activation, bias_std=0.4,
                   weight_std=1.2, gamma0=0.8)  # fmt: skip
    f, found = networks(training, replicas, seed=3), prediction_scatter(training)
    for k in (1, 2):
        sampled = np.cov(f[k])
        theory, error = (
            part.values[k].reshape(sampled.shape)
            for part in (found.prediction_covariance, found.prediction_covariance_error)
        )
        noise = np.sqrt((np.outer(np.diag(sampled), np.diag(sampled)) + sampled**2) / replicas)
        z = (theory - sampled) / np.sqrt(noise**2 + error**2)
        assert np.abs(z).max() < 4.0
        np.testing.assert_allclose(np.trace(theory), np.trace(sampled), rtol=0.06)
        assert np.abs((theory * training.network.width / 200 - sampled) / np.hypot(noise, error)).max() > 5.0


def test_kernels_of_trained_networks() -> None:
    """Scatter of feature, gradient and tangent kernels over networks."""
    replicas = 1500
    training = run(steps=6, record=(0, 6), bias_std=0.4, gamma0=1.5)
    found, rows = kernel_scatter(training), {"feature_kernel": [], "gradient_kernel": []}
    x, layers = training.samples.x_train, training.layers

    def probe_of(part: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            for r in range(p.replicas if index == 1 else 0):
                one = Parameters([w[r : r + 1] for w in p.weights], [b[r : r + 1] for b in p.biases])
                active, deltas = features(one, layers, activation_of(training.network), np.array(x))
                rows["feature_kernel"].append(active[1] @ active[1].T / 256)
                rows["gradient_kernel"].append(1.5**2 * 256 * sum(d @ d.T for d in deltas[0]) / 2)

        return see

    train_run(training, replicas=replicas, seed=4, probe=probe_of)
    assert {name: len(kernels) for name, kernels in rows.items()} == dict.fromkeys(rows, replicas)
    for name, kernels in rows.items():
        np.testing.assert_allclose(found[name][1], np.mean(kernels, axis=0), rtol=0.03, atol=0.01)
        ratio = found[f"{name}_std"].values[1] / np.std(kernels, axis=0)
        assert np.abs(ratio - 1.0).max() < 4.0 * (0.5 / replicas) ** 0.5 + 0.04, name


def test_limit_is_mean_and_scatter_of_the_loss() -> None:
    training = run(bias_std=0.4, width=512)
    found, runs = fluctuations.limit(training), ts.train(training, replicas=400, seed=2)
    whole = meanfield.two_layer.limit(training)
    for side in ("train", "test"):
        np.testing.assert_allclose(found[f"{side}_loss"], whole[f"{side}_loss"], rtol=0.01)
        spread = runs[f"{side}_loss"].std("replica")[1:]
        np.testing.assert_allclose(found[f"{side}_loss_std"][1:], spread, rtol=0.17)
    single = found.train_prediction_std.values[1:] / runs.train_prediction.std("replica").values[1:]
    np.testing.assert_allclose(single, 1.0, atol=0.17)
    assert np.all(found.train_loss_std[0] == 0.0)


def test_refusals_name_the_field_and_what_fits() -> None:
    many = ts.data.arrays(np.random.default_rng(0).normal(size=(40, 3)), np.ones((40, 1)), labels="regression")
    for wrong, message in (
        (run(depth=2), r"use meanfield\.wide_networks"),
        (run(parameterization="standard"), r"use kernels\.mlp"),
        (run(ts.SGD(learning_rate=1.0, batch=2)), "`batches`"),
        (run(data=many, steps=60, record=(60,)), r"at most 1500 here, not 2400; use meanfield\.two_layer"),
        (run(gamma0=0.0, initial_output="random"), "initial_output = \"subtracted\""),
        (ts.Training(data=REAL, network=run().network, optimizer=ts.GradientFlow(), time=1.0), "gradient flow"),
    ):  # fmt: skip
        with pytest.raises(ts.ProblemError, match=message):
            fluctuations.limit(wrong)
        assert not fluctuations.validity(wrong).applies
    with pytest.raises(ts.ProblemError, match="`tolerance` must be finite and positive"):
        prediction_scatter(run(), tolerance=-1.0)
    with pytest.raises(ts.ProblemError, match="`data` must have at most 12 training samples"):
        kernel_scatter(run(data=many, steps=2, record=(2,)))
    with pytest.raises(ts.ProblemError, match="batches: indices must be in"):
        prediction_scatter(run(ts.SGD(learning_rate=1.0, batch=2)), batches=[np.array([7])] * 6)
    with pytest.raises(FloatingPointError, match="largest stable one"):
        prediction_scatter(run(ts.GD(learning_rate=300.0), steps=30, record=(30,), activation="relu"))


def test_long_linear_runs_and_many_inputs_have_fluctuations_too() -> None:
    """Moments where they fit; single neurons where there are too many inputs for them."""
    draw = np.random.default_rng(1)
    wide = ts.data.arrays(draw.normal(size=(60, 60)), draw.normal(size=(60, 1)), labels="regression")
    linear = run(data=wide, activation="linear", steps=4000, record=(4000,))
    assert "steps x samples" in (fluctuations.refusal(linear) or ("",))[0]
    few = run(data=A3, activation="linear", steps=300, record=(300,))
    assert float(prediction_scatter(few).prediction_std[0, 0, 0]) > 0.0
    assert "prediction_shift" not in prediction_scatter(run(data=A3, activation=ERF, record=(3,)))
