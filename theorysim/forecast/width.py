"""What a network of the user's width does, from a limit (1/N = 0) and twins: mean, scatter and error of a curve.

Mean      interpolated in 1/N in the logarithm of a loss (logit of an accuracy), see `interpolate`. For `mup`
          split by source: the curve with f_0 subtracted in log loss, and the effect of f_0, an initial variance
          proportional to 1/(gamma0^2 n): D(N) = D(n) n/N to leading order.
Scatter   of one run: relative variance V + v/N, with V the limit's (scatter of f_0 and of batches).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theorysim.forecast.interpolate import PROVED, Estimate, Laws, Point, interpolated
from theorysim.forecast.twins import Twin, controlled_mean

Array = np.ndarray[Any, np.dtype[np.float64]]

ROUNDING = 1e-5
"""Relative error that every curve is given at least."""


@dataclass(frozen=True, eq=False)
class Known:
    """The limit's answer for one observable, shape (steps,) each.

    `of_width` says that `std` holds what a theory found for networks of the width asked for.
    """

    value: Array
    std: Array
    error: Array
    of_width: bool = False


@dataclass(frozen=True, eq=False)
class Curve:
    """The forecast of one observable, shape (steps,) each; `sampling` and `width` are parts of `error`."""

    value: Array
    std: Array
    error: Array
    sampling: Array
    width: Array


@dataclass(frozen=True)
class Log:
    """Losses: positive, interpolated in the logarithm."""

    def forward(self, x: Array) -> Array:
        return np.log(np.maximum(x, 1e-300))

    def backward(self, y: Array) -> Array:
        return np.exp(y)

    def slope(self, x: Array) -> Array:
        """Return d forward / dx."""
        return 1.0 / np.maximum(x, 1e-300)


@dataclass(frozen=True)
class Logit:
    """Accuracies, kept half a sample away from 0 and 1."""

    samples: int

    def _inside(self, x: Array) -> Array:
        return np.clip(x, 0.5 / self.samples, 1.0 - 0.5 / self.samples)

    def forward(self, x: Array) -> Array:
        p = self._inside(x)
        return np.log(p / (1.0 - p))

    def backward(self, y: Array) -> Array:
        return 1.0 / (1.0 + np.exp(-y))

    def slope(self, x: Array) -> Array:
        """Return d forward / dx."""
        p = self._inside(x)
        return 1.0 / (p * (1.0 - p))


Scale = Log | Logit


@dataclass(frozen=True)
class Target:
    """The network asked for.

    Attributes
    ----------
    width : int
    reach : float
        Width at which all powers of 1/N matter alike.
    vanishing : bool
        Whether its scatter vanishes as 1/N.
    laws : tuple of (powers, weight)
        Laws in 1/N that its curves may follow.
    """

    width: int
    reach: float
    vanishing: bool
    laws: Laws = PROVED

    def estimate(self, points: list[Point]) -> Estimate:
        """Return a curve at this width from curves at others."""
        return interpolated(points, at=1.0 / self.width, reach=self.reach, laws=self.laws)


def carried(name: str, limit: Known | None, twins: Sequence[Twin], target: Target, scale: Scale) -> Curve:
    """Return the forecast of one observable at the width of `target`.

    Parameters
    ----------
    name : str
        Observable; the twins hold it.
    limit : Known or None
        The point at 1/N = 0.
    twins : sequence of Twin
        None only beside a limit.
    """
    split = isinstance(scale, Log) and bool(twins) and all(twin.subtracted is not None for twin in twins)
    mean = _split_mean(name, twins, target) if split else _mean(name, limit, twins, target, scale)
    value = scale.backward(mean.value)
    back = 1.0 / scale.slope(value)
    known = _limit_variance(limit, scale)
    own = limit is not None and limit.of_width
    variance = known if own else scattered(*_variances(name, twins, scale), limit=known, target=target)
    assert variance is not None
    return Curve(value, np.sqrt(variance) * back, mean.error * back, mean.sampling * back, mean.width * back)


def _point(inverse_width: float, mean: Array, error: Array, scale: Scale) -> Point:
    return Point(inverse_width, scale.forward(mean), np.hypot(error * scale.slope(mean), ROUNDING))


def _mean(name: str, limit: Known | None, twins: Sequence[Twin], target: Target, scale: Scale) -> Estimate:
    points = [] if limit is None else [_point(0.0, limit.value, limit.error, scale)]
    for twin in twins:
        mean, error = controlled_mean(twin.curves[name], twin.controls.get(name), twin.draws)
        points.append(_point(1.0 / twin.width, mean, error, scale))
    return target.estimate(points)


def _split_mean(name: str, twins: Sequence[Twin], target: Target) -> Estimate:
    """Return the log loss as the subtracted curve plus the effect of f_0, each by its own law."""
    still, effects = [], []
    for twin in twins:
        assert twin.subtracted is not None
        base = twin.subtracted[name]
        still.append(_point(1.0 / twin.width, *controlled_mean(base, None), Log()))
        effects.append((twin.width, *controlled_mean(twin.curves[name] - base, None)))
    rest = target.estimate(still)
    size = np.max([np.abs(n * d) + n * e for n, d, e in effects], axis=0) + 1e-300
    points = [Point(1.0 / n, n * d / size, np.hypot(n * e / size, ROUNDING)) for n, d, e in effects]
    effect = target.estimate(points)
    # share of f_0 in the loss; a negative one acts as a factor so that the loss stays positive
    share = effect.value * size / target.width / np.exp(rest.value)
    lifted = np.where(share > 0, np.log1p(np.maximum(share, 0.0)), np.minimum(share, 0.0))
    scale = size / target.width / np.exp(rest.value) / (1.0 + np.maximum(share, 0.0))
    keep = 1.0 / (1.0 + np.maximum(share, 0.0))
    parts = [np.hypot(keep * a, scale * b) for a, b in
             ((rest.error, effect.error), (rest.sampling, effect.sampling), (rest.width, effect.width))]  # fmt: skip
    return Estimate(rest.value + lifted, *parts)


def _variances(name: str, twins: Sequence[Twin], scale: Scale) -> tuple[Array, Array, Array]:
    """Return widths, replicas and variance of one run in the scale, shapes (twins,), (twins,), (twins, steps)."""
    rows = [(t.curves[name].std(axis=1, ddof=1) * scale.slope(t.curves[name].mean(axis=1))) ** 2 for t in twins]
    return np.array([float(t.width) for t in twins]), np.array([float(t.replicas) for t in twins]), np.array(rows)


def _limit_variance(limit: Known | None, scale: Scale) -> Array | None:
    if limit is None:
        return None
    variance: Array = (limit.std * scale.slope(limit.value)) ** 2
    return variance


def scattered(widths: Array, replicas: Array, variances: Array, *, limit: Array | None, target: Target) -> Array:
    """Return the variance of one run at the target width from that of twins: V + v/N.

    Parameters
    ----------
    widths, replicas : ndarray, shape (twins,)
    variances : ndarray, shape (twins, steps)
        Variance between twins, relative to the squared mean.
    limit : ndarray, shape (steps,), optional
        V, where a theory knows it. Otherwise V is zero if the scatter vanishes, or else fitted: one share of V
        for all steps, averaged over what the twins allow.
    """
    if limit is not None and not len(widths):
        return limit
    x, at = 1.0 / widths, 1.0 / target.width
    weight = (replicas - 1)[:, None] / (variances**2 + 1e-300)
    if limit is not None:
        slope = np.sum(weight * x[:, None] * (variances - limit), axis=0) / np.sum(weight * x[:, None] ** 2, axis=0)
        total: Array = np.maximum(limit + slope * at, 0.5 * limit)
        return total
    shares = np.array([0.0]) if target.vanishing else np.linspace(0.0, 1.0, 21)
    laws = shares[:, None] + (1.0 - shares[:, None]) * x / at
    levels = np.einsum("ts,at,t->as", variances, 1.0 / laws, (replicas - 1) / np.sum(replicas - 1))
    misfit = np.log((variances[None] + 1e-300) / (levels[:, None] * laws[:, :, None] + 1e-300))
    # the steps of a curve are correlated: count them as a few independent ones
    score = -0.25 * np.einsum("t,ats->a", replicas - 1, misfit**2) * min(4.0, misfit.shape[2]) / misfit.shape[2]
    chance = np.exp(score - score.max())
    out: Array = np.einsum("a,as->s", chance / chance.sum(), levels)
    return out
