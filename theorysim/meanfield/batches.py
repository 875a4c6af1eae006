"""The batches that an infinitely wide network sees: those of the finite networks with the same seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.batches import Order, batch_order, fixed
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training

Array = NDArray[np.float64]
Given = Sequence[NDArray[np.int64]] | None


def order_of(training: Training, *, seed: int, stream: int, batches: Given = None) -> Order | None:
    """Return the function that gives the rows of a step, shape (1, B); None for full batches.

    Parameters
    ----------
    seed, stream : int
        The batches are those of the finite network number `stream` of this seed.
    batches : list of ndarray, optional
        Row indices of each step in place of drawn ones.
    """
    optimizer, samples = training.optimizer, len(training.samples.x_train)
    if batches is not None:
        return fixed(batches, samples=samples, steps=training.steps or 0).__getitem__
    if not isinstance(optimizer, SGD) or optimizer.batch is None:
        return None
    return batch_order(optimizer.sampling, optimizer.batch, samples=samples, replicas=[stream], seed=seed)


def sample_weights(order: Order | None, steps: int, samples: int) -> Array:
    """Return what multiplies the error of each sample at each step, shape (steps, P): P/B on a batch, 0 elsewhere.

    A sample that is drawn twice counts twice.
    """
    if order is None:
        return np.ones((steps, samples))
    rows = np.zeros((steps, samples))
    for step in range(steps):
        batch = order(step)[0]
        np.add.at(rows[step], batch, samples / len(batch))
    return rows


def random_batches(training: Training, batches: Given) -> bool:
    """Return whether the batches of this run are drawn."""
    return batches is None and getattr(training.optimizer, "batch", None) is not None
