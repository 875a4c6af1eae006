"""Losses on batches: the gradient with respect to the outputs, the value, and the accuracy.

    mse            (1/2BC) sum_ic (f_ic - y_ic)^2
    cross-entropy  -(1/B) sum_ic y_ic log softmax(f_i)_c,  y one-hot

Rows of the data are gathered inside the loops: ``rows`` has shape (R, B), or (1, B) where all replicas share them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.problem import Training

Array = NDArray[np.float64]


@compiled
def _squared_gradient(f: Any, y: Any, rows: Any) -> None:
    """f <- (f - y) / (B C)."""
    scale = 1.0 / (f.shape[1] * f.shape[2])
    for r in range(f.shape[0]):
        q = r if rows.shape[0] > 1 else 0
        for i in range(f.shape[1]):
            for c in range(f.shape[2]):
                f[r, i, c] = scale * (f[r, i, c] - y[rows[q, i], c])


@compiled
def _entropy_gradient(f: Any, y: Any, rows: Any) -> None:
    """f <- (softmax f - y) / B."""
    scale = 1.0 / f.shape[1]
    for r in range(f.shape[0]):
        q = r if rows.shape[0] > 1 else 0
        for i in range(f.shape[1]):
            largest = f[r, i, 0]
            for c in range(f.shape[2]):
                largest = max(largest, f[r, i, c])
            total = 0.0
            for c in range(f.shape[2]):
                f[r, i, c] = math.exp(f[r, i, c] - largest)
                total += f[r, i, c]
            for c in range(f.shape[2]):
                f[r, i, c] = scale * (f[r, i, c] / total - y[rows[q, i], c])


@compiled
def _squared_values(f: Any, y: Any, out: Any) -> None:
    """out[r] = half the mean square of f[r] - y."""
    for r in range(f.shape[0]):
        total = 0.0
        for i in range(f.shape[1]):
            for c in range(f.shape[2]):
                total += (f[r, i, c] - y[i, c]) ** 2
        out[r] = 0.5 * total / (f.shape[1] * f.shape[2])


@compiled
def _entropy_values(f: Any, y: Any, out: Any) -> None:
    """out[r] = -(1/B) sum y log softmax f[r]."""
    for r in range(f.shape[0]):
        total = 0.0
        for i in range(f.shape[1]):
            largest = f[r, i, 0]
            for c in range(f.shape[2]):
                largest = max(largest, f[r, i, c])
            norm = 0.0
            for c in range(f.shape[2]):
                norm += math.exp(f[r, i, c] - largest)
            for c in range(f.shape[2]):
                total -= y[i, c] * (f[r, i, c] - largest - math.log(norm))
        out[r] = total / f.shape[1]


@compiled
def subtract_rows(f: Any, start: Any, rows: Any) -> None:
    """f <- f - start[:, rows]: the output minus the initial one, start of shape (R, P, C)."""
    for r in range(f.shape[0]):
        q = r if rows.shape[0] > 1 else 0
        for i in range(f.shape[1]):
            for c in range(f.shape[2]):
                f[r, i, c] -= start[r, rows[q, i], c]


@dataclass(frozen=True)
class Loss:
    """A loss: `gradient(f, y, rows)` in place, `_values(f, y, out)`."""

    gradient: Callable[[Array, Array, NDArray[np.int64]], None]
    _values: Any

    def values(self, f: Array, y: Array) -> Array:
        """Return the loss of each replica, shape (R,), from outputs (R, B, C) and labels (B, C)."""
        out = np.empty(f.shape[0])
        self._values(f, y, out)
        return out


LOSSES: Mapping[str, Loss] = {
    "mse": Loss(_squared_gradient, _squared_values),
    "cross-entropy": Loss(_entropy_gradient, _entropy_values),
}


def targets(training: Training) -> tuple[Array, Array]:
    """Return the labels the loss compares with, shapes (P, C) and (M, C): one-hot rows for cross-entropy."""
    samples = training.samples
    if training.loss == "mse" or samples.classes_train is None or samples.classes_test is None:
        return np.array(samples.y_train), np.array(samples.y_test)
    one_hot = np.eye(samples.y_train.shape[1])
    return one_hot[samples.classes_train], one_hot[samples.classes_test]


def accuracies(f: Array, y: Array) -> Array:
    """Return the share of right answers of each replica, shape (R,): argmax, or the sign where C = 1."""
    right = (f > 0) == (y > 0) if y.shape[1] == 1 else (f.argmax(-1) == y.argmax(-1))[..., None]
    shares: Array = right.mean(axis=(1, 2))
    return shares
