"""Gaussian processes whose covariance is a product of sampled features: low-rank, grown row by row.

    u(a) ~ GP(0, <f_a f_b>),   u(a) = sum_k <d_k f_a> e_k,   <d_j d_k> = 1[j = k],   e_k independent normal vectors

over features f_a that become known one after another; < > is the mean over samples. The directions d_k come from a
pivoted Cholesky factorisation that rejects what is nearly known already, so that their number saturates while more
and more features arrive. Normals are drawn orthogonal to each other (and to whatever else a caller names): the
empirical covariance is then exact, which removes most of the sampling error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.random import counters, normals_of_blocks

Array = NDArray[np.float64]
MOST_TAKEN = 0.9
"""Share of the dimensions of a span that may be taken up: fresh vectors need the rest."""
_NEGLIGIBLE = 1e-4  # share of the squared length outside a span below which a vector counts as inside


class NoRoom(Exception):
    """More vectors must be told apart than so many samples can."""


class Rows:
    """Vectors over samples, appended at the end; the array behind them doubles when it is full."""

    def __init__(self, samples: int, room: int = 32) -> None:
        self._array, self.count = np.empty((room, samples)), 0

    @property
    def values(self) -> Array:
        """The vectors, shape (count, samples): a view."""
        return self._array[: self.count]

    def append(self, rows: Array) -> None:
        """Append vectors, shape (n, samples)."""
        total = self.count + len(rows)
        if total > len(self._array):
            grown = np.empty((max(total, 2 * len(self._array)), self._array.shape[1]))
            grown[: self.count] = self.values
            self._array = grown
        self._array[self.count : total] = rows
        self.count = total


class Span:
    """An orthonormal set of vectors over samples, in the inner product <a b>."""

    def __init__(self, samples: int) -> None:
        self.samples, self.rows = samples, Rows(samples)

    @property
    def dimension(self) -> int:
        """Number of vectors."""
        return self.rows.count

    def outside(self, rows: Array) -> Array:
        """Return what vectors have outside the span."""
        basis = self.rows.values
        return np.asarray(rows - (rows @ basis.T / self.samples) @ basis)

    def include(self, rows: Array) -> None:
        """Extend the span so that it holds vectors of length one, but for a negligible part."""
        rest = self.outside(rows)
        pivots, factor = pivoted_cholesky(rest @ rest.T / self.samples, np.full(len(rest), _NEGLIGIBLE))
        if len(pivots):  # rounding errors of 1e-16 grow to 1e-14 at most: no second pass is needed
            self.rows.append(solved(factor[pivots], rest[pivots]))

    def fresh(self, draws: Array) -> Array:
        """Return orthonormal vectors outside the span, made of standard normal ones, and include them.

        Raises
        ------
        NoRoom
            If too little is outside.
        """
        if self.dimension + len(draws) > MOST_TAKEN * self.samples:
            raise NoRoom
        rest = self.outside(draws)
        gram: Array = rest @ rest.T / self.samples
        found = solved(np.asarray(np.linalg.cholesky(gram), np.float64), rest)
        self.rows.append(found)
        return found


def directions(features: Array, known: Array, coefficients: Array, tolerance: float) -> tuple[Array, Array]:
    """Return the new directions of features, and the coefficients of all features on them.

    Parameters
    ----------
    features : ndarray, shape (n, samples)
    known : ndarray, shape (k, samples)
        Orthonormal directions.
    coefficients : ndarray, shape (n, k)
        <known features>.
    tolerance : float
        A feature whose variance outside the directions is below this share of the whole gives no new one.

    Returns
    -------
    new : ndarray, shape (m, samples)
    added : ndarray, shape (n, m)

    Raises
    ------
    FloatingPointError
        If a feature is not finite.
    """
    samples = features.shape[1]
    gram = features @ features.T / samples
    if not np.isfinite(gram).all():
        raise FloatingPointError("features are not finite")
    rest = gram - coefficients @ coefficients.T
    pivots, factor = pivoted_cholesky(rest, tolerance * np.diagonal(gram))
    new = features[pivots] - coefficients[pivots] @ known
    return solved(factor[pivots], new), factor


def solved(triangle: Array, rows: Array) -> Array:
    """Return triangle^-1 rows for a lower triangular matrix."""
    out: Array = scipy.linalg.solve_triangular(triangle, rows, lower=True, check_finite=False)
    return out


def pivoted_cholesky(matrix: Array, threshold: Array) -> tuple[NDArray[np.int64], Array]:
    """Return pivots and a factor F with ``F @ F.T`` close to a positive semidefinite matrix.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
    threshold : ndarray, shape (n,)
        The largest remaining diagonal entry, relative to its threshold, is the next pivot; none is below 1.

    Returns
    -------
    pivots : ndarray of int, shape (m,)
    factor : ndarray, shape (n, m)
        Lower triangular in the order of the pivots.
    """
    n = len(matrix)
    pivots, factor = np.empty(n, np.int64), np.zeros((n, n))
    rank = int(_pivoted(np.ascontiguousarray(matrix), np.ascontiguousarray(threshold), pivots, factor))
    return pivots[:rank], factor[:, :rank]


@compiled
def _pivoted(matrix: Any, threshold: Any, pivots: Any, factor: Any) -> int:
    n: int = matrix.shape[0]
    rest = np.empty(n)
    for i in range(n):
        rest[i] = matrix[i, i]
    for m in range(n):
        best, largest = -1, 1.0
        for i in range(n):
            if rest[i] > largest * threshold[i] and rest[i] > 0.0:
                best, largest = i, rest[i] / (threshold[i] + 1e-300)
        if best < 0:
            return m
        root = np.sqrt(rest[best])
        for i in range(n):
            total = matrix[i, best]
            for q in range(m):
                total -= factor[i, q] * factor[best, q]
            factor[i, m] = total / root
        for q in range(m):
            factor[pivots[q], m] = 0.0
        factor[best, m] = root
        for i in range(n):
            rest[i] -= factor[i, m] * factor[i, m]
        for q in range(m):
            rest[pivots[q]] = 0.0
        rest[best] = 0.0
        pivots[m] = best
    return n


def standard_normals(shape: tuple[int, int], *, seed: int, stream: int, purpose: int, first: int) -> Array:
    """Return independent standard normals, shape (n, samples); row j is a function of seed, stream, purpose, first + j.

    On one thread: callers work on several streams at once.
    """
    out = np.empty(shape)
    for j, row in enumerate(out):
        normals_of_blocks(row, 0, *counters(seed, stream, first + j, purpose))
    return out
