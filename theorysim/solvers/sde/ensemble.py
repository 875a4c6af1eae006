"""Ensembles: the statistics of many paths of an equation, which more paths and later times can be added to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.solvers.sde import march
from theorysim.solvers.sde.march import Made, Run
from theorysim.solvers.sde.moments import Moments

Array = NDArray[np.float64]
Report = Callable[[float], None]


class Interrupted(KeyboardInterrupt):
    """An interruption (Ctrl-C), with the paths that were finished.

    Attributes
    ----------
    ensemble : Ensemble or None
        What was finished; ``ensemble.extended(paths=...)`` makes the rest.
    """

    def __init__(self, ensemble: Ensemble | None, paths: int) -> None:
        done = 0 if ensemble is None else ensemble.count
        super().__init__(f"integrate: interrupted with {done} of {paths} paths finished, kept in `.ensemble`")
        self.ensemble = ensemble


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Statistics of the paths of an equation at some times.

    Attributes
    ----------
    runs : tuple of Run
        What was asked: one run, or the coarse and the fine one of an extrapolation.
    weights : tuple of float
        Weights of their means.
    made : tuple of Made
        What is there of each.
    """

    runs: tuple[Run, ...]
    weights: tuple[float, ...]
    made: tuple[Made, ...]

    @property
    def count(self) -> int:
        """Number of paths (of each run)."""
        return min(each.paths for each in self.made)

    @property
    def state(self) -> Moments:
        """Statistics of the components of X; `mean`, `covariance` and so on are short for its own."""
        return self._moments[0]

    @property
    def observed(self) -> Moments | None:
        """Statistics of the observables."""
        return self._moments[1] if len(self._moments) > 1 else None

    @cached_property
    def _moments(self) -> list[Moments]:
        pairs = [[t.joined(rest) for t, rest in zip(m.total, m.tail, strict=True)] for m in self.made]
        return [Moments(tuple(zip(self.weights, sums, strict=True))) for sums in zip(*pairs, strict=True)]

    @property
    def paths(self) -> Array | None:
        """The paths, shape (time, paths, dimension), with ``keep="paths"``."""
        return self.made[0].stored()

    @property
    def time(self) -> Array:
        """The times of output, shape (time,)."""
        return np.array(self.runs[0].times)

    @property
    def mean(self) -> Array:
        """Mean of X, shape (time, dimension)."""
        return self.state.mean

    @property
    def covariance(self) -> Array:
        """Covariance of X, shape (time, dimension, dimension)."""
        return self.state.covariance

    @property
    def variance(self) -> Array:
        """Variances of X, shape (time, dimension)."""
        return self.state.variance

    @property
    def standard_error(self) -> Array:
        """One standard error of the mean, shape (time, dimension)."""
        return self.state.standard_error

    @property
    def covariance_error(self) -> Array:
        """One standard error of the covariance, shape (time, dimension, dimension)."""
        return self.state.covariance_error

    @property
    def histogram(self) -> NDArray[np.int64]:
        """Paths in each bin, shape (time, k, bins), of the observables if there are some, else of X."""
        return (self.observed or self.state).histogram

    def quantile(self, q: float) -> Array:
        """Return the quantile read from the histogram, shape (time, k); error one bin."""
        return (self.observed or self.state).quantile(q)

    def extended(
        self, *, paths: int | None = None, times: Sequence[float] = (), progress: Report | None = None
    ) -> Ensemble:
        """Return an ensemble of more paths or at more times, the bits of one made in a single run.

        Parameters
        ----------
        paths : int, optional
            Number of paths, the present ones included.
        times : sequence of float
            Later times, beside the present ones. Needs ``keep="state"`` or ``keep="paths"``.
        progress : callable, optional
            Called with the fraction done.

        Raises
        ------
        ProblemError
            For fewer paths, earlier times, or times without the states.
        Interrupted
            On Ctrl-C.
        """
        paths = self.count if paths is None else paths
        if paths < self.count:
            raise ProblemError(f"extended: `paths` must be at least {self.count}, got {paths}")
        if len(times) and self.runs[0].keep is None:
            raise ProblemError('extended: `times` need an ensemble made with keep="state", got keep=None')
        return completed(tuple(run.later(times) for run in self.runs), self.weights, self.made, paths, progress)


def completed(
    runs: tuple[Run, ...], weights: tuple[float, ...], made: tuple[Made, ...], paths: int, progress: Report | None
) -> Ensemble:
    """Return the ensemble of some runs; `made` is what is there of them already."""
    done, costs = list(made), [run.legs[-1].first + run.legs[-1].steps for run in runs]
    for k, run in enumerate(runs):
        start, share = sum(costs[:k]) / max(sum(costs), 1), costs[k] / max(sum(costs), 1)

        def report(fraction: float, start: float = start, share: float = share) -> None:
            if progress is not None:
                progress(min(start + share * fraction, 1.0) if len(runs) > 1 else fraction)

        try:
            done[k] = march.until(run, done[k], paths, report)
        except march.Stopped as stop:
            done[k] = stop.made
            raise Interrupted(_kept(runs, weights, made, done), paths) from None
    return Ensemble(runs, weights, tuple(done))


def _kept(
    runs: tuple[Run, ...], weights: tuple[float, ...], made: tuple[Made, ...], done: list[Made]
) -> Ensemble | None:
    """Return the ensemble of an interruption: new paths are kept; where times were to be added, what there was."""
    times = len(runs[0].times)
    kept = tuple(done) if all(each.times == times for each in done) else made
    if all(each.paths == 0 for each in kept):
        return None
    held = tuple(replace(run, times=run.times[: kept[0].times]) for run in runs)
    return Ensemble(held, weights, kept)
