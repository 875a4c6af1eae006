"""Where V(q) = sw^2 E phi(u)^2 + sb^2 meets the diagonal: all fixed points, crossing or only touching.

The table of the activation gives V on a grid. Between two points of the grid V can cross the diagonal once and show a
change of sign, or dip to it and back: such dips are looked for at the zeros of V' - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.infinite.moments import moments
from theorysim.infinite.variance_table import Table
from theorysim.solvers.brackets import bracketed_roots

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

TOUCH = 1e-12
"""How far V may stay from the diagonal, relative to q, and still touch it."""
_NOISE = 1e-13


@dataclass(frozen=True)
class FixedPoint:
    """A variance that a layer leaves as it is.

    Attributes
    ----------
    q : float
    stability : str
        "stable", "unstable", "half-stable" (attracts from one side), or "neutral" (all variances are fixed).
    """

    q: float
    stability: str


def fixed_points(
    activation: Activation, table: Table, weights: Array, biases: Array
) -> tuple[tuple[FixedPoint, ...], ...]:
    """Return the fixed points of N networks with weight and bias variances, each increasing in q."""
    excess = _excess(table.means.square, table.q, weights[:, None], biases[:, None])
    dips, where = _dips(activation, table, excess, weights, biases)
    below = [_lowest(table, h, w, b) for h, w, b in zip(excess, weights, biases, strict=True)]
    owner, low, high, kind = [], [], [], []
    for n, h in enumerate(excess):
        q = table.q
        if n in dips:
            rows = dips[n]
            order = np.argsort(np.concatenate((q, where[0][rows])), kind="stable")
            q, h = (np.concatenate(both)[order] for both in ((q, where[0][rows]), (h, where[1][rows])))
            below[n] += [FixedPoint(float(where[0][r]), "half-stable") for r in rows if abs(where[1][r]) <= TOUCH]
        sign = np.where(np.abs(h) > _NOISE, np.sign(h), 0.0)
        at = np.flatnonzero(sign)
        for k in np.flatnonzero(np.diff(sign[at])):
            owner.append(n)
            low.append(q[at[k]])
            high.append(q[at[k + 1]])
            kind.append("stable" if sign[at[k]] > 0.0 else "unstable")
    roots = _crossings(activation, weights, biases, np.array(owner, dtype=int), np.array(low), np.array(high))
    for n, root, name in zip(owner, roots, kind, strict=True):
        below[n].append(FixedPoint(float(root), name))
    return tuple(tuple(sorted(found, key=lambda point: point.q)) for found in below)


def _excess(square: Array, q: Array, weights: Array, biases: Array) -> Array:
    """Return V(q)/q - 1."""
    return np.asarray((weights * square + biases) / q - 1.0)


def _lowest(table: Table, excess: Array, weight: float, bias: float) -> list[FixedPoint]:
    """Return the fixed point at 0 or below the table, if there is one."""
    seen = excess[np.abs(excess) > _NOISE]
    shrinks = bool(len(seen)) and seen[0] < 0.0
    origin = weight * table.start + bias  # V(0)
    if origin == 0.0:
        return [FixedPoint(0.0, "stable" if shrinks else "unstable")]
    if shrinks and table.q[0] > origin:
        return [FixedPoint(origin / (1.0 - weight * table.start_slope), "stable")]
    return []


def _dips(
    activation: Activation, table: Table, excess: Array, weights: Array, biases: Array
) -> tuple[dict[int, list[int]], tuple[Array, Array]]:
    """Return, of the networks where V may dip to the diagonal unseen, the points of the dips.

    A dip: V - q has a minimum between two points of the grid where it is positive, or a maximum where it is negative.

    Returns
    -------
    rows : dict
        Network -> indices of its dips.
    (q, excess) : arrays
        Of all dips.
    """
    bend = np.sign(weights[:, None] * table.means.growth - 1.0)
    above = excess > -_NOISE
    below = excess < _NOISE
    minimum = (bend[:, :-1] < 0) & (bend[:, 1:] >= 0) & above[:, :-1] & above[:, 1:]
    maximum = (bend[:, :-1] > 0) & (bend[:, 1:] <= 0) & below[:, :-1] & below[:, 1:]
    # Where V is the diagonal up to rounding there is nothing to look for.
    real = np.maximum(np.abs(excess[:, :-1]), np.abs(excess[:, 1:])) > 10.0 * _NOISE
    owner, at = np.nonzero((minimum | maximum) & real)

    def slope(q: Array, rows: Rows) -> Array:
        return np.asarray(weights[owner[rows]] * moments(activation, q).growth - 1.0)

    q = bracketed_roots(slope, table.q[at], table.q[at + 1]) if len(owner) else np.empty(0)
    h = _excess(moments(activation, q).square, q, weights[owner], biases[owner]) if len(q) else np.empty(0)
    h = np.where(np.abs(h) <= TOUCH, 0.0, h)
    rows: dict[int, list[int]] = {}
    for r, n in enumerate(owner):
        rows.setdefault(int(n), []).append(r)
    return rows, (q, h)


def _crossings(activation: Activation, weights: Array, biases: Array, owner: Rows, low: Array, high: Array) -> Array:
    def excess(q: Array, rows: Rows) -> Array:
        n = owner[rows]
        return _excess(moments(activation, q).square, q, weights[n], biases[n])

    return bracketed_roots(excess, low, high) if len(owner) else np.empty(0)
