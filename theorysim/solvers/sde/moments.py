"""What the sums of an ensemble say: means, covariances, standard errors, histograms, quantiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.solvers.sde.statistics import Sums

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics of k numbers of each path: the components of the state, or the observables.

    Attributes
    ----------
    parts : tuple of (float, Sums)
        Weights and what they weigh: one ensemble with the weight 1, or the two of an extrapolation. A mean is the
        weighted sum of theirs, a variance that of theirs (it may be negative where its error is large); the standard
        errors add as those of independent ensembles.
    """

    parts: tuple[tuple[float, Sums], ...]

    @property
    def mean(self) -> Array:
        """Mean over paths, shape (time, k)."""
        return self._sum(lambda s: s.mean)

    @property
    def variance(self) -> Array:
        """Unbiased variance over paths, shape (time, k)."""
        return self._sum(_variance)

    @property
    def standard_error(self) -> Array:
        """One standard error of the mean, shape (time, k)."""
        return np.sqrt(self._squares(lambda s: _variance(s) / s.count[:, None]))

    @property
    def variance_error(self) -> Array:
        """One standard error of the variance, shape (time, k), from the fourth moments of the paths."""
        return np.sqrt(self._squares(lambda s: _spread(s)[:, s.rows == s.columns]))

    @property
    def covariance(self) -> Array:
        """Unbiased covariance over paths, shape (time, k, k)."""
        return self._sum(lambda s: _matrix(s, s.c[:, 0] / (s.count[:, None] - 1.0)))

    @property
    def covariance_error(self) -> Array:
        """One standard error of each element of the covariance, shape (time, k, k)."""
        return np.sqrt(self._squares(lambda s: _matrix(s, _spread(s))))

    @property
    def histogram(self) -> NDArray[np.int64]:
        """Paths in each bin, shape (time, k, bins)."""
        return self._bins()[:, :, 1:-1]

    def quantile(self, q: float) -> Array:
        """Return the quantile, shape (time, k), to one bin: linear between the edges of its bin.

        Raises
        ------
        ProblemError
            Without a histogram, and where the quantile lies outside its edges.
        """
        if not 0.0 < q < 1.0:
            raise ProblemError(f"quantile: `q` must be in (0, 1), got {q}")
        bins = self._bins()
        edges = np.asarray(self.parts[0][1].edges)
        total = np.cumsum(bins, axis=2)
        rank = q * total[:, :, -1:]
        place = np.argmax(total >= rank, axis=2)
        if (place == 0).any() or (place == edges.size).any():
            raise ProblemError(
                f"quantile: `histogram` must cover the quantile {q}, got edges {edges[0]} to {edges[-1]}"
            )
        below, above = (np.take_along_axis(total, (place - shift)[:, :, None], 2) for shift in (1, 0))
        share = ((rank - below) / (above - below))[:, :, 0]
        return np.asarray(edges[place - 1] + share * (edges[place] - edges[place - 1]))

    def _bins(self) -> NDArray[np.int64]:
        if len(self.parts) > 1:
            raise ProblemError("ensemble: `histogram` must come from one ensemble, got the two of an extrapolation")
        if self.parts[0][1].bins is None:
            raise ProblemError("ensemble: `histogram` must be given to `integrate` as the edges of its bins, got none")
        return self.parts[0][1].bins

    def _sum(self, value: Callable[[Sums], Array]) -> Array:
        return np.asarray(sum(weight * value(_enough(sums)) for weight, sums in self.parts))

    def _squares(self, value: Callable[[Sums], Array]) -> Array:
        return np.asarray(sum(weight * weight * value(_enough(sums)) for weight, sums in self.parts))


def _enough(sums: Sums) -> Sums:
    if (sums.count < 2.0).any():
        raise ProblemError(
            "ensemble: `count` must be at least 2 in each of its runs, interrupted before; use `extended`"
        )
    return sums


def _variance(sums: Sums) -> Array:
    values: Array = sums.c[:, 0][:, sums.rows == sums.columns] / (sums.count[:, None] - 1.0)
    return values


def _spread(sums: Sums) -> Array:
    """Return the squared standard errors of the covariances of all pairs: the scatter of the products d_i d_j."""
    n, c = sums.count[:, None], sums.c
    values: Array = np.maximum(c[:, 3] / n - (c[:, 0] / n) ** 2, 0.0) / n
    return values


def _matrix(sums: Sums, values: Array) -> Array:
    if not sums.pairs:
        raise ProblemError('ensemble: `statistics` must contain "covariance" for a covariance, got "mean"')
    k = sums.mean.shape[1]
    out = np.empty((len(values), k, k))
    out[:, sums.rows, sums.columns] = out[:, sums.columns, sums.rows] = values
    return out
