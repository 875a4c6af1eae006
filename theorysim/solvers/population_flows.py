"""Flows of populations in steps of one size: Runge-Kutta of order 4 and Euler, all members of a block at once.

A state z has the shape (blocks, rows * lanes): rows 0 to n - 1 are the shares of the members in the lanes, the others
are scratch. On the CPU a block has many lanes, on a GPU one: a thread for each member, from the same text. Where one
population of few strategies replicates, whole steps stay in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from theorysim.backend.bits import fma
from theorysim.backend.compile import body, compiled
from theorysim.solvers.population_registers import MOST, runge_kutta_in_registers
from theorysim.solvers.population_rows import blas_products, products, shift
from theorysim.solvers.population_rules import RULES

ROWS, SPARE = 5, 2
"""Rows of a state for each strategy, and some more."""
STAGES = {"rk4": 4, "euler": 1}
"""Stages of the methods."""
_SIGNATURE = "int64, int64, float64, float64[:,::1], float64[:,::1], int64[::1], float64"


@cache
def march(rule: str, method: str, strategies: int, populations: int, blas: bool) -> Callable[..., Any]:
    """Return the compiled march of blocks.

    Its arguments: first block and the one after the last; lanes; steps; their size; z; the matrix of payoffs, shape
    (n, n); the first strategy of each population, and n; eta.
    """
    if rule == "replicator" and method == "rk4" and populations == 1 and strategies <= MOST:
        return runge_kutta_in_registers(strategies)
    return _march(rule, method, blas)


@cache
def grid(rule: str, method: str, strategies: int, populations: int) -> Callable[..., Any]:
    """Return the march of one member, for CUDA."""
    advance = march(rule, method, strategies, populations, False)

    @body(_SIGNATURE)
    def member(i: int, lanes: int, steps: int, h: float, z: Any, matrix: Any, ends: Any, eta: float) -> None:
        g = np.int64(i)
        advance(g, g + 1, lanes, steps, h, z, matrix, ends, eta)

    return member


@cache
def _march(rule: str, method: str, blas: bool) -> Callable[..., Any]:
    velocity, payoffs, stages = RULES[rule], blas_products if blas else products, STAGES[method]
    clips = rule == "projection"

    @compiled
    def advance(
        begin: int, end: int, lanes: int, steps: int, h: float, z: Any, matrix: Any, ends: Any, eta: float
    ) -> None:
        n = matrix.shape[0]
        for block in range(begin, end):
            m = z[block]
            for _ in range(steps):
                for s in range(stages):
                    x = 0 if s == 0 else n
                    payoffs(m, lanes, matrix, x, 2 * n)
                    for k in range(ends.size - 1):
                        a, count = ends[k], ends[k + 1] - ends[k]
                        velocity(m, lanes, x + a, 2 * n + a, 3 * n + a, count, 5 * n, eta)
                    for i in range(n):
                        if stages == 1:
                            shift(m, lanes, i, h, 3 * n + i)
                        else:
                            _stage(m, lanes, n, i, s, h)
                if clips:
                    for k in range(ends.size - 1):
                        settle(m, lanes, ends[k], ends[k + 1] - ends[k])

    return advance


@body
def _stage(m: Any, lanes: int, n: int, i: int, s: int, h: float) -> None:
    """Add the velocity of a stage to the sum of the step, and place the next stage."""
    weight, ahead = (h / 6.0 if s == 0 or s == 3 else h / 3.0), (h if s == 2 else 0.5 * h)
    x, k = m[i * lanes : (i + 1) * lanes], m[(3 * n + i) * lanes : (3 * n + i + 1) * lanes]
    total, place = m[(4 * n + i) * lanes : (4 * n + i + 1) * lanes], m[(n + i) * lanes : (n + i + 1) * lanes]
    if s == 0:
        for p in range(lanes):
            total[p] = fma(weight, k[p], x[p])
            place[p] = fma(ahead, k[p], x[p])
    elif s == 3:
        for p in range(lanes):
            x[p] = fma(weight, k[p], total[p])
    else:
        for p in range(lanes):
            total[p] = fma(weight, k[p], total[p])
            place[p] = fma(ahead, k[p], x[p])


@body
def settle(m: Any, lanes: int, first: int, count: int) -> None:
    """Set negative shares to zero and divide by the sum: what a step across a face needs."""
    for p in range(lanes):
        total = 0.0
        for i in range(count):
            share = m[(first + i) * lanes + p]
            m[(first + i) * lanes + p] = share if share > 0.0 else 0.0
            total += m[(first + i) * lanes + p]
        for i in range(count):
            m[(first + i) * lanes + p] /= total


@cache
def velocity(rule: str) -> Callable[..., Any]:
    """Return the compiled velocities of a block whose payoffs are in place: rows n for payoffs, 2 n for velocities."""
    of = RULES[rule]

    @compiled
    def advance(m: Any, lanes: int, ends: Any, eta: float) -> None:
        n = ends[ends.size - 1]
        for k in range(ends.size - 1):
            a = ends[k]
            of(m, lanes, a, n + a, 2 * n + a, ends[k + 1] - a, 3 * n, eta)

    return advance


@compiled
def settled(m: Any, lanes: int, ends: Any) -> None:
    """Settle all populations of a block."""
    for k in range(ends.size - 1):
        settle(m, lanes, ends[k], ends[k + 1] - ends[k])
