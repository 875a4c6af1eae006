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
