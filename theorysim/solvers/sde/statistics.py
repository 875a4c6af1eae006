"""Means, covariances, their standard errors and histograms of many paths, without the paths.

Each group of paths gives its own sums about its own mean; those are added to the total one group after the other, in
the order of the paths. So the bits do not depend on threads, on blocks, or on where a run was cut.

With d = x - mean: c11 = sum d_i d_j, c21 = sum d_i^2 d_j, c12 = sum d_i d_j^2, c22 = sum d_i^2 d_j^2. The variance of
the products d_i d_j gives the standard error of a covariance. Pairs (i, j) are all of i <= j, or i = j alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body, compiled
from theorysim.backend.linalg import single_thread

Array = NDArray[np.float64]


@body
def _about(n: float, c: Any, q: int, a: float, b: float) -> tuple[float, float, float, float, float, float]:
    """Return the sums of n paths about a mean that lies (a, b) below their own."""
    c11, c21, c12, c22, c20, c02 = c[0, q], c[1, q], c[2, q], c[3, q], c[4, q], c[5, q]
    return (
        c11 + n * a * b,
        c21 + b * c20 + 2.0 * a * c11 + n * a * a * b,
        c12 + a * c02 + 2.0 * b * c11 + n * a * b * b,
        c22 + 2.0 * (b * c21 + a * c12) + b * b * c20 + a * a * c02 + 4.0 * a * b * c11 + n * a * a * b * b,
        c20 + n * a * a,
        c02 + n * b * b,
    )


@compiled
def _absorb(count: Any, mean: Any, c: Any, more: float, means: Any, cs: Any, rows: Any, columns: Any) -> float:
    """Add groups of `more` paths each to a total, one after the other; return the new count.

    mean (k,) and c (6, pairs): c11, c21, c12, c22, c20, c02; of the groups with the number of the group in front.
    """
    for g in range(means.shape[0]):
        share, rest = more / (count + more), count / (count + more)
        for q in range(rows.size):
            a, b = means[g, rows[q]] - mean[rows[q]], means[g, columns[q]] - mean[columns[q]]
            old, new = _about(count, c, q, -share * a, -share * b), _about(more, cs[g], q, rest * a, rest * b)
            c[0, q], c[1, q], c[2, q] = old[0] + new[0], old[1] + new[1], old[2] + new[2]
            c[3, q], c[4, q], c[5, q] = old[3] + new[3], old[4] + new[4], old[5] + new[5]
        for i in range(mean.size):
            mean[i] += share * (means[g, i] - mean[i])
        count += more
    return float(count)


class Sums:
    """The sums of `components` numbers of each path at each of some times.

    Attributes
    ----------
    count : ndarray, shape (times,)
    mean : ndarray, shape (times, components)
    c : ndarray, shape (times, 6, pairs)
    bins : ndarray of int64, shape (times, components, bins + 2), or None
        Counts below, in and above the bins between `edges`.
    """

    def __init__(self, times: int, components: int, *, pairs: bool, edges: Array | None) -> None:
        self.rows, self.columns = np.triu_indices(components) if pairs else (np.arange(components),) * 2
        self.pairs = pairs
        self.count, self.mean = np.zeros(times), np.zeros((times, components))
        self.c, self.edges = np.zeros((times, 6, self.rows.size)), edges
        self.bins = None if edges is None else np.zeros((times, components, edges.size + 1), np.int64)

    def add(self, time: int, y: Array) -> None:
        """Add groups of paths, y of shape (groups, paths, components), at the time with this number."""
        means = y.mean(axis=1)
        with single_thread():
            products = self._products(y - means[:, None, :])
        self.count[time] = _absorb(
            self.count[time], self.mean[time], self.c[time], float(y.shape[1]), means, products, self.rows,
            self.columns,
        )  # fmt: skip
        if self.edges is not None and self.bins is not None:
            found = np.searchsorted(self.edges, y, side="right")
            for k in range(y.shape[2]):
                self.bins[time, k] += np.bincount(found[:, :, k].ravel(), minlength=self.edges.size + 1)

    def _products(self, d: Array) -> Array:
        """Return the sums of each group, shape (groups, 6, pairs)."""
        square = d * d
        diagonal = square.sum(axis=1)
        if self.rows.size == d.shape[2]:
            cube, fourth = (square * d).sum(axis=1), (square * square).sum(axis=1)
            return np.stack([diagonal, cube, cube, fourth, diagonal, diagonal], axis=1)
        c11, c21, c22 = (np.swapaxes(a, 1, 2) @ b for a, b in ((d, d), (square, d), (square, square)))
        i, j = self.rows, self.columns
        return np.stack(
            [c11[:, i, j], c21[:, i, j], c21[:, j, i], c22[:, i, j], diagonal[:, i], diagonal[:, j]], axis=1
        )

    def copy(self) -> Sums:
        """Return sums of their own."""
        new = Sums(0, 0, pairs=self.pairs, edges=self.edges)
        new.rows, new.columns = self.rows, self.columns
        new.count, new.mean, new.c = self.count.copy(), self.mean.copy(), self.c.copy()
        new.bins = None if self.bins is None else self.bins.copy()
        return new

    def joined(self, other: Sums) -> Sums:
        """Return the sums over the paths of both."""
        new = self.copy()
        for time in range(other.count.size):
            if other.count[time] > 0.0:
                new.count[time] = _absorb(
                    new.count[time], new.mean[time], new.c[time], other.count[time], other.mean[time, None],
                    other.c[time, None], self.rows, self.columns,
                )  # fmt: skip
        if new.bins is not None and other.bins is not None:
            new.bins += other.bins
        return new

    def later(self, other: Sums) -> Sums:
        """Return the sums at the times of this and then of the other."""
        new = self.copy()
        for name in ("count", "mean", "c", *(() if self.bins is None else ("bins",))):
            setattr(new, name, np.concatenate((getattr(self, name), getattr(other, name))))
        return new
