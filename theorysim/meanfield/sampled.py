"""From outputs of replicas to observables of the limit.

Where all replicas see the same batches, the limit is one network: its outputs are the mean over replicas, and what
the replicas differ by is the error of the sampling. Where batches are drawn, each replica has its own order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.losses import LOSSES, accuracies, targets
from theorysim.infinite.accuracy import gaussian_accuracy
from theorysim.meanfield.replicas import Replicas
from theorysim.problem.training import Training

Array = NDArray[np.float64]
Values = dict[str, Array]
STEPS_ERROR = 0.25
"""Error of a flow over what its extrapolation to small steps changes."""
Measure = Callable[[Array], Array]  # outputs (R, steps, B, C) -> (R, steps)


def observables(training: Training, found: Replicas, *, vary: bool, method_error: float) -> Values:
    """Return X, X_std, X_error of losses, accuracies and predictions.

    Parameters
    ----------
    vary : bool
        Whether each replica has batches of its own. X_std is then the scatter over them (the scatter between networks
        of finite width is no part of this limit); otherwise it is zero.
    method_error : float
        Relative error that is not seen between replicas.
    """
    values: Values = {}
    for side, runs, y in zip(("train", "test"), (found.train, found.test), targets(training), strict=True):
        if len(y):
            values |= _side(training, side, runs, y, vary)
    other = None if found.coarse is None else observables(training, found.coarse, vary=vary, method_error=0.0)
    for name in [name for name in values if f"{name}_error" in values]:
        error = np.hypot(values[f"{name}_error"], method_error * np.abs(values[name]))
        values[f"{name}_error"] = (
            error if other is None else np.hypot(error, STEPS_ERROR * (values[name] - other[name]))
        )
    return values


def _side(training: Training, side: str, runs: Array, y: Array, vary: bool) -> Values:
    error = _std(runs) / np.sqrt(len(runs))
    loss = LOSSES[training.loss].values

    def losses(f: Array) -> Array:
        return np.stack([loss(np.ascontiguousarray(one), y) for one in np.moveaxis(f, 1, 0)], axis=1)

    found = {
        f"{side}_loss": over_orders(losses(runs)) if vary else of_the_mean(losses, runs),
        f"{side}_prediction": (runs.mean(axis=0), _std(runs) * vary, error),
    }
    classes = getattr(training.samples, f"classes_{side}")
    if classes is not None:
        single = _accuracies(runs, np.zeros_like(runs[0]), y, classes)
        of_mean = _accuracies(runs.mean(axis=0)[None], error, y, classes)[0]
        one = (of_mean, np.zeros_like(of_mean), _std(single) / np.sqrt(len(runs)))
        found[f"{side}_accuracy"] = over_orders(single) if vary else one
        if side == "test":
            found["ensemble_accuracy"] = one
    return {f"{name}{kind}": value for name, values in found.items()
            for kind, value in zip(("", "_std", "_error"), values, strict=True)}  # fmt: skip


def of_the_mean(measure: Measure, runs: Array) -> tuple[Array, Array, Array]:
    """Return a measure of the mean outputs, no scatter, and its error by the jackknife over replicas.

    The error holds the bias of a curved measure too: all there is where its slope vanishes.
    """
    count, mean = len(runs), runs.mean(axis=0)
    value = measure(mean[None])[0]
    if count == 1:
        return value, np.zeros_like(value), np.zeros_like(value)
    left_out = measure(mean + (mean - runs) / (count - 1))
    centre = left_out.mean(axis=0)
    variance = (count - 1) / count * np.sum((left_out - centre) ** 2, axis=0)
    return value, np.zeros_like(value), np.hypot(np.sqrt(variance), (count - 1) * (centre - value))


def over_orders(values: Array) -> tuple[Array, Array, Array]:
    """Return mean and scatter of single runs, shape (R, steps), and the error of their mean."""
    spread = _std(values)
    return values.mean(axis=0), spread, spread / np.sqrt(len(values))


def _accuracies(runs: Array, error: Array, y: Array, classes: NDArray[np.int64]) -> Array:
    """Return the accuracy at each step, shape (R, steps); outputs within their error count in part, zeros by chance."""
    rows = []
    for run in runs:
        decided = accuracies(run, y)
        for k, f in enumerate(run):
            if np.any(error[k]) or not np.any(f):
                decided[k] = gaussian_accuracy(f, np.sqrt(np.mean(error[k] ** 2, axis=1)), classes)
        rows.append(decided)
    return np.array(rows)


def _std(values: Array) -> Array:
    return np.asarray(values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:]))
