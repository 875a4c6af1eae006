"""The correlation of two inputs from layer to layer, where their variances have settled at q*.

    c' = [sw^2 T(c) + sb^2]/q*,  T(c) = E phi(u) phi(v) = sum_k a_k^2 c^k,  a_k = E phi(sqrt(q*) z) h_k(z)

All coefficients are positive: c = 1 is a fixed point of slope chi_1 = T'(1) sw^2/q*, the stable one if chi_1 <= 1; else
there is exactly one other in [0, 1). With delta = 1 - c the trivial root divides out, and nothing cancels near it:

    (sw^2/q*) sum_k a_k^2 s_k(delta) = 1,   s_k = (1 - c^k)/(1 - c) = 1 + c + .. + c^(k-1)

Error    Cutting at K terms: the rest of the sum lies between R s_K and R s_(D/R) (s_k is concave in k), R and D the
         rests of sum a_k^2 and sum k a_k^2, known from E phi^2 and E phi'^2. Rounding for analytic activations.
Sources  [Poole2016] for c* and chi; [Schoenholz2017] for the correlation lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.infinite.moments import hermite_coefficients, moments
from theorysim.solvers.brackets import bracketed_roots

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

_STAGES = (64, 256, 1024)
_WANTED = 1e-11
_SMALLEST_GAP = 1e-14


@dataclass(frozen=True, eq=False)
class Parted:
    """The chaotic fixed point, arrays of shape (N,).

    Attributes
    ----------
    gap : ndarray
        1 - c*, in (0, 1].
    slope : ndarray
        chi_c* = sw^2 E phi'(u) phi'(v) at c*.
    error : ndarray
        Bound on the error of both from cutting the series.
    """

    gap: Array
    slope: Array
    error: Array


@dataclass(frozen=True, eq=False)
class _Series:
    """Times sw^2/q: a_k^2 for 1 <= k < K, shape (K - 1, N), and the rests R and D, shape (N,)."""

    terms: Array
    rest: Array
    slope_rest: Array

    @property
    def k(self) -> Array:
        return np.arange(1.0, len(self.terms) + 1.0)


def parted(activation: Activation, weights: Array, q: Array) -> Parted:
    """Return the stable correlation below 1 of chaotic networks (chi_1 > 1).

    Parameters
    ----------
    activation : Activation
    weights, q : ndarray, shape (N,)
        Weight variances and fixed points of the variance, positive and finite.
    """
    gap, slope, error = np.empty(len(q)), np.empty(len(q)), np.full(len(q), np.inf)
    for terms in _STAGES:
        rows = np.flatnonzero(error > _WANTED)
        if not len(rows):
            break
        series = _series(activation, weights[rows], q[rows], terms)
        gap[rows] = bracketed_roots(
            lambda delta, at, series=series: _sums(_part(series, at), delta)[0] - 1.0,  # type: ignore[misc]
            np.full(len(rows), _SMALLEST_GAP),
            np.ones(len(rows)),
        )
        slope[rows], error[rows] = _slope(series, gap[rows])
    return Parted(gap, slope, error)


def _series(activation: Activation, weights: Array, q: Array, terms: int) -> _Series:
    a = hermite_coefficients(activation, q, terms)[1:]
    mean = hermite_coefficients(activation, q, 1)[0]
    means, scale = moments(activation, q), weights / q
    squares, k = a * a, np.arange(1.0, terms)[:, None]
    rest = means.square - mean**2 - squares.sum(axis=0)
    slope_rest = means.slope * q - (k * squares).sum(axis=0)
    empty = rest <= 4e-15 * means.square  # rounding
    rest, slope_rest = np.where(empty, 0.0, rest), np.where(empty, 0.0, np.maximum(slope_rest, terms * rest))
    return _Series(scale * squares, scale * rest, scale * slope_rest)


def _part(series: _Series, rows: Rows) -> _Series:
    return _Series(series.terms[:, rows], series.rest[rows], series.slope_rest[rows])


def carried(activation: Activation, weight: float, q: float, following: float, gap: float) -> tuple[float, float]:
    """Return the gap 1 - c after a layer that takes both variances from q to `following`, and its error."""
    for terms in _STAGES:
        series = _one(activation, weight, q, terms)
        total, error = (gap * q / following * float(part[0]) for part in _sums(series, np.array([gap])))
        if error <= _WANTED * total:
            break
    return total, error


@lru_cache(maxsize=64)  # of the same layer for any correlation, and of all layers once the variance has settled
def _one(activation: Activation, weight: float, q: float, terms: int) -> _Series:
    return _series(activation, np.array([weight]), np.array([q]), terms)


def _geometric(k: Array, delta: Array) -> Array:
    """Return (1 - (1 - delta)^k)/delta without cancellation, 0 < delta <= 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = k * np.log1p(-delta)
    return np.asarray(-np.expm1(power) / delta)


def _sums(series: _Series, delta: Array) -> tuple[Array, Array]:
    """Return sum_k a_k^2 s_k and half the width of its bounds, 0 < delta <= 2."""
    near, k, next_k = np.minimum(delta, 1.0), series.k[:, None], len(series.terms) + 1.0
    c = 1.0 - delta
    shares = np.where(delta <= 1.0, _geometric(k, near), (1.0 - np.minimum(c, 0.0) ** k) / delta)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(series.rest > 0.0, series.slope_rest / series.rest, 1.0)
    tail = np.abs(c) ** next_k
    low = np.where(delta <= 1.0, _geometric(np.full(len(delta), next_k), near), (1.0 - tail) / delta)
    high = np.where(delta <= 1.0, _geometric(mean, near), (1.0 + tail) / delta)
    below = (series.terms * shares).sum(axis=0)
    return below + 0.5 * series.rest * (low + high), 0.5 * series.rest * np.maximum(high - low, 0.0)


def _slope(series: _Series, delta: Array) -> tuple[Array, Array]:
    """Return chi_c* = sum_k k a_k^2 c^(k-1), and the larger of its error and that of delta."""
    c, k = 1.0 - delta, series.k[:, None]
    powers = c ** (k - 1.0)
    slope = (k * series.terms * powers).sum(axis=0)
    rest = 0.5 * series.slope_rest * c ** float(len(series.terms))
    uncertain = _sums(series, delta)[1]
    # d/d(delta) of the sum is (chi_c* - sum)/delta, and the sum is 1
    moved = uncertain * delta / np.maximum(np.abs(1.0 - slope - rest), 1e-300)
    return slope + rest, np.maximum(rest, moved)
