"""Full covariance of the outputs of infinitely wide networks while they train on the squared loss.

Each output has the same covariance, and different outputs are independent. On the test samples it is that of
`ensemble.test_law`; on the training samples U r (prior) r U^T with the residual r of every mode, and what batches add.

Error    rounding; with batches, modes that carry `batch_noise.NEGLECTED` of the noise are left out: small next to its
         trace, not next to its smallest directions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.infinite.batch_noise import noise_covariances
from theorysim.infinite.curves import Noisy, Run
from theorysim.infinite.ensemble import test_law, train_law
from theorysim.infinite.filters import filter_of
from theorysim.infinite.modes import Modes
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]


def train_covariances(modes: Modes, run: Run) -> Iterator[Array]:
    """Yield the covariance between training samples, shape (P, P), at each recorded step of a Gaussian run."""
    response = filter_of(run.optimizer, modes.eigenvalues, run.kappa, run.recorded, run.total)
    residual = response.residual(modes.eigenvalues, run.optimizer.ridge)
    for left, (noise, _) in zip(residual, _noises(modes, run), strict=True):
        inside = train_law(modes, left, run.target, noise).covariance
        with single_thread():
            yield modes.vectors @ inside @ modes.vectors.T


def test_covariances(modes: Modes, run: Run) -> Iterator[Array]:
    """Yield the covariance between test samples, shape (M, M), at each recorded step of a Gaussian run."""
    response = filter_of(run.optimizer, modes.eigenvalues, run.kappa, run.recorded, run.total)
    for moved, (noise, _) in zip(response.moved, _noises(modes, run), strict=True):
        yield test_law(modes, moved, run.target, run.test_target, noise).covariance


def _noises(modes: Modes, run: Run) -> Iterator[Noisy]:
    if not run.batched:
        yield from [(None, None)] * len(run.recorded)
        return
    assert isinstance(run.optimizer, SGD)
    steps = np.asarray(run.recorded, np.int64)
    yield from noise_covariances(modes, run.optimizer, run.kappa, run.target, steps, run.total)
