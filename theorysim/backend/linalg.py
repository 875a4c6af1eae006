"""Dense linear algebra, BLAS on one thread by default.

One thread gives the same bits on every run and every core count, and costs less: ``eigh`` of 1000 x 1000 takes a
third of the processor time on one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from theorysim.backend.compile import compiled

Array = NDArray[np.float64]

_lock = threading.Lock()
_open_blocks = 0
_counts_before: list[int] = []


@cache
def _libraries() -> list[Any]:
    # Finding them costs milliseconds: once. numpy and scipy ship one BLAS each; both are loaded by the imports above.
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


@contextmanager
def single_thread() -> Iterator[None]:
    """Run BLAS on one thread inside the block, in every Python thread; blocks may nest and overlap."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _open_blocks, _counts_before
    with _lock:
        if _open_blocks == 0:
            _counts_before = [library.get_num_threads() for library in _libraries()]
            _set_threads([1] * len(_counts_before))
        _open_blocks += 1


def _leave() -> None:
    global _open_blocks
    with _lock:
        _open_blocks -= 1
        if _open_blocks == 0:
            _set_threads(_counts_before)


def _set_threads(counts: list[int]) -> None:
    for library, count in zip(_libraries(), counts, strict=True):
        if library.get_num_threads() != count:  # changing costs 0.1 ms, asking nothing
            library.set_num_threads(count)


def eigh(a: Array) -> tuple[Array, Array]:
    """Return the eigenvalues (ascending, shape (n,)) and eigenvectors (columns, shape (n, n)) of a symmetric matrix."""
    with single_thread():
        w, u = scipy.linalg.eigh(a, driver="evd", check_finite=True)
    return w, u


def turned_diagonal(u: Array, s: Array) -> Array:
    """Return the diagonal of U S U^T, shape (n,), of a symmetric S, in its precision: half the products of U S."""
    with single_thread():
        half = _trmm(s)(1.0, s.T, u.T, lower=0)  # (U L)^T, L the lower triangle with the diagonal
        return np.asarray(2.0 * np.einsum("ij,ij->j", half, u.T) - (u * u) @ np.diagonal(s))


def half_product(s: Array, b: Array) -> Array:
    """Return H B, shape (n, m), where H + H^T = S, S symmetric, H lower triangular: half the products of S B."""
    with single_thread():
        whole = _trmm(s)(1.0, s.T, b.T, side=1, lower=0)  # (L B)^T
        return np.asarray(whole.T - 0.5 * np.diagonal(s)[:, None] * b)


def _trmm(a: Array) -> Any:
    """The product with a triangular matrix: f2py takes the transposes of arrays in C order without copies."""
    return scipy.linalg.blas.dtrmm if a.dtype == np.float64 else scipy.linalg.blas.strmm


@compiled
def mirrored(a: Any) -> Any:
    """Copy the lower triangle of a square matrix to the upper one, in place; a block at a time stays in the cache."""
    size = len(a)
    for top in range(0, size, 32):
        for left in range(0, top + 32, 32):
            for i in range(top, min(top + 32, size)):
                for j in range(left, min(left + 32, i)):
                    a[j, i] = a[i, j]
    return a


def cholesky(a: Array) -> Array:
    """Return the lower triangular L with ``L @ L.T == a``, shape (n, n).

    Raises
    ------
    numpy.linalg.LinAlgError
        If `a` is not positive definite.
    """
    with single_thread():
        return np.asarray(scipy.linalg.cholesky(a, lower=True, check_finite=True))


def gram(x: Array, y: Array | None = None) -> Array:
    """Return ``x @ y.T``, shape (n, m) for x (n, d) and y (m, d); symmetric ``x @ x.T`` without `y`."""
    with single_thread():
        # numpy sends x @ x.T to syrk: half the work, and exactly symmetric.
        return x @ (x if y is None else y).T


def gram_into(out: Array, x: Array, y: Array | None = None) -> None:
    """Write ``x @ y.T`` into `out`, shape (n, m); without `y`, only the lower triangle of ``x @ x.T``."""
    with single_thread():
        if y is not None:
            np.matmul(x, y.T, out=out)
            return
        # BLAS is column-major: the upper triangle of out.T is the lower one of out. No copy, no second triangle.
        scipy.linalg.blas.dsyrk(1.0, x.T, c=out.T, trans=1, lower=0, overwrite_c=1)
