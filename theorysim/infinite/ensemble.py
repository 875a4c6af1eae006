"""Mean and covariance of the outputs of infinitely wide networks while they train on the squared loss.

    f_x(k) = f_x(0) + cross^T h(k) U^T (y - f_X(0)),     f(0) ~ GP(0, Sigma)

so the outputs stay Gaussian; batch noise adds a covariance of its own (`infinite.batch_noise`).
Sources  [Jacot2018]; [Lee2019, section 2.2]; filters: derivations/descent.py; losses: derivations/gaussian.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import half_product, single_thread, turned_diagonal
from theorysim.infinite.filters import Filter
from theorysim.infinite.modes import Modes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Law of the outputs at one step: independent outputs with one covariance, in an orthonormal basis.

    Attributes
    ----------
    bias : ndarray, shape (n, outputs)
        Mean minus target, in the basis.
    covariance : ndarray, shape (n, n)
        Covariance of each output, in the basis.
    mean : ndarray, shape (samples, outputs)
        Mean output of each sample.
    std : ndarray, shape (samples,)
        Standard deviation of each output of a sample.
    noise : float
        What batches add to the trace of the covariance.
    """

    bias: Array
    covariance: Array
    mean: Array
    std: Array
    noise: float = 0.0


def loss_moments(law: Gaussian) -> tuple[float, float]:
    """Return mean and standard deviation of half the mean squared error under a Gaussian law.

    mean = (|b|^2 + C tr S)/2n,  variance = (2 C tr S^2 + 4 sum_c b_c^T S b_c)/4n^2,  n = samples * outputs,
    b = mean - target.  Proof: derivations/gaussian.py.
    """
    outputs, size = law.bias.shape[1], law.mean.size
    mean = (np.sum(law.bias**2) + outputs * np.trace(law.covariance, dtype=float)) / (2 * size)
    with single_thread():
        cross = np.sum(law.bias * (law.covariance @ law.bias))
    spread = 2 * outputs * np.sum(law.covariance**2) + 4 * cross
    return float(mean), float(np.sqrt(max(spread, 0.0))) / (2 * size)


def train_law(
    modes: Modes, left: Array, target: Array, noise: Array | None = None, moment: Array | None = None
) -> Gaussian:
    """Return the law of the outputs on the training samples at one step, in the basis of the modes.

    Parameters
    ----------
    modes : Modes
    left : ndarray, shape (P,)
        (f - y)/(f(0) - y) of each mode.
    target : ndarray, shape (P, C)
    noise : ndarray, shape (K, K), optional
        Covariance of the dual coordinates of the K leading modes that batches add; where it is in single precision,
        products with it are.
    moment : ndarray, shape (P,), optional
        E (f - y)^2 of each sample, mean over outputs, where it is known: the spread then costs no products.
    """
    bias = -left[:, None] * modes.turned(target)
    inside = _scaled(modes.prior.astype(modes.prior.dtype if noise is None else noise.dtype), left)
    added = 0.0
    if noise is not None:
        batches = _scaled(noise.copy(), modes.eigenvalues[: len(noise)])
        inside[: len(noise), : len(noise)] += batches
        added = float(np.trace(batches, dtype=float))
    vectors = modes.vectors.astype(inside.dtype, copy=False)
    with single_thread():
        mean = target + modes.vectors @ bias.astype(modes.vectors.dtype, copy=False)
        if moment is not None:
            variance = moment - np.mean((mean - target) ** 2, axis=1)
            return Gaussian(bias, inside, mean, np.sqrt(np.maximum(variance, 0.0)), added)
        variance = turned_diagonal(vectors, inside)
    return Gaussian(bias, inside, mean, np.sqrt(np.maximum(variance, 0.0).astype(float)), added)


def _scaled(matrix: Array, scale: Array) -> Array:
    """Return diag(scale) matrix diag(scale), in place."""
    own = scale.astype(matrix.dtype)
    matrix *= own[:, None]
    matrix *= own
    return matrix


def test_law(modes: Modes, moved: Array, target: Array, test_target: Array, noise: Array | None = None) -> Gaussian:
    """Return the law of the outputs on the test samples at one step.

    Parameters
    ----------
    modes : Modes
    moved : ndarray, shape (P,)
        Filter h of each mode.
    target, test_target : ndarray, shape (P, C) and (M, C)
    noise : ndarray, shape (K, K), optional
        As in `train_law`.
    """
    reach, added = reached(moved, modes), 0.0
    with single_thread():
        mean = (reach.T @ modes.turned(target)).astype(float)
        inside = _scaled(modes.prior.copy(), moved)
        if noise is not None:
            inside[: len(noise), : len(noise)] += noise
            added = float(np.sum(noise * modes.overlap[: len(noise), : len(noise)], dtype=float))
        half = modes.cross.T @ (
            half_product(inside, modes.cross) - moved.astype(inside.dtype)[:, None] * modes.prior_cross
        )
        covariance = modes.prior_test + half + half.T
    variance = np.maximum(np.diagonal(covariance), 0.0)
    return Gaussian(mean - test_target, covariance, mean, np.sqrt(variance), added)


def reached(moved: Array, modes: Modes) -> Array:
    """Return what each mode moves each test sample by, in the precision of the modes, shape (P, M)."""
    return np.asarray(moved.astype(modes.cross.dtype)[:, None] * modes.cross)


def paths(
    modes: Modes, response: Filter, residual: Array, target: Array, start: Array, start_test: Array
) -> Iterator[tuple[Array, Array]]:
    """Yield outputs of single networks with given initial outputs, on training and test samples.

    Parameters
    ----------
    modes : Modes
    response : Filter
    residual : ndarray, shape (steps, P)
    target : ndarray, shape (P, C)
    start, start_test : ndarray, shape (P, C, R) and (M, C, R)
        Initial outputs of R networks.
    """
    samples, outputs, count = start.shape
    with single_thread():
        away = (target[:, :, None] - start).reshape(samples, -1).astype(modes.vectors.dtype, copy=False)
        distance = modes.vectors.T @ away
    for left, h in zip(residual.astype(distance.dtype, copy=False), response.moved, strict=True):
        with single_thread():
            train = target[:, :, None] - (modes.vectors @ (left[:, None] * distance)).reshape(start.shape)
            step = reached(h, modes).T @ distance
        yield train, start_test + step.reshape(start_test.shape[0], outputs, count)
