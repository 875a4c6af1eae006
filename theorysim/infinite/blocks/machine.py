"""The machine: one body that runs a program for a block of pairs (x, x'_1), (x, x'_2), ... of samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body, compiled
from theorysim.equations.duals import Dual
from theorysim.infinite.blocks import loops, maps, pointwise
from theorysim.infinite.blocks.instructions import (
    ACTIVATE,
    ADD,
    AFFINE,
    COLUMNS,
    CONVOLVE,
    COPY,
    DIAGONAL,
    DROP,
    EXPAND,
    INPUT,
    LEFT,
    NORMALISE,
    RIGHT,
    ROWS,
    SCORE,
)

Array = NDArray[Any]
Body = Callable[..., Any]

ALL, OWN, BELOW = range(3)
"""Which pairs: all, each sample with itself, those of which the second comes before the first."""

_WHOLE, _REAL = "int64[:,::1]", "float64[:,::1]"
_TYPES = ", ".join(["int64"] * 2 + [_WHOLE] * 2 + [_REAL, "float64[::1]"] + [_REAL] * 7)


@compiled
def step(
    space: Array, begin: int, target: int, middle: int, it: Array, real: Array, lanes: int, mode: int, masks: Array,
    x1: Array, x2: Array, one: Array, two: Array, i: int, b: int,
) -> None:  # fmt: skip
    """Run one instruction that knows no activation; `begin`, `target` are where its two buffers begin."""
    code, left, right, place = it[0], it[3], it[4], it[6]
    entries = left * right * lanes
    if code == CONVOLVE and right == 1 and it[7] == 0:
        maps.convolved_alone(
            space, begin, middle, target, lanes, real[1],
            it[8], it[10], it[11], it[12], it[13], it[15], it[17], it[18], it[19], it[20],
        )  # fmt: skip
    elif code == CONVOLVE:
        maps.convolved(
            space, begin, middle, target, right, lanes, it[7], real[1], masks,
            it[8], it[10], it[11], it[12], it[13], it[14] * lanes,
            it[15], it[17], it[18], it[19], it[20], it[21] * lanes,
        )  # fmt: skip
    elif code == AFFINE:
        loops.affine(space, begin, target, entries, real[0], real[1], real[2], real[3])
    elif code == INPUT:
        maps.input_products(space, begin, x1, x2, i, b, left, right, lanes)
        loops.begun(space, begin, target, entries, real[0], real[1], real[2], real[3])
    elif code == NORMALISE:
        if mode == OWN:
            pointwise.keep_norms(space, begin, left, right, real[1], one, i, place)
        pointwise.normalise(space, begin, target, left, right, lanes, one, i, two, b, place)
    elif code == EXPAND:
        if mode == OWN:
            pointwise.keep_variances(space, begin, target, left, right, one, i, place)
        if it[9] > 0:
            pointwise.expanded(space, begin, target, middle, it, real, lanes, one, i, two, b)
    elif code == DROP:
        if mode == OWN:
            pointwise.drop(space, begin, target, left, right, real[0])
    elif code == COPY:
        loops.copy(space, target, space, begin, entries, 0.0)
    elif code == ADD:
        loops.add(space, target, space, begin, entries, 1.0)
    elif code in (ROWS, COLUMNS):
        width = it[9] * lanes * (right if code == ROWS else 1)
        maps.window_sums(space, begin, target, entries, width, it[8], it[10], it[11], it[13])
    elif code == DIAGONAL:
        maps.diagonal_of(space, begin, target, left, lanes)
    elif code == SCORE:
        if mode == OWN:
            pointwise.keep_scores(space, begin, target, left, real[0], one, i, place)
    elif code == LEFT:
        maps.mixed_rows(space, begin, target, left, right, lanes, one, i, place)
    elif code == RIGHT:
        maps.mixed_columns(space, begin, target, left, right, lanes, two, b, place)


@compiled
def _no_activation(
    index: int, space: Array, begin: int, target: int, it: Array, real: Array, lanes: int, mode: int, one: Array,
    i: int, two: Array, b: int,
) -> None:  # fmt: skip
    """Do nothing: the end of the list of activations."""


@cache
def _activations(duals: tuple[Dual, ...]) -> Body:
    """Return the loops of all activations of a network, chosen by number: compiled code cannot index functions."""
    if not duals:
        return _no_activation
    rows, keep = pointwise.activated(duals[0]), pointwise.kept_by(duals[0])
    others = _activations(duals[1:])

    @compiled
    def activate(
        index: int, space: Array, begin: int, target: int, it: Array, real: Array, lanes: int, mode: int, one: Array,
        i: int, two: Array, b: int,
    ) -> None:  # fmt: skip
        if index > 0:
            others(index - 1, space, begin, target, it, real, lanes, mode, one, i, two, b)
            return
        if mode == OWN:
            keep(space, begin, target, it[3], it[4], one, i, it[6])
        rows(space, begin, target, it[3], it[4], lanes, one, i, two, b, it[6], real[0], real[1], real[2], real[3])

    return activate


@cache
def machine_of(duals: tuple[Dual, ...]) -> Body:
    """Return the machine for networks with the given activations.

    Its arguments after the number of the worker are ``lanes, mode, tasks, whole, real, masks, x1, x2, record1, record2,
    workspace, nngp, ntk``. Of W workers (rows of `workspace`) each takes every W-th row (i, b) of `tasks`: sample i of
    `x1`, block b of `x2`. The first row of `whole` says where buffers begin, how long they are, and where a convolution
    may keep numbers, in positions; then follow the instructions, their real numbers in `real`. `x1` is (n1, positions x
    channels), `x2` (blocks, channels x positions x lanes), `record1` (n1, numbers), `record2` (blocks, numbers x
    lanes). In mode `OWN` samples meet themselves: they write their records, and `nngp`, `ntk` are columns.
    """
    activate = _activations(duals)

    @compiled
    def run(
        worker: Any, lanes: int, mode: int, tasks: Array, whole: Array, real: Array, masks: Array, x1: Array, x2: Array,
        record1: Array, record2: Array, workspace: Array, nngp: Array, ntk: Array,
    ) -> None:  # fmt: skip
        space = workspace[worker]
        margin, length, middle = whole[0, 0] * lanes, whole[0, 1] * lanes, whole[0, 2] * lanes
        for task in range(worker, tasks.shape[0], workspace.shape[0]):
            i, b = tasks[task, 0], tasks[task, 1]
            for k in range(1, whole.shape[0]):
                it, numbers = whole[k], real[k]
                begin, target = margin + it[1] * length, margin + it[2] * length
                if it[0] == ACTIVATE:
                    activate(it[5], space, begin, target, it, numbers, lanes, mode, record1, i, record2, b)
                else:
                    step(space, begin, target, middle, it, numbers, lanes, mode, masks, x1, x2, record1, record2, i, b)
            last = whole.shape[0] - 1
            for lane in range(lanes):
                column = 0 if mode == OWN else b * lanes + lane
                if column < nngp.shape[1] and (mode != BELOW or column < i):
                    nngp[i, column] = space[margin + whole[last, 1] * length + lane]
                    ntk[i, column] = space[margin + whole[last, 2] * length + lane]

    @body(_TYPES)
    def machine(
        worker: int, lanes: int, mode: int, tasks: Array, whole: Array, real: Array, masks: Array, x1: Array, x2: Array,
        record1: Array, record2: Array, workspace: Array, nngp: Array, ntk: Array,
    ) -> None:  # fmt: skip
        run(np.int64(worker), lanes, mode, tasks, whole, real, masks, x1, x2, record1, record2, workspace, nngp, ntk)

    return machine
