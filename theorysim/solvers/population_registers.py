"""Replicator steps of few strategies that stay in registers: tuples of shares, built entry by entry.

Compilers keep tuples in registers where rows of an array would be written and read again at every stage: half the time
or less, up to five strategies. The functions of n entries are made from those of n - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from theorysim.backend.bits import fma
from theorysim.backend.compile import body, compiled
from theorysim.solvers.population_rules import growth

MOST = 5
"""Strategies up to which this pays."""


class Vectors(NamedTuple):
    """Functions of tuples: row i of an array, lane p of rows read and written, a.x, x (f - mean), x + c k."""

    row: Callable[..., Any]
    read: Callable[..., Any]
    write: Callable[..., Any]
    dot: Callable[..., Any]
    grow: Callable[..., Any]
    move: Callable[..., Any]


@cache
def vectors(n: int) -> Vectors:
    """Return the functions for n entries."""
    if n == 1:
        return _numbers()
    rest, last = vectors(n - 1), n - 1
    row_rest, read_rest, write_rest, dot_rest, grow_rest, move_rest = rest

    @body
    def row(a: Any, i: int) -> Any:
        return (*row_rest(a, i), a[i, last])

    @body
    def read(m: Any, lanes: int, p: int) -> Any:
        return (*read_rest(m, lanes, p), m[last * lanes + p])

    @body
    def write(m: Any, lanes: int, p: int, x: Any) -> None:
        write_rest(m, lanes, p, x)
        m[last * lanes + p] = x[last]

    @body
    def dot(a: Any, x: Any) -> Any:
        return fma(a[last], x[last], dot_rest(a, x))

    @body
    def grow(x: Any, f: Any, mean: float) -> Any:
        return (*grow_rest(x, f, mean), growth(x[last], f[last], mean))

    @body
    def move(x: Any, c: float, k: Any) -> Any:
        return (*move_rest(x, c, k), fma(c, k[last], x[last]))

    return Vectors(row, read, write, dot, grow, move)


@cache
def _numbers() -> Vectors:
    @body
    def row(a: Any, i: int) -> Any:
        return (a[i, 0],)

    @body
    def read(m: Any, lanes: int, p: int) -> Any:
        return (m[p],)

    @body
    def write(m: Any, lanes: int, p: int, x: Any) -> None:
        m[p] = x[0]

    @body
    def dot(a: Any, x: Any) -> Any:
        return a[0] * x[0]

    @body
    def grow(x: Any, f: Any, mean: float) -> Any:
        return (growth(x[0], f[0], mean),)

    @body
    def move(x: Any, c: float, k: Any) -> Any:
        return (fma(c, k[0], x[0]),)

    return Vectors(row, read, write, dot, grow, move)


@cache
def _matrices(n: int, size: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return what loads the first n rows of a matrix as tuples, and what multiplies them with a tuple."""
    of, last = vectors(size), n - 1
    row, dot = of.row, of.dot
    if n == 1:

        @body
        def load_one(a: Any) -> Any:
            return (row(a, 0),)

        @body
        def product_one(a: Any, x: Any) -> Any:
            return (dot(a[0], x),)

        return load_one, product_one
    load_rest, product_rest = _matrices(last, size)

    @body
    def load(a: Any) -> Any:
        return (*load_rest(a), row(a, last))

    @body
    def product(a: Any, x: Any) -> Any:
        return (*product_rest(a, x), dot(a[last], x))

    return load, product


@cache
def runge_kutta_in_registers(n: int) -> Callable[..., Any]:
    """Return the march of blocks of one replicator population; arguments as of `population_flows.march`."""
    _, read, write, dot, grow, move = vectors(n)
    load, product = _matrices(n, n)

    @body
    def velocity(a: Any, x: Any) -> Any:
        f = product(a, x)
        return grow(x, f, dot(x, f))

    @compiled
    def march(
        begin: int, end: int, lanes: int, steps: int, h: float, z: Any, matrix: Any, ends: Any, eta: float
    ) -> None:
        a = load(matrix)
        for block in range(begin, end):
            m = z[block]
            for _ in range(steps):
                for p in range(lanes):
                    x = read(m, lanes, p)
                    k = velocity(a, x)
                    total = move(x, h / 6.0, k)
                    k = velocity(a, move(x, 0.5 * h, k))
                    total = move(total, h / 3.0, k)
                    k = velocity(a, move(x, 0.5 * h, k))
                    total = move(total, h / 3.0, k)
                    k = velocity(a, move(x, h, k))
                    write(m, lanes, p, move(total, h / 6.0, k))

    return march
