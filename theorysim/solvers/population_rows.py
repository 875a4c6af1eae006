"""Arithmetic on rows of lanes, for populations: a lane is a member of an ensemble, a row a share, payoff or velocity.

The numbers of a block of members are one array m of shape (rows * lanes,); row r is m[r * lanes : (r + 1) * lanes].
The innermost loops run over lanes, so that they vectorise and no member's arithmetic depends on the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorysim.backend.bits import fma
from theorysim.backend.compile import body, compiled


@body
def fill(m: Any, lanes: int, row: int, value: float) -> None:
    """Write a number into a row."""
    out = m[row * lanes : (row + 1) * lanes]
    for p in range(lanes):
        out[p] = value


@body
def copy(m: Any, lanes: int, row: int, x: int) -> None:
    """Write row x into a row."""
    out, one = m[row * lanes : (row + 1) * lanes], m[x * lanes : (x + 1) * lanes]
    for p in range(lanes):
        out[p] = one[p]


@body
def shift(m: Any, lanes: int, row: int, a: float, x: int) -> None:
    """Add a x to a row."""
    out, one = m[row * lanes : (row + 1) * lanes], m[x * lanes : (x + 1) * lanes]
    for p in range(lanes):
        out[p] = fma(a, one[p], out[p])


@body
def dot(m: Any, lanes: int, row: int, x: int, f: int, count: int) -> None:
    """Write the sum of x_i f_i over `count` rows from x and from f into a row."""
    out, one, two = m[row * lanes : (row + 1) * lanes], m[x * lanes : (x + 1) * lanes], m[f * lanes : (f + 1) * lanes]
    for p in range(lanes):
        out[p] = one[p] * two[p]
    for i in range(1, count):
        one, two = m[(x + i) * lanes : (x + i + 1) * lanes], m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            out[p] = fma(one[p], two[p], out[p])


@body
def _head(m: Any, lanes: int, row: int, a: Any, x: int, count: int) -> None:
    """Write the sum of the first `count` of a_j x_j, 1 to 3, into a row."""
    out, one = m[row * lanes : (row + 1) * lanes], m[x * lanes : (x + 1) * lanes]
    if count == 1:
        for p in range(lanes):
            out[p] = a[0] * one[p]
        return
    two = m[(x + 1) * lanes : (x + 2) * lanes]
    if count == 2:
        for p in range(lanes):
            out[p] = fma(a[1], two[p], a[0] * one[p])
        return
    three = m[(x + 2) * lanes : (x + 3) * lanes]
    for p in range(lanes):
        out[p] = fma(a[2], three[p], fma(a[1], two[p], a[0] * one[p]))


@body
def _three(m: Any, lanes: int, row: int, a: Any, x: int, j: int) -> None:
    """Add a_j x_j and its next two to a row."""
    out, one = m[row * lanes : (row + 1) * lanes], m[(x + j) * lanes : (x + j + 1) * lanes]
    two, three = m[(x + j + 1) * lanes : (x + j + 2) * lanes], m[(x + j + 2) * lanes : (x + j + 3) * lanes]
    for p in range(lanes):
        out[p] = fma(a[j + 2], three[p], fma(a[j + 1], two[p], fma(a[j], one[p], out[p])))


@body
def products(m: Any, lanes: int, matrix: Any, x: int, f: int) -> None:
    """Write the payoffs, matrix @ x of rows from x, into rows from f: three strategies a pass."""
    n = matrix.shape[0]
    for i in range(n):
        head = (n + 2) % 3 + 1
        _head(m, lanes, f + i, matrix[i], x, head)
        for j in range(head, n, 3):
            _three(m, lanes, f + i, matrix[i], x, j)


@compiled
def blas_products(m: Any, lanes: int, matrix: Any, x: int, f: int) -> None:
    """Write the same payoffs by one product of matrices; for many strategies, on the CPU."""
    n = matrix.shape[0]
    if lanes == 1:
        np.dot(matrix, m[x : x + n], m[f : f + n])
    else:
        shares = m[x * lanes : (x + n) * lanes].reshape((n, lanes))
        np.dot(matrix, shares, m[f * lanes : (f + n) * lanes].reshape((n, lanes)))
