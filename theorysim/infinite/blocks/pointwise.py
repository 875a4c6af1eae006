"""Maps of every entry of the kernels of a pair: activations, normalisation; and what a sample keeps for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.mathfun import exp
from theorysim.backend.order import larger, smaller
from theorysim.equations.blocks import inverse_norm, layer
from theorysim.equations.duals import Dual
from theorysim.infinite.blocks import loops

Array = NDArray[Any]
Body = Callable[..., Any]
scale_outer = loops.scale_outer


@cache
def activated(dual: Dual) -> Body:
    """Return the loop that applies T and Tdot to a pair, then K' = weight T + constant, and Theta' alike.

    Entries with q12 = q1 = q2, as those of a position with itself, take the exact diagonal map: the general one loses
    half its digits where the angle between two features vanishes. (q1 = q2 is read off what is prepared from them.)
    """
    pair = dual.pair

    @compiled
    def rows(
        space: Array, kernel: int, tangent: int, left: int, right: int, lanes: int, one: Array, i: int, two: Array,
        b: int, place: int, weight: float, constant: float, rate: float, bias: float,
    ) -> None:  # fmt: skip
        run, own = right * lanes, one[i]
        s, t = np.uint64(kernel), np.uint64(tangent)
        first, second = np.uint64((place + left) * lanes), np.uint64((place + 2 * left) * lanes)
        step = np.uint64(0 if right > 1 else lanes)
        for p in range(left):
            q1, a1, b1 = own[place + p], own[place + left + p], own[place + 2 * left + p]
            value1, slope1 = own[place + 3 * left + p], own[place + 4 * left + p]
            for j in range(np.uint64(run)):
                q12, a2 = space[s + j], two[b, first + j]
                value, slope = pair(q12, a1, b1, a2, two[b, second + j])
                same = (q12 == q1) & (a2 == a1)
                value, slope = value1 if same else value, slope1 if same else slope
                space[s + j], space[t + j] = layer(value, slope, space[t + j], weight, constant, rate, bias)
            s, t, first, second = s + np.uint64(run), t + np.uint64(run), first + step, second + step

    return rows


@compiled
def own_kernel(space: Array, kernel: int, right: int, p: int) -> float:
    """Return K[p, p] of a sample with itself (no other pairs side by side)."""
    return space[kernel + p * right + (p if right > 1 else 0)]  # type: ignore[no-any-return]


@cache
def kept_by(dual: Dual) -> Body:
    """Return the loop that records q, what `prepare` makes of it, T and Tdot of the sample with itself, and Theta."""
    prepare, diagonal = dual.prepare, dual.diagonal

    @compiled
    def keep(space: Array, kernel: int, tangent: int, left: int, right: int, record: Array, i: int, place: int) -> None:
        own = record[i]
        for p in range(left):
            q = own_kernel(space, kernel, right, p)
            own[place + p] = q
            own[place + left + p], own[place + 2 * left + p] = prepare(q)
            own[place + 3 * left + p], own[place + 4 * left + p] = diagonal(q)
            own[place + 5 * left + p] = own_kernel(space, tangent, right, p)

    return keep


@compiled
def keep_variances(
    space: Array, kernel: int, tangent: int, left: int, right: int, record: Array, i: int, place: int
) -> None:
    """Record q, 1/sqrt(q) and Theta; the root is 0 for q = 0: such positions are uncorrelated with all others."""
    for p in range(left):
        q = own_kernel(space, kernel, right, p)
        record[i, place + p] = q
        record[i, place + left + p] = inverse_norm(q, 0.0)
        record[i, place + 5 * left + p] = own_kernel(space, tangent, right, p)


@compiled
def expanded(
    space: Array, kernel: int, tangent: int, scratch: int, it: Array, real: Array, lanes: int, one: Array, i: int,
    two: Array, b: int,
) -> None:  # fmt: skip
    """Apply T and Tdot as Hermite series of the activation, then K' = weight T + constant, and Theta' alike.

    A row needs c = q12/sqrt(q1 q2), its powers' base y (c or c^2) and the two sums, from `scratch` on.
    """
    left, run, place = it[3], it[4] * lanes, it[6]
    base, value, slope = scratch + run, scratch + 2 * run, scratch + 3 * run
    for p in range(left):
        own, start = place + p, (0 if it[4] > 1 else p) * lanes
        row, other = kernel + p * run, (place + left) * lanes + start
        for j in range(run):
            c = space[row + j] * one[i, own + left] * two[b, other + j]
            space[scratch + j] = smaller(1.0, larger(-1.0, c))
        for which in range(2):
            coefficients, total = it[8 + 4 * which], slope if which == 1 else value
            square, odd = it[10 + 4 * which], it[11 + 4 * which]
            for j in range(run):
                c = space[scratch + j]
                space[base + j] = c * c if square == 1 else c
            loops.fill(space, total, run, 0.0)
            for k in range(it[9 + 4 * which] - 4, -1, -4):
                first = coefficients + k * left
                loops.add_four_terms(space, total, base, run, one[i], first + p, left, two[b], first * lanes + start,
                                     left * lanes)  # fmt: skip
            if odd == 1:
                loops.scale_outer(space, total, space, scratch, run, 1.0)
        q1, root1 = one[i, own], one[i, own + left]
        value1, slope1 = one[i, own + 3 * left], one[i, own + 4 * left]
        for j in range(run):
            same = space[row + j] == q1 and two[b, other + j] == root1
            t = value1 if same else space[value + j]
            tdot = slope1 if same else space[slope + j]
            at = tangent + p * run + j
            space[row + j], space[at] = layer(t, tdot, space[at], real[0], real[1], real[2], real[3])


@compiled
def keep_norms(
    space: Array, kernel: int, left: int, right: int, epsilon: float, record: Array, i: int, place: int
) -> None:
    """Record 1/sqrt(q + epsilon); 0 where both vanish, as the normalisation of 0 is 0."""
    for p in range(left):
        record[i, place + p] = inverse_norm(own_kernel(space, kernel, right, p), epsilon)


@compiled
def normalise(
    space: Array, kernel: int, tangent: int, left: int, right: int, lanes: int, one: Array, i: int, two: Array, b: int,
    place: int,
) -> None:  # fmt: skip
    """Divide by both norms."""
    run = right * lanes
    for p in range(left):
        start = (place + (0 if right > 1 else p)) * lanes
        for state in (kernel, tangent):
            scale_outer(space, state + p * run, two[b], start, run, one[i, place + p])


@compiled
def drop(space: Array, kernel: int, tangent: int, left: int, right: int, factor: float) -> None:
    """Multiply the kernels of every position of a sample with itself."""
    for p in range(left):
        k = p * right + (p if right > 1 else 0)
        space[kernel + k] *= factor
        space[tangent + k] *= factor


@compiled
def keep_scores(
    space: Array, kernel: int, tangent: int, positions: int, scale: float, record: Array, i: int, place: int
) -> None:
    """Record softmax(scale K) over the positions of the second index; then K and Theta of positions with themselves."""
    last = place + positions * positions
    for p in range(positions):
        record[i, last + p] = own_kernel(space, kernel, positions, p)
        record[i, last + positions + p] = own_kernel(space, tangent, positions, p)
    for p in range(positions):
        row, to = kernel + p * positions, place + p * positions
        top, total = scale * space[row], 0.0
        for q in range(positions):
            top = larger(top, scale * space[row + q])
        for q in range(positions):
            record[i, to + q] = exp(scale * space[row + q] - top)
            total += record[i, to + q]
        for q in range(positions):
            record[i, to + q] /= total
