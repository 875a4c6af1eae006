"""Random numbers of many paths at once: row r is a function of (seed, path, step, purpose) alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.random import (
    BATCHES,
    counters,
    draw_subset,
    integer_below,
    normals_of_blocks,
    uniforms_of_blocks,
)

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
SMALLEST_GROUP, LARGEST_GROUP = 16, 256
_NUMBERS = 1 << 17
"""Numbers that a group of paths touches in one array: what stays in the caches of one core."""


@compiled
def _normal_rows(out: Any, first: int, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for r in range(out.shape[0]):
        normals_of_blocks(out[r], 0, np.uint64(first + r), step, purpose, k0, k1)


@compiled
def _uniform_rows(out: Any, first: int, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for r in range(out.shape[0]):
        uniforms_of_blocks(out[r], 0, np.uint64(first + r), step, purpose, k0, k1)


@compiled
def _integer_rows(n: int, out: Any, first: int, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for r in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[r, j] = integer_below(n, np.uint64(j), np.uint64(first + r), step, purpose, k0, k1)


@compiled
def _subset_rows(pool: Any, out: Any, first: int, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for r in range(out.shape[0]):
        draw_subset(pool, out[r], np.uint64(first + r), step, purpose, k0, k1)


def batch_rows(sampling: str, samples: int, batch: int, first: int, paths: int, *, seed: int, step: int) -> Rows:
    """Return the batches of `finite.batches` for "subset" and "replacement", shape (paths, batch), in one call."""
    out, words = np.empty((paths, batch), np.int64), counters(seed, 0, step, BATCHES)[1:]
    if sampling == "subset":
        _subset_rows(np.arange(samples), out, first, *words)
    else:
        _integer_rows(samples, out, first, *words)
    return out


def normal_rows(first: int, paths: int, size: int, *, seed: int, step: int, purpose: int) -> Array:
    """Return standard normals of the paths first, first + 1, ..., shape (paths, size)."""
    out = np.empty((paths, size))
    _normal_rows(out, first, *counters(seed, 0, step, purpose)[1:])
    return out


def stable_rows(alpha: float, first: int, paths: int, size: int, *, seed: int, step: int, purpose: int) -> Array:
    """Return symmetric alpha-stable numbers, E exp(i k xi) = exp(-|k|^alpha), shape (paths, size).

    Chambers, Mallows and Stuck: a function of a uniform angle and an exponential number.
    """
    u = np.empty((paths, 2 * size))
    _uniform_rows(u, first, *counters(seed, 0, step, purpose)[1:])
    angle, waiting = np.pi * (u[:, :size] - 0.5), -np.log(u[:, size:])
    tail = (np.cos((1.0 - alpha) * angle) / waiting) ** ((1.0 - alpha) / alpha)
    return np.asarray(np.sin(alpha * angle) / np.cos(angle) ** (1.0 / alpha) * tail)


def uniform_signs(first: int, paths: int, size: int, *, seed: int, step: int, purpose: int) -> Array:
    """Return -1 and 1, each with probability 1/2, shape (paths, size)."""
    u = np.empty((paths, size))
    _uniform_rows(u, first, *counters(seed, 0, step, purpose)[1:])
    return np.where(u < 0.5, -1.0, 1.0)


def group_size(numbers: int) -> int:
    """Return how many paths are advanced together: a power of two, by the numbers each one touches.

    Groups are always whole, whatever the number of paths: products of matrices then give each path the same bits.
    """
    wanted = max(1, _NUMBERS // max(1, numbers))
    return int(np.clip(1 << (wanted.bit_length() - 1), SMALLEST_GROUP, LARGEST_GROUP))


def groups(first: int, paths: int, size: int) -> Iterator[tuple[int, slice]]:
    """Yield (first path of a whole group, its rows that are wanted) for the paths first .. first + paths - 1."""
    for start in range(first - first % size, first + paths, size):
        yield start, slice(max(first - start, 0), min(first + paths - start, size))
