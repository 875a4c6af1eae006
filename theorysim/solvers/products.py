"""Products A v of a large matrix with a few vectors; of a symmetric one only the lower half is read, and once.

    y = A v:    y_i += a_ij v_j  and  y_j += a_ij v_i  for i > j

Such a product costs the time of reading A, so half the reading is half the time; BLAS reads all of A for one vector,
and for several it is slower still (measured in benchmarks/large_kernel.py). The rows are cut into strips by the shape
of A alone, and the sums of the strips are added in their order: the same bits for any number of threads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.linalg import single_thread

Array = NDArray[np.float64]
Product = Callable[[Array], Array]

_STRIPS = 16
_FEWEST_ROWS = 64  # of a strip
_SEGMENT = 1024  # columns: four rows of them stay in the nearest cache for all vectors
_WORTH_THREADS = 500_000  # entries times vectors: less is done before threads have woken
_PANEL = 512  # rows of a dense matrix handed to BLAS at once


class Blocks(Protocol):
    """A matrix in square blocks, wherever they are kept; of a symmetric one those on and below the diagonal."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""

    @property
    def block(self) -> int:
        """Edge of a block."""

    def read(self, i: int, j: int) -> NDArray[Any]:
        """Return block (i, j), shape (block, block), filled up with anything at the edges; float32 or float64."""


def symmetric_product(matrix: NDArray[Any]) -> Product:
    """Return v -> A v for a symmetric matrix in memory or mapped to it.

    Parameters
    ----------
    matrix : ndarray of float64 or float32, shape (n, n)
        Only its lower half is read. Sums are in float64.

    Returns
    -------
    callable
        (n, c) -> (n, c).
    """
    a, crew = _plain(matrix.T if matrix.flags.f_contiguous else matrix), _Crew()

    def product(v: Array) -> Array:
        across = np.ascontiguousarray(v.T, dtype=np.float64)
        return np.ascontiguousarray(_lower(crew, a, across).T)

    return product


def symmetric_product_of_blocks(blocks: Blocks) -> Product:
    """Return v -> A v for a symmetric matrix in blocks: each block on or below the diagonal is read once."""
    n, crew = blocks.shape[0], _Crew()

    def product(v: Array) -> Array:
        across = np.ascontiguousarray(v.T, dtype=np.float64)
        out = np.zeros_like(across)
        for i, rows in enumerate(_spans(n, blocks.block)):
            for j, columns in enumerate(_spans(n, blocks.block)[:i]):
                below, beside = _both_ways(
                    crew,
                    _plain(blocks.read(i, j)),
                    np.ascontiguousarray(across[:, rows]),
                    np.ascontiguousarray(across[:, columns]),
                )
                out[:, rows] += below
                out[:, columns] += beside
            out[:, rows] += _lower(crew, _plain(blocks.read(i, i)), np.ascontiguousarray(across[:, rows]))
        return np.ascontiguousarray(out.T)

    return product


def product_of(matrix: NDArray[Any]) -> Product:
    """Return v -> B v for any matrix in memory or mapped to it, shape (m, n), by BLAS on panels of rows."""

    def product(v: Array) -> Array:
        out = np.empty((len(matrix), v.shape[1]))
        with single_thread():
            for rows in _spans(len(matrix), _PANEL):
                np.matmul(matrix[rows], v, out=out[rows])
        return out

    return product


def product_of_blocks(blocks: Blocks) -> Product:
    """Return v -> B v for a matrix in blocks."""
    down, across = (_spans(size, blocks.block) for size in blocks.shape)

    def product(v: Array) -> Array:
        out = np.zeros((blocks.shape[0], v.shape[1]))
        with single_thread():
            for i, rows in enumerate(down):
                for j, columns in enumerate(across):
                    block = blocks.read(i, j)[: rows.stop - rows.start, : columns.stop - columns.start]
                    out[rows] += block @ v[columns]
        return out

    return product


def asymmetry(matrix: NDArray[Any]) -> float:
    """Return the largest |a_ij - a_ji| over the largest |a_ij|, shape (n, n); NaN where an entry is no number."""
    difference, largest = 0.0, 0.0
    for rows in _spans(len(matrix), _PANEL):
        part = matrix[rows, : rows.stop]
        difference = np.fmax(difference, np.max(np.abs(part - matrix[: rows.stop, rows].T)))
        largest = np.fmax(largest, np.max(np.abs(part)))
        if not (np.isfinite(part).all() and np.isfinite(matrix[: rows.stop, rows]).all()):
            return math.nan
    return float(difference / largest) if largest > 0.0 else 0.0


class _Crew:
    """Threads that share the strips of a product. They sleep in between, where compiled loops would wait at full speed:
    a busy machine loses nothing."""

    def __init__(self) -> None:
        self.threads = _threads()
        self.pool = ThreadPoolExecutor(self.threads)

    def run(self, strips: int, work: int, *args: Any) -> None:
        """Do all strips; `work` counts entries times vectors."""
        threads = min(self.threads, strips) if work > _WORTH_THREADS else 1
        if threads == 1:
            _strips(0, strips, 1, *args)
        else:
            list(self.pool.map(lambda first: _strips(first, strips, threads, *args), range(threads)))


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spans(size: int, length: int) -> list[slice]:
    return [slice(start, min(start + length, size)) for start in range(0, size, length)]


def _plain(a: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous read-only view: one type to compile for, whoever owns the numbers."""
    view = np.ascontiguousarray(a).view(np.ndarray)
    view.flags.writeable = False
    return view


def _lower(crew: _Crew, a: NDArray[Any], v: Array) -> Array:
    """Return (A v^T)^T from the lower half of a symmetric matrix, v of shape (c, n), n <= len(a)."""
    n = v.shape[1]
    strips = max(1, min(_STRIPS, n // _FEWEST_ROWS))
    edges = _in_fours(n * np.sqrt(np.arange(strips + 1) / strips), n)  # the same area each
    below, beside = np.zeros_like(v), np.zeros((strips, *v.shape))
    crew.run(strips, n * n * len(v), edges, 1, a, v, v, below, beside)
    return np.asarray(below + np.add.reduce(beside, axis=0))


def _both_ways(crew: _Crew, a: NDArray[Any], v_rows: Array, v_columns: Array) -> tuple[Array, Array]:
    """Return (A v_columns^T)^T and (A^T v_rows^T)^T for the leading part of a block."""
    rows = v_rows.shape[1]
    strips = max(1, min(_STRIPS, rows // _FEWEST_ROWS))
    edges = _in_fours(rows * np.arange(strips + 1) / strips, rows)
    below, beside = np.zeros_like(v_rows), np.zeros((strips, *v_columns.shape))
    crew.run(strips, v_rows.size * v_columns.shape[1], edges, 0, a, v_rows, v_columns, below, beside)
    return below, np.add.reduce(beside, axis=0)


def _in_fours(edges: Array, size: int) -> NDArray[np.int64]:
    whole = (edges / 4).astype(np.int64) * 4
    whole[-1] = size
    return whole


@compiled(reassociate=True)
def _four_rows(
    a0: Any, a1: Any, a2: Any, a3: Any, v: Any, beside: Any, w0: float, w1: float, w2: float, w3: float
) -> tuple[float, float, float, float]:
    """Return four rows times v, and add their transposed product with w to `beside`: one pass over the rows."""
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for j in range(v.shape[0]):
        s0 += a0[j] * v[j]
        s1 += a1[j] * v[j]
        s2 += a2[j] * v[j]
        s3 += a3[j] * v[j]
        beside[j] += a0[j] * w0 + a1[j] * w1 + a2[j] * w2 + a3[j] * w3
    return s0, s1, s2, s3


@compiled(reassociate=True)
def _one_row(a: Any, v: Any, beside: Any, w: float) -> float:
    s = 0.0
    for j in range(v.shape[0]):
        s += a[j] * v[j]
        beside[j] += a[j] * w
    return s


@compiled(reassociate=True)
def _corner(a: Any, first: int, last: int, v: Any, below: Any) -> None:
    """Add the part of rows and columns first..last, on and below the diagonal, to `below`."""
    for i in range(first, last):
        below[i] += a[i, i] * v[i]
        for j in range(first, i):
            below[i] += a[i, j] * v[j]
            below[j] += a[i, j] * v[i]


@compiled(reassociate=True)
def _strip(s: int, edges: Any, lower: int, a: Any, v_rows: Any, v_columns: Any, below: Any, beside: Any) -> None:
    """Add rows edges[s]..edges[s + 1] of A: times v_columns to `below`, transposed times v_rows to `beside[s]`.

    Vectors lie along the last axis. Lower: rows and columns are the same, and only those below the diagonal are read.
    """
    for i in range(edges[s], edges[s + 1], 4):
        top = min(i + 4, edges[s + 1])
        width = i if lower else v_columns.shape[1]
        for start in range(0, width, _SEGMENT):
            stop = min(start + _SEGMENT, width)
            for c in range(v_rows.shape[0]):
                v, z = v_columns[c, start:stop], beside[s, c, start:stop]
                if top - i == 4:
                    w0, w1, w2, w3 = v_rows[c, i], v_rows[c, i + 1], v_rows[c, i + 2], v_rows[c, i + 3]
                    s0, s1, s2, s3 = _four_rows(
                        a[i, start:stop], a[i + 1, start:stop], a[i + 2, start:stop], a[i + 3, start:stop],
                        v, z, w0, w1, w2, w3,
                    )  # fmt: skip
                    below[c, i] += s0
                    below[c, i + 1] += s1
                    below[c, i + 2] += s2
                    below[c, i + 3] += s3
                else:
                    for k in range(i, top):
                        below[c, k] += _one_row(a[k, start:stop], v, z, v_rows[c, k])
        if lower:
            for c in range(v_rows.shape[0]):
                _corner(a, i, top, v_rows[c], below[c])


@compiled(reassociate=True)
def _strips(
    first: int, strips: int, every: int, edges: Any, lower: int, a: Any, v_rows: Any, v_columns: Any, below: Any,
    beside: Any,
) -> None:  # fmt: skip
    """Do strips first, first + every, ..."""
    for s in range(first, strips, every):
        _strip(s, edges, lower, a, v_rows, v_columns, below, beside)
