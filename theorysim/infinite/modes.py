"""Kernels of one training run in the eigenbasis of the tangent kernel on the training samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import eigh, single_thread

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Modes:
    """A kernel learner: tangent kernel Theta, prior kernel Sigma of f(0), train (X) and test (x) samples.

    Attributes
    ----------
    eigenvalues : ndarray, shape (P,)
        w, eigenvalues of Theta_XX, descending, >= 0.
    vectors : ndarray, shape (P, P)
        U, eigenvectors as columns.
    cross : ndarray, shape (P, M)
        U^T Theta_Xx.
    prior : ndarray, shape (P, P)
        U^T Sigma_XX U.
    prior_cross : ndarray, shape (P, M)
        U^T Sigma_Xx.
    prior_test : ndarray, shape (M, M)
        Sigma_xx.
    """

    eigenvalues: Array
    vectors: Array
    cross: Array
    prior: Array
    prior_cross: Array
    prior_test: Array

    @property
    def samples(self) -> int:
        """Number P of training samples."""
        return len(self.eigenvalues)

    @cached_property
    def overlap(self) -> Array:
        """Sum over test samples of products of two modes, (P, P): cross cross^T."""
        with single_thread():
            return np.asarray(self.cross @ self.cross.T)

    def turned(self, a: Array) -> Array:
        """Return U^T a of shape (P, C) in the precision of U."""
        with single_thread():
            return np.asarray(self.vectors.T @ a.astype(self.vectors.dtype, copy=False))

    def rounded(self) -> Modes:
        """Return the same learner with matrices in single precision: eigenvalues keep theirs."""
        rest = (self.vectors, self.cross, self.prior, self.prior_cross, self.prior_test)
        return Modes(self.eigenvalues, *(np.asarray(each, np.float32) for each in rest))  # type: ignore[arg-type]

    def without_prior(self) -> Modes:
        """Return the same learner with f(0) subtracted: f starts at zero everywhere."""
        zero = np.zeros_like
        return Modes(self.eigenvalues, self.vectors, self.cross,
                     zero(self.prior), zero(self.prior_cross), zero(self.prior_test))  # fmt: skip


def modes_of(theta: Array, nngp: Array, train: int) -> Modes:
    """Diagonalise a kernel learner.

    Parameters
    ----------
    theta, nngp : ndarray, shape (P + M, P + M)
        Tangent kernel and prior covariance on training samples (first) and test samples.
    train : int
        P.
    """
    with single_thread():
        values, vectors = eigh(theta[:train, :train])
        values, vectors = np.maximum(values[::-1], 0.0), np.ascontiguousarray(vectors[:, ::-1])
        turned = vectors.T
        return Modes(
            eigenvalues=values,
            vectors=vectors,
            cross=turned @ theta[:train, train:],
            prior=turned @ nngp[:train, :train] @ vectors,
            prior_cross=turned @ nngp[:train, train:],
            prior_test=np.ascontiguousarray(nngp[train:, train:]),
        )
