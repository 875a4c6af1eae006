"""From the outputs of replicas to the labelled observables of a run."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.finite.block import Record
from theorysim.finite.losses import LOSSES, accuracies, targets
from theorysim.observables import attributes, labelled
from theorysim.problem import Training
from theorysim.problem.provenance import provenance

Array = NDArray[np.float64]


def dataset(training: Training, record: Record, *, seed: int) -> xr.Dataset:
    """Return losses, accuracies and predictions of a run, with the dimension ``replica``."""
    samples = training.samples
    values: dict[str, Array] = {}
    for name, f, y in zip(("train", "test"), (record.train, record.test), targets(training), strict=True):
        if len(y) == 0:  # a run without test samples has no test observables
            continue
        values[f"{name}_loss"] = np.stack([LOSSES[training.loss].values(one, y) for one in f])
        if samples.classes_train is not None:
            values[f"{name}_accuracy"] = np.stack([accuracies(one, y) for one in f])
        values[f"{name}_prediction"] = np.ascontiguousarray(np.moveaxis(f, 1, -1))
    result = labelled(
        values,
        steps=np.asarray(training.recorded),
        time=np.asarray(training.clock),
        attrs=provenance(training, theory="finite", seed=seed),
        replicas=np.arange(record.train.shape[1]),
    )
    if samples.classes_train is not None and len(samples.y_test):
        # One number a step: the accuracy of the mean over replicas, not a mean of accuracies.
        shares = accuracies(record.test.mean(axis=1), samples.y_test)
        result["ensemble_accuracy"] = ("step", shares, attributes("ensemble_accuracy"))
    return result
