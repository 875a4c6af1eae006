"""Runs a program for many pairs of samples: workspace, tasks, and samples side by side."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.equations.duals import Dual, dual_of
from theorysim.infinite.blocks.instructions import CONVOLVE, Program
from theorysim.infinite.blocks.machine import ALL, BELOW, OWN, machine_of

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

_RUN = {"cpu": 2048, "cuda": 1}  # numbers of a buffer that is filled up with pairs side by side if positions are few
_MOST_LANES = 32
_WORKSPACE = {"cpu": 1 << 25, "cuda": 1 << 27}  # numbers, for all workers
_WORKERS = {"cpu": 64, "cuda": 1 << 15}


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples, what every one keeps for its pairs, and its self-kernels.

    Attributes
    ----------
    x : ndarray, shape (n, positions, channels)
    record : ndarray, shape (n, numbers)
    nngp, ntk : ndarray, shape (n,)
    """

    x: Array
    record: Array
    nngp: Array
    ntk: Array

    def part(self, rows: slice) -> Samples:
        """Return some of the samples."""
        return Samples(self.x[rows], self.record[rows], self.nngp[rows], self.ntk[rows])


def own(program: Program, x: Array, record: Array, device: str) -> Samples:
    """Return samples with their records (`record`, filled in place) and self-kernels."""
    n = len(x)
    flat = np.ascontiguousarray(x, dtype=np.float64).reshape(n, program.positions, program.channels)
    nngp, ntk = np.zeros((n, 1)), np.zeros((n, 1))
    tasks = np.repeat(np.arange(n)[:, None], 2, axis=1)
    _run(program, 1, OWN, tasks, flat, _side_by_side(flat, 1), record, record, nngp, ntk, device)
    return Samples(flat, record, nngp[:, 0], ntk[:, 0])


def pairs(program: Program, one: Samples, two: Samples | None, device: str) -> tuple[Array, Array]:
    """Return the NNGP and NTK of all pairs, shape (n1, n2); exactly symmetric for `two` = None."""
    second = one if two is None else two
    lanes, shape = lanes_of(program, device), (len(one.x), len(second.x))
    blocks = -(-shape[1] // lanes)
    # Tasks with the same block of x' follow each other: its records stay in the cache.
    tasks = np.stack(np.meshgrid(np.arange(shape[0]), np.arange(blocks)), axis=-1).reshape(-1, 2)
    if two is None:
        tasks = tasks[tasks[:, 1] * lanes < tasks[:, 0]]
    nngp, ntk = np.zeros(shape), np.zeros(shape)
    x2, record2 = _side_by_side(second.x, lanes), _side_by_side(second.record[:, :, None], lanes)
    mode = BELOW if two is None else ALL
    _run(program, lanes, mode, tasks, one.x, x2, one.record, record2, nngp, ntk, device)
    if two is None:
        for values, diagonal in ((nngp, one.nngp), (ntk, one.ntk)):
            values += np.tril(values, -1).T
            np.fill_diagonal(values, diagonal)
    return nngp, ntk


def lanes_of(program: Program, device: str) -> int:
    """Return how many pairs run side by side."""
    return max(1, min(_MOST_LANES, _RUN.get(device, 1) // program.size))


def _run(
    program: Program, lanes: int, mode: int, tasks: Whole, x1: Array, x2: Array, record1: Array, record2: Array,
    nngp: Array, ntk: Array, device: str,
) -> None:  # fmt: skip
    p, duals = program, closed_maps(program)
    begin, middle = p.positions, p.positions + p.buffers * p.size
    numbers = [([begin, p.size, middle], [0.0] * 4), *(it.numbers for it in p.instructions)]
    whole = np.zeros((len(numbers), len(numbers[-1][0])), dtype=np.int64)
    for row, (integers, _) in zip(whole, numbers, strict=True):
        row[: len(integers)] = integers
    workspace = np.zeros((_workers(device, len(tasks), middle * lanes), (middle + p.middle + p.positions) * lanes))
    foreach(
        machine_of(duals), len(workspace), lanes, mode, np.ascontiguousarray(tasks), whole,
        np.array([real for _, real in numbers]), masks_of(p, lanes), x1.reshape(len(x1), -1) / p.channels, x2,
        record1, record2, workspace, nngp, ntk, device=device,
    )  # fmt: skip


def closed_maps(program: Program) -> tuple[Dual, ...]:
    """Return the closed dual maps of a program's activations, as `ACTIVATE` numbers them."""
    return tuple(maps for maps in map(dual_of, program.closed) if maps is not None)


def _workers(device: str, tasks: int, numbers: int) -> int:
    """Return how many workers share the tasks: as many as the workspace allows, but one for every processor."""
    fitting = max(os.cpu_count() or 1, _WORKSPACE.get(device, 1) // numbers)
    return max(1, min(_WORKERS.get(device, 1), fitting, tasks))


def _side_by_side(values: Array, lanes: int) -> Array:
    """Return values of shape (n, p, c) as blocks of `lanes` samples, shape (blocks, c p lanes), c slowest."""
    n, p, c = values.shape
    padded = np.pad(values, ((0, -n % lanes), (0, 0), (0, 0)))
    return np.ascontiguousarray(padded.reshape(-1, lanes, p, c).transpose(0, 3, 2, 1)).reshape(-1, c * p * lanes)


def masks_of(program: Program, lanes: int) -> Array:
    """Return, for both axes of every convolution, a row for each tap: 1 where p' + step is on the axis; then a row for
    each: 1 where it is not."""
    masks, found = [np.zeros(0)], 0
    for it in program.instructions:
        if it.code == CONVOLVE and it.slow.mask == found:  # K and Theta share theirs
            between = it.right // it.slow.size * it.slow.out if it.right > 1 else 1
            for axis, right in ((it.slow, it.right), (it.fast, between)):
                place = np.arange(it.fast.size * right) // axis.unit % axis.size
                at = place + np.arange(axis.taps)[:, None] - axis.before
                inside = ((at >= 0) & (at < axis.size)) | (it.right == 1)
                masks.append(np.repeat(np.concatenate((inside, ~inside)), lanes).astype(np.float64))
                found += inside.size * 2
    return np.concatenate(masks)
