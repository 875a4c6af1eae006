"""Training of finite networks: replicas in blocks, blocks on threads, observables in one Dataset.

Each replica's numbers depend on the problem, the seed and its own number alone: not on how many replicas
are trained, on the blocks, or on the threads (on one type of processor).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite import residual
from theorysim.finite.block import Block, Precision, Probe, Record
from theorysim.finite.initial import given
from theorysim.finite.network import Parameters, initialise
from theorysim.finite.results import dataset
from theorysim.problem import GradientFlow, ResidualMLP, Training

Array = NDArray[np.float64]
Initial = Mapping[str, Array] | str | Path | Parameters
Batches = Sequence[NDArray[np.int64]]
ProbeOf = Callable[[slice], Probe]  # rows of a block among the replicas -> what to do at its recorded steps

_BLOCK = 1 << 20  # numbers touched per step by a block: what stays in the caches of one core
_LARGEST_BLOCK = 64
_WORTH_A_THREAD = 2e7  # operations of a step of one network, below which two threads take longer than one (measured)


def train(
    training: Training,
    *,
    replicas: int,
    seed: int = 0,
    batches: Batches | None = None,
    initial: Initial | None = None,
    device: str = "cpu",
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Train finite networks and return their observables at the recorded steps.

    Parameters
    ----------
    training : Training
        Data, network, optimizer, steps.
    replicas : int
        Networks trained, each with its own initialisation and batch order.
    seed : int
        Key of the random numbers; replica r is the same network whatever `replicas`.
    batches : list of ndarray, optional
        Row indices of each step, for all replicas, in place of drawn ones.
    initial : mapping, path of an npz file, or Parameters, optional
        Initial effective parameters W1, b1, W2, ... in place of drawn ones (see `replay`).
    device : "cpu"
        Where to train.
    threads : int, optional
        Threads (default: the processor's cores; one where steps are short). The numbers do not depend on it.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    xarray.Dataset
        Losses, accuracies and predictions with the dimension ``replica`` at `training.recorded`, which unless
        told otherwise begins with step 0: the initial outputs.

    Raises
    ------
    ProblemError
        If an argument does not fit the problem.
    FloatingPointError
        If a run diverges.
    """
    record = run(
        training, replicas=replicas, seed=seed, batches=batches, initial=initial, device=device,
        threads=threads, progress=progress,
    )  # fmt: skip
    return dataset(training, record, seed=seed)


def run(
    training: Training,
    *,
    replicas: int,
    seed: int = 0,
    batches: Batches | None = None,
    initial: Initial | None = None,
    device: str = "cpu",
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
    probe: ProbeOf | None = None,
    first: int = 0,
    precision: Precision = "double",
) -> Record:
    """Train as `train` does, and return the outputs; `probe` sees the parameters at each recorded step.

    The replicas are those with the numbers `first`, `first` + 1, ... Passes in single precision take half the time;
    gradient flow is integrated in double precision always.
    """
    _check(training, replicas, device, batches)
    if isinstance(training.network, ResidualMLP) and initial is None and probe is None:
        return residual.run(training, replicas=replicas, seed=seed, batches=batches, threads=threads, first=first)
    start = None if initial is None else given(training, initial, replicas)
    size = block_size(training)
    kind: Precision = "double" if isinstance(training.optimizer, GradientFlow) else precision
    threads = default_threads(training) if threads is None else threads
    size = min(size, -(-replicas // threads))  # no idle thread; the numbers do not depend on the block
    parts = [slice(row, min(row + size, replicas)) for row in range(0, replicas, size)]
    crew = _Crew(len(parts), progress)

    def one(index: int) -> Record:
        numbers, rows = range(first, first + replicas)[parts[index]], parts[index]
        p = initialise(training.layers, numbers, seed=seed) if start is None else start.part(rows)
        block = Block(training, numbers, seed=seed, p=p, batches=batches, precision=kind)
        see = None if probe is None else probe(rows)
        march = block.flow if isinstance(training.optimizer, GradientFlow) else block.descend
        with np.errstate(all="ignore"):  # divergence is found by looking at the outputs, once a step
            return march(see, lambda fraction: crew.advance(index, fraction))

    with single_thread():
        records = crew.work(one, min(threads, len(parts)))
    return Record(*(np.concatenate(each, axis=1) for each in zip(*((r.train, r.test) for r in records), strict=True)))


class _Stopped(Exception):
    """Another block failed, or the user interrupted."""


class _Crew:
    """Runs the blocks on threads; an exception in one, or an interrupt, stops all between two steps."""

    def __init__(self, blocks: int, progress: Callable[[float], None] | None) -> None:
        self.done, self.stop, self.progress = np.zeros(blocks), threading.Event(), progress
        self.shown, self.owner = -1.0, threading.get_ident()

    def advance(self, index: int, fraction: float) -> None:
        """Note progress; leave the block if the work has been stopped."""
        if self.stop.is_set():
            raise _Stopped
        self.done[index] = fraction
        if self.progress is not None and threading.get_ident() == self.owner:
            self.show()

    def show(self) -> None:
        """Report the fraction done where it has changed by a hundredth."""
        fraction = float(self.done.mean())
        if self.progress is not None and (fraction >= self.shown + 0.01 or fraction == 1.0 > self.shown):
            self.shown = fraction
            self.progress(fraction)

    def work(self, one: Callable[[int], Record], threads: int) -> list[Record]:
        """Return the records of all blocks, in order."""
        if threads == 1:
            return [one(index) for index in range(len(self.done))]
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(one, index) for index in range(len(self.done))]
            try:
                self._watch(futures)
            finally:
                self.stop.set()
        return [future.result() for future in futures]

    def _watch(self, futures: list[Future[Record]]) -> None:
        """Wait for all blocks, reporting; raise the first exception of a block."""
        waiting = set(futures)
        while waiting:
            finished, waiting = wait(waiting, timeout=0.2)
            for future in finished:
                future.result()
            self.show()


def default_threads(training: Training) -> int:
    """Return how many threads train replicas: one where steps are so short that threads wait for the interpreter."""
    widths = training.layers.widths
    samples = getattr(training.optimizer, "batch", None) or len(training.samples.x_train)
    if 6 * samples * sum(n * m for n, m in pairwise(widths)) < _WORTH_A_THREAD:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def block_size(training: Training) -> int:
    """Return how many replicas are trained together: one if wide, many if small."""
    if isinstance(training.optimizer, GradientFlow):
        return 1
    widths = training.layers.widths
    samples = training.optimizer.batch or len(training.samples.x_train)
    numbers = 2 * samples * sum(widths) + 2 * sum(n * m for n, m in pairwise(widths))
    return int(np.clip(_BLOCK // numbers, 1, _LARGEST_BLOCK))


def _check(training: Training, replicas: int, device: str, batches: Batches | None) -> None:
    optimizer = training.optimizer
    if replicas < 1:
        raise ProblemError(f"train: `replicas` must be at least 1, got {replicas}")
    if device != "cpu":
        raise ProblemError(f'train: `device` must be "cpu" for finite networks, got "{device}"')
    if training.network.gamma0 == 0.0:
        raise ProblemError("train: `gamma0` must be positive for finite networks, got 0")
    if isinstance(optimizer, GradientFlow):
        if optimizer.euler_step is not None:
            raise ProblemError("train: `euler_step` is for mean-field theories; finite networks need it left out")
        if batches is not None:
            raise ProblemError("train: `batches` must be left out for gradient flow, got some")
