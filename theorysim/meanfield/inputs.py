"""Inputs in coordinates of the span of the training inputs, in which the input kernel is a product.

    K0(x, x') = x . x'/d = e_x . e_x',     e_x = V^T x/sqrt d,     V an orthonormal basis of the span

A first layer has as many coordinates as the training inputs have dimensions, however many inputs or samples there
are. What a test input has beyond the span meets weights that no gradient reaches: one more Gaussian number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.problem.training import Training

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Training and test inputs in the span of the training inputs.

    Attributes
    ----------
    train, test : ndarray, shapes (P, r) and (M, r)
        Coordinates e_x.
    beyond : ndarray, shape (M,)
        Length of what a test input has outside the span, in the units of the coordinates.
    """

    train: Array
    test: Array
    beyond: Array

    @property
    def rank(self) -> int:
        """Dimensions of the span, r."""
        return int(self.train.shape[1])


def inputs_of(training: Training) -> Inputs:
    """Return the inputs of a run in coordinates of their span."""
    samples = training.samples
    scale = 1.0 / np.sqrt(samples.x_train.shape[1])
    train, test = scale * samples.x_train, scale * samples.x_test
    with single_thread():
        _, sizes, basis = np.linalg.svd(train, full_matrices=False)
        kept = basis[sizes > sizes[0] * max(train.shape) * np.finfo(float).eps]
        inside = test @ kept.T
        outside = np.linalg.norm(test - inside @ kept, axis=1)
        return Inputs(train @ kept.T, inside, np.where(outside > 1e-12 * np.linalg.norm(test, axis=1), outside, 0.0))


def joint_inputs_of(training: Training) -> Inputs:
    """Return the inputs of a run in coordinates of the span of training and test inputs together."""
    samples = training.samples
    both = np.concatenate([samples.x_train, samples.x_test]) / np.sqrt(samples.x_train.shape[1])
    with single_thread():
        _, sizes, basis = np.linalg.svd(both, full_matrices=False)
        coordinates = both @ basis[sizes > sizes[0] * max(both.shape) * np.finfo(float).eps].T
    count = len(samples.x_train)
    return Inputs(coordinates[:count], coordinates[count:], np.zeros(len(samples.x_test)))
