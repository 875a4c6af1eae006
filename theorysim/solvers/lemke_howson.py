"""One equilibrium of a bimatrix game by complementary pivoting, on a path that a dropped label starts.

    P: s = 1 - B^T x,  Q: r = 1 - A y;  labels i of x_i and r_i, m + j of y_j and s_j;  from (0, 0) label k enters,
    the label that leaves one side enters the other one, until k leaves.

Ratio tests are lexicographic, so the path never repeats, degenerate or not. Doubles decide ties with a tolerance; what
comes out is tested, and where it is no equilibrium the path of a small game is walked again in fractions.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.errors import NotConverged
from theorysim.solvers.best_response_polytopes import interpreted, positive_integers
from theorysim.solvers.bimatrix import indifferent, positive

Array = NDArray[np.float64]

MOST_PIVOTS = 1_000_000
EXACT = 60
"""Strategies (of both) up to which fractions take over where rounding has misled the path."""
_TIE = 1e-11
_FLOOR = 0.00390625
_GAP = 1e-9


@cache
def _path(decorate: Callable[[Any], Any]) -> Any:
    """Return the walk along a path, compiled for doubles, interpreted for fractions."""

    @decorate
    def later(t: Any, i: int, r: int, j: int, column_of: Any, row_of: Any, tie: Any) -> bool:
        """Return whether row r leaves before row i when column j enters: least (rhs, slack columns)/entry."""
        last = t.shape[1] - 1
        left, right = t[i, last] * t[r, j], t[r, last] * t[i, j]
        if abs(left - right) > tie * (abs(left) + abs(right) + _FLOOR):
            return bool(left > right)
        for s in range(column_of.shape[0]):
            k = column_of[s]
            if k >= 0:
                left, right = t[i, k] * t[r, j], t[r, k] * t[i, j]
            else:
                left = t[r, j] if row_of[s] == i else 0 * t[r, j]
                right = t[i, j] if row_of[s] == r else 0 * t[i, j]
            if abs(left - right) > tie * (abs(left) + abs(right) + _FLOOR):
                return bool(left > right)
        return True

    @decorate
    def leaving(t: Any, j: int, rows: Any, columns: Any, slacks: int, tie: Any) -> int:
        """Return the row that leaves when column j enters; labels from `slacks` on, cyclically, are slacks."""
        n, m = t.shape[0], t.shape[1] - 1
        column_of, row_of = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
        for k in range(m):
            s = (columns[k] - slacks) % (n + m)
            if s < n:
                column_of[s] = k
        for i in range(n):
            s = (rows[i] - slacks) % (n + m)
            if s < n:
                row_of[s] = i
        r = -1
        for i in range(n):
            if t[i, j] > tie and (r < 0 or not later(t, i, r, j, column_of, row_of, tie)):
                r = i
        return r

    @decorate
    def pivot(t: Any, r: int, j: int) -> None:
        """Exchange the variables of row r and column j of a dictionary."""
        p = t[r, j]
        t[r, j] = p / p
        for k in range(t.shape[1]):
            t[r, k] = t[r, k] / p
        for i in range(t.shape[0]):
            c = t[i, j]
            if i != r and c != 0:
                t[i, j] = 0 * c
                for k in range(t.shape[1]):
                    t[i, k] = t[i, k] - c * t[r, k]

    @decorate
    def path(
        p: Any, q: Any, p_rows: Any, p_columns: Any, q_rows: Any, q_columns: Any, label: int, tie: Any, most: int
    ) -> int:
        """Walk the path of a label; return the number of pivots, -1 where it does not end."""
        m = p.shape[1] - 1
        entering, on_p = label, label < m
        for pivots in range(1, most + 1):
            t, rows, columns = (p, p_rows, p_columns) if on_p else (q, q_rows, q_columns)
            j = -1
            for k in range(columns.shape[0]):
                if columns[k] == entering:
                    j = k
            if j < 0:
                return -1
            r = leaving(t, j, rows, columns, m if on_p else 0, tie)
            if r < 0:
                return -1
            pivot(t, r, j)
            columns[j], rows[r] = rows[r], columns[j]
            entering = columns[j]
            if entering == label:
                return pivots
            on_p = not on_p
        return -1

    return path


def lemke_howson(a: Array, b: Array, label: int) -> tuple[Array, Array, int]:
    """Return (x, y, pivots) of the equilibrium at the end of the path of a label.

    Parameters
    ----------
    a, b : ndarray, shape (m, n)
        Finite payoffs.
    label : int
        0 .. m - 1: a strategy of the row player; m .. m + n - 1: of the column player.

    Raises
    ------
    NotConverged
        If rounding hides the path of a game too large for fractions.
    """
    one, two = positive(a), positive(b)
    x, y, pivots = _walked(one, two, label, _path(compiled), _TIE)
    if pivots > 0:
        x, y = _polished(one, two, x, y)
        if _gap(one, two, x, y) <= _GAP:
            return x, y, pivots
    if sum(a.shape) > EXACT:
        raise NotConverged("lemke_howson", max(pivots, 0), _gap(one, two, x, y), "another label")
    fractions = np.frompyfunc(Fraction, 1, 1)
    exact_a, exact_b = (fractions(positive_integers(payoff)) for payoff in (a, b))
    return _walked(exact_a, exact_b, label, _path(interpreted), Fraction(0))


def _walked(a: Any, b: Any, label: int, path: Any, tie: Any) -> tuple[Array, Array, int]:
    (m, n), kind = a.shape, a.dtype
    p, q = np.ones((n, m + 1), kind), np.ones((m, n + 1), kind)
    p[:, :m], q[:, :n] = b.T, a
    if kind.hasobject:
        p[:, m], q[:, n] = Fraction(1), Fraction(1)
    own, theirs = np.arange(m), np.arange(m, m + n)
    p_rows, p_columns, q_rows, q_columns = theirs.copy(), own.copy(), own.copy(), theirs.copy()
    pivots = path(p, q, p_rows, p_columns, q_rows, q_columns, label, tie, MOST_PIVOTS)
    return _side(p, p_rows, 0, m), _side(q, q_rows, m, n), int(pivots)


def _side(t: Any, rows: NDArray[np.int64], first: int, size: int) -> Array:
    """Return the mixed strategy of a dictionary; uniform where all of it is zero."""
    values = np.zeros(size)
    for row, label in enumerate(rows):
        if first <= label < first + size:
            values[label - first] = max(float(t[row, -1]), 0.0)
    total = float(values.sum())
    return values / total if total > 0.0 else np.full(size, 1.0 / size)


def _polished(a: Array, b: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Solve the equations of the supports anew, where they are square and that helps."""
    rows, columns = np.flatnonzero(x > _TIE), np.flatnonzero(y > _TIE)
    if len(rows) != len(columns):
        return x, y
    try:
        fine_x, fine_y = np.zeros_like(x), np.zeros_like(y)
        fine_x[rows] = indifferent(b[np.ix_(rows, columns)].T)
        fine_y[columns] = indifferent(a[np.ix_(rows, columns)])
    except np.linalg.LinAlgError:
        return x, y
    better = fine_x.min() >= 0.0 and fine_y.min() >= 0.0 and _gap(a, b, fine_x, fine_y) <= _gap(a, b, x, y)
    return (fine_x, fine_y) if better else (x, y)


def _gap(a: Array, b: Array, x: Array, y: Array) -> float:
    """Return NashConv."""
    return float((a @ y).max() - x @ a @ y + (x @ b).max() - x @ b @ y)
