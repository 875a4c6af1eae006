"""The march of deep mean-field theory beside finite networks, stored and trained here, and what it costs.

    python benchmarks/meanfield_cases.py               everything (an hour of one core, most of it training networks)
    python benchmarks/meanfield_cases.py stored        stored networks of other authors (tests/data/M1_networks.npz)
    python benchmarks/meanfield_cases.py networks      networks trained here, widths 128, 256, 512, against 1/N -> 0
    python benchmarks/meanfield_cases.py bias          what few samples and dropped directions cost
    python benchmarks/meanfield_cases.py cost          seconds and memory

z is a difference over its combined standard error; entries of one run are strongly correlated.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import theorysim as ts
from theorysim.meanfield import deep
from theorysim.meanfield.replicas import Size
from theorysim.problem.validation import fields_of

STORED = Path(__file__).parents[1] / "tests" / "data" / "M1_networks.npz"
WIDTHS, NETWORKS = (128, 256, 512), (4000, 2000, 1000)


def stored_problem(case: str) -> tuple[ts.Training, Any]:
    """Return the run of a stored case and its batches, restated in our units (conventions, section 7)."""
    x = np.random.RandomState(1).randn(20, 5).T
    y = 2 * np.eye(3)[[0, 1, 2, 0, 1]] - 1 if case == "C3" else np.array([[1.0], [-1], [1], [-0.5], [0.5]])
    outputs, eta, batches = y.shape[1], 0.2 if case == "mom" else 0.4, None
    if case == "sgd":
        draw = np.random.RandomState(3)
        batches = [draw.choice(5, 2, replace=False) for _ in range(12)]
    if case == "sgdrep":
        draw = np.random.RandomState(5)
        batches = [draw.randint(0, 5, 2) for _ in range(12)]
    optimizer = ts.SGD(
        learning_rate=eta * outputs,  # their loss has no 1/C
        batch=None if batches is None else 2,
        momentum=0.7 if case == "mom" else 0.0,
        weight_decay=0.06 / eta if case == "wd" else 0.0,
    )
    network = ts.MLP(depth=2, width=512, activation="tanh", parameterization="mup",
                     bias_std=(0.8, 0.8, 0.6) if case == "bias" else None)  # fmt: skip
    data = ts.data.arrays(x, y, labels="regression")
    return ts.Training(data=data, network=network, optimizer=optimizer, steps=12, record=tuple(range(12))), batches


def extrapolated(widths: Any, means: Any, errors: Any) -> tuple[Any, Any]:
    """Return the limit 1/N -> 0 of means and its standard error, by a weighted straight line."""
    weight = 1.0 / np.maximum(errors, 1e-12) ** 2
    x = (1.0 / np.asarray(widths, float)).reshape((-1,) + (1,) * (means.ndim - 1))
    total = weight.sum(0)
    x_mean, mean = (weight * x).sum(0) / total, (weight * means).sum(0) / total
    spread = (weight * (x - x_mean) ** 2).sum(0)
    slope = (weight * (x - x_mean) * (means - mean)).sum(0) / spread
    return mean - slope * x_mean, np.sqrt(1.0 / total + x_mean**2 / spread)


def report(name: str, difference: Any, error: Any, size: float, note: str = "") -> None:
    z = difference / error
    print(f"{name:24s} chi2/n {np.mean(z**2):.2f}  max |z| {np.max(np.abs(z)):.2f}  rms difference "
          f"{np.sqrt(np.mean(difference**2)):.5f} of {size:.3f}  {note}", flush=True)  # fmt: skip


def stored() -> None:
    archive = np.load(STORED)
    for case in ("base", "mom", "sgd", "sgdrep", "wd", "bias", "C3"):
        training, batches = stored_problem(case)
        found = deep.limit(training, batches=batches, size=Size(2048, 32, 1e-5))
        means, errors = (np.array([archive[f"{case}__{kind}{n}"] for n in (200, 400, 800)]) for kind in ("mean", "sem"))
        limit, error = extrapolated((200, 400, 800), means, errors)
        own = found.train_prediction_error.values
        difference = (found.train_prediction.values - limit)[1:]
        report(
            case, difference, np.hypot(own, error)[1:], float(np.sqrt(np.mean(limit**2))), f"rank {found.attrs['rank']}"
        )


def problems() -> dict[str, ts.Training]:
    """Return runs in our own units: plain; batches and momentum; three outputs, biases and everything."""
    draw = np.random.default_rng(5)
    x, more = draw.normal(size=(6, 8)), draw.normal(size=(4, 8))
    w = draw.normal(size=8)
    plain = ts.data.arrays(x, np.tanh(x @ w), more, np.tanh(more @ w), labels="regression")
    classes = ts.data.arrays(x, np.array([0, 1, 2, 2, 1, 0]), more, np.array([0, 1, 2, 0]), labels="one-hot")
    mup: dict[str, Any] = {"parameterization": "mup", "initial_output": "subtracted"}
    return {
        "plain": ts.Training(
            data=plain, optimizer=ts.GD(learning_rate=0.5), steps=16,
            network=ts.MLP(depth=2, width=512, activation="tanh", gamma0=0.8, weight_std=1.3, **mup),
        ),
        "batches, momentum": ts.Training(
            data=plain, optimizer=ts.SGD(learning_rate=0.08, batch=3, momentum=0.6), steps=16,
            network=ts.MLP(depth=3, width=512, activation="relu", **mup),
        ),
        "3 outputs, biases": ts.Training(
            data=classes, optimizer=ts.GD(learning_rate=0.8), steps=16,
            network=ts.MLP(depth=2, width=512, activation="erf", bias_std=0.5, gamma0=1.5, **mup),
        ),
        "everything": ts.Training(
            data=classes, loss="cross-entropy", steps=16,
            optimizer=ts.SGD(learning_rate=0.5, batch=4, momentum=0.5, nesterov=True, weight_decay=0.05, ridge=0.5,
                             sampling="epochs", schedule=ts.Cosine(final=0.2)),
            network=ts.MLP(depth=3, width=(512, 256, 512), activation="gelu", bias_std=(0.3, 0.2, 0.4, 0.5),
                           weight_std=(1.0, 1.4, 1.2, 0.9), weight_rates=(0.5, 1.0, 2.0, 1.0), **mup),
        ),
    }  # fmt: skip


def networks() -> None:
    for name, training in problems().items():
        training = ts.Training(**{**fields_of(training), "record": (0, 1, 2, 4, 8, 12, 16)})
        batches = shared_batches(training)
        found = deep.limit(training, batches=batches, size=Size(2048, 32, 1e-5))
        runs = [ts.train(training.at_width(n), replicas=r, seed=n, batches=batches) for n, r in
                zip(WIDTHS, NETWORKS, strict=True)]  # fmt: skip
        for side in ("train", "test"):
            outputs = [run[f"{side}_prediction"] for run in runs]
            means = np.array([f.mean("replica").values for f in outputs])
            errors = np.array([f.std("replica").values / f.sizes["replica"] ** 0.5 for f in outputs])
            limit, error = extrapolated(WIDTHS, means[:, 1:], errors[:, 1:])
            own = found[f"{side}_prediction_error"].values[1:]
            difference = found[f"{side}_prediction"].values[1:] - limit
            size = float(np.sqrt(np.mean(limit**2)))
            report(f"{name}, {side}", difference, np.hypot(own, error), size, f"rank {found.attrs['rank']}")


def shared_batches(training: ts.Training) -> Any:
    """Return one order of batches, drawn as the run says; None for full batches."""
    from theorysim.meanfield.batches import order_of

    order = order_of(training, seed=3, stream=0)
    return None if order is None else [order(step)[0] for step in range(training.steps)]


def bias() -> None:
    for name, training in problems().items():
        batches = shared_batches(training)
        exact = deep.limit(training, batches=batches, size=Size(4096, 32, 1e-6), seed=1)
        for samples, truncation in ((1024, 1e-6), (512, 1e-6), (1024, 1e-4), (1024, 1e-3)):
            found = deep.limit(training, batches=batches, size=Size(samples, 64, truncation), seed=2)
            for loss in ("train_loss", "test_loss"):
                ratio = found[loss] / exact[loss] - 1.0
                noise = (found[f"{loss}_error"] ** 2 + exact[f"{loss}_error"] ** 2) ** 0.5 / exact[loss]
                print(f"{name:18s} {loss:10s} S {samples:5d} truncation {truncation:g}: relative difference at the "
                      f"middle {float(ratio[len(ratio) // 2]):+.4f}, end {float(ratio[-1]):+.4f} "
                      f"(error {float(noise[-1]):.4f}), rank {found.attrs['rank']}", flush=True)  # fmt: skip


def toy(samples: int, depth: int, steps: int) -> ts.Training:
    draw = np.random.RandomState(0)
    data = ts.data.arrays(draw.randn(samples, 25), np.sign(draw.randn(samples)), labels="regression")
    network = ts.MLP(depth=depth, width=500, activation="tanh", parameterization="mup")
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.3), steps=steps)


def cost() -> None:
    deep.limit(toy(4, 3, 2), size=Size(256, 2, 1e-3))
    for name, training, size in (
        ("P 4, T 20, default", toy(4, 3, 20), None),
        ("P 10, T 100, 8 x 1000", toy(10, 3, 100), Size(1000, 8, 3e-5)),
        ("P 10, T 100, 1 x 8000", toy(10, 3, 100), Size(8000, 1, 3e-5)),
        ("P 10, T 200, default", toy(10, 3, 200), None),
    ):
        start, processor = time.perf_counter(), time.process_time()
        found = deep.limit(training, size=size)
        wall, processor = time.perf_counter() - start, time.process_time() - processor
        middle = found.isel(step=len(found.step) // 2)
        error = float(middle.train_loss_error / middle.train_loss)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform != "darwin" else 1e9)
        rank, replicas, samples = (found.attrs[key] for key in ("rank", "replicas", "samples"))
        print(f"{name:24s} {wall:.1f} s, {processor:.1f} CPU-s, rank {rank}, {replicas} x {samples}, error of the "
              f"loss at the middle {100 * error:.2f} %, peak {memory:.2f} GB", flush=True)  # fmt: skip


if __name__ == "__main__":
    for part in sys.argv[1:] or ["stored", "networks", "bias", "cost"]:
        {"stored": stored, "networks": networks, "bias": bias, "cost": cost}[part]()
