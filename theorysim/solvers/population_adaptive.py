"""Flows of populations by the pair of Dormand and Prince, orders 5 and 4, a step size for each member.

All lanes of a block make their steps at once, each its own: a lane that is rejected tries again while others go on, one
that has arrived makes steps of size 0. No member's numbers depend on the others.

Rows of a state: n shares, n of the stage, n payoffs, 7 n velocities, then `SCALARS`: two spare rows, the time that is
left, the size to try next, the size of this step, the error.

Source   [Dormand1980].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from theorysim.backend.bits import fma
from theorysim.backend.compile import body, compiled
from theorysim.backend.exponential import exp, log
from theorysim.backend.order import larger, smaller
from theorysim.solvers.population_rows import blas_products, products
from theorysim.solvers.population_rules import RULES

ROWS, SCALARS = 10, 6
"""Rows of a state for each strategy, and some more."""
LEFT, SIZE = 2, 3
"""Which of the last rows hold the time left and the size of the next step."""
TABLE = np.array([
    [1 / 5, 0, 0, 0, 0, 0, 0],
    [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
    [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40],
])  # fmt: skip
"""Row s: weights of the velocities at stage s + 1; the last one: order 5 minus order 4."""
_SIGNATURE = (
    "int64, int64, float64, float64, float64[:,::1], float64[:,::1], float64[:,::1], int64[::1], float64, boolean"
)


@cache
def march(rule: str, blas: bool) -> Callable[..., Any]:
    """Return the compiled march of blocks: at most `most` attempts of each lane to use up the time it has left.

    Its arguments: first block and the one after the last; lanes; most; relative and absolute tolerance; z; the table;
    matrix, ends and eta as of `population_flows.march`; whether the velocities at the shares must be computed first.
    """
    velocity, payoffs = RULES[rule], blas_products if blas else products

    @compiled
    def advance(
        begin: int, end: int, lanes: int, most: int, rtol: float, atol: float, z: Any, table: Any, matrix: Any,
        ends: Any, eta: float, anew: bool,
    ) -> None:  # fmt: skip
        n = matrix.shape[0]
        for block in range(begin, end):
            m = z[block]
            for tried in range(most):
                if not _begin(m, lanes, n):
                    break
                for s in range(0 if anew and tried == 0 else 1, 7):
                    if s > 0:
                        _place(m, lanes, n, s, table)
                    x = 0 if s == 0 else n
                    payoffs(m, lanes, matrix, x, 2 * n)
                    for k in range(ends.size - 1):
                        a, count = ends[k], ends[k + 1] - ends[k]
                        velocity(m, lanes, x + a, 2 * n + a, (3 + s) * n + a, count, 10 * n, eta)
                _measure(m, lanes, n, rtol, atol, table)
                _end(m, lanes, n)

    return advance


@cache
def grid(rule: str) -> Callable[..., Any]:
    """Return the march of one member, for CUDA."""
    advance = march(rule, False)

    @body(_SIGNATURE)
    def member(
        i: int, lanes: int, most: int, rtol: float, atol: float, z: Any, table: Any, matrix: Any, ends: Any,
        eta: float, anew: bool,
    ) -> None:  # fmt: skip
        g = np.int64(i)
        advance(g, g + 1, lanes, most, rtol, atol, z, table, matrix, ends, eta, anew)

    return member


@body
def _begin(m: Any, lanes: int, n: int) -> bool:
    """Choose the size of each lane's step; return whether any lane has time left."""
    left, size = m[(10 * n + 2) * lanes : (10 * n + 3) * lanes], m[(10 * n + 3) * lanes : (10 * n + 4) * lanes]
    step, on = m[(10 * n + 4) * lanes : (10 * n + 5) * lanes], 0.0
    for p in range(lanes):
        step[p] = smaller(size[p], left[p])
        on = larger(on, left[p])
    return on > 0.0


@body
def _weighted(m: Any, lanes: int, n: int, out: int, table: Any, row: int, count: int) -> None:
    """Write the sum of `count` velocities with the weights of a row of the table into n rows from `out`."""
    size = n * lanes
    total, k, c = m[out * lanes : out * lanes + size], m[3 * size : 4 * size], table[row, 0]
    for q in range(size):
        total[q] = c * k[q]
    for j in range(1, count):
        k, c = m[(3 + j) * size : (4 + j) * size], table[row, j]
        for q in range(size):
            total[q] = fma(c, k[q], total[q])


@body
def _place(m: Any, lanes: int, n: int, s: int, table: Any) -> None:
    """Write stage s: the shares and s weighted velocities."""
    _weighted(m, lanes, n, n, table, s - 1, s)
    step = m[(10 * n + 4) * lanes : (10 * n + 5) * lanes]
    for i in range(n):
        for p in range(lanes):
            q = (n + i) * lanes + p
            m[q] = fma(step[p], m[q], m[i * lanes + p])


@body
def _measure(m: Any, lanes: int, n: int, rtol: float, atol: float, table: Any) -> None:
    """Write the largest error of a step over what is allowed."""
    step = m[(10 * n + 4) * lanes : (10 * n + 5) * lanes]
    error = m[(10 * n + 5) * lanes : (10 * n + 6) * lanes]
    _weighted(m, lanes, n, 2 * n, table, 6, 7)
    for p in range(lanes):
        error[p] = 0.0
    for i in range(n):
        x, new = m[i * lanes : (i + 1) * lanes], m[(n + i) * lanes : (n + i + 1) * lanes]
        off = m[(2 * n + i) * lanes : (2 * n + i + 1) * lanes]
        for p in range(lanes):
            size = larger(abs(x[p]), abs(new[p]))
            error[p] = larger(error[p], abs(step[p] * off[p]) / fma(rtol, size, atol))


@body
def _end(m: Any, lanes: int, n: int) -> None:
    """Take the steps that are good enough, and choose the next sizes."""
    left, size = m[(10 * n + 2) * lanes : (10 * n + 3) * lanes], m[(10 * n + 3) * lanes : (10 * n + 4) * lanes]
    step, error = m[(10 * n + 4) * lanes : (10 * n + 5) * lanes], m[(10 * n + 5) * lanes : (10 * n + 6) * lanes]
    for i in range(n):
        x, new = m[i * lanes : (i + 1) * lanes], m[(n + i) * lanes : (n + i + 1) * lanes]
        first, last = m[(3 * n + i) * lanes : (3 * n + i + 1) * lanes], m[(9 * n + i) * lanes : (9 * n + i + 1) * lanes]
        for p in range(lanes):
            good = error[p] <= 1.0
            x[p] = new[p] if good else x[p]
            first[p] = last[p] if good else first[p]
    for p in range(lanes):
        factor = 0.9 * exp(-0.2 * log(larger(error[p], 1e-10)))
        next_size = step[p] * smaller(5.0, larger(0.2, factor))
        good = error[p] <= 1.0
        cut = good and step[p] < size[p]  # the end was near: the size that was meant remains
        size[p] = size[p] if cut else next_size
        left[p] = left[p] - step[p] if good else left[p]
