"""Two-layer networks: known numbers, the limits that contain them, trained networks, noise, refusals."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from tests.meanfield.networks import extrapolated, largest_z, outputs_of
from theorysim import meanfield
from theorysim.equations.two_layer import linear_step
from theorysim.meanfield import deep, linear, two_layer
from theorysim.meanfield.replicas import Size

K0 = np.array([[1.0, 0.3], [0.3, 0.8]])
A3 = ts.data.arrays(np.sqrt(2.0) * np.linalg.cholesky(K0), np.array([1.0, -0.5]), labels="regression")
ERF = ts.activations.erf(2.0**-0.5)
DRAW = np.random.default_rng(5)
X, X_TEST = DRAW.normal(size=(5, 4)), DRAW.normal(size=(3, 7))[:, :4]
CLASSES = ts.data.arrays(X, np.array([0, 1, 2, 1, 0]), X_TEST, np.array([0, 1, 2]), labels="one-hot")
REAL = ts.data.arrays(X, X[:, :1] - X[:, 1:2] ** 2, X_TEST, X_TEST[:, :1], labels="regression")


def run(optimizer: Any = None, *, data: Any = REAL, steps: int | None = 8, record: Any = None, loss: str = "mse",
        time: float | None = None, **network: Any) -> ts.Training:  # fmt: skip
    keywords = {"depth": 1, "width": 512, "activation": "tanh", "parameterization": "mup"} | network
    optimizer = ts.GD(learning_rate=0.5) if optimizer is None else optimizer
    return ts.Training(data=data, network=ts.MLP(**keywords), optimizer=optimizer, steps=None if time else steps,
                       time=time, record=record, loss=loss)  # fmt: skip


def a3(steps: tuple[int, ...], **network: Any) -> ts.Training:
    keywords = {"activation": ERF, "gamma0": 0.5, "initial_output": "subtracted"} | network
    return run(ts.GD(learning_rate=0.2), data=A3, steps=steps[-1], record=steps, **keywords)


@lru_cache
def a3_limit() -> Any:
    return two_layer.limit(a3((1, 5, 10, 20, 40, 59)))


def test_numbers_of_two_erf_layers() -> None:
    """Gauss-Hermite with 110^3 nodes, by another code."""
    found = a3_limit()
    losses = [0.561850209, 0.370359537, 0.221840554, 0.077755144, 0.008068023, 0.000824439]
    np.testing.assert_allclose(2.0 * found.train_loss, losses, atol=1e-8)
    np.testing.assert_allclose([1.0, -0.5] - found.train_prediction[2, :, 0], [0.54852366, -0.37789271], atol=2e-8)
    assert "Gauss-Hermite" in found.attrs["points"] and np.all(found.train_loss_error < 1e-7)


def test_kernels_of_two_erf_layers() -> None:
    found = two_layer.kernels(a3((59,)), tolerance=1e-3)
    phi, tangent = found.feature_kernel[0, 0].values, (found.feature_kernel + K0 * found.gradient_kernel)[0, 0].values
    upper = np.triu_indices(2)
    np.testing.assert_allclose(phi[upper], [0.390343, 0.040206, 0.306617], atol=1e-6)
    np.testing.assert_allclose(tangent[upper], [0.751388, 0.155631, 0.740439], atol=1e-6)
    assert np.all(found.feature_kernel_error < 1e-5)


def test_sobol_points_agree_with_the_grid_within_their_error() -> None:
    """More dimensions than needed (a bias that is nearly nothing) leave no grid: errors are honest."""
    found = two_layer.limit(a3((1, 5, 10, 20), bias_std=1e-9), tolerance=0.003)
    assert "Sobol" in found.attrs["points"]
    exact = a3_limit().sel(step=[1, 5, 10, 20])
    z = (found.train_loss - exact.train_loss) / found.train_loss_error
    assert float(np.abs(z).max()) < 4.0
    assert float((found.train_loss_error / found.train_loss).max()) < 0.01


LINEAR = {
    "batches": (ts.SGD(learning_rate=0.4, batch=2, momentum=0.5, weight_decay=0.1, ridge=0.4), "mse"),
    "nesterov": (ts.GD(learning_rate=0.6, momentum=0.5, nesterov=True, schedule=ts.Cosine()), "cross-entropy"),
    "flow": (ts.GradientFlow(weight_decay=0.1, ridge=0.2), "mse"),
    "flow-Euler": (ts.GradientFlow(euler_step=0.25), "mse"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_networks(name: str) -> None:
    """Sobol points integrate squares only nearly: the exact solution is met within the error."""
    optimizer, loss = LINEAR[name]
    flow = isinstance(optimizer, ts.GradientFlow)
    data = REAL if loss == "mse" else CLASSES
    training = run(optimizer, data=data, loss=loss, activation="linear", bias_std=0.4, gamma0=1.2,
                   time=2.0 if flow else None)  # fmt: skip
    batches = [np.array([k % 5, (k + 2) % 5]) for k in range(8)] if name == "batches" else None
    found, exact = two_layer.limit(training, batches=batches, tolerance=0.01), linear.limit(training, batches=batches)
    for side in ("train", "test"):
        size = float(np.abs(exact[f"{side}_prediction"]).max())
        error = np.hypot(found[f"{side}_prediction_error"], 2e-4 * size)
        assert float((np.abs(found[f"{side}_prediction"] - exact[f"{side}_prediction"]) / error).max()) < 4.0
        np.testing.assert_allclose(found[f"{side}_loss"], exact[f"{side}_loss"], rtol=0.01)
    assert float(exact.train_loss[-1]) < 0.9 * float(exact.train_loss[0])


def test_one_hidden_layer_of_the_deep_equations() -> None:
    optimizer = ts.SGD(learning_rate=1.0, batch=3, momentum=0.4, weight_decay=0.05)
    training = run(optimizer, data=CLASSES, loss="cross-entropy", bias_std=0.3, initial_output="subtracted")
    batches = [np.array([k % 5, (k + 1) % 5, (k + 3) % 5]) for k in range(8)]
    found = two_layer.limit(training, batches=batches)
    sampled = deep.limit(training, batches=batches, size=Size(1024, 12, 1e-4))
    for name in ("train_prediction", "test_prediction"):
        error = np.hypot(found[f"{name}_error"], sampled[f"{name}_error"])[1:]
        assert float(np.abs((found[name] - sampled[name])[1:] / error).max()) < 4.0
    assert float(np.abs(found.train_prediction - sampled.train_prediction).max()) < 0.01


@pytest.mark.parametrize("gamma0", [0.0, 1e-3])
def test_lazy_limit_is_the_kernel_limit(gamma0: float) -> None:
    found = two_layer.limit(run(gamma0=gamma0, bias_std=0.5, steps=6), tolerance=0.002)
    kernel = run(parameterization="ntk", bias_std=0.5, initial_output="subtracted", steps=6)
    exact = ts.kernels.mlp.limit(kernel)
    for name in ("train_prediction", "test_prediction"):
        z = (found[name] - exact[name])[1:] / found[f"{name}_error"][1:]
        assert float(np.abs(z).max()) < 4.0
    rich = two_layer.limit(run(gamma0=1.0, bias_std=0.5, steps=6))
    assert float(np.abs(rich.train_prediction - exact.train_prediction).max()) > 0.02


def test_trained_networks_with_everything() -> None:
    """Biases, outputs, batches, momentum; test inputs partly outside the span of the training inputs. And power."""
    inside = ts.data.arrays(X[:3], np.array([0, 1, 2]), X_TEST, np.array([0, 1, 2]), labels="one-hot")
    optimizer = ts.SGD(learning_rate=1.5, batch=2, momentum=0.5)
    training = run(optimizer, data=inside, bias_std=(0.5, 0.3), gamma0=1.5, initial_output="subtracted")
    batches = [np.array([k % 3, (k + 1) % 3]) for k in range(8)]
    mean, error = extrapolated(training, width=48, replicas=2000, batches=batches)
    found = two_layer.limit(training, batches=batches)
    names = ("train_prediction_error", "test_prediction_error")
    own = np.concatenate([found[name].values for name in names], axis=1)
    assert largest_z(outputs_of(found), mean, error, own) < 4.0
    other = run(ts.SGD(learning_rate=1.6, batch=2, momentum=0.5), data=inside, bias_std=(0.5, 0.3), gamma0=1.5,
                initial_output="subtracted")  # fmt: skip
    assert largest_z(outputs_of(two_layer.limit(other, batches=batches)), mean, error, own) > 5.0


def test_gradient_flow_of_kinked_activations() -> None:
    """Flow is the limit of small steps: GD of two sizes, extrapolated."""
    flow = two_layer.limit(run(ts.GradientFlow(), time=2.0, record=(1.0, 2.0), activation="relu", bias_std=0.3))
    rows = []
    for steps in (24, 48):
        descent = run(ts.GD(learning_rate=2.0 / steps), steps=steps, record=(steps // 2, steps), activation="relu",
                      bias_std=0.3)  # fmt: skip
        rows.append(two_layer.limit(descent))
    assert rows[0].attrs["points"] == rows[1].attrs["points"] == flow.attrs["points"]  # the same neurons
    expected = 2.0 * rows[1].train_loss.values - rows[0].train_loss.values
    of_steps = np.abs(rows[0].train_loss.values - expected)
    assert np.all(np.abs(flow.train_loss.values - expected) < 0.1 * of_steps)
    assert np.all(of_steps > 2.0 * flow.train_loss_error.values)


def test_langevin_noise_of_a_linear_network() -> None:
    """Noise adds 2 eta tau to the mean squares of a and h at each step and nothing to f: an exact recursion."""
    eta, tau, steps = 0.15, 0.2, 6
    data = ts.data.arrays(np.ones((1, 1)), np.ones((1, 1)), labels="regression")
    training = run(ts.GD(learning_rate=eta), data=data, steps=steps, activation="linear", width=64)
    found = two_layer.limit(training, temperature=tau, tolerance=0.02)
    rows, (f, a, b) = [], (0.0, 1.0, 1.0)
    for _ in range(steps + 1):
        rows.append(0.5 * (f - 1.0) ** 2)
        f, a, b = linear_step(f, a, b, eta * (1.0 - f))
        a, b = a + 2.0 * eta * tau, b + 2.0 * eta * tau
    assert float((np.abs(found.train_loss - rows) / (found.train_loss_error + 1e-12)).max()) < 4.0
    cold = two_layer.limit(training)
    assert float((np.abs(cold.train_loss - rows) / found.train_loss_error)[-1]) > 10.0


def test_noise_and_decay_settle_at_the_gibbs_variance() -> None:
    """Without labels: weights of variance v <- (1 - eta lam)^2 v + 2 eta tau, with entropy against decay."""
    eta, lam, tau, steps = 0.2, 0.5, 0.3, 5
    data = ts.data.arrays(np.array([[1.5, 0.0], [0.0, 0.5]]), np.zeros((2, 1)), labels="regression")
    training = run(ts.GD(learning_rate=eta, weight_decay=lam), data=data, steps=steps, activation="linear")
    found = two_layer.kernels(training, temperature=tau, tolerance=0.02)
    v = 1.0
    for k in range(steps + 1):
        kernel = found.feature_kernel.sel(step=k)[0].values
        error = found.feature_kernel_error.sel(step=k)[0].values
        assert np.all(np.abs(kernel - v * np.diag([1.125, 0.125])) < 4.0 * error + 1e-9)
        z = (found.gradient_kernel - v) / (found.gradient_kernel_error + 1e-12)
        assert float(np.abs(z.sel(step=k)).max()) < 4.0
        v = (1.0 - eta * lam) ** 2 * v + 2.0 * eta * tau
    assert float(found.gradient_kernel_error.max()) < 0.02 < abs(v - 1.0)


def test_scatter_and_drawn_batches() -> None:
    training = run(ts.SGD(learning_rate=0.5, batch=2), width=256, initial_output="subtracted")
    found, runs = two_layer.limit(training, seed=1, tolerance=0.02), ts.train(training, replicas=100, seed=4)
    np.testing.assert_allclose(found.train_loss_std[1:].mean(), runs.train_loss.std("replica")[1:].mean(), rtol=0.35)
    noise = np.hypot(runs.train_loss.std("replica") / 10.0, found.train_loss_error)
    assert float(np.abs((runs.train_loss.mean("replica") - found.train_loss) / noise)[1:].max()) < 4.0
    given = two_layer.limit(training, batches=[np.array([0, 1])] * 8)
    assert np.all(given.train_loss_error < 0.02 * given.train_loss)


def test_same_seed_same_bits() -> None:
    short, again = (two_layer.limit(run(steps=4, bias_std=0.3), seed=3) for _ in range(2))
    np.testing.assert_array_equal(short.train_prediction, again.train_prediction)
    assert not np.array_equal(short.train_prediction, two_layer.limit(run(steps=4, bias_std=0.3)).train_prediction)


def test_refusals_name_the_field_and_what_fits() -> None:
    for wrong, fits in (
        (run(depth=2), r"one hidden layer, not 2; use meanfield\.deep"),
        (run(depth=3, activation="linear"), r"use meanfield\.linear"),
        (run(parameterization="ntk"), r"use kernels\.mlp"),
        (run(ts.Adam(learning_rate=0.1)), "Adam"),
        (run(ts.GradientFlow(euler_step=0.5, ridge=0.1), time=1.0), "`euler_step`"),
    ):
        with pytest.raises(ts.ProblemError, match=fits):
            two_layer.limit(wrong)
        assert not two_layer.validity(wrong).applies
    for name, value in (("temperature", -0.1), ("temperature", np.nan), ("tolerance", 0.0), ("device", "cuda")):
        with pytest.raises(ts.ProblemError, match=f"two_layer: `{name}` must be"):
            two_layer.limit(run(), **{name: value})
    with pytest.raises(ts.ProblemError, match="`temperature` must be 0 for gradient flow"):
        two_layer.limit(run(ts.GradientFlow(), time=1.0), temperature=0.1)
    with pytest.raises(ts.ProblemError, match="`euler_step` must be left out for kernels"):
        two_layer.kernels(run(ts.GradientFlow(euler_step=0.5), time=1.0))
    with pytest.raises(ts.ProblemError, match="`batches` must be left out"):
        two_layer.limit(run(ts.GradientFlow(), time=1.0), batches=[np.array([0])])


def test_divergence_names_a_stable_rate() -> None:
    for learn in (two_layer.limit, two_layer.kernels):
        with pytest.raises(FloatingPointError, match="largest stable one at the start about"):
            learn(run(ts.GD(learning_rate=80.0), steps=40, activation="relu"))


def test_verdict_and_finite() -> None:
    verdict = two_layer.validity(run(width=4096))
    assert verdict.applies and 0.0 < verdict.number < verdict.threshold
    assert set(two_layer.finite(run(width=16, steps=2), replicas=2, seed=0)) >= {"train_loss", "test_loss"}
    assert meanfield.two_layer is two_layer
