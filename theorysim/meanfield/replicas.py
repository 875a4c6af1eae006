"""Independent replicas of a march, worked off by threads: what they are at the recorded steps.

A replica depends on the problem, the seed and its own number alone, and is worked on by one thread from beginning to
end: its bits do not depend on the number of threads, on the other replicas, or on how long the run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite.batches import Order
from theorysim.meanfield.batches import Given, order_of
from theorysim.meanfield.checkpoints import Journal, journal
from theorysim.meanfield.deviation import rule_of
from theorysim.meanfield.euler import euler_outputs
from theorysim.meanfield.flow import descents
from theorysim.meanfield.march import March
from theorysim.meanfield.setting import Setting
from theorysim.meanfield.whitening import Noise
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.training import Training
from theorysim.solvers.gaussian_process import NoRoom

Array = NDArray[np.float64]
T = TypeVar("T")
Make = Callable[[Setting, Noise], March]
MOST_BYTES = 4 << 30
"""Of all populations that are in memory at once."""


@dataclass(frozen=True)
class Size:
    """How much is sampled: samples of each population, replicas, and the share of a variance that may be dropped."""

    samples: int
    replicas: int
    truncation: float


@dataclass(frozen=True)
class Draw:
    """What makes replicas different: the key of the random numbers, and given batches in place of drawn ones.

    And how they are worked on: threads, and the folder in which they are kept.
    """

    seed: int
    batches: Given = None
    threads: int | None = None
    checkpoint: str | Path | None = None


@dataclass(frozen=True, eq=False)
class Replicas:
    """What replicas did.

    Attributes
    ----------
    train, test : ndarray, shapes (R, steps, P, C) and (R, steps, M, C)
        Outputs at the recorded steps.
    rank : int
        Largest rank of their weights.
    coarse : Replicas or None
        The same with larger steps, where steps stand for a flow.
    """

    train: Array
    test: Array
    rank: int
    coarse: Replicas | None = None

    def joined(self, other: Replicas) -> Replicas:
        """Return these replicas and others."""
        coarse = None if self.coarse is None or other.coarse is None else self.coarse.joined(other.coarse)
        train, test = np.concatenate([self.train, other.train]), np.concatenate([self.test, other.test])
        return Replicas(train, test, max(self.rank, other.rank), coarse)


def replicas_of(
    training: Training, setting: Setting, draw: Draw, streams: Sequence[int], make: Make = March
) -> Replicas:
    """March the replicas with these numbers through a run; drawn batches are those of finite networks of that number.

    Raises
    ------
    NoRoom
        If the populations have too few samples for their rank.
    FloatingPointError
        If the outputs are no longer finite.
    """
    optimizer = training.optimizer
    if not isinstance(optimizer, GradientFlow):
        return _descended(training, setting, draw, streams, make)
    if optimizer.euler_step is not None:
        return _stepped(training, setting, optimizer.euler_step, draw, streams)
    coarse, fine = (_descended(each, setting, draw, streams, make) for each in descents(training))
    train, test = 2.0 * fine.train - coarse.train, 2.0 * fine.test - coarse.test  # no error of first order is left
    return Replicas(train, test, fine.rank, fine)


def visited(
    training: Training,
    setting: Setting,
    draw: Draw,
    streams: Sequence[int],
    visit: Callable[[March, Array | None], T],
    make: Make = March,
) -> list[list[T]]:
    """Return what a visitor finds at the recorded steps of each replica of a run of SGD.

    It is given the march before the update of that step, and the outputs on the training samples where they are known.
    """

    def one(stream: int) -> list[T]:
        order = order_of(training, seed=draw.seed, stream=stream, batches=draw.batches)
        march, kept = make(setting, Noise(draw.seed, stream)), None
        if draw.checkpoint is not None:
            size = (setting.samples, setting.tolerance)
            kept = journal(draw.checkpoint, training, seed=draw.seed, stream=stream, size=size)
        return _run(training, march, order, visit, kept)

    return worked(one, streams, draw.threads)


def _descended(training: Training, setting: Setting, draw: Draw, streams: Sequence[int], make: Make) -> Replicas:
    def outputs(march: March, f: Array | None) -> tuple[Array, Array, int]:
        train = march.outputs(setting.x) if f is None else f
        return train, march.outputs(setting.x_test), march.rank

    found = visited(training, setting, draw, streams, outputs, make)
    train, test = (np.array([[moment[side] for moment in replica] for replica in found]) for side in (0, 1))
    _check(train, training.recorded[-1])
    return Replicas(train, test, max(replica[-1][2] for replica in found))


def _stepped(training: Training, setting: Setting, step: float, draw: Draw, streams: Sequence[int]) -> Replicas:
    places = [round(time / step) for time in training.recorded_times]

    def one(stream: int) -> tuple[Array, int]:
        march = March(setting, Noise(draw.seed, stream))
        f = euler_outputs(march, step, places[-1])[places]
        _check(f, places[-1])
        return f, march.rank

    outputs, ranks = zip(*worked(one, streams, draw.threads), strict=True)
    train, test = np.split(np.stack(outputs), [len(setting.x)], axis=2)
    return Replicas(train, test, max(ranks))


def _run(
    training: Training,
    march: March,
    order: Order | None,
    visit: Callable[[March, Array | None], T],
    kept: Journal | None = None,
) -> list[T]:
    optimizer, kappa, last = training.optimizer, march.setting.kappa, training.recorded[-1]
    assert isinstance(optimizer, SGD)
    etas, recorded = optimizer.step_sizes(training.steps or 0), set(training.recorded)
    first, found = 0, list[Any]()
    if kept is not None:
        first, found = kept.resume(march)
    for step in range(first, last + 1):
        if kept is not None and step > first and kept.due(step):
            kept.keep(march, step, found)
        if order is not None and step in recorded:
            found.append(visit(march, None))
        if order is not None and step == last:
            break
        rows, weights = batch_of(order, step, len(march.setting.x))
        try:
            fields, f = march.look(rows)
        except FloatingPointError:
            raise _not_finite(step) from None
        _check(f, step)
        if order is None and step in recorded:
            found.append(visit(march, f))
        if step < last:
            march.descend(fields, f, rows, kappa * weights, rule_of(optimizer, float(etas[step]), kappa))
    return found


def batch_of(order: Order | None, step: int, samples: int) -> tuple[NDArray[np.int64], Array]:
    """Return the different samples of a batch, and P/B times how often each is in it."""
    if order is None:
        return np.arange(samples), np.ones(samples)
    rows, counts = np.unique(order(step)[0], return_counts=True)
    return rows, samples / counts.sum() * counts


def _check(f: Array, step: int) -> None:
    if not np.isfinite(f).all():
        raise _not_finite(step)


def _not_finite(step: int) -> FloatingPointError:
    return FloatingPointError(f"the outputs are not finite at step {step}")


def worked(one: Callable[[int], T], streams: Sequence[int], threads: int | None) -> list[T]:
    """Return what each stream gives, in order."""
    count = threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1

    def quietly(stream: int) -> T:
        with np.errstate(all="ignore"):  # numpy's state is each thread's own; divergence is looked for at each step
            return one(stream)

    with single_thread():
        if min(count, len(streams)) == 1:
            return [quietly(stream) for stream in streams]
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(quietly, streams))


def with_room(setting: Setting, march: Callable[[Setting], T], theory: str = "meanfield.deep") -> tuple[Setting, T]:
    """Return what a march gives, with populations doubled until they have room for all directions.

    Raises
    ------
    ProblemError
        If they would not fit into memory.
    """
    while True:
        try:
            return setting, march(setting)
        except NoRoom:
            setting = replace(setting, samples=2 * setting.samples)
        vectors = 2 * setting.depth * setting.samples  # a population has room for half as many, kept in two places
        if 8 * vectors * setting.samples > MOST_BYTES:
            raise ProblemError(
                f"{theory}: its equations must be of lower rank, got more than {setting.samples // 4} directions "
                "in one layer; `forecast` simulates this run with narrow networks"
            ) from None
