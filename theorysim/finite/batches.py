"""Which samples each replica sees at each step.

    subset       each step an independent uniform set of B different samples
    replacement  each step B independent uniform samples
    epochs       a fresh permutation per epoch, cut in order; a short last batch is kept

The samples of replica r at step k depend on (seed, r, k) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import BATCHES, choices, permutation
from theorysim.errors import ProblemError

_TOGETHER, _NUMBERS = 64, 1 << 18  # steps drawn together, and the most numbers that are kept for them
Rows = NDArray[np.int64]
# step -> rows of the training set, shape (R, B), or (1, B) where all replicas share them
Order: TypeAlias = Callable[[int], Rows]


def fixed(batches: Sequence[NDArray[np.int64]], *, samples: int, steps: int) -> list[Rows]:
    """Return the given batches, checked, each of shape (1, B).

    Raises
    ------
    ProblemError
        If there are too few, or one is empty, not of whole numbers, or outside the training set.
    """
    if len(batches) < steps:
        raise ProblemError(f"batches: one index array for each of the {steps} steps, got {len(batches)}")
    return [_checked(np.asarray(batch), step, samples) for step, batch in enumerate(batches[:steps])]


def _checked(batch: NDArray[np.int64], step: int, samples: int) -> Rows:
    if batch.ndim != 1 or batch.size == 0 or not np.issubdtype(batch.dtype, np.integer):
        shape = f"{batch.dtype} of shape {batch.shape}"
        raise ProblemError(f"batches: each must be a non-empty 1-d array of whole numbers, got {shape} at step {step}")
    if batch.min() < 0 or batch.max() >= samples:
        raise ProblemError(
            f"batches: indices must be in 0..{samples - 1}, got {batch.min()}..{batch.max()} at step {step}"
        )
    return np.ascontiguousarray(batch, dtype=np.int64)[None]


def batch_order(sampling: str, batch: int, *, samples: int, replicas: Sequence[int], seed: int) -> Order:
    """Return the function that gives the rows of a step, shape (R, B), for the replicas with these numbers."""
    if sampling == "epochs":
        return Epochs(batch, samples, replicas, seed)
    return Independent(sampling == "replacement", batch, samples, replicas, seed)


class Independent:
    """Batches that are drawn anew at each step; keeps those of some steps, drawn together."""

    def __init__(self, replace: bool, batch: int, samples: int, replicas: Sequence[int], seed: int) -> None:
        self.replace, self.batch, self.samples, self.replicas, self.seed = replace, batch, samples, replicas, seed
        self.steps = max(1, min(_TOGETHER, _NUMBERS // max(1, batch * len(replicas))))
        self.part, self.drawn = -1, np.empty((0, 0, 0), np.int64)

    def __call__(self, step: int) -> Rows:
        """Return the rows of a step, shape (R, B)."""
        part, place = divmod(step, self.steps)
        if part != self.part:
            self.drawn = choices(self.samples, self.batch, seed=self.seed, streams=self.replicas, purpose=BATCHES,
                                 first=part * self.steps, steps=self.steps, replace=self.replace)  # fmt: skip
            self.part = part
        return np.asarray(self.drawn[place])


class Epochs:
    """Batches cut from one permutation per epoch; keeps the permutations of the current epoch."""

    def __init__(self, batch: int, samples: int, replicas: Sequence[int], seed: int) -> None:
        self.batch, self.samples, self.replicas, self.seed = batch, samples, replicas, seed
        self.per_epoch = -(-samples // batch)
        self.epoch, self.orders = -1, np.empty((0, 0), np.int64)

    def __call__(self, step: int) -> Rows:
        """Return the rows of a step, shape (R, B); the last batch of an epoch may be shorter."""
        epoch, part = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            draws = [
                permutation(self.samples, seed=self.seed, stream=r, purpose=BATCHES, step=epoch) for r in self.replicas
            ]
            self.epoch, self.orders = epoch, np.stack(draws)
        return np.ascontiguousarray(self.orders[:, part * self.batch : (part + 1) * self.batch])
