"""The variance of pre-activations from layer to layer: which fixed point a network reaches.

    q' = V(q) = sw^2 E phi(u)^2 + sb^2,  u ~ N(0, q)      chi_parallel = V'(q)      chi_perp = sw^2 E phi'(u)^2

Limit    Width -> infinity, then depth -> infinity.
Valid    Continuous activations; fixed points up to 1e12, beyond which q* counts as infinite.
Error    Rounding. Where V only touches the diagonal (half-stable points) it may miss it by 1e-12, relative.
Sources  [Poole2016] for V and chi_perp (chi_1 there); [Roberts2022] for chi_parallel and half-stable points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.errors import NotConverged
from theorysim.infinite.moments import moments
from theorysim.infinite.variance_points import FixedPoint, fixed_points
from theorysim.infinite.variance_table import Table, ceiling, table_of

Array = NDArray[np.float64]
Points = tuple[tuple[FixedPoint, ...], ...]

CRITICAL = 1e-10
"""How far a slope may be from 1 and still count as 1."""
_ITERATIONS = 300
_SETTLED = 1e-6


@dataclass(frozen=True, eq=False)
class Reached:
    """Where N networks end, arrays of shape (N,).

    Attributes
    ----------
    q : ndarray
        The fixed point reached from the first layer; infinite where the variance grows for ever.
    chi_perp, chi_parallel : ndarray
        There; for infinite q their limits.
    points : tuple of tuples of FixedPoint
        All fixed points of each network, increasing.
    """

    q: Array
    chi_perp: Array
    chi_parallel: Array
    points: Points


def reached(activation: Activation, weights: Array, biases: Array, first: Array) -> Reached:
    """Return the fixed points of networks, and which one each of them reaches.

    Parameters
    ----------
    activation : Activation
    weights, biases, first : ndarray, shape (N,)
        Weight and bias variances, and the variance in the first layer.

    Raises
    ------
    ProblemError
        If the activation jumps.
    NotConverged
        If the activation varies too fast to be resolved where the variance goes.
    """
    table = _table(activation, weights, biases, first)
    if table.homogeneous:
        return _homogeneous(float(table.means.slope[0]), weights, biases, first)
    points = fixed_points(activation, table, weights, biases)
    follow = _ordered if table.monotone else _iterated
    q = follow(activation, points, weights, biases, first)
    if np.isinf(q).any() and table.beyond == "unknown":
        raise NotConverged(f"variances of {activation.name}", 0, float(table.q[-1]), "a smaller weight_std")
    return Reached(q, *_slopes(activation, table, weights, q), points)


def _table(activation: Activation, weights: Array, biases: Array, first: Array) -> Table:
    bound = ceiling(activation)
    if not math.isfinite(bound):
        return table_of(activation)
    largest = max(float((weights * bound + biases).max()), float(first.max()), 1.0)
    return table_of(activation, 2.0 ** math.ceil(math.log2(largest)))


def _homogeneous(rate: float, weights: Array, biases: Array, first: Array) -> Reached:
    """phi(t u) = t phi(u): q' = chi q + sb^2, with one chi for both slopes."""
    chi = weights * rate
    neutral = (np.abs(chi - 1.0) <= CRITICAL) & (biases == 0.0)
    shrinks = (chi < 1.0 - CRITICAL) | (first == 0.0)
    q = np.where(neutral, first, np.where(shrinks, biases / np.where(shrinks, 1.0 - chi, 1.0), np.inf))
    kinds = np.where(neutral, "neutral", np.where(chi < 1.0 - CRITICAL, "stable", "unstable"))
    at = np.where(kinds == "unstable", np.where(biases == 0.0, 0.0, np.inf), q)
    points = tuple(
        (FixedPoint(float(a), str(kind)),) if math.isfinite(a) else () for a, kind in zip(at, kinds, strict=True)
    )
    return Reached(q, chi, chi.copy(), points)


def _ordered(activation: Activation, points: Points, weights: Array, biases: Array, first: Array) -> Array:
    """Return the next fixed point in the direction of the first step: an increasing map cannot jump over one."""
    change = weights * moments(activation, first).square + biases - first
    ends = []
    for found, step, start in zip(points, change, first, strict=True):
        q = [point.q for point in found]
        if abs(step) <= 1e-13 * start:
            ends.append(min((start, *q), key=lambda each: (abs(each - start), each == start)) if q else start)
        elif step > 0.0:
            ends.append(min((each for each in q if each > start), default=math.inf))
        else:
            ends.append(max((each for each in q if each < start), default=0.0))
    return np.array(ends)


def _iterated(activation: Activation, points: Points, weights: Array, biases: Array, first: Array) -> Array:
    """Return the fixed points that the maps settle at, layer by layer.

    d ln V/d ln q >= -1/2 for every activation (derivations/criticality.py): oscillations halve from layer to layer, so
    that what still moves after `_ITERATIONS` layers moves in one direction, slowly.
    """
    q, moving = first.copy(), np.arange(len(first))
    for _ in range(_ITERATIONS):
        square = moments(activation, q[moving]).square
        following = weights[moving] * square + biases[moving]
        step = np.abs(following - q[moving])
        q[moving] = following
        moving = moving[(step > _SETTLED * _SETTLED * following) & (following < 1e12)]
        if not len(moving):
            break
    ends = np.array([_nearest(each, found) for each, found in zip(q, points, strict=True)])
    if len(moving):
        slow = tuple(points[n] for n in moving)
        ends[moving] = _ordered(activation, slow, weights[moving], biases[moving], q[moving])
    return ends


def _nearest(q: float, points: tuple[FixedPoint, ...]) -> float:
    near = min((point.q for point in points), key=lambda each: abs(each - q), default=math.inf)
    return near if q < 1e12 and abs(near - q) <= _SETTLED * max(q, 1e-9) else math.inf


def _slopes(activation: Activation, table: Table, weights: Array, q: Array) -> tuple[Array, Array]:
    """Return chi_perp, chi_parallel at q; at infinite q their limits, infinite where phi grows faster than linearly."""
    finite = np.isfinite(q)
    at = moments(activation, np.where(finite, q, 0.0))
    far = np.inf if table.beyond == "faster" else float(table.means.growth[-1])  # of a linear tail, for both slopes
    return tuple(np.asarray(weights * np.where(finite, near, far)) for near in (at.slope, at.growth))  # type: ignore[return-value]
