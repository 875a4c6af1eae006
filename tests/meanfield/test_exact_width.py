"""Networks without their weight matrices: in law those that are trained with them, mean and covariance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import theorysim as ts
from tests.meanfield import stored
from theorysim.meanfield import deep, exact_width, wide_networks
from theorysim.meanfield.replicas import Size
from theorysim.problem.validation import fields_of

DRAW = np.random.default_rng(5)
X, X_TEST = DRAW.normal(size=(4, 5)), DRAW.normal(size=(2, 5))
DATA = ts.data.arrays(X, np.array([0, 1, 2, 1]), X_TEST, np.array([0, 2]), labels="one-hot")


def run(optimizer: Any = None, **network: Any) -> ts.Training:
    keywords = {"depth": 2, "width": 24, "activation": "tanh", "parameterization": "mup"} | network
    optimizer = ts.GD(learning_rate=1.0) if optimizer is None else optimizer
    return ts.Training(data=DATA, network=ts.MLP(**keywords), optimizer=optimizer, steps=4, record=(0, 2, 4),
                       loss="cross-entropy")  # fmt: skip


def of_width_200(case: str) -> tuple[ts.Training, Any]:
    training, batches = stored.problem(case)
    network = ts.MLP(**fields_of(training.network) | {"width": 200, "initial_output": "subtracted"})
    return ts.Training(**fields_of(training) | {"network": network}), batches


def against_stored(case: str, f: np.ndarray) -> tuple[float, float]:
    """Return the largest |z| of the mean and the mean ratio of variances, steps 1 to 11."""
    mean, error, scaled = (stored.ARCHIVE[f"{case}__{kind}200"] for kind in ("mean", "sem", "nvar"))
    z = (f.mean(axis=-1) - mean)[1:] / np.hypot(error, f.std(axis=-1) / f.shape[-1] ** 0.5)[1:]
    return float(np.abs(z).max()), float(np.mean(200 * f.var(axis=-1, ddof=1)[1:] / scaled[1:]))


@pytest.mark.parametrize("case", ["base", "sgd", "bias", "C3"])
def test_stored_networks_of_the_same_width(case: str) -> None:
    """3000 networks of width 200 trained elsewhere: their mean and their variance, nothing extrapolated."""
    training, batches = of_width_200(case)
    z, ratio = against_stored(case, wide_networks(training, replicas=60, batches=batches).train_prediction.values)
    assert z < 4.0 and 0.7 < ratio < 1.4  # a variance of 60 networks is known to 18 %, entries are correlated


def test_another_learning_rate_is_rejected() -> None:
    training, _ = of_width_200("base")
    off = ts.Training(**fields_of(training) | {"optimizer": ts.GD(learning_rate=0.44)})
    z, _ = against_stored("base", wide_networks(off, replicas=60).train_prediction.values)
    assert z > 4.0


CASES = {
    "everything": (ts.GD(learning_rate=1.5, momentum=0.5, nesterov=True, weight_decay=0.1, ridge=0.2,
                         schedule=ts.Cosine()), {"depth": 3, "bias_std": 0.5, "gamma0": 2.0}),
    "ntk": (ts.GD(learning_rate=1.0), {"parameterization": "ntk", "bias_std": (0.3, 0.2, 0.6)}),
    "standard": (ts.GD(learning_rate=0.05), {"parameterization": "standard", "activation": "relu",
                                             "initial_output": "subtracted"}),
}  # fmt: skip


def scores(training: ts.Training, count: int) -> tuple[float, float]:
    """Return the largest |z| of means and of covariances of all outputs, against networks with their matrices."""
    drawn, trained = wide_networks(training, replicas=count, seed=2), ts.train(training, replicas=6 * count, seed=3)
    outputs = [np.concatenate([one.train_prediction.values, one.test_prediction.values], axis=1)
               for one in (drawn, trained)]  # fmt: skip
    ours, theirs = (f[1:].reshape(len(f) - 1, -1, f.shape[-1]) for f in outputs)
    error = np.sqrt(ours.var(axis=-1) / count + theirs.var(axis=-1) / (6 * count))
    of_means = np.max(np.abs(ours.mean(axis=-1) - theirs.mean(axis=-1)) / error)
    rows = []
    for one, other in zip(ours, theirs, strict=True):
        a, b = np.cov(one), np.cov(other)
        noise = np.sqrt((np.outer(np.diag(b), np.diag(b)) + b**2) * (1 / count + 1 / (6 * count)))
        rows.append(np.max(np.abs(a - b) / noise))
    return float(of_means), float(max(rows))


@pytest.mark.parametrize("name", CASES)
def test_narrow_networks(name: str) -> None:
    """Width 24, where nothing is asymptotic: means and all covariances of training and test outputs."""
    optimizer, network = CASES[name]
    of_means, of_covariances = scores(run(optimizer, **network), 250)
    assert of_means < 4.0 and of_covariances < 4.5  # tails a little heavier than normal


def test_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh vectors that are not made orthogonal to the opposite directions give no network."""
    monkeypatch.setattr(exact_width._Conditioned, "fresh", lambda span, draws: draws)
    optimizer, network = CASES["everything"]
    assert max(scores(run(optimizer, **network), 250)) > 6.0


def test_drawn_batches_are_those_of_networks_of_the_same_number() -> None:
    training = run(ts.SGD(learning_rate=1.0, batch=2), initial_output="subtracted")
    found = wide_networks(training, replicas=3, seed=4)
    again = wide_networks(training, replicas=1, seed=4, threads=1)
    np.testing.assert_array_equal(found.train_prediction.isel(replica=0), again.train_prediction.isel(replica=0))
    assert float(np.abs(found.train_prediction[0]).max()) < 1e-12
    assert set(found) >= {"train_loss", "test_loss", "train_accuracy", "test_accuracy", "ensemble_accuracy"}


def test_large_widths_come_near_the_limit() -> None:
    training = run(initial_output="subtracted", width=4096)
    found, limit = wide_networks(training, replicas=2), deep.limit(training, size=Size(1024, 8, 1e-4))
    np.testing.assert_allclose(found.test_prediction.mean("replica"), limit.test_prediction, atol=0.03)


def test_refusals_name_the_field_and_what_fits() -> None:
    flow = ts.Training(data=DATA, network=run().network, optimizer=ts.GradientFlow(), time=1.0, loss="cross-entropy")
    for wrong, message in (
        (flow, "not by gradient flow"),
        (run(ts.Adam(learning_rate=0.1), parameterization="standard"), r"not by Adam \(use `train`\)"),
        (run(width=(8, 16)), r"one width, not \(8, 16\) \(use `train`\)"),
        (run(gamma0=0.0), r"use meanfield\.deep"),
    ):
        with pytest.raises(ts.ProblemError, match=message):
            wide_networks(wrong, replicas=1)
    with pytest.raises(ts.ProblemError, match="`replicas` must be a whole number"):
        wide_networks(run(), replicas=0)
    with pytest.raises(ts.ProblemError, match="`width` must be smaller for as many directions"):
        wide_networks(run(width=10**6), replicas=1, threads=64)
    with pytest.raises(FloatingPointError, match="largest stable one"):
        long = ts.Training(data=ts.data.arrays(X, X[:, :1], labels="regression"), steps=60,
                           network=run(activation="relu").network, optimizer=ts.GD(learning_rate=300.0))  # fmt: skip
        wide_networks(long, replicas=1)
