"""The theory module: errors, seeds, threads, refusals, order parameters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from theorysim.backend.foreach import foreach
from theorysim.equations.activations import activation as named
from theorysim.errors import ProblemError
from theorysim.finite.block import Probe
from theorysim.finite.empirical import features
from theorysim.finite.movement import movement
from theorysim.finite.network import Parameters, activation_of
from theorysim.finite.training import run as train_run
from theorysim.meanfield import deep
from theorysim.meanfield.deviation import advance_one
from theorysim.meanfield.neurons import activate_one
from theorysim.meanfield.pilot import pilot_of
from theorysim.meanfield.replicas import Size

ROOT = Path(__file__).parents[2]
SMALL = Size(512, 4, 1e-4)
DRAW = np.random.default_rng(7)
X, X_TEST = DRAW.normal(size=(6, 8)), DRAW.normal(size=(5, 8))
DATA = ts.data.arrays(X, np.sign(X[:, 0]), X_TEST, np.sign(X_TEST[:, 0]), labels="sign")


def run(optimizer: Any = None, steps: int = 10, data: Any = DATA, record: Any = None, **network: Any) -> ts.Training:
    keywords = {"depth": 2, "width": 512, "activation": "tanh", "parameterization": "mup"} | network
    optimizer = ts.GD(learning_rate=0.3) if optimizer is None else optimizer
    return ts.Training(data=data, network=ts.MLP(**keywords), optimizer=optimizer, steps=steps, record=record)


def test_a_longer_run_begins_with_the_same_bits() -> None:
    for optimizer in (ts.GD(learning_rate=0.3), ts.SGD(learning_rate=0.3, batch=2, momentum=0.5)):
        short = deep.limit(run(optimizer, steps=6, record=tuple(range(7))), size=SMALL)
        long = deep.limit(run(optimizer, steps=12, record=(0, 3, 6, 12)), size=SMALL)
        for name in deep.OBSERVABLES:
            np.testing.assert_array_equal(short[name].sel(step=[0, 3, 6]), long[name].sel(step=[0, 3, 6]))


def test_bits_do_not_depend_on_threads_and_replicas() -> None:
    one, two = (deep.limit(run(), size=SMALL, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.test_prediction, two.test_prediction)
    assert deep.limit(run(), size=SMALL, seed=1).train_loss[-1] != one.train_loss[-1]


def test_observables_errors_and_scatter() -> None:
    found = deep.limit(run(), tolerance=0.05)
    for name in deep.OBSERVABLES:
        assert {name, f"{name}_std", f"{name}_error"} <= set(found)
        assert not np.any(found[f"{name}_std"])  # one infinitely wide network is like another
    assert float(found.train_accuracy[0]) == 0.5 and float(found.train_accuracy[-1]) > 0.9
    assert 0.0 < float((found.train_loss_error / found.train_loss)[5]) < 0.05
    batched = deep.limit(run(ts.SGD(learning_rate=0.3, batch=2)), size=Size(512, 8, 1e-4))
    assert np.all(batched.train_loss_std[1:] > 0.0)
    np.testing.assert_allclose(batched.train_loss_error[5] > batched.train_loss_std[5] / 8**0.5, True)
    assert found.attrs["theory"] == "meanfield.deep" and found.attrs["rank"] > 0


def test_a_smaller_tolerance_samples_more() -> None:
    coarse, fine = (deep.limit(run(steps=4), tolerance=tolerance) for tolerance in (0.05, 0.002))
    assert coarse.attrs["replicas"] == deep.REPLICAS and fine.attrs["samples"] > coarse.attrs["samples"]
    assert float(fine.test_loss_error[-1]) < float(coarse.test_loss_error[-1])
    batched = deep.limit(run(ts.SGD(learning_rate=0.3, batch=1), steps=4), tolerance=0.01)  # orders scatter by more
    assert deep.REPLICAS < batched.attrs["replicas"] <= deep.MOST_REPLICAS


def test_errors_are_honest() -> None:
    """Over seeds, differences are as large as their errors say."""
    answers = [deep.limit(run(steps=4, record=(2, 4)), size=Size(256, 6, 1e-4), seed=s) for s in range(8)]
    values = np.array([a.test_prediction.values for a in answers])
    errors = np.array([a.test_prediction_error.values for a in answers])
    ratio = np.mean(values.var(axis=0, ddof=1)) / np.mean(errors**2)
    assert 0.2 < ratio < 3.0


def test_populations_grow_with_the_rank() -> None:
    """Four hundred inputs in 300 dimensions do not fit into 256 samples; the answer says what it took."""
    x = np.random.default_rng(1).normal(size=(3, 200))
    data = ts.data.arrays(x, np.array([1.0, -1.0, 0.5]), labels="regression")
    found = deep.limit(run(data=data, steps=30), size=Size(64, 2, 1e-6))
    assert found.attrs["samples"] > 64


@pytest.mark.parametrize("activation", ["relu", "linear", "tanh"])
def test_divergence_is_an_exception(activation: str) -> None:
    training = run(ts.GD(learning_rate=80.0), steps=300, activation=activation, depth=3)
    with pytest.raises(FloatingPointError, match="largest stable one at the start"):
        deep.limit(training, size=Size(512, 2, 1e-3))


def test_refusals_name_what_fits() -> None:
    for other, fits in (
        (run(parameterization="ntk"), "kernels.mlp"),
        (run(parameterization="standard"), "kernels.mlp"),
        (run(ts.Adam(learning_rate=0.1)), "Adam"),
    ):
        with pytest.raises(ProblemError, match=fits):
            deep.limit(other)
        verdict = deep.validity(other)
        assert not verdict.applies and fits in f"{verdict.reason} {verdict.instead}"
    with pytest.raises(ProblemError, match="device"):
        deep.limit(run(), device="cuda")


def test_verdict_on_cost() -> None:
    assert deep.validity(run(initial_output="subtracted")).applies
    digits = ts.data.digits(train=400, test=100, inputs="unit")
    dear = deep.validity(run(ts.SGD(learning_rate=1.0, batch=20), steps=500, data=digits))
    assert not dear.applies and "directions" in dear.reason and dear.number > dear.threshold
    assert pilot_of(run(steps=100), SMALL).seconds > pilot_of(run(steps=10), SMALL).seconds


def test_order_parameters_are_those_of_wide_networks() -> None:
    """Feature and gradient kernels, change and alignment of the tangent kernel, against networks of width 512."""
    training = run(steps=6, record=(0, 3, 6), bias_std=0.3, initial_output="subtracted", width=(512, 256))
    found = deep.kernels(training, size=Size(512, 8, 1e-4))
    rows: dict[str, list[np.ndarray]] = {"feature_kernel": [], "gradient_kernel": []}

    def probe_of(part: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            for r in range(p.replicas if index == 2 else 0):
                one = Parameters([w[r : r + 1] for w in p.weights], [b[r : r + 1] for b in p.biases])
                active, deltas = features(one, training.layers, activation_of(training.network), X)
                rows["feature_kernel"].append(np.stack([phi @ phi.T / phi.shape[1] for phi in active[1:]]))
                g = [256 * delta[0] for delta in deltas[:-1]]  # gamma0 N df/dh, N the last width
                rows["gradient_kernel"].append(np.stack([each @ each.T / each.shape[1] for each in g]))

        return see

    train_run(training, replicas=60, seed=4, probe=probe_of)
    for name, kernels in rows.items():
        mean, error = np.mean(kernels, axis=0), np.std(kernels, axis=0, ddof=1) / 60**0.5
        bias = 8.0 * np.std(kernels, axis=0, ddof=1) ** 2 + 0.01 * np.abs(mean)  # of order 1/width
        own = found[f"{name}_error"].isel(step=-1).values
        z = (found[name].isel(step=-1).values - mean) / np.sqrt(error**2 + own**2 + bias**2)
        assert np.max(np.abs(z)) < 4.0, name
    moved = movement(training, replicas=20, seed=9, modes=0)
    for name, room in (("kernel_change", 0.05), ("alignment", 0.02)):
        expected = moved[name].mean("replica").values[1:]
        np.testing.assert_allclose(found[name][1:], expected, rtol=room)
    assert float(found.alignment[-1]) > float(found.alignment[0])


def test_finite_is_the_networks() -> None:
    found = deep.finite(run(steps=2, width=16), replicas=2, seed=0)
    assert set(deep.OBSERVABLES) <= set(found) and found.sizes["replica"] == 2


def test_bodies_on_the_simulator() -> None:
    """The elementwise bodies give the same numbers as CUDA grids."""
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1")
    program = ROOT / "tests" / "meanfield" / "simulated_march.py"
    done = subprocess.run([sys.executable, program], cwd=ROOT, env=dict(environment, PYTHONPATH=str(ROOT)),
                          capture_output=True, text=True, check=True)  # fmt: skip
    np.testing.assert_allclose(json.loads(done.stdout), elementwise("cpu"), rtol=1e-14)


def elementwise(device: str) -> list[list[float]]:
    """Return what the bodies make of a few numbers."""
    h, out = np.linspace(-2.0, 3.0, 7), np.zeros(7)
    foreach(activate_one(named("tanh")), 7, h, out, device=device)
    value, buffer = np.linspace(0.0, 1.0, 7), np.linspace(1.0, -1.0, 7)
    foreach(advance_one, 7, value, buffer, h.copy(), 0.5, 0.1, 0.2, 0.3, device=device)
    return [each.tolist() for each in (h, out, value, buffer)]
