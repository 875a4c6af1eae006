"""Scatter between networks of a given width: that of narrow twins, carried over by its leading power width^-1/2."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.training import run
from theorysim.meanfield.batches import Given, order_of
from theorysim.meanfield.flow import stiffness
from theorysim.meanfield.flow_grid import descended
from theorysim.problem.optimizer import GradientFlow
from theorysim.problem.training import Training

Array = NDArray[np.float64]
WIDTHS, TWINS = (64, 256, 1024), 16
"""Widths of twins, the first that trains without diverging is taken, and their number."""
FLOW_STEP = 0.2
"""Steps of twins that stand for gradient flow, over the inverse of the largest rate."""


@dataclass(frozen=True, eq=False)
class Deviations:
    """Outputs of single networks minus their mean, at the width of the problem, to leading order in 1/width.

    Attributes
    ----------
    train, test : ndarray, shapes (steps, R, P, C) and (steps, R, M, C)
    """

    train: Array
    test: Array


_KEPT: OrderedDict[tuple[Training, int], Deviations] = OrderedDict()
_MOST_KEPT = 4


def twin_deviations(training: Training, *, seed: int, batches: Given) -> Deviations | None:
    """Return how single networks scatter over initialisations at fixed batches; None where gamma0 = 0.

    gamma0 = 0 means infinite width first, where nothing scatters.
    """
    if training.network.gamma0 == 0.0:
        return None
    if batches is not None:
        return _trained(training, seed, batches)
    key = (training, seed)
    if key not in _KEPT:
        _KEPT[key] = _trained(training, seed, None)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return _KEPT[key]


def _trained(training: Training, seed: int, batches: Given) -> Deviations:
    order = order_of(training, seed=seed, stream=0, batches=batches)
    shared = None if order is None else [order(step)[0] for step in range(training.steps or 0)]
    own = training.network.widths[-1]
    for width in (*(width for width in WIDTHS if width < own), min(own, WIDTHS[-1])):
        try:
            record = run(_steps_of(training.at_width(width)), replicas=TWINS, seed=seed, batches=shared)
        except FloatingPointError as failure:
            last = failure
            continue
        scale = np.sqrt(width / own)
        return Deviations(*(scale * (f - f.mean(axis=1, keepdims=True)) for f in (record.train, record.test)))
    raise last


def _steps_of(twin: Training) -> Training:
    """Return a run by steps: gradient flow becomes GD well below its largest stable step.

    The scatter is wanted to ten percent, and an adaptive flow is slow where activations have kinks.
    """
    if not isinstance(twin.optimizer, GradientFlow):
        return twin
    return descended(twin, FLOW_STEP / (stiffness(twin) + twin.optimizer.weight_decay))
