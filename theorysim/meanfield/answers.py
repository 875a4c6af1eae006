"""From outputs of infinitely wide networks to the labelled observables of a limit.

Several runs differ in what the limit does not fix: the order of the batches, or the points of a quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.finite.losses import LOSSES, accuracies, targets
from theorysim.meanfield.scatter import Deviations
from theorysim.observables import labelled
from theorysim.problem.training import Training

Array = NDArray[np.float64]
Values = dict[str, Array]
Outputs = tuple[Array, Array]
Measure = Callable[[Array, Array], Array]  # outputs (R, B, C), labels (B, C) -> (R,)


def curves(
    training: Training,
    runs: Outputs,
    deviations: Deviations | None,
    *,
    vary: bool,
    coarse: Outputs | None = None,
) -> Values:
    """Return X, X_std, X_error of losses, accuracies and predictions.

    Parameters
    ----------
    runs : two ndarrays, shapes (R, steps, P, C) and (R, steps, M, C)
        Training and test outputs of R runs.
    deviations : Deviations or None
        Of single networks from the limit, at the problem's width.
    vary : bool
        Whether networks vary as the runs do (random batches); otherwise runs differ by the error of the method, and
        their mean is the limit.
    coarse : two ndarrays, optional
        Outputs of a coarser solution: their difference counts as error.
    """
    values: Values = {}
    for side, f, y in zip(("train", "test"), runs, targets(training), strict=True):
        if len(y) == 0:
            continue
        own = None if deviations is None else np.moveaxis(getattr(deviations, side), 1, 0)
        values |= _side(training, side, f, y, own, vary)
    if coarse is not None:
        other = curves(training, coarse, deviations, vary=vary)
        for name in [name for name in values if f"{name}_error" in values]:
            values[f"{name}_error"] = np.hypot(values[f"{name}_error"], values[name] - other[name])
    return values


def _side(training: Training, side: str, runs: Array, y: Array, deviations: Array | None, vary: bool) -> Values:
    """Return the observables of one side; `deviations` has shape (D, steps, P, C)."""
    centres = runs if vary else runs.mean(axis=0, keepdims=True)
    spread = np.zeros((1, *runs.shape[1:])) if deviations is None else deviations
    loss = LOSSES[training.loss].values
    found = {f"{side}_loss": _measured(loss, runs, centres, spread, y)}
    if training.samples.classes_train is not None:
        of_all, scatter, error = _measured(accuracies, runs, centres, spread, y, single=True)
        found[f"{side}_accuracy"] = of_all, scatter, error
        if side == "test":
            mean = np.stack([accuracies(f[None], y)[0] for f in centres.mean(axis=0)])
            found["ensemble_accuracy"] = mean, np.zeros_like(mean), error
    found[f"{side}_prediction"] = centres.mean(axis=0), np.hypot(_std(centres), _std(spread)), _sem(runs)
    return {f"{name}{kind}": row for name, rows in found.items()
            for kind, row in zip(("", "_std", "_error"), rows, strict=True)}  # fmt: skip


def _measured(
    measure: Measure, runs: Array, centres: Array, spread: Array, y: Array, *, single: bool = False
) -> tuple[Array, Array, Array]:
    """Return mean, scatter and error of a measure of outputs, shape (steps,) each.

    The mean is that of the limits, or of single networks of the problem's width (accuracies: a limit that is still
    zero has no sign).
    """
    rows = []
    for k in range(runs.shape[1]):
        of_runs, of_centres = (measure(np.ascontiguousarray(f[:, k]), y) for f in (runs, centres))
        together = (centres[:, None, k] + spread[None, :, k]).reshape(-1, *runs.shape[2:])
        networks = measure(together, y)
        rows.append((float(np.mean(networks if single else of_centres)), _std(networks), _sem(of_runs)))
    mean, scatter, error = (np.array(column) for column in zip(*rows, strict=True))
    return mean, scatter, error


def _std(values: Array) -> Array:
    return np.asarray(values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:]))


def _sem(values: Array) -> Array:
    return np.asarray(_std(values) / np.sqrt(len(values)))


def answer(training: Training, values: Mapping[str, Array], attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return labelled observables."""
    return labelled(values, steps=np.asarray(training.recorded), time=np.asarray(training.clock), attrs=attrs)
