"""The random numbers of an ensemble: component j of a step of a path is a function of (seed, path, step, j) alone.

Steps come in chunks of four, and a law draws the four numbers of one path and component at once. Normals: the pairs of
two blocks of the generator. Points: the four words of one block. Stable numbers: a block each. So no word is drawn and
thrown away, and the loops below vectorise over paths (compiled equations) or over components (`Fields`).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.bits import wide_vectors
from theorysim.backend.compile import body, compiled
from theorysim.backend.exponential import exp, log
from theorysim.backend.random import INCREMENTS, STARTS, counters, normal_pair, normals_of_blocks, philox, uniform_pair
from theorysim.backend.trigonometry import sincos

Array = NDArray[np.float64]
Four = tuple[float, float, float, float]

CHUNK = 4
_PURPOSE = np.uint64(INCREMENTS)
_1, _2, _3, _4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_SIXTH, _FIVE_SIXTHS, _HALF = np.uint64(715827883), np.uint64(3579139413), np.uint64(1 << 31)  # of 2**32
_ROOT_3 = math.sqrt(3.0)


@body
def normals(j: Any, path: Any, chunk: Any, alpha: float, k0: Any, k1: Any) -> Four:
    """Standard normals."""
    a, b = normal_pair(j, path, _2 * chunk, _PURPOSE, k0, k1)
    c, d = normal_pair(j, path, _2 * chunk + _1, _PURPOSE, k0, k1)
    return a, b, c, d


@body
def three_point(word: Any) -> float:
    """Return -sqrt 3, 0, sqrt 3 with probabilities 1/6, 2/3, 1/6: the moments of a standard normal up to the fifth."""
    return (_ROOT_3 if word >= _FIVE_SIXTHS else 0.0) - (_ROOT_3 if word < _SIXTH else 0.0)


@body
def three_points(j: Any, path: Any, chunk: Any, alpha: float, k0: Any, k1: Any) -> Four:
    """Three-point variables."""
    a, b, c, d = philox(j, path, chunk, _PURPOSE, k0, k1)
    return three_point(a), three_point(b), three_point(c), three_point(d)


@body
def two_point(word: Any) -> float:
    """Return -1 or 1: the moments of a standard normal up to the third."""
    return 1.0 if word >= _HALF else -1.0


@body
def two_points(j: Any, path: Any, chunk: Any, alpha: float, k0: Any, k1: Any) -> Four:
    """Two-point variables."""
    a, b, c, d = philox(j, path, chunk, _PURPOSE, k0, k1)
    return two_point(a), two_point(b), two_point(c), two_point(d)


@body
def stable(u: float, v: float, alpha: float) -> float:
    """Return a symmetric alpha-stable number, E exp(i k x) = exp(-|k|^alpha), from two uniforms in (0, 1).

    Source  J. M. Chambers, C. L. Mallows, B. W. Stuck, J. Am. Stat. Assoc. 71, 340 (1976).
    """
    angle = math.pi * (u - 0.5)
    wait = -log(v)
    sine, _ = sincos(alpha * angle)
    _, cosine = sincos(angle)
    _, rest = sincos((1.0 - alpha) * angle)
    return sine * exp(((1.0 - alpha) * log(rest / wait) - log(cosine)) / alpha)


@body
def _stable_of(j: Any, path: Any, step: Any, alpha: float, k0: Any, k1: Any) -> float:
    u, v = uniform_pair(j, path, step, _PURPOSE, k0, k1)
    return stable(u, v, alpha)


@body
def stables(j: Any, path: Any, chunk: Any, alpha: float, k0: Any, k1: Any) -> Four:
    """Symmetric alpha-stable numbers."""
    s = _4 * chunk
    return (
        _stable_of(j, path, s, alpha, k0, k1),
        _stable_of(j, path, s + _1, alpha, k0, k1),
        _stable_of(j, path, s + _2, alpha, k0, k1),
        _stable_of(j, path, s + _3, alpha, k0, k1),
    )


LAWS = {"normal": normals, "three": three_points, "two": two_points, "stable": stables}


@cache
def filling(law: str) -> Any:
    """Return the function that fills the lanes lo, ..., hi-1 of a chunk, ``out[s, j, lane]`` of component `skip` + j.

    Not a body: inlined into every loop of every scheme it would be compiled again each time, for seconds.
    """
    draw = LAWS[law]

    @compiled
    def fill(out: Any, lo: int, hi: int, path: Any, chunk: Any, skip: int, alpha: float, k0: Any, k1: Any) -> None:
        wide_vectors()
        first, word = np.uint64(path + lo), np.uint64(chunk)
        for j in range(out.shape[1]):
            block = np.uint64(skip + j)
            # Slices that start at index 0: a loop over lo, ..., hi-1 does not vectorise.
            out0, out1, out2, out3 = out[0, j, lo:hi], out[1, j, lo:hi], out[2, j, lo:hi], out[3, j, lo:hi]
            for p in range(hi - lo):
                out0[p], out1[p], out2[p], out3[p] = draw(block, first + np.uint64(p), word, alpha, k0, k1)

    return fill


@cache
def rows(law: str) -> Any:
    """Return the compiled function that fills ``out[s, p, j]``: the same numbers, a row for each path."""
    draw = LAWS[law]

    @compiled
    def fill(out: Any, path: Any, chunk: Any, alpha: float, k0: Any, k1: Any) -> None:
        wide_vectors()
        word = np.uint64(chunk)
        for p in range(out.shape[1]):
            stream = np.uint64(path + p)
            out0, out1, out2, out3 = out[0, p], out[1, p], out[2, p], out[3, p]
            for j in range(out.shape[2]):
                out0[j], out1[j], out2[j], out3[j] = draw(np.uint64(j), stream, word, alpha, k0, k1)

    return fill


def words_of(seed: int) -> tuple[np.uint64, np.uint64]:
    """Return the two words of the key.

    Raises
    ------
    ProblemError
        If `seed` is outside [0, 2**64).
    """
    k0, k1 = counters(seed, 0, 0, INCREMENTS)[3:]
    return k0, k1


def starts(paths: int, dimension: int, *, first: int, seed: int) -> Array:
    """Return the standard normals of the initial law, shape (paths, dimension), a row for each path from `first` on."""
    z = np.empty((paths, dimension))
    for p, row in enumerate(z):
        normals_of_blocks(row, 0, *counters(seed, first + p, 0, STARTS))
    return z
