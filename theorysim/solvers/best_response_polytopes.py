"""Vertices of the polytopes of best responses, all of them: {x >= 0, M x <= 1} for a positive matrix M.

    dictionary   s = (rhs - T x)/d, x nonbasic, s basic; from the slack basis
    pivot        T_ik <- (T_ik p - T_ij T_rk)/d,  T_ij <- -T_ij,  T_rj <- d,  d <- p = T_rj     (division without rest)
    neighbours   breadth first: each nonbasic variable enters, the ratio test says which one leaves

Ties of the ratio test are broken lexicographically by the columns of the slacks, which is an infinitesimal shift of the
right-hand sides: the shifted polytope is simple, its graph is connected, and each vertex of the given polytope is the
limit of at least one of its vertices. So the walk meets them all, degenerate or not.

The same text runs on doubles, on 64-bit integers and on Python's integers. Doubles are trusted where every vertex met
is clearly simple (no basic variable, no pivot near zero); everything else is decided by integers, exactly, because a
double is a binary fraction. Breadth first keeps the number of pivots behind a vertex small, hence the rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from operator import floordiv
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body, compiled

Array = NDArray[np.float64]
F = TypeVar("F", bound=Callable[..., Any])

MOST_VERTICES = 25_000
_NEAR_ZERO = 1e-9
"""Basic variables of doubles below it (payoffs are between 1 and 2) leave the decision to integers."""
_SMALL_PIVOT = 1e-7
_WORD = 1 << 30
"""Entries up to it: two products of two of them fit into 64 bits."""
_BIT_LIMIT = 62


class Vertices(NamedTuple):
    """Vertices without the one at 0.

    Attributes
    ----------
    labels : ndarray of int64, shape (vertices,)
        Bit k: x_k = 0. Bit d + i: inequality i is tight.
    points : ndarray, shape (vertices, d)
        Normalised to sum 1.
    simple : bool
        True where each vertex has exactly d labels.
    """

    labels: NDArray[np.int64]
    points: Array
    simple: bool


def most_vertices(dimension: int, inequalities: int) -> int:
    """Return the largest number of vertices of a polytope (McMullen's upper bound, attained by cyclic polytopes)."""
    facets = dimension + inequalities
    return sum(math.comb(facets - (dimension + k) // 2, inequalities) for k in (1, 2))


@body
def _rounded(a: Any, b: Any) -> Any:
    return a / b


@body
def _whole(a: Any, b: Any) -> Any:
    return a // b


def interpreted(function: F) -> F:
    """Leave a function as it is, where others are compiled: Python's numbers have no 64 bits."""
    return function


@cache
def _walk(divide: Callable[[Any, Any], Any], decorate: Callable[[Any], Any]) -> Any:
    """Return the walk over all bases, around a division."""

    @decorate
    def earlier(t: Any, d: Any, i: int, r: int, j: int, column_of: Any, row_of: Any) -> bool:
        """Return whether row i leaves before row r when column j enters: least (rhs, slack columns)/entry."""
        width = t.shape[1] - 1
        left, right = t[i, width] * t[r, j], t[r, width] * t[i, j]
        if left != right:
            return bool(left < right)
        for s in range(column_of.shape[0]):
            k = column_of[s]
            if k >= 0:
                left, right = t[i, k] * t[r, j], t[r, k] * t[i, j]
            else:
                left = d * t[r, j] if row_of[s] == i else 0 * d
                right = d * t[i, j] if row_of[s] == r else 0 * d
            if left != right:
                return bool(left < right)
        return i < r

    @decorate
    def pivoted(t: Any, d: Any, r: int, j: int, out: Any, limit: Any) -> bool:
        """Write the dictionary after a pivot; False where an entry exceeds the limit."""
        p = t[r, j]
        fine = True
        for i in range(t.shape[0]):
            for k in range(t.shape[1]):
                if i == r:
                    value = d if k == j else t[r, k]
                elif k == j:
                    value = -t[i, j]
                else:
                    value = divide(t[i, k] * p - t[i, j] * t[r, k], d)
                out[i, k] = value
                fine = fine and abs(value) <= limit
        return fine

    @decorate
    def leaving(t: Any, d: Any, j: int, column_of: Any, row_of: Any) -> int:
        """Return the row that leaves when column j enters."""
        r = -1
        for i in range(t.shape[0]):
            if t[i, j] > 0 and (r < 0 or earlier(t, d, i, r, j, column_of, row_of)):
                r = i
        return r

    @decorate
    def walk(
        tables: Any, scales: Any, rows: Any, columns: Any, keys: Any, seen: Any, limit: Any, least: Any, small: Any
    ) -> int:
        """Fill the arrays from their entry 0; return how many bases there are, or -1 where doubles cannot decide."""
        n, m = tables.shape[1], tables.shape[2] - 1
        column_of, row_of = np.empty(n, np.int64), np.empty(n, np.int64)
        count, v = 1, 0
        seen[keys[0] % seen.shape[0]] = keys[0]
        while v < count:
            t, d = tables[v], scales[v]
            for i in range(n):
                column_of[i] = -1
            for k in range(m):
                if columns[v, k] >= m:
                    column_of[columns[v, k] - m] = k
            for i in range(n):
                if t[i, m] < least * d:
                    return -1
                if rows[v, i] >= m:
                    row_of[rows[v, i] - m] = i
            for j in range(m):
                r = leaving(t, d, j, column_of, row_of)
                key = keys[v] ^ (1 << columns[v, j]) ^ (1 << rows[v, r])
                slot = key % seen.shape[0]
                while seen[slot] >= 0 and seen[slot] != key:
                    slot = (slot + 1) % seen.shape[0]
                if seen[slot] == key:
                    continue
                if t[r, j] < small * d or not pivoted(t, d, r, j, tables[count], limit):
                    return -1
                seen[slot] = keys[count] = key
                scales[count] = t[r, j]
                rows[count], columns[count] = rows[v], columns[v]
                rows[count, r], columns[count, j] = columns[v, j], rows[v, r]
                count += 1
            v += 1
        return count

    return walk


def vertices(matrix: Array) -> Vertices:
    """Return all vertices but 0 of {x >= 0, M x <= 1}, up to the scale and shift of M (which move points along rays).

    Parameters
    ----------
    matrix : ndarray, shape (inequalities, d)
        Finite; any scale and sign: it is mapped to positive numbers by an increasing affine map.
    """
    n, m = matrix.shape
    if m + n > _BIT_LIMIT or most_vertices(m, n) > MOST_VERTICES:
        raise ValueError(f"vertices: {n} inequalities in {m} dimensions are too many")
    low, high = float(matrix.min()), float(matrix.max())
    unit = max(abs(low), abs(high), 1e-300)
    spread = high / unit - low / unit
    scaled = 1.0 + ((matrix / unit - low / unit) / spread if spread > 0.0 else np.zeros((n, m)))
    found = _explored(_walk(_rounded, compiled), scaled, 1e300, _NEAR_ZERO, _SMALL_PIVOT) if spread > 0.0 else None
    if found is not None:
        return _simple(found, scaled)
    whole = positive_integers(matrix)
    if int(whole.max()) <= _WORD:
        found = _explored(_walk(_whole, compiled), whole.astype(np.int64), _WORD, 0, 0)
    if found is None:
        found = _explored(_walk(floordiv, interpreted), whole, math.inf, 0, 0)
    if found is None:
        raise AssertionError("vertices: unlimited integers cannot overflow")
    return _exact(found)


def positive_integers(matrix: Array) -> Any:
    """Return whole numbers (Python's, least 1, without common divisor) that are an increasing affine map of doubles."""
    ratios = [x.as_integer_ratio() for x in matrix.ravel().tolist()]
    common = max(q for _, q in ratios)  # denominators are powers of two
    whole = [p * (common // q) for p, q in ratios]
    low = min(whole)
    divisor = math.gcd(*(w - low for w in whole)) or 1
    out = np.empty(len(whole), object)
    out[:] = [(w - low) // divisor + 1 for w in whole]
    return out.reshape(matrix.shape)


class _Bases(NamedTuple):
    tables: Any
    rows: NDArray[np.int64]
    keys: NDArray[np.int64]


def _explored(walk: Callable[..., int], matrix: Any, limit: Any, least: Any, small: Any) -> _Bases | None:
    n, m = matrix.shape
    most, kind = most_vertices(m, n), matrix.dtype
    tables, scales = np.empty((most, n, m + 1), kind), np.empty(most, kind)
    rows, columns = np.empty((most, n), np.int64), np.empty((most, m), np.int64)
    keys, seen = np.empty(most, np.int64), np.full(2 * most + 1, -1)
    tables[0, :, :m], tables[0, :, m], scales[0] = matrix, 1, 1
    rows[0], columns[0], keys[0] = np.arange(m, m + n), np.arange(m), (1 << m) - 1
    count = walk(tables, scales, rows, columns, keys, seen, limit, least, small)
    return None if count < 0 else _Bases(tables[:count], rows[:count], keys[:count])


def _points(found: _Bases) -> Any:
    """Return the numerators of x, shape (bases, d), in the dictionary's own numbers."""
    count, n, width = found.tables.shape
    padded = np.zeros((count, n + width - 1), found.tables.dtype)
    np.put_along_axis(padded, found.rows, found.tables[:, :, -1], axis=1)
    return padded


def _simple(found: _Bases, scaled: Array) -> Vertices:
    """Return the vertices of doubles, but the one at 0."""
    m = scaled.shape[1]
    x = _points(found)[1:, :m]
    return Vertices(found.keys[1:], x / x.sum(axis=1, keepdims=True), True)


def _exact(found: _Bases) -> Vertices:
    """Return the vertices of integers but the one at 0, each once."""
    values = _points(found)
    m = found.tables.shape[2] - 1
    bits = np.array([1 << k for k in range(values.shape[1])], np.int64)
    labels = (np.asarray(values == 0, bool) * bits).sum(axis=1)
    chosen, first = np.unique(labels, return_index=True)
    own = (1 << m) - 1
    keep = first[(chosen & own) != own]
    points = [[float(p / sum(row)) for p in row] for row in values[keep, :m].tolist()]
    sizes = np.asarray(values[keep] == 0, bool).sum(axis=1)
    return Vertices(labels[keep], np.array(points).reshape(len(keep), m), bool(np.all(sizes == m)))
