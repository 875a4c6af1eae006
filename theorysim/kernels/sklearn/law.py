"""The Gaussian law of outputs after training, sample by sample: what the estimators compute.

    mean  = K_x (K + delta)^-1 y
    cov   = Sigma_xx' + K_x A S A K_x' - K_x A S_Xx' - (..)^T,     A = (K + delta)^-1

"ensemble"   K = Theta and Sigma, S = the covariance of the initial outputs: networks trained to the end.
"posterior"  K = Sigma is a covariance itself, observed with noise of variance delta: S = K + delta on the training
             samples, and cov = K_xx' - K_x A K_x'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from theorysim.backend import random
from theorysim.backend.linalg import eigh, single_thread
from theorysim.errors import ProblemError
from theorysim.kernels.sklearn.covariance import NetworkKernel, NNGPKernel, NTKKernel
from theorysim.problem.validation import is_real, one_of, shown

Array = NDArray[np.float64]
Law = Literal["posterior", "ensemble"]
LAWS = ("posterior", "ensemble")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained Gaussian law.

    Attributes
    ----------
    kernel, initial : Kernel
        K, and the covariance of the initial outputs (K itself for a posterior).
    x : ndarray, shape (P, d)
    vectors : ndarray, shape (P, P)
        Eigenvectors of K on the training samples.
    filter : ndarray, shape (P,)
        1/(w + delta) of every mode; 0 where w + delta vanishes: such a mode never moves.
    prior : ndarray, shape (P, P)
        S of the training samples, in the eigenvectors.
    wanted : ndarray, shape (P, C)
        Targets, in the eigenvectors.
    """

    kernel: Any
    initial: Any
    x: Array
    vectors: Array
    filter: Array
    prior: Array
    wanted: Array

    def mean(self, x: Array) -> Array:
        """Return the mean outputs, shape (M, C)."""
        with single_thread():
            return np.asarray(self.kernel(x, self.x) @ (self.vectors @ (self.filter[:, None] * self.wanted)))

    def std(self, x: Array) -> Array:
        """Return the standard deviation of every output, shape (M,)."""
        reach, across = self._reach(x)
        with single_thread():
            change = np.sum(reach * (self.prior @ reach - 2.0 * across), axis=0)
        return np.sqrt(np.maximum(self.initial.diag(x) + change, 0.0))  # type: ignore[no-any-return]

    def covariance(self, x: Array) -> Array:
        """Return the covariance of every output, shape (M, M)."""
        reach, across = self._reach(x)
        with single_thread():
            half = reach.T @ (0.5 * (self.prior @ reach) - across)
        return np.asarray(self.initial(x) + half + half.T)

    def draws(self, x: Array, count: int, seed: int) -> Array:
        """Return outputs of `count` networks, shape (M, C, count)."""
        mean, (values, vectors) = self.mean(x), eigh(self.covariance(x))
        normals = random.normals((len(x), mean.shape[1] * count), seed=seed, stream=0, purpose=random.FUNCTION_SPACE)
        with single_thread():
            scatter = (vectors * np.sqrt(np.maximum(values, 0.0))) @ normals
        return mean[:, :, None] + scatter.reshape(len(x), mean.shape[1], count)

    def _reach(self, x: Array) -> tuple[Array, Array]:
        with single_thread():
            cross = self.vectors.T @ self.kernel(self.x, x)
            across = cross if self.initial is self.kernel else self.vectors.T @ self.initial(self.x, x)
        return self.filter[:, None] * cross, across


def fitted(kernel: Any, law: Law, ridge: float, x: Array, y: Array) -> Fitted:
    """Return the law after training on inputs (P, d) and targets (P, C)."""
    if law not in LAWS:
        raise ProblemError(f"estimator: `law` {one_of(law, LAWS)}")
    values, vectors = eigh(kernel(x))
    total = values + checked_ridge(ridge)
    moves = total > len(x) * np.finfo(float).eps * max(float(values[-1]), 0.0)
    response = np.divide(1.0, total, out=np.zeros_like(total), where=moves)
    initial, prior = kernel, np.diag(np.where(moves, total, 0.0))
    if law == "ensemble":
        initial = _initial(kernel)
        with single_thread():
            prior = vectors.T @ initial(x) @ vectors
    with single_thread():
        wanted = vectors.T @ y
    return Fitted(kernel, initial, x, vectors, response, prior, wanted)


def checked_ridge(ridge: float) -> float:
    """Return a ridge, refused unless it is a finite number of at least 0."""
    if isinstance(ridge, np.generic):
        ridge = ridge.item()
    if not is_real(ridge) or ridge < 0.0:
        raise ProblemError(f"estimator: `ridge` must be finite and at least 0, got {shown(ridge)}")
    return float(ridge)


def chosen(kernel: Any, default: type[NetworkKernel]) -> Any:
    """Return a kernel of one's own to fit with: a copy of the given one, or the default."""
    return default() if kernel is None else clone(kernel)


def _initial(kernel: Any) -> Any:
    if isinstance(kernel, NTKKernel):
        return kernel.initial()
    if isinstance(kernel, NNGPKernel):
        return kernel
    raise ProblemError(
        'estimator: `kernel` must be NTKKernel or NNGPKernel for law = "ensemble" (other kernels have no networks), '
        f"got {type(kernel).__name__}"
    )
