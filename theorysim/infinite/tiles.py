"""Bodies of the closed-form kernel recursions: one sample, and one tile of pairs, through all layers at once.

A tile stays in the processor's cache while all layers pass over it, in place in the two output arrays, so memory
is read and written once. The same text runs one pair per thread on CUDA (tile edge 1).

Pairs of the relu family that nearly coincide lose half their digits in theta = arccos(c); they are found at the
cost of one comparison per pair and redone from ||x - x'|| by `dual_abrelu.close_layer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from numpy.typing import NDArray

from theorysim.backend.compile import body
from theorysim.backend.order import smaller
from theorysim.equations.dual_abrelu import close_start
from theorysim.equations.duals import Dual

Array = NDArray[Any]
Body = Callable[..., Any]

# At the first layer 1 - c is known to 1e-16 of 1: beyond these, theta = sqrt(2 (1 - c)) keeps 13 and 12 digits.
_CLOSE_AT_START = 1.0 - 1e-3
_CLOSE_AT_END = 1.0 - 1e-8

_MATRIX = "float64[:,::1]"
_SAMPLE_TYPES = f"float64[::1], {', '.join([_MATRIX] * 4)}, float64[::1], float64[::1]"
_TILE_TYPES = f"int64, int64, {', '.join([_MATRIX] * 11)}"


@cache
def sample_of(dual: Dual) -> Body:
    """Return the body that carries the self-kernels of sample i through all layers.

    Its arguments are ``i, norms, steps, sigma, a, b, nngp, ntk``: |x|^2, shape (N,); a row (sw^2, sb^2, alpha,
    alpha') for each layer, shape (L + 1, 4), in the first row sw^2/d and alpha/d; then results: Sigma^l and what
    `dual.prepare` makes of it, shape (L, N); the last Sigma and Theta, shape (N,).
    """
    prepare, diagonal = dual.prepare, dual.diagonal

    @body(_SAMPLE_TYPES)
    def sample(i: int, norms: Array, steps: Array, sigma: Array, a: Array, b: Array, nngp: Array, ntk: Array) -> None:
        s = steps[0, 0] * norms[i] + steps[0, 1]
        t = steps[0, 2] * norms[i] + steps[0, 3]
        for layer in range(steps.shape[0] - 1):
            sigma[layer, i] = s
            a[layer, i], b[layer, i] = prepare(s)
            value, slope = diagonal(s)
            t = steps[layer + 1, 2] * value + steps[layer + 1, 3] + steps[layer + 1, 0] * slope * t
            s = steps[layer + 1, 0] * value + steps[layer + 1, 1]
        nngp[i], ntk[i] = s, t

    return sample


@body
def corner(t: int, edge: int, columns: int, symmetric: int) -> tuple[int, int]:
    """Return the first row and column of tile t: row by row, of the lower triangle only where symmetric."""
    if symmetric:
        p = int((math.sqrt(8.0 * t + 1.0) - 1.0) * 0.5)
        p -= p * (p + 1) // 2 > t  # the root may be rounded either way
        p += (p + 1) * (p + 2) // 2 <= t
        return p * edge, (t - p * (p + 1) // 2) * edge
    across = (columns + edge - 1) // edge
    return t // across * edge, t % across * edge


def tiles(rows: int, columns: int, edge: int, symmetric: bool) -> int:
    """Return the number of tiles."""
    down = -(-rows // edge)
    return down * (down + 1) // 2 if symmetric else down * -(-columns // edge)


@body
def mirror(values: Array, start: int, stop: int, first: int, last: int) -> None:
    """Copy the part below the diagonal of rows start..stop, columns first..last, to above the diagonal."""
    for i in range(start, stop):
        for j in range(first, smaller(i, last)):
            values[j, i] = values[i, j]


@cache
def tile_of(dual: Dual) -> Body:
    """Return the body that carries a tile of pairs through all layers, from x.x' to Sigma and Theta, in place.

    Its arguments after the tile's number t are ``edge, symmetric, x1, x2, steps, s1, a1, b1, s2, a2, b2, nngp,
    ntk``: `steps` as for `sample_of`; sigma, a, b of both sets of samples from `sample_of`; the outputs, `nngp`
    holding x.x'. Symmetric: only the part below the diagonal is read, and mirrored; the diagonal is left alone.
    """
    pair = dual.pair
    mark, mend = (_no_mark, _no_mend) if dual.close is None else (_mark, _mender(dual.close))

    @body
    def advance(
        s: Array, t: Array, a1: float, b1: float, a2: Array, b2: Array, w: float, v: float, rate: float, bias: float
    ) -> None:
        for j in range(s.shape[0]):
            value, slope = pair(s[j], a1, b1, a2[j], b2[j])
            t[j] = rate * value + bias + w * slope * t[j]
            s[j] = w * value + v

    @body(_TILE_TYPES)
    def tile(
        t: int, edge: int, symmetric: int, x1: Array, x2: Array, steps: Array,
        s1: Array, a1: Array, b1: Array, s2: Array, a2: Array, b2: Array, nngp: Array, ntk: Array,
    ) -> None:  # fmt: skip
        top, left = corner(t, edge, nngp.shape[1], symmetric)
        bottom, right = smaller(top + edge, nngp.shape[0]), smaller(left + edge, nngp.shape[1])
        last = s1.shape[0] - 1
        for i in range(top, bottom):
            stop = smaller(i, right) if symmetric else right
            row, tangent = nngp[i, left:stop], ntk[i, left:stop]
            begin(row, tangent, steps)
            mark(row, tangent, s1[0, i], s2[0, left:stop], _CLOSE_AT_START)
            for layer in range(last + 1):
                if layer == last:
                    mark(row, tangent, s1[layer, i], s2[layer, left:stop], _CLOSE_AT_END)
                advance(
                    row, tangent, a1[layer, i], b1[layer, i], a2[layer, left:stop], b2[layer, left:stop],
                    steps[layer + 1, 0], steps[layer + 1, 1], steps[layer + 1, 2], steps[layer + 1, 3],
                )  # fmt: skip
            mend(i, left, stop, x1, x2, steps, s1, s2, nngp, ntk)
        if symmetric:
            mirror(nngp, top, bottom, left, right)
            mirror(ntk, top, bottom, left, right)

    return tile


@body
def begin(s: Array, t: Array, steps: Array) -> None:
    """Turn x.x' into Sigma^1 and Theta^1."""
    for j in range(s.shape[0]):
        t[j] = steps[0, 2] * s[j] + steps[0, 3]
        s[j] = steps[0, 0] * s[j] + steps[0, 1]


@body
def _mark(s: Array, t: Array, q1: float, q2: Array, cosine: float) -> None:
    """Make Theta of the nearly coinciding pairs NaN, which stays NaN through the layers until they are redone."""
    bound = cosine * math.sqrt(q1)
    for j in range(s.shape[0]):
        t[j] = math.nan if s[j] > bound * math.sqrt(q2[j]) else t[j]


@body
def _no_mark(s: Array, t: Array, q1: float, q2: Array, cosine: float) -> None:
    """Mark nothing: the pair formula is accurate for all pairs."""


@body
def _no_mend(
    i: int, start: int, stop: int, x1: Array, x2: Array, steps: Array, s1: Array, s2: Array, nngp: Array, ntk: Array
) -> None:
    """Redo nothing."""


@cache
def _mender(close: Body) -> Body:
    """Return the body that redoes the marked pairs of row i, columns start..stop, from the inputs."""

    @body
    def redo(i: int, j: int, x1: Array, x2: Array, steps: Array, s1: Array, s2: Array, nngp: Array, ntk: Array) -> None:
        dot = 0.0
        for k in range(x1.shape[1]):
            dot += x1[i, k] * x2[j, k]
        delta, d = close_start(x1[i], x2[j], steps[0, 0] * x1.shape[1], steps[0, 1])
        s, t = 0.0, steps[0, 2] * dot + steps[0, 3]
        for layer in range(s1.shape[0]):
            w, v = steps[layer + 1, 0], steps[layer + 1, 1]
            rate, bias = steps[layer + 1, 2], steps[layer + 1, 3]
            delta, d, t, s = close(delta, d, s1[layer, i], s2[layer, j], t, w, v, rate, bias)
        nngp[i, j], ntk[i, j] = s, t

    @body
    def mend(
        i: int, start: int, stop: int, x1: Array, x2: Array, steps: Array, s1: Array, s2: Array, nngp: Array, ntk: Array
    ) -> None:
        marked = 0
        for j in range(start, stop):
            marked += ntk[i, j] != ntk[i, j]
        if marked > 0:
            for j in range(start, stop):
                if ntk[i, j] != ntk[i, j]:
                    redo(i, j, x1, x2, steps, s1, s2, nngp, ntk)

    return mend
