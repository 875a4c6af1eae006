"""Learning curves of a kernel learner averaged over single networks in function space.

For whatever does not stay Gaussian, or has no closed second moment: the cross-entropy, and epochs without
replacement. Initial outputs come in pairs +-f(0), which removes all odd scatter from the means.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.infinite.accuracy import decided_accuracy
from theorysim.infinite.classification import flow_paths
from theorysim.infinite.curves import Run
from theorysim.infinite.ensemble import paths
from theorysim.infinite.filters import filter_of
from theorysim.infinite.function_space import (
    Order,
    cross_entropy,
    dual_steps,
    half_squared,
    softmax_error,
    squared_error,
)
from theorysim.infinite.modes import Modes
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]
FLOW_TOLERANCE = 1e-5  # of each step of the cross-entropy flow: far below the scatter between networks
AFFORDABLE = 1e12  # operations that the average over networks may cost
FLOW_STEPS = 200  # what a flow takes, about


def single_networks(
    modes: Modes, run: Run, start: Array, start_test: Array, order: Order | None
) -> Iterator[tuple[Array, Array]]:
    """Yield outputs (P, C, R), (M, C, R) of single infinitely wide networks at each recorded step.

    Parameters
    ----------
    modes : Modes
    run : Run
    start, start_test : ndarray, shapes (P, C, R) and (M, C, R)
        Initial outputs.
    order : callable or None
        Batches of each network at a step.
    """
    if run.loss == "mse" and order is None:
        response = filter_of(run.optimizer, modes.eigenvalues, run.kappa, run.recorded, run.total)
        residual = response.residual(modes.eigenvalues, run.optimizer.ridge)
        yield from paths(modes, response, residual, run.target, start, start_test)
        return
    if not isinstance(run.optimizer, SGD):
        yield from flow_paths(
            modes, run.optimizer.ridge, run.kappa, run.target, start, start_test, run.recorded, FLOW_TOLERANCE
        )
        return
    error = softmax_error if run.loss == "cross-entropy" else squared_error
    with single_thread():
        theta = (modes.vectors * modes.eigenvalues) @ modes.vectors.T
        across = modes.cross.T @ modes.vectors.T
    steps = np.asarray(run.recorded, np.int64)
    for dual in dual_steps(theta, start, run.target, run.optimizer, run.kappa, steps, run.total, error, order):
        flat = dual.reshape(len(dual), -1)
        with single_thread():
            moved, moved_test = theta @ flat, across @ flat
        yield start + moved.reshape(start.shape), start_test + moved_test.reshape(start_test.shape)


def affordable_networks(run: Run, fewest: int, most: int) -> int:
    """Return an even number of networks, from `fewest` to `most`, that keeps the cost near AFFORDABLE."""
    samples = len(run.target)
    rows = samples if not isinstance(run.optimizer, SGD) or run.optimizer.batch is None else run.optimizer.batch
    operations = 2.0 * rows * run.target.size * max(run.total, FLOW_STEPS)
    return 2 * int(min(max(AFFORDABLE / operations, fewest), most) / 2)


def sampled_curves(modes: Modes, run: Run, starts: tuple[Array, Array], order: Order | None = None) -> dict[str, Array]:
    """Return X, X_std, X_error of each observable from single networks with initial outputs in pairs +-f(0)."""
    rows = []
    for train, test in single_networks(modes, run, *starts, order):
        row = _row("train", train, run.target, run.classes, run.loss)
        if len(run.test_target):
            row |= _row("test", test, run.test_target, run.test_classes, run.loss)
            row |= _ensemble(test, run.test_classes)
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def losses(outputs: Array, target: Array, loss: str) -> Array:
    """Return the loss of each network, shape (R,), outputs (samples, C, R)."""
    return cross_entropy(outputs, target) if loss == "cross-entropy" else half_squared(outputs, target)


def _row(
    side: str, outputs: Array, target: Array, classes: NDArray[np.int64] | None, loss: str
) -> dict[str, Array | float]:
    row = _moments(f"{side}_loss", losses(outputs, target, loss)) | _moments(f"{side}_prediction", outputs)
    if classes is not None:
        row |= _moments(f"{side}_accuracy", decided_accuracy(outputs, classes))
    return row


def _moments(name: str, values: Array) -> dict[str, Array | float]:
    """Return mean, standard deviation and standard error over the last axis, whose halves are antithetic."""
    half = values.shape[-1] // 2
    pairs = 0.5 * (values[..., :half] + values[..., half : 2 * half])
    error = np.std(pairs, axis=-1, ddof=1) / np.sqrt(half)
    return {
        name: values.mean(axis=-1),
        f"{name}_std": np.std(values, axis=-1, ddof=1),
        f"{name}_error": error,
    }


def _ensemble(outputs: Array, classes: NDArray[np.int64] | None) -> dict[str, Array | float]:
    if classes is None:
        return {}
    value = float(decided_accuracy(outputs.mean(axis=-1)[:, :, None], classes)[0])
    return {"ensemble_accuracy": value, "ensemble_accuracy_std": 0.0, "ensemble_accuracy_error": 0.0}
