"""Equilibria of two-player games: all extreme ones by vertices, one of a large game by complementary pivoting.

    (x, y) is an equilibrium  <=>  each label is held by x in P = {x >= 0, B^T x <= 1} or by y in Q = {A y <= 1, y >= 0}
    label i of the row player: x_i = 0 or strategy i is a best reply to y; so for the column player
    maximal Nash subset = X x Y, X and Y the hulls of the two sides of a maximal complete bipartite part

Payoffs are positive here (any increasing affine map of A or of B keeps the equilibria). Equilibria are hulls of extreme
ones, so an extreme one that shares a vertex with another one is not alone: it lies in a continuum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.solvers.best_response_polytopes import Vertices, vertices

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class Extreme(NamedTuple):
    """All extreme equilibria of a game of m times n strategies.

    Attributes
    ----------
    row, column : ndarray, shapes (k, m) and (k, n)
        Mixed strategies.
    pairs : ndarray of int64, shape (k, 2)
        Which vertex each side is: equal numbers in a column, equal strategies.
    simple : bool
        True where both polytopes are simple: the game is nondegenerate.
    """

    row: Array
    column: Array
    pairs: Indices
    simple: bool


def extreme_equilibria(a: Array, b: Array) -> Extreme:
    """Return all extreme equilibria, ordered by the labels of their row strategies.

    Parameters
    ----------
    a, b : ndarray, shape (m, n)
        Finite payoffs of the row and of the column player.
    """
    m, n = a.shape
    p, q = vertices(np.ascontiguousarray(b.T)), vertices(a)
    turned = ((q.labels & ((1 << n) - 1)) << m) | (q.labels >> n)
    every = (1 << (m + n)) - 1
    if p.simple and q.simple:
        pairs = _partners(p.labels, turned, every)
        x, y = _polished(p, q, pairs, a, b)
        return Extreme(x, y, pairs, True)
    pairs = np.empty((0, 2), np.int64)
    count = _count(p.labels, turned, every, pairs)
    pairs = np.empty((count, 2), np.int64)
    _count(p.labels, turned, every, pairs)
    return Extreme(p.points[pairs[:, 0]], q.points[pairs[:, 1]], pairs, False)


def _partners(left: Indices, right: Indices, every: int) -> Indices:
    """Return the pairs of labels that complement each other, of simple polytopes."""
    order = np.argsort(right)
    place = np.minimum(np.searchsorted(right, every ^ left, sorter=order), len(right) - 1)
    chosen = np.flatnonzero(right[order[place]] == every ^ left)
    return np.stack([chosen, order[place[chosen]]], axis=1)


@compiled
def _count(left: Any, right: Any, every: int, pairs: Any) -> int:
    """Count the pairs that hold every label, and write the first of them."""
    count = 0
    for i in range(left.shape[0]):
        for j in range(right.shape[0]):
            if left[i] | right[j] == every:
                if count < pairs.shape[0]:
                    pairs[count, 0], pairs[count, 1] = i, j
                count += 1
    return count


def _polished(p: Vertices, q: Vertices, pairs: Indices, a: Array, b: Array) -> tuple[Array, Array]:
    """Return strategies that solve the equations of their supports anew: what pivots left behind is gone."""
    x, y = p.points[pairs[:, 0]], q.points[pairs[:, 1]]
    a_unit, b_unit = positive(a), positive(b)
    for one, two in zip(x, y, strict=True):
        rows, columns = np.flatnonzero(one), np.flatnonzero(two)
        part = np.ix_(rows, columns)
        one[rows] = indifferent(b_unit[part].T)
        two[columns] = indifferent(a_unit[part])
    return x, y


def indifferent(m: Array) -> Array:
    """Return the probabilities that give each row of M the same payoff."""
    found = np.linalg.solve(m, np.ones(len(m)))
    return np.asarray(found / found.sum())


def positive(a: Array) -> Array:
    """Return payoffs mapped to [1, 2]; a constant becomes 1."""
    unit = max(float(np.abs(a).max()), 1e-300)
    scaled = a / unit
    low, high = float(scaled.min()), float(scaled.max())
    return np.asarray(1.0 + (scaled - low) / (high - low)) if high > low else np.ones_like(a)


def components(pairs: Indices) -> Indices:
    """Return a number for the connected component of each equilibrium: two with a common strategy are connected."""
    label = np.arange(len(pairs))
    changed = True
    while changed:
        before = label.copy()
        for side in (0, 1):
            _, group = np.unique(pairs[:, side], return_inverse=True)
            least = np.full(int(group.max(initial=-1)) + 1, len(pairs))
            np.minimum.at(least, group, label)
            label = least[group]
        changed = bool(np.any(label != before))
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


def maximal_subsets(pairs: Indices, most: int) -> list[NDArray[np.bool_]]:
    """Return the maximal Nash subsets as masks of the equilibria, or the first `most` and one more.

    Each is X x Y with Y the strategies that go with all of X, and X with all of Y: the closed sets of neighbours.
    """
    neighbours = {i: frozenset(pairs[pairs[:, 0] == i, 1].tolist()) for i in np.unique(pairs[:, 0]).tolist()}
    closed: set[frozenset[int]] = set()
    for mine in neighbours.values():
        closed |= {mine} | {mine & other for other in closed if mine & other}
        if len(closed) > most:
            break
    masks = []
    for columns in sorted(closed, key=sorted):
        rows = [i for i, mine in neighbours.items() if columns <= mine]
        masks.append(np.isin(pairs[:, 0], rows) & np.isin(pairs[:, 1], list(columns)))
    return masks
