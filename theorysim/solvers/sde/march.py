"""A run of an ensemble: blocks of paths one after the other, each through all times, their sums added in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged, ProblemError
from theorysim.solvers.sde.blocks import block_of
from theorysim.solvers.sde.equation import Equation, Fields
from theorysim.solvers.sde.noise import starts
from theorysim.solvers.sde.schemes import Plan
from theorysim.solvers.sde.statistics import Sums

Array = NDArray[np.float64]
Report = Callable[[float], None]
All = tuple[Sums, ...]
_BLOCK, _CUDA_BLOCK = 1 << 14, 1 << 20


class Leg(NamedTuple):
    """Steps to a time of output: the time they start at, their size, the number of the first, how many."""

    start: float
    dt: float
    first: int
    steps: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """What `integrate` was asked.

    `refine` divides each step, and runs of other steps have other paths of the generator: `stream` is added to theirs.
    """

    equation: Equation | Fields
    initial: Any
    start: float
    times: tuple[float, ...]
    dt: float
    seed: int
    plan: Plan
    covariance: bool
    observables: Callable[[Array], Array] | None
    edges: Array | None
    keep: str | None
    device: str
    first_path: int
    block: int | None
    threads: int | None
    refine: int = 1
    stream: int = 0

    @cached_property
    def legs(self) -> list[Leg]:
        """The steps to each time: the interval divided evenly, no step longer than dt."""
        legs, now, first = [], self.start, 0
        for time in self.times:
            steps = self.refine * math.ceil((time - now) / self.dt * (1.0 - 1e-9))
            legs.append(Leg(now, (time - now) / max(steps, 1), first, steps))
            now, first = time, first + steps
        if first >= 1 << 31:
            raise ProblemError(f"integrate: `dt` must make fewer than 2**31 steps, got {first}")
        return legs

    def later(self, times: Sequence[float]) -> Run:
        """Return the run with more times."""
        new = tuple(map(float, times))
        if any(not b > a for a, b in zip((self.times[-1], *new), new, strict=False)):
            raise ProblemError(f"extended: `times` must ascend from {self.times[-1]:g}, got {new}")
        return replace(self, times=(*self.times, *new))

    def begin(self, path: int, paths: int) -> Array:
        """Return the initial states, shape (paths, dimension), from the path with this number on."""
        d = self.equation.dimension
        if callable(self.initial):
            x = np.array(self.initial(starts(paths, d, first=path + self.stream, seed=self.seed)), float)
        elif self.initial.ndim == 2:
            x = self.initial[np.arange(path, path + paths) % len(self.initial)]
        else:
            x = np.tile(self.initial, (paths, 1))
        if x.shape != (paths, d) or not np.isfinite(x).all():
            raise ProblemError(f"integrate: `initial` must give finite numbers of shape {(paths, d)}, got {x.shape}")
        return np.ascontiguousarray(x)

    def numbers(self, x: Array) -> list[Array]:
        """Return the components, and the observables, of groups of paths: shapes (groups, group, k)."""
        groups = x.reshape(-1, self.equation.group, self.equation.dimension)
        if self.observables is None:
            return [groups]
        seen = [np.asarray(self.observables(g), float) for g in groups]
        if any(y.ndim != 2 or len(y) != self.equation.group or not np.isfinite(y).all() for y in seen):
            raise ProblemError(
                f"integrate: `observables` must return finite numbers of shape (paths, k), got {seen[0].shape}"
            )
        return [groups, np.stack(seen)]

    def sums(self, times: int) -> All:
        """Return empty sums."""
        d = self.equation.dimension
        if self.observables is None:
            return (Sums(times, d, pairs=self.covariance, edges=self.edges),)
        k = self.numbers(self.begin(self.first_path, self.equation.group))[1].shape[2]
        return (
            Sums(times, d, pairs=self.covariance, edges=None),
            Sums(times, k, pairs=self.covariance, edges=self.edges),
        )


@dataclass(frozen=True, eq=False)
class Made:
    """What is there of a run: `paths` paths at its first `times` times.

    `total` are the sums of the groups that are complete, `tail` those of the last one. `states` and `kept` hold whole
    groups, those of the last one beyond `paths` too.
    """

    paths: int
    times: int
    total: All
    tail: All
    states: Array | None
    kept: Array | None

    def stored(self) -> Array | None:
        """Return the paths, shape (times, paths, dimension)."""
        return None if self.kept is None else self.kept[:, : self.paths]


class Stopped(Exception):
    """An interruption, with what was made before."""

    def __init__(self, made: Made) -> None:
        super().__init__()
        self.made = made


def begun(run: Run) -> Made:
    """Return a run of no paths."""
    d, times = run.equation.dimension, len(run.times)
    states = None if run.keep is None else np.empty((0, d))
    kept = np.empty((times, 0, d)) if run.keep == "paths" else None
    return Made(0, times, run.sums(times), run.sums(times), states, kept)


def until(run: Run, made: Made, paths: int, progress: Report | None) -> Made:
    """Return the run with so many paths at all its times.

    Raises
    ------
    Stopped
        On Ctrl-C.
    """
    if made.times < len(run.times) and made.paths:
        made = _later(run, made, progress)
    elif made.times < len(run.times):
        made = begun(run)
    if paths > made.paths:
        made = _more(run, made, paths, progress)
    return made


def _later(run: Run, made: Made, progress: Report | None) -> Made:
    """Take all paths to the times that are new."""
    assert made.states is not None
    new = len(run.times) - made.times
    fresh = replace(made, times=new, paths=0, total=run.sums(new), tail=run.sums(new), states=made.states[:0],
                    kept=None if made.kept is None else np.empty((new, 0, made.kept.shape[2])))  # fmt: skip
    try:
        done = _swept(run, fresh, made.paths, made.times, made.states, progress)
    except Stopped:
        raise Stopped(made) from None
    total, tail = (
        tuple(old.later(late) for old, late in zip(a, b, strict=True))
        for a, b in ((made.total, done.total), (made.tail, done.tail))
    )
    kept = None if made.kept is None or done.kept is None else np.concatenate((made.kept, done.kept))
    return Made(made.paths, len(run.times), total, tail, done.states, kept)


def _more(run: Run, made: Made, paths: int, progress: Report | None) -> Made:
    """Make the paths that are missing; those of an incomplete group are made again."""
    size = run.equation.group
    complete = made.paths // size * size
    states = None if made.states is None else made.states[:complete]
    kept = None if made.kept is None else made.kept[:, :complete]
    start = Made(complete, made.times, made.total, run.sums(made.times), states, kept)
    return _swept(run, start, paths, 0, None, progress)


def _swept(run: Run, made: Made, paths: int, skip: int, states: Array | None, progress: Report | None) -> Made:
    """Add the groups that are missing to what is made, block after block; `skip` times are behind `states`."""
    size = run.equation.group
    wide = _paths_of_block(run)
    end = -(-paths // size) * size
    begin = made.paths
    for low in range(begin, end, wide):
        high = min(low + wide, end)
        x = run.begin(run.first_path + low, high - low) if states is None else states[low:high].copy()

        def report(share: float, low: int = low, high: int = high) -> None:
            if progress is not None:
                progress((low - begin + share * (high - low)) / (end - begin))

        try:
            made = _with_block(run, made, x, min(paths, high), skip, report)
        except KeyboardInterrupt:
            raise Stopped(made) from None
    return made


def _paths_of_block(run: Run) -> int:
    size = run.equation.group
    if isinstance(run.equation, Fields):
        return size
    wished = run.block or (_BLOCK if run.device == "cpu" else _CUDA_BLOCK)
    return max(1, wished // size) * size


def _with_block(run: Run, made: Made, x: Array, paths: int, skip: int, report: Report) -> Made:
    """Return what is made with one block more; `paths` counts the valid ones with it."""
    size, low = run.equation.group, made.paths
    whole = (paths - low) // size
    left = paths - low - whole * size
    total, tail = tuple(s.copy() for s in made.total), tuple(s.copy() for s in made.tail)
    block = block_of(
        run.equation, run.plan, x, path=run.stream + run.first_path + low, seed=run.seed, device=run.device,
        threads=run.threads,
    )  # fmt: skip
    outputs, legs = [], run.legs[skip:]
    for time, leg in enumerate(legs):
        if leg.steps:
            block.advance(leg.start, leg.dt, leg.first, leg.steps, anew=time == 0)
        _check(run, block.x, run.first_path + low, run.times[skip + time])
        for sums, rest, y in zip(total, tail, run.numbers(block.x), strict=True):
            if whole:
                sums.add(time, y[:whole])
            if left:
                rest.add(time, y[whole:, :left])
        if run.keep == "paths":
            outputs.append(block.x.copy())
        report((time + 1) / len(legs))
    states = None if made.states is None else np.concatenate((made.states, block.x))
    kept = None if made.kept is None else np.concatenate((made.kept, np.stack(outputs)), axis=1)
    return Made(paths, made.times, total, tail, states, kept)


def _check(run: Run, x: Array, path: int, time: float) -> None:
    bad = ~np.isfinite(x).all(axis=1)
    if not bad.any():
        return
    where = f"path {path + int(np.argmax(bad))} by time {time:g} (dt {run.dt:g})"
    if run.plan.scheme == "implicit" and np.isnan(x[np.argmax(bad)]).any():
        raise NotConverged(f"integrate, {where}", 50, math.nan, "a smaller dt")
    raise FloatingPointError(f"integrate: the state is not finite in {where}; try a smaller dt")
