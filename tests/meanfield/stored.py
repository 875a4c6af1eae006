"""Stored finite networks (case M1), extrapolated in 1/width, and their runs restated in our units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import theorysim as ts

ARCHIVE = np.load(Path(__file__).parents[1] / "data" / "M1_networks.npz")
WIDTHS = (200, 400, 800)
STEPS = 12


def problem(case: str) -> tuple[ts.Training, Any]:
    """Return the run of a stored case and its batches, restated in our units (conventions, section 7)."""
    x = np.random.RandomState(1).randn(20, 5).T
    y = 2 * np.eye(3)[[0, 1, 2, 0, 1]] - 1 if case == "C3" else np.array([[1.0], [-1], [1], [-0.5], [0.5]])
    eta, batches = 0.2 if case == "mom" else 0.4, None
    if case == "sgd":
        draw = np.random.RandomState(3)
        batches = [draw.choice(5, 2, replace=False) for _ in range(STEPS)]
    if case == "sgdrep":
        draw = np.random.RandomState(5)
        batches = [draw.randint(0, 5, 2) for _ in range(STEPS)]
    optimizer = ts.SGD(
        learning_rate=eta * y.shape[1],  # their loss has no 1/C
        batch=None if batches is None else 2,
        momentum=0.7 if case == "mom" else 0.0,
        weight_decay=0.06 / eta if case == "wd" else 0.0,
    )
    network = ts.MLP(depth=2, width=512, activation="tanh", parameterization="mup",
                     bias_std=(0.8, 0.8, 0.6) if case == "bias" else None)  # fmt: skip
    data = ts.data.arrays(x, y, labels="regression")
    training = ts.Training(data=data, network=network, optimizer=optimizer, steps=STEPS, record=tuple(range(STEPS)))
    return training, batches


def limit(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Return f(t) - f(0) of the networks for width -> infinity and its standard error, shapes (12, 5, C)."""
    means, errors = (np.array([ARCHIVE[f"{case}__{kind}{n}"] for n in WIDTHS]) for kind in ("mean", "sem"))
    return extrapolated(WIDTHS, means, errors)


def extrapolated(widths: tuple[int, ...], means: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the limit 1/N -> 0 of means and its standard error, by a weighted straight line."""
    weight = 1.0 / np.maximum(errors, 1e-12) ** 2
    x = (1.0 / np.asarray(widths, float)).reshape((-1,) + (1,) * (means.ndim - 1))
    total = weight.sum(0)
    x_mean, mean = (weight * x).sum(0) / total, (weight * means).sum(0) / total
    spread = (weight * (x - x_mean) ** 2).sum(0)
    slope = (weight * (x - x_mean) * (means - mean)).sum(0) / spread
    return mean - slope * x_mean, np.sqrt(1.0 / total + x_mean**2 / spread)
