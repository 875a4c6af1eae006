"""The smaller and the larger of two numbers, for bodies: ``min`` and ``max`` do not compile for CUDA in every numba."""

from __future__ import annotations

from typing import TypeVar

from theorysim.backend.compile import body

N = TypeVar("N", int, float)


@body
def smaller(a: N, b: N) -> N:
    """Return the smaller number; a NaN that comes second stays NaN."""
    return a if a < b else b


@body
def larger(a: N, b: N) -> N:
    """Return the larger number; a NaN that comes second stays NaN."""
    return a if a > b else b
