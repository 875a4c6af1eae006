"""Objectives whose stochastic gradients are linear in the parameters: their second moments close.

f(x) = x.Hx/2 - b.x + c,   gradient of one sample = H x - b + xi(x),   Cov xi linear in E (x, 1)(x, 1)^T
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.equations.descent import replacement_noise, subset_noise
from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD, Adam

Array = NDArray[np.float64]
LARGEST_DIMENSION, LARGEST_NUMBERS = 300, 1 << 26


@dataclass(frozen=True, eq=False)
class Objective:
    """A quadratic mean loss with stochastic gradients; made by `quadratic` and `least_squares`.

    Attributes
    ----------
    hessian : ndarray, shape (d, d)
        H, symmetric positive semidefinite.
    slope : ndarray, shape (d,)
        b.
    constant : float
        c.
    covariance : ndarray, shape (d, d)
        Covariance of one sample's gradient that does not depend on x.
    multiplicative : float
        s_m^2: one sample's gradient also holds s_m xi x with a standard normal xi.
    samples : ndarray, shape (n, d + 1), or None
        Rows (a_i, -y_i) of least squares; their covariance is that of the sum over rows.
    """

    hessian: Array
    slope: Array
    constant: float
    covariance: Array
    multiplicative: float = 0.0
    samples: Array | None = None

    @property
    def dimension(self) -> int:
        """Number of parameters d."""
        return len(self.slope)

    @property
    def gradient(self) -> Array:
        """(H, -b), shape (d, d + 1): the mean gradient of (x, 1)."""
        return np.column_stack([self.hessian, -self.slope])

    @property
    def minimum(self) -> float:
        """Smallest value of the mean loss."""
        return float(self.constant - 0.5 * self.slope @ np.linalg.lstsq(self.hessian, self.slope, rcond=None)[0])

    def noise(self, moment: Array) -> Array:
        """Return the covariance of one sample's gradient, shape (d, d), where E (x, 1)(x, 1)^T is `moment`."""
        inner = moment[:-1, :-1]
        total: Array = self.covariance * moment[-1, -1] + self.multiplicative * inner
        if self.samples is not None:
            rows = self.samples[:, :-1]
            squares = np.einsum("ni,ij,nj->n", self.samples, moment, self.samples) / len(rows)
            total = total + (rows * squares[:, None]).T @ rows - self.gradient @ moment @ self.gradient.T
        return total

    def loss(self, moment: Array) -> float:
        """Return E f where E (x, 1)(x, 1)^T is `moment`."""
        inner = np.sum(self.hessian * moment[:-1, :-1])
        return float(0.5 * inner - self.slope @ moment[:-1, -1] + self.constant * moment[-1, -1])

    def strength(self, optimizer: SGD | Adam) -> float:
        """Return the covariance of a batch's gradient over that of one sample's."""
        if optimizer.batch is None:
            return 0.0
        if self.samples is None or optimizer.sampling == "replacement":
            return replacement_noise(optimizer.batch)
        if optimizer.batch > len(self.samples):
            raise ProblemError(f"sde: `batch` must be at most {len(self.samples)}, got {optimizer.batch}")
        if optimizer.sampling == "epochs":
            raise ProblemError('sde: `sampling` must be "subset" or "replacement" (batches of an epoch are correlated)')
        return subset_noise(len(self.samples), optimizer.batch)


def quadratic(
    hessian: ArrayLike, *, covariance: ArrayLike = 0.0, multiplicative: float = 0.0, slope: ArrayLike | None = None
) -> Objective:
    """Return f = x.Hx/2 - b.x with Gaussian gradient noise.

    Parameters
    ----------
    hessian : array_like, scalar or shape (d, d)
    covariance : array_like, scalar (times the unit matrix) or shape (d, d)
        Of one sample's gradient; a batch of B divides it by B.
    multiplicative : float
        s_m^2 of an additional noise s_m xi x.
    slope : array_like, shape (d,), optional
        b.

    Raises
    ------
    ProblemError
        If a matrix is not symmetric positive semidefinite, or the shapes do not fit.
    """
    h = _matrix("hessian", hessian, None)
    size = len(h)
    if not np.isfinite(multiplicative) or multiplicative < 0:
        raise ProblemError(f"sde: `multiplicative` must be finite and at least 0, got {multiplicative}")
    b = np.zeros(size) if slope is None else np.asarray(slope, float)
    if b.shape != (size,) or not np.all(np.isfinite(b)):
        raise ProblemError(f"sde: `slope` must hold {size} finite numbers, got shape {b.shape}")
    return Objective(h, b, 0.0, _matrix("covariance", covariance, size), float(multiplicative))


def least_squares(x: ArrayLike, y: ArrayLike) -> Objective:
    """Return f = (1/2n) sum_i (a_i.x - y_i)^2 over the rows a_i of `x`.

    Parameters
    ----------
    x : array_like, shape (n, d)
    y : array_like, shape (n,)
    """
    a, target = np.asarray(x, float), np.asarray(y, float)
    if a.ndim != 2 or a.size == 0 or target.shape != (len(a),):
        raise ProblemError(f"sde: `x` and `y` must have shapes (n, d) and (n,), got {a.shape} and {target.shape}")
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(target))):
        raise ProblemError("sde: `x` and `y` must be finite, got NaN or infinity")
    if a.shape[1] > LARGEST_DIMENSION or a.size > LARGEST_NUMBERS:
        raise ProblemError(
            f"sde: `x` must have at most {LARGEST_DIMENSION} columns for exact moments, got {a.shape[1]}"
        )
    n = len(a)
    none = np.zeros((a.shape[1], a.shape[1]))
    samples = np.column_stack([a, -target])
    return Objective(a.T @ a / n, a.T @ target / n, float(target @ target) / (2 * n), none, 0.0, samples)


def _matrix(name: str, value: ArrayLike, size: int | None) -> Array:
    """Return a symmetric positive semidefinite matrix; a number is that multiple of the unit matrix."""
    array = np.asarray(value, float)
    if array.ndim == 0:
        array = float(array) * np.eye(size or 1)
    wanted = (size, size) if size else (len(array), len(array)) if array.ndim else (1, 1)
    if array.shape != wanted or not 1 <= len(array) <= LARGEST_DIMENSION:
        raise ProblemError(f"sde: `{name}` must be a number or a square matrix that fits, got shape {array.shape}")
    if not np.all(np.isfinite(array)) or np.abs(array - array.T).max() > 1e-12 * np.abs(array).max():
        raise ProblemError(f"sde: `{name}` must be finite and symmetric")
    if np.linalg.eigvalsh(array)[0] < -1e-12 * np.abs(array).max():
        raise ProblemError(f"sde: `{name}` must be positive semidefinite, got an eigenvalue below 0")
    return array
