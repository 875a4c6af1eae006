"""Random numbers as a pure function: Philox4x32-10 with named counters.

The generator has no state. Key = the 64-bit seed (low word first); counter = four 32-bit words
``(block, stream, step, purpose)``. Block b of an array holds its elements 2b and 2b + 1, so element j depends on
(seed, stream, step, purpose, j) alone: same bits for any array length (up to 2**33), thread count, order or restart.

A uniform is an odd multiple of 2**-53, strictly inside (0, 1), from 52 random bits. Normals are Box-Muller pairs of the
two uniforms of a block: ``r = sqrt(-2 log u1)``, ``(r cos 2 pi u2, r sin 2 pi u2)``; |normal| < 8.6.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from theorysim.backend.bits import float_from_bits, wide_vectors
from theorysim.backend.compile import body, compiled
from theorysim.backend.exponential import log_positive
from theorysim.backend.trigonometry import sincos_turns
from theorysim.errors import ProblemError

# What the numbers are for: the fourth word of the counter, so that no two uses share numbers.
WEIGHTS, BIASES, BATCHES, DATA, TEACHER, NOISE, FUNCTION_SPACE = 1, 2, 3, 4, 5, 6, 7
INCREMENTS, STARTS = 8, 9  # of stochastic differential equations
POPULATIONS = 64  # of mean-field theories: this number and those after it, one for each side of each matrix
LANCZOS_START, LANCZOS_PROBES, SOBOL_SHIFT = 101, 102, 103
MOMENTS, ADAPTIVE, HOMOGENIZED, DIAGONAL = 201, 202, 203, 206  # steps beside their theories
SLOW_SAMPLES, SLOW_SIGNS = 204, 205
GRADIENT, PROBES, LANGEVIN, LABELS, STABLE = 211, 212, 213, 214, 215  # runs of optimizers
GAME_STARTS, GAME_WEIGHTS, GAME_CLIENTS, GAME_PLAYS, GAME_AGENTS = 301, 302, 303, 304, 305
GAME_PARTICLES, GAME_NOISE, GAME_ANGLES = 321, 322, 323  # mean-field and stochastic games
BANDIT_ARMS, BANDIT_PULLS, BANDIT_BELIEFS, EPISODES = 311, 312, 313, 314

Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

# Words are held in uint64: numba would mix uint32 with int64, and the 32 x 32 -> 64 bit product vectorises.
_LOW = np.uint64(0xFFFFFFFF)
_12, _20, _32 = np.uint64(12), np.uint64(20), np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ONE = np.uint64(0x3FF0000000000000)
_BELOW_ONE = 1.0 - 2.0**-53
_CHUNK = 4096  # elements that one thread fills at a time: even, so that chunks hold whole blocks


@body
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Words:
    """Return four random 32-bit words (as uint64) from a counter of four and a key of two."""
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0 = (p1 >> _32) ^ c1 ^ k0
        c1 = p1 & _LOW
        c2 = (p0 >> _32) ^ c3 ^ k1
        c3 = p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@body
def unit_interval(high: Any, low: Any) -> float:
    """Return an odd multiple of 2**-53 in (0, 1) from two 32-bit words (52 bits used)."""
    return float_from_bits(_ONE | (high << _20) | (low >> _12)) - _BELOW_ONE


@body
def uniform_pair(block: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> tuple[float, float]:
    """Return the two uniforms in (0, 1) of a block; all arguments uint64 holding 32-bit words."""
    r0, r1, r2, r3 = philox(block, stream, step, purpose, k0, k1)
    return unit_interval(r0, r1), unit_interval(r2, r3)


@body
def normal_pair(block: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> tuple[float, float]:
    """Return the two standard normals of a block; all arguments uint64 holding 32-bit words."""
    u1, u2 = uniform_pair(block, stream, step, purpose, k0, k1)
    r = math.sqrt(-2.0 * log_positive(u1))
    s, c = sincos_turns(u2)
    return r * c, r * s


@compiled
def uniforms_of_blocks(out: Any, block: int, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    """Fill a one-dimensional `out` with the uniforms of the blocks `block`, `block` + 1, ..."""
    wide_vectors()
    pairs = out.size // 2
    for b in range(pairs):
        out[2 * b], out[2 * b + 1] = uniform_pair(np.uint64(block + b), stream, step, purpose, k0, k1)
    if out.size % 2:
        out[2 * pairs] = uniform_pair(np.uint64(block + pairs), stream, step, purpose, k0, k1)[0]


@compiled
def normals_of_blocks(out: Any, block: int, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    """Fill a one-dimensional `out` with the normals of the blocks `block`, `block` + 1, ..."""
    wide_vectors()
    pairs = out.size // 2
    for b in range(pairs):
        out[2 * b], out[2 * b + 1] = normal_pair(np.uint64(block + b), stream, step, purpose, k0, k1)
    if out.size % 2:
        out[2 * pairs] = normal_pair(np.uint64(block + pairs), stream, step, purpose, k0, k1)[0]


@compiled(parallel=True)
def _uniforms_in_chunks(out: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for chunk in prange((out.size + _CHUNK - 1) // _CHUNK):
        part = out[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        uniforms_of_blocks(part, chunk * (_CHUNK // 2), stream, step, purpose, k0, k1)


@compiled(parallel=True)
def _normals_in_chunks(out: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for chunk in prange((out.size + _CHUNK - 1) // _CHUNK):
        part = out[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        normals_of_blocks(part, chunk * (_CHUNK // 2), stream, step, purpose, k0, k1)


@body
def integer_below(n: Any, index: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> Any:
    """Return a uniform int64 in 0, ..., n-1 (n < 2**32): the top of a 64-bit word times n; bias below n / 2**64."""
    high, low, _, _ = philox(index, stream, step, purpose, k0, k1)
    m = np.uint64(n)
    return np.int64((high * m + ((low * m) >> _32)) >> _32)


@compiled
def draw_subset(pool: Any, out: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    """Fill `out` with different elements of `pool`, uniformly, in random order; `pool` is left as it was.

    A Fisher-Yates shuffle stopped after ``out.size`` draws and undone: O(out.size), however large the pool.

    Parameters
    ----------
    pool, out : ndarray of int64, shape (n,) and (size,)
        ``size <= n``. `out` may be a view; it may not share memory with `pool`.
    """
    n, size = pool.size, out.size
    for j in range(size):
        t = j + integer_below(n - j, np.uint64(j), stream, step, purpose, k0, k1)
        out[j] = pool[t]
        pool[t] = pool[j]
        pool[j] = t  # remembered for the undoing; slots before j + 1 are not drawn again
    for j in range(size - 1, -1, -1):
        t = pool[j]
        pool[j] = pool[t]
        pool[t] = out[j]


@compiled
def _fill_integers(n: Any, out: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    for j in range(out.size):
        out[j] = integer_below(n, np.uint64(j), stream, step, purpose, k0, k1)


@compiled
def _fill_choices(pool: Any, out: Any, streams: Any, first: Any, purpose: Any, k0: Any, k1: Any, again: bool) -> None:
    for k in range(out.shape[0]):
        step = np.uint64(first + np.uint64(k))
        for r in range(out.shape[1]):
            if again:
                _fill_integers(pool.size, out[k, r], streams[r], step, purpose, k0, k1)
            else:
                draw_subset(pool, out[k, r], streams[r], step, purpose, k0, k1)


def counters(seed: int, stream: int, step: int, purpose: int) -> tuple[np.uint64, ...]:
    """Return ``(stream, step, purpose, k0, k1)`` as uint64, checked: the last arguments of every body here.

    Raises
    ------
    ProblemError
        If `seed` is outside [0, 2**64) or another one outside [0, 2**32).
    """
    for name, value, limit in (
        ("seed", seed, 64), ("stream", stream, 32), ("step", step, 32), ("purpose", purpose, 32),
    ):  # fmt: skip
        if not 0 <= value < 1 << limit:
            raise ProblemError(f"{name}: `{name}` must be in [0, 2**{limit}), got {value}")
    low, high = int(seed) & 0xFFFFFFFF, int(seed) >> 32
    return np.uint64(stream), np.uint64(step), np.uint64(purpose), np.uint64(low), np.uint64(high)


def uniforms(
    shape: int | tuple[int, ...], *, seed: int, stream: int, purpose: int, step: int = 0
) -> NDArray[np.float64]:
    """Return uniforms in (0, 1); element j in C order is a function of (seed, stream, step, purpose, j) alone."""
    out = np.empty(shape)
    words = counters(seed, stream, step, purpose)
    if out.size <= _CHUNK:  # waking threads costs more than one chunk
        uniforms_of_blocks(out.ravel(), 0, *words)
    else:
        _uniforms_in_chunks(out.ravel(), *words)
    return out


def normals(
    shape: int | tuple[int, ...], *, seed: int, stream: int, purpose: int, step: int = 0
) -> NDArray[np.float64]:
    """Return standard normals; element j in C order is a function of (seed, stream, step, purpose, j) alone."""
    out = np.empty(shape)
    words = counters(seed, stream, step, purpose)
    if out.size <= _CHUNK:
        normals_of_blocks(out.ravel(), 0, *words)
    else:
        _normals_in_chunks(out.ravel(), *words)
    return out


def integers(n: int, size: int, *, seed: int, stream: int, purpose: int, step: int = 0) -> NDArray[np.int64]:
    """Return `size` integers in 0, ..., n-1, drawn with replacement, shape (size,)."""
    out = np.empty(size, np.int64)
    _fill_integers(_pool_size(n), out, *counters(seed, stream, step, purpose))
    return out


def subset(n: int, size: int, *, seed: int, stream: int, purpose: int, step: int = 0) -> NDArray[np.int64]:
    """Return `size` different integers of 0, ..., n-1 in random order, all choices equally likely, shape (size,).

    Raises
    ------
    ProblemError
        If `size` exceeds `n`.
    """
    if not 0 <= size <= n:
        raise ProblemError(f"size: `size` must be in [0, {n}], got {size}")
    out = np.empty(size, np.int64)
    draw_subset(np.arange(_pool_size(n)), out, *counters(seed, stream, step, purpose))
    return out


def choices(
    n: int, size: int, *, seed: int, streams: Sequence[int], purpose: int, first: int, steps: int, replace: bool
) -> NDArray[np.int64]:
    """Return what `subset` (or `integers`, where `replace`) gives at many steps, shape (steps, len(streams), size)."""
    if not replace and not 0 <= size <= n:
        raise ProblemError(f"size: `size` must be in [0, {n}], got {size}")
    counters(seed, max(streams), first + steps - 1, purpose)
    _, start, purpose_word, k0, k1 = counters(seed, min(streams), first, purpose)
    out = np.empty((steps, len(streams), size), np.int64)
    _fill_choices(np.arange(_pool_size(n)), out, np.array(streams, np.uint64), start, purpose_word, k0, k1, replace)
    return out


def permutation(n: int, *, seed: int, stream: int, purpose: int, step: int = 0) -> NDArray[np.int64]:
    """Return 0, ..., n-1 in random order, shape (n,)."""
    return subset(n, n, seed=seed, stream=stream, purpose=purpose, step=step)


def _pool_size(n: int) -> int:
    if not 0 < n < 1 << 32:
        raise ProblemError(f"n: `n` must be in [1, 2**32), got {n}")
    return n
