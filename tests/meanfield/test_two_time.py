"""Two-time kernels, responses and single neurons: against exact linear networks, quadrature and finite networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.finite.block import Probe
from theorysim.finite.empirical import features
from theorysim.finite.network import Parameters, activation_of
from theorysim.finite.training import run as train_run
from theorysim.meanfield import deep, linear_two_time, two_time
from theorysim.meanfield.replicas import Size

EXACT, SMALL = Size(256, 2, 1e-11), Size(1024, 12, 1e-4)
X, Y = np.random.RandomState(0).randn(25, 4).T, np.array([-1.0, -1.0, 1.0, 1.0])


def run(activation: str, *, depth: int = 3, steps: int = 6, optimizer: Any = None, record: Any = None, **network: Any):
    keywords = {"width": 256, "parameterization": "mup", "initial_output": "subtracted"} | network
    return ts.Training(
        data=ts.data.arrays(X, Y, labels="regression"), steps=steps,
        network=ts.MLP(depth=depth, activation=activation, **keywords),
        optimizer=optimizer or ts.GD(learning_rate=0.3), record=record or tuple(range(steps + 1)),
    )  # fmt: skip


OPTIMIZERS = {
    "plain": ts.GD(learning_rate=0.3),
    "momentum, decay": ts.SGD(learning_rate=0.1, momentum=0.6, weight_decay=0.2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_linear_networks_have_them_exactly(name: str) -> None:
    training = run("linear", optimizer=OPTIMIZERS[name], bias_std=0.4, width=(256, 512, 256), record=(0, 2, 6))
    found = two_time.correlations(training, size=EXACT)
    exact = linear_two_time.correlations(training)
    for key in exact:
        np.testing.assert_allclose(found[key], exact[key], atol=1e-9)
    whole = run("linear", optimizer=OPTIMIZERS[name], bias_std=0.4, width=(256, 512, 256))
    exact, kernels = linear_two_time.responses(whole), linear_two_time.correlations(whole)
    found = two_time.responses(whole, size=EXACT, cutoff=1e-7)
    for key, kernel in (("feature_response", "gradient_correlation"), ("gradient_response", "feature_correlation")):
        met = kernels[kernel].sel(layer=slice(2, 3) if key == "feature_response" else slice(1, 2)).values
        one, other = (np.einsum("lkxsy,lsytz->lkxtz", each[key].values, met) for each in (found, exact))
        assert np.max(np.abs(other)) > 0.1
        np.testing.assert_allclose(one, other, atol=1e-7)  # as they act: the noise of samples is not independent


def test_first_response_is_a_gaussian_integral() -> None:
    """One sample, one step: A^1(1, 0) = eta gamma0 K0 y <phi'(h(1)) phi'(h(0))> over h(0), z of the limit."""
    data = ts.data.arrays(X[:1], np.ones(1), labels="regression")
    training = ts.Training(data=data, network=run("tanh", depth=2).network, optimizer=ts.GD(learning_rate=2.0), steps=1)
    found = two_time.responses(training, size=Size(4096, 16, 1e-6)).sel(layer=1, step=1, step_other=0)
    k0 = float(X[0] @ X[0]) / 25
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    h = np.sqrt(k0) * nodes[:, None]
    phi1 = float(weights @ np.tanh(h[:, 0]) ** 2)
    g2 = float(weights @ (1.0 - np.tanh(np.sqrt(phi1) * nodes) ** 2) ** 2)
    slope = 1.0 - np.tanh(h) ** 2
    later = 1.0 - np.tanh(h + 2.0 * k0 * slope * np.sqrt(g2) * nodes) ** 2
    exact = 2.0 * k0 * float(weights @ (later * slope) @ weights)
    value, error = (float(found[f"feature_response{kind}"].squeeze()) for kind in ("", "_error"))
    assert error < 0.01 * exact and abs(value - exact) < 4.0 * error


def test_correlations_are_those_of_wide_networks() -> None:
    training = run("tanh", depth=2, steps=8, record=(0, 4, 8))
    found = two_time.correlations(training, size=SMALL).isel(layer=1)
    seen: dict[tuple[int, int], np.ndarray] = {}

    def probe_of(part: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            for r in range(p.replicas):
                one = Parameters([w[r : r + 1] for w in p.weights], [b[r : r + 1] for b in p.biases])
                active, _ = features(one, training.layers, activation_of(training.network), X)
                seen[part.start + r, index] = active[-1]

        return see

    train_run(training, replicas=80, seed=4, probe=probe_of)
    for k, s in ((0, 1), (0, 2), (1, 2)):
        rows = np.array([seen[r, k] @ seen[r, s].T / 256 for r in range(80)])
        mean, spread = rows.mean(axis=0), rows.std(axis=0, ddof=1)
        own = found.feature_correlation_error.values[k, :, s]
        difference = found.feature_correlation.values[k, :, s] - mean
        assert np.max(np.abs(difference / np.sqrt(spread**2 / 80 + own**2 + (2.0 * spread**2) ** 2))) < 4.0
    drift = found.feature_correlation.values[2, :, 2] - found.feature_correlation.values[0, :, 2]
    assert np.max(np.abs(drift)) > 0.05  # power: the steps do differ


def test_equal_times_are_the_kernels() -> None:
    training = run("tanh", depth=2, record=(0, 6), optimizer=ts.SGD(learning_rate=0.2, batch=2))
    batches = [np.array([k % 4, (k + 1) % 4]) for k in range(6)]
    pairs = two_time.correlations(training, batches=batches, size=SMALL)
    kernels = deep.kernels(training, batches=batches, size=SMALL)
    for name in ("feature", "gradient"):
        together = np.einsum("lkxky->klxy", pairs[f"{name}_correlation"].values)
        error = np.hypot(kernels[f"{name}_kernel_error"], np.einsum("lkxky->klxy", pairs[f"{name}_correlation_error"]))
        assert np.max(np.abs(together - kernels[f"{name}_kernel"].values) / (error + 1e-12)) < 4.0
        np.testing.assert_allclose(pairs[f"{name}_correlation"],
                                   np.einsum("lkxsy->lsykx", pairs[f"{name}_correlation"]), atol=1e-12)  # fmt: skip


def test_neurons_have_the_moments_of_their_layer_and_go_on_alike() -> None:
    training, longer = run("tanh", record=(0, 3, 6)), run("tanh", steps=12, record=(0, 3, 6, 12))
    found, more = (two_time.paths(each, neurons=1500, size=SMALL) for each in (training, longer))
    np.testing.assert_array_equal(found.preactivation, more.preactivation.sel(step=[0, 3, 6]))
    assert found.preactivation.shape == (3, 3, 4, 1500) and found.backward_field.shape == (3, 3, 1, 4, 1500)
    kernels = deep.kernels(training, size=SMALL)
    for own, wanted in (
        (np.tanh(found.preactivation.values) ** 2, "feature_kernel"),
        (((1.0 - np.tanh(found.preactivation.values) ** 2) * found.backward_field.values[:, :, 0]) ** 2,
         "gradient_kernel"),
    ):  # fmt: skip
        expected = np.einsum("klxx->lkx", kernels[wanted].values)
        z = (own.mean(axis=-1) - expected) / (own.std(axis=-1) / 1500**0.5)
        assert np.max(np.abs(z)) < 4.0
    assert not np.allclose(found.preactivation[2, 0], found.preactivation[2, 2], atol=0.1)


def test_refusals() -> None:
    batched = run("tanh", optimizer=ts.SGD(learning_rate=0.1, batch=2))
    flow = ts.Training(data=batched.data, network=batched.network, optimizer=ts.GradientFlow(), time=1.0)
    for call, training, text in (
        (two_time.responses, batched, "batch"),
        (two_time.responses, run("tanh", depth=1), "depth"),
        (two_time.responses, run("tanh", steps=600, record=(600,)), "at most 2000"),
        (two_time.correlations, flow, "gradient flow"),
        (two_time.paths, run("tanh", parameterization="ntk"), "kernel"),
        (linear_two_time.responses, run("linear", depth=1), "depth"),
        (linear_two_time.responses, run("linear", optimizer=ts.SGD(learning_rate=0.1, batch=2)), "batches"),
    ):
        with pytest.raises(ProblemError, match=text):
            call(training)
