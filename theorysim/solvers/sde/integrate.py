"""Paths of a stochastic differential equation, and what they are on average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.solvers.sde.ensemble import Ensemble, Report, completed
from theorysim.solvers.sde.equation import Equation, Fields
from theorysim.solvers.sde.march import Run, begun
from theorysim.solvers.sde.schemes import plan_of

Array = NDArray[np.float64]
_LANES = 1 << 31


def integrate(
    equation: Equation | Fields,
    initial: Any,
    times: Sequence[float] | Array,
    *,
    dt: float,
    paths: int,
    seed: int,
    scheme: str = "euler",
    variables: str | None = None,
    start: float = 0.0,
    statistics: Sequence[str] = ("mean", "covariance"),
    observables: Callable[[Array], Array] | None = None,
    histogram: Sequence[float] | Array | None = None,
    keep: Literal["state", "paths"] | None = None,
    first_path: int = 0,
    block: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    progress: Report | None = None,
) -> Ensemble:
    """Return the statistics of many paths of an equation at some times.

    Paths and statistics have the same bits for any number of threads and any `block`, and when a run is cut and
    extended; the memory grows with neither steps nor paths unless `keep` says so.

    Parameters
    ----------
    equation : Equation or Fields
    initial : array_like or callable
        One state, shape (dimension,); or several, shape (n, dimension), of which path p takes row p modulo n; or the
        law of it, ``initial(z) -> (paths, dimension)`` for standard normals z of that shape.
    times : sequence of float, shape (time,)
        Where the statistics are taken, ascending from `start` on. A step ends at each: the interval between two is
        divided evenly into steps of at most `dt`.
    dt : float
        Longest step, in units of time.
    paths : int
        Number of paths.
    seed : int
        In [0, 2**64). Path p has the same noise whatever `paths`.
    scheme : str
        ``"euler"``, ``"milstein"``, ``"srk2"``, ``"talay-tubaro"``, ``"implicit"``, ``"heun"``, ``"levy"``: see
        `schemes`.
    variables : {"normal", "points"}, optional
        Law of the noise of a step. Points are two- or three-valued and give the same weak order for less time.
        Default: points for ``"srk2"`` and ``"talay-tubaro"``, normal for the others.
    start : float
        The time of `initial`.
    statistics : sequence of {"mean", "covariance"}
        ``"mean"`` comes with the variances, always; ``"covariance"`` costs (components)^2 memory for each time.
    observables : callable, optional
        ``observables(X) -> (paths, k)`` of X of shape (paths, dimension): k more numbers to average.
    histogram : array_like, shape (bins + 1,), optional
        Edges of the bins in which paths are counted: of each observable, or without those of each component.
    keep : {"state", "paths"}, optional
        Keep the last states, for later times, or all paths at all times.
    first_path : int
        Number of the first path.
    block : int, optional
        Paths held at a time; the numbers do not depend on it.
    threads : int, optional
        Threads that compiled equations run on (default: NUMBA_NUM_THREADS, else all cores).
    device : {"cpu", "cuda"}
        Where compiled equations run.
    progress : callable, optional
        Called with the fraction done.

    Raises
    ------
    ProblemError
        If an argument does not fit.
    FloatingPointError
        If a path leaves the finite numbers; the message names it and the time.
    NotConverged
        If an implicit step finds no solution.
    Interrupted
        On Ctrl-C, with the paths that were finished in ``.ensemble``.
    """
    plan = plan_of(equation, scheme, variables)
    run = Run(
        equation=equation, initial=_initial(equation, initial), start=float(start), times=_times(times, start),
        dt=_dt(dt), seed=seed, plan=plan, covariance=_covariance(statistics),
        observables=observables, edges=_edges(histogram), keep=_keep(keep), device=_device(device, equation),
        first_path=_first(first_path, paths), block=_count("block", block),
        threads=_count("threads", threads),
    )  # fmt: skip
    equation.check(run.start, run.begin(first_path, 1)[0])
    runs, weights = _extrapolation(run) if scheme == "talay-tubaro" else ((run,), (1.0,))
    return completed(runs, weights, tuple(map(begun, runs)), paths, progress)


def _extrapolation(run: Run) -> tuple[tuple[Run, ...], tuple[float, ...]]:
    """Return the runs with dt and dt/2, of independent noise, and the weights that remove the error of order dt."""
    if run.edges is not None:
        raise ProblemError('integrate: `histogram` must be None for the scheme "talay-tubaro", got edges')
    if run.keep == "paths":
        raise ProblemError('integrate: `keep` must be None or "state" for the scheme "talay-tubaro", got "paths"')
    return (run, replace(run, refine=2, stream=_LANES)), (-1.0, 2.0)


def _initial(equation: Equation | Fields, initial: Any) -> Any:
    if callable(initial):
        return initial
    x = np.atleast_1d(np.asarray(initial, float))
    if x.ndim > 2 or x.shape[-1] != equation.dimension or x.size == 0 or not np.isfinite(x).all():
        raise ProblemError(
            f"integrate: `initial` must be finite, of shape ({equation.dimension},) or (n, {equation.dimension}), "
            f"got shape {x.shape}"
        )
    return x


def _times(times: Any, start: float) -> tuple[float, ...]:
    t = np.atleast_1d(np.asarray(times, float))
    if t.ndim != 1 or not t.size or not np.isfinite(t).all() or (np.diff(t) <= 0.0).any() or not t[0] >= start:
        raise ProblemError(f"integrate: `times` must ascend from the start {start:g}, got {np.array2string(t)}")
    return tuple(t.tolist())


def _dt(dt: float) -> float:
    if not 0.0 < dt < np.inf:
        raise ProblemError(f"integrate: `dt` must be positive, got {dt}")
    return float(dt)


def _covariance(statistics: Sequence[str]) -> bool:
    if isinstance(statistics, str) or not set(statistics) <= {"mean", "covariance"}:
        raise ProblemError(f'integrate: `statistics` must be of "mean", "covariance", got {statistics!r}')
    return "covariance" in statistics


def _edges(histogram: Any) -> Array | None:
    if histogram is None:
        return None
    edges = np.asarray(histogram, float)
    if edges.ndim != 1 or edges.size < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0.0).any():
        raise ProblemError("integrate: `histogram` must be at least two ascending edges")
    return edges


def _keep(keep: str | None) -> str | None:
    if keep not in (None, "state", "paths"):
        raise ProblemError(f'integrate: `keep` must be None, "state" or "paths", got {keep!r}')
    return keep


def _first(first_path: int, paths: int) -> int:
    if paths < 2:
        raise ProblemError(f"integrate: `paths` must be at least 2, got {paths}")
    if not 0 <= first_path <= _LANES - paths:
        raise ProblemError(f"integrate: `first_path` must be in [0, 2**31 - paths], got {first_path}")
    return first_path


def _count(name: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ProblemError(f"integrate: `{name}` must be positive, got {value}")
    return value


def _device(device: str, equation: Equation | Fields) -> str:
    if device not in ("cpu", "cuda"):
        raise ProblemError(f'integrate: `device` must be "cpu" or "cuda", got {device!r}')
    if device == "cuda" and isinstance(equation, Fields):
        raise ProblemError('integrate: `device` must be "cpu" for `Fields`, got "cuda"')
    return device
