"""Scatter of predictions between networks, width times covariance, against known numbers and leading order in 1/width.

    python benchmarks/width_scatter.py          4000 networks of two layers, 2400 of four: some minutes

Two erf layers at width 512 (two samples, gamma0 = .5) and three tanh layers at width 500 (four samples, gamma0 = 1);
known: 4000 and 800 networks trained by other codes, and for two layers `meanfield.prediction_scatter`.
"""

from __future__ import annotations

import math

import numpy as np

import theorysim as ts
from theorysim.meanfield import prediction_scatter


def _erf(x: float) -> float:
    return math.erf(math.sqrt(0.5) * x)


def _erf_slope(x: float) -> float:
    return math.sqrt(2.0 / math.pi) * math.exp(-0.5 * x * x)


def _tanh(x: float) -> float:
    return math.tanh(0.8 * x) / 0.8


def _tanh_slope(x: float) -> float:
    return 1.0 - math.tanh(0.8 * x) ** 2


def two_layers() -> ts.Training:
    """Return the run of two samples with kernel ((1, .3), (.3, .8))."""
    data = ts.data.from_kernel([[1.0, 0.3], [0.3, 0.8]], [1.0, -0.5], labels="regression")
    activation = ts.activation(_erf, _erf_slope, name="erf of x/sqrt 2")
    network = ts.MLP(depth=1, width=512, activation=activation, parameterization="mup", gamma0=0.5,
                     initial_output="subtracted")  # fmt: skip
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.2), steps=20, record=(10, 20))


def four_layers() -> ts.Training:
    """Return the run of four samples."""
    x = np.random.RandomState(0).randn(25, 4).T
    data = ts.data.arrays(x, np.array([-1.0, -1.0, 1.0, 1.0]), labels="regression")
    activation = ts.activation(_tanh, _tanh_slope, name="scaled tanh")
    network = ts.MLP(depth=3, width=500, activation=activation, parameterization="mup", initial_output="subtracted")
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.3), steps=10, record=(10,))


def scatter(training: ts.Training, replicas: int) -> np.ndarray:
    """Return width times the covariance of the predictions, shape (steps, samples, samples)."""
    f = ts.train(training, replicas=replicas, seed=1).train_prediction.transpose("step", "sample", "replica", ...)
    return training.network.widths[-1] * np.stack([np.cov(each.reshape(len(each), -1)) for each in f.values])


def shown(name: str, found: np.ndarray, known: np.ndarray, error: np.ndarray) -> None:
    """Print numbers beside known ones, with their difference over both errors."""
    z = (found - known) / error
    print(f"{name}: {np.round(found, 4)}, known {known}, z {np.round(z, 1)}", flush=True)


def main() -> None:
    training, count = two_layers(), 4000
    theory = prediction_scatter(training, tolerance=0.01).prediction_covariance.values[:, :, 0, :, 0] * 512
    found = scatter(training, count)
    for k, known in enumerate(([0.0886, 0.0403, -0.0366], [0.0985, 0.0658, -0.0615])):
        s, t = ([c[k, 0, 0], c[k, 1, 1], c[k, 0, 1]] for c in (found, theory))
        spread = np.sqrt(np.array([s[0] ** 2, s[1] ** 2, 0.5 * (s[0] * s[1] + s[2] ** 2)]) * 2.0 / count)
        shown(f"two layers, step {10 * k + 10}, networks", np.array(s), np.array(known), math.sqrt(2.0) * spread)
        shown("   leading order", np.array(t), np.array(s), spread)
    s = np.diagonal(scatter(four_layers(), 2400)[0])
    known = np.array([0.515, 0.491, 0.808, 0.507])
    shown("four layers, step 10, networks", s, known, np.hypot(0.05 * known, s * math.sqrt(2.0 / 2400)))


if __name__ == "__main__":
    main()
