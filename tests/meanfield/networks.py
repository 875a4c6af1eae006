"""Trained networks extrapolated to infinite width, and z-scores against them."""

from __future__ import annotations

import numpy as np

import theorysim as ts


def extrapolated(training, *, width: int, replicas: int, batches=None, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return mean outputs at infinite width from `width` and 2 `width`, and standard errors; train and test joined.

    f(N) = f + b/N + O(1/N^2), hence f = 2 f(2N) - f(N).
    """
    parts = []
    for n in (width, 2 * width):
        runs = ts.train(training.at_width(n), replicas=replicas, seed=seed + n, batches=batches)
        names = [name for name in ("train_prediction", "test_prediction") if name in runs]
        f = np.concatenate([runs[name].values for name in names], axis=1)
        parts.append((f.mean(axis=-1), f.std(axis=-1, ddof=1) / np.sqrt(replicas)))
    (narrow, narrow_error), (wide, wide_error) = parts
    return 2.0 * wide - narrow, np.sqrt(4.0 * wide_error**2 + narrow_error**2)


def outputs_of(limit) -> np.ndarray:
    """Return predictions of a limit, training samples first, shape (steps, samples, outputs)."""
    names = [name for name in ("train_prediction", "test_prediction") if name in limit]
    return np.concatenate([limit[name].values for name in names], axis=1)


def largest_z(limit: np.ndarray, mean: np.ndarray, error: np.ndarray, method: np.ndarray | float = 0.0) -> float:
    """Return the largest |z| over steps after the first, samples and outputs."""
    noise = np.sqrt(error**2 + np.asarray(method) ** 2)
    return float(np.abs((mean - limit)[1:] / noise[1:]).max())
