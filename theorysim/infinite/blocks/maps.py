"""Linear maps of the kernels of a pair: convolutions, means over windows, attention.

A state K[p, p', lane] has a row of `run` = right * lanes numbers for each position p: `lanes` pairs (x, x'_1),
(x, x'_2), ... with the same x are side by side, so that loops are long however few positions there are. `right` is the
number of positions p', or 1 where only p' = p is carried. All states are stretches of one array, `space`.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.order import larger, smaller
from theorysim.infinite.blocks import loops

Array = NDArray[Any]
fill, copy, add, add_masked = loops.fill, loops.copy, loops.add, loops.add_masked
add_three, add_up, scaled = loops.add_three, loops.add_up, loops.scaled


@compiled
def input_products(
    space: Array, to: int, x1: Array, x2: Array, i: int, b: int, left: int, right: int, lanes: int
) -> None:
    """Write sum_c x1[p, c] x2[c, p', lane]."""
    run, across = right * lanes, left * lanes  # x2 has all positions, whether or not all are paired
    channels, other = x1.shape[1] // left, x2[b]
    for p in range(left):
        start = 0 if right > 1 else p * lanes
        scaled(space, to + p * run, other, start, run, x1[i, p * channels])
        for c in range(1, channels):
            add(space, to + p * run, other, c * across + start, run, x1[i, p * channels + c])


@compiled
def convolved(
    space: Array, begin: int, middle: int, target: int, right: int, lanes: int, wrap: int, constant: float,
    masks: Array,
    height: int, taps_y: int, stride_y: int, before_y: int, height_out: int, mask_y: int,
    width: int, taps_x: int, stride_x: int, before_x: int, width_out: int, mask_x: int,
) -> None:  # fmt: skip
    """Write sum_k S(p + k, p' + k) over a rectangle of k: the positions of x and of x' move together.

    The sums along y are made for one y at a time and kept from `middle` on, in the nearest cache, for the sums along x.
    `masks` has a row for each tap (1 where p' + k is on the axis), as long as all rows of an x, so that loops are; then
    for each the opposite, for a circle. What is masked may lie beyond S, but must be finite.
    """
    run = right * lanes
    between, kept, move = run, run, 0
    if right > 1:
        between, kept, move = run // height * height_out, run // height * height_out // width * width_out, lanes
    for y in range(height_out):
        at = begin + y * stride_y * width * run
        if taps_y > 1 or stride_y > 1:
            _along_y(space, at, middle, width, run, width * move, y * stride_y, height, taps_y, before_y, wrap, masks,
                     mask_y)  # fmt: skip
            if between < run:
                for x in range(width):
                    _cut(
                        space, middle + x * run, middle + x * between, run, width * lanes, height, stride_y, height_out
                    )
            at = middle
        _along_x(space, at, target + y * width_out * kept, between, kept, move, lanes, width, taps_x, stride_x,
                 before_x, width_out, wrap, constant, masks, mask_x)  # fmt: skip


@compiled
def convolved_alone(
    space: Array, begin: int, middle: int, target: int, lanes: int, constant: float,
    height: int, taps_y: int, stride_y: int, before_y: int, height_out: int,
    width: int, taps_x: int, stride_x: int, before_x: int, width_out: int,
) -> None:  # fmt: skip
    """Write the same where only p = p' is carried: nothing is masked, and rows of all lanes are long loops."""
    run = width * lanes
    inner = larger(0, width - taps_x + 1) if stride_x == 1 else 0  # windows that lie on the image, one after the other
    for y in range(height_out):
        top = y * stride_y - before_y
        first, last = larger(0, top), smaller(height, top + taps_y)
        at, to = begin + first * run, target + y * width_out * lanes
        if last - first > 1:
            add_up(space, middle, at, run, last - first, run, 0.0)
            at = middle
        if inner > 0:
            add_up(space, to + before_x * lanes, at, lanes, taps_x, inner * lanes, constant)
        for k in range(width_out - inner):
            x = k if k < before_x or inner == 0 else k + inner
            start = x * stride_x - before_x
            one, end = larger(0, start), smaller(width, start + taps_x)
            add_up(space, to + x * lanes, at + one * lanes, lanes, end - one, lanes, constant)


@compiled
def _along_y(
    space: Array, at: int, to: int, width: int, run: int, move: int, y: int, height: int, taps: int, before: int,
    wrap: int, masks: Array, mask: int,
) -> None:  # fmt: skip
    """Write the sums along y for one y and every x."""
    n = width * run
    if taps == 3 and before == 1 and wrap == 0:
        _three(space, to, at, n, n + move, y > 0, y < height - 1, 0.0, masks, mask, n)
    else:
        _taps(space, to, at, n, n, move, y, height, taps, before, wrap, 0.0, masks, mask, n)


@compiled
def _along_x(
    space: Array, at: int, to: int, run: int, kept: int, move: int, lanes: int, width: int, taps: int, stride: int,
    before: int, width_out: int, wrap: int, constant: float, masks: Array, mask: int,
) -> None:  # fmt: skip
    """Write the sums along x for one y and every x of the output."""
    three, span = taps == 3 and before == 1 and wrap == 0, width * run
    inner = width - 2 if three and stride == 1 and width_out == width and width > 2 else 0
    if inner > 0:
        _three(space, to + run, at + run, inner * run, run + move, True, True, constant, masks, mask, span)
    for k in range(2 if inner > 0 else width_out):
        x = k * (width - 1) if inner > 0 else k
        row, start = to + x * kept, at + x * stride * run
        if three:
            _three(space, row, start, run, run + move, x * stride > 0, x * stride < width - 1, constant, masks, mask,
                   span)  # fmt: skip
        else:
            _taps(space, row, start, run, run, move, x * stride, width, taps, before, wrap, constant, masks, mask, span)
        if kept < run:
            _cut(space, row, row, run, lanes, width, stride, width_out)


@compiled
def _three(
    space: Array, to: int, at: int, n: int, apart: int, has_up: bool, has_down: bool, constant: float, masks: Array,
    mask: int, span: int,
) -> None:  # fmt: skip
    """Write the sums of rows, the ones before and the ones after (`apart` numbers away): the commonest filter.

    A missing row is masked by the opposite of the middle mask, which is 0.
    """
    up, down = at - apart if has_up else at, at + apart if has_down else at
    mask_up, mask_down = 0 if has_up else 4, 2 if has_down else 4
    add_three(space, to, at, up, down, n, constant, masks, mask + mask_up * span, mask + mask_down * span)


@compiled
def _taps(
    space: Array, to: int, at: int, run: int, apart: int, move: int, y: int, size: int, taps: int, before: int,
    wrap: int, constant: float, masks: Array, mask: int, span: int,
) -> None:  # fmt: skip
    """Write `run` sums: of what is `apart` numbers away in x, each moved by `move` numbers in x'."""
    copy(space, to, space, at, run, constant)
    for k in range(taps):
        step = k - before
        turn = size if y + step < 0 else (-size if y + step >= size else 0)
        if step != 0 and (wrap == 1 or turn == 0):
            start = at + (step + turn) * apart + step * move
            add_masked(space, to, space, start, run, masks, mask + k * span)
            if wrap == 1 and move > 0:
                start += size * move if step < 0 else -size * move
                add_masked(space, to, space, start, run, masks, mask + (taps + k) * span)


@compiled
def _cut(space: Array, at: int, to: int, run: int, width: int, size: int, stride: int, out: int) -> None:
    """Keep every `stride`-th position of an axis of x', `out` of them, side by side."""
    for o in range(run // (size * width)):
        for y in range(out):
            copy(space, to + (o * out + y) * width, space, at + (o * size + y * stride) * width, width, 0.0)


@compiled
def window_sums(
    space: Array, at: int, to: int, numbers: int, width: int, size: int, taps: int, stride: int, out: int
) -> None:
    """Write sums over windows along one axis of `size` positions, `width` numbers each, of `numbers` in all."""
    for o in range(numbers // (size * width)):
        for y in range(out):
            row = to + (o * out + y) * width
            fill(space, row, width, 0.0)
            for k in range(taps):
                add(space, row, space, at + (o * size + y * stride + k) * width, width, 1.0)


@compiled
def diagonal_of(space: Array, at: int, to: int, left: int, lanes: int) -> None:
    """Write K[p, p]."""
    for p in range(left):
        copy(space, to + p * lanes, space, at + p * (left + 1) * lanes, lanes, 0.0)


@compiled
def mixed_rows(
    space: Array, at: int, to: int, left: int, right: int, lanes: int, record: Array, i: int, place: int
) -> None:
    """Write sum_q G[p, q] K[q, p'], with G of x in the record of sample i."""
    run = right * lanes
    fill(space, to, left * run, 0.0)
    for p in range(left):
        for q in range(left):
            add(space, to + p * run, space, at + q * run, run, record[i, place + p * left + q])


@compiled
def mixed_columns(
    space: Array, at: int, to: int, left: int, right: int, lanes: int, record: Array, b: int, place: int
) -> None:
    """Write sum_q' G[p', q'] K[p, q'], with G of every x' in the record of block b, lanes last."""
    fill(space, to, left * right * lanes, 0.0)
    for p in range(left):
        for k in range(right * right):
            row = p * right
            add_masked(space, to + (row + k // right) * lanes, space, at + (row + k % right) * lanes, lanes, record[b],
                       (place + k) * lanes)  # fmt: skip
