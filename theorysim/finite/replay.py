"""Replay of somebody else's run, step by step: their initial weights, their batches, our update."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.finite.training import Batches, train
from theorysim.problem import Training


def replay(
    training: Training,
    initial: Mapping[str, NDArray[np.float64]] | str | Path,
    batches: Batches | None = None,
) -> xr.Dataset:
    """Train one network from given initial parameters.

    Parameters
    ----------
    training : Training
        The run restated in our words (conventions, section 7); `record` chooses the steps to compare.
    initial : mapping or path of an npz file
        Effective parameters: W1 of shape (n_1, d), b1 of shape (n_1,), W2, ... as in PyTorch's Linear.
        Files are loaded without pickle.
    batches : list of ndarray, optional
        Row indices of each step.

    Returns
    -------
    xarray.Dataset
        As from `train`, with one replica.

    Raises
    ------
    ProblemError
        If shapes do not fit the network, or the batches the data.
    """
    return train(training, replicas=1, initial=initial, batches=batches, threads=1)
