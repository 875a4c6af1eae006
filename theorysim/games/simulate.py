"""Populations and players who revise, learn or descend: ensembles of trajectories of every dynamics of a table.

    flows       x' = V(x, F(x)), Runge-Kutta of order 4, Euler, or Dormand and Prince with each member's own step sizes
    rounds      x+ = U(x, F(x), memory): fictitious play, logit, multiplicative weights, regret matching, best responses
    operators   z+ of differentiable games: gradient descent-ascent and its cures

Model    `PopulationGame`, `MatrixGame` (a population for each player), `VariationalInequality` without a set.
Limit    None: the dynamics itself.
Valid    Shares must stay shares: a step that is too long raises. Best responses jump: fixed steps are of order 1 there.
         Where several strategies are best, the first is taken.
Error    Of the steps; `invariant_drift` measures it where a conserved quantity exists.
Sources  `DYNAMICS[name].source`; [Sandholm2010], [Hofbauer1998], [Dormand1980].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_PLAYS
from theorysim.errors import ProblemError
from theorysim.games.differentiable import descend
from theorysim.games.dynamics import DYNAMICS
from theorysim.games.inequality import VariationalInequality
from theorysim.games.matrix import MatrixGame
from theorysim.games.population import PopulationGame, membership
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, one_of, plain, shown
from theorysim.solvers.population_runs import Run, Setting, run_of

Array = NDArray[np.float64]
Report = Callable[[float], None]
METHODS = ("rk4", "euler", "adaptive")
"""Methods for flows."""
_STEP = 0.01
"""Of a flow whose `time` is given without a step."""
_OUTSIDE = 1e-6  # how far below 0 rounding and a good step can take a share
_MOST_NUMBERS = 200_000_000


def simulate(
    game: PopulationGame | MatrixGame | VariationalInequality, dynamics: str, start: Any, *, steps: int | None = None,
    step: float | None = None, time: float | None = None, method: str = "rk4", record: Sequence[int] | None = None,
    noise: float | None = None, strength: float | None = None, players: Sequence[int] | None = None,
    weight: float = 1.0, delay: int = 1, seed: int = 0, rtol: float = 1e-8, atol: float = 1e-10, device: str = "cpu",
    threads: int | None = None, progress: Report | None = None,
) -> xr.Dataset:  # fmt: skip
    """Return trajectories of one or many members.

    Parameters
    ----------
    game : PopulationGame, MatrixGame or VariationalInequality
        For flows and rounds the first two, for operators the last.
    dynamics : str
        A name of `DYNAMICS`.
    start : array_like, or one for each population
        Shares of shape (n,), or (members, n) for an ensemble; several populations: a sequence of such arrays. For
        operators z of shape (n,).
    steps : int, optional
        Needed but where `time` is given.
    time : float, optional
        Of a flow, in place of `steps`: they are as many as `step` fits into it, with `step` 0.01 unless given.
    step : float, optional
        Time of a step of a flow; learning rate of a rule in rounds; step size of an operator.
    method : {"rk4", "euler", "adaptive"}
        For flows. "adaptive" chooses steps for each member; `steps` times `step` remains the time that passes.
    record : sequence of int, optional
        Steps to record, ascending from 0 to `steps`; default: about 30, log-spaced, 0 and the last included.
    noise : float, optional
        Temperature eta of logit responses.
    strength : float, optional
        Of consensus, of symplectic gradient adjustment, of (negative) momentum.
    players : sequence of int, optional
        Components of z of each player, for operators; default: each component a player (`min_max` knows its own).
    weight : float
        How many rounds the start counts for in fictitious play.
    delay : int
        Rounds, of delayed best responses.
    seed : int
        Of random rules; member i at round k has its own numbers, whatever the ensemble and the threads.
    rtol, atol : float
        Of the adaptive method: error of a step, relative and absolute.
    device : {"cpu", "cuda"}
    threads : int, optional
        The result has the same bits for any number.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Dataset
        ``share`` (step, member, strategy), without ``member`` for a start of shape (n,); coordinates ``time`` (flows)
        and ``population``. ``mean_share`` for rounds: the mean over all rounds so far. ``invariant_drift`` (step,
        member) for replicators with a conserved product: prod x_i^p_i over its value at the start, less 1, p the
        interior equilibrium. For operators ``position`` (step, component) and ``residual``.

    Raises
    ------
    ProblemError
        For an unknown dynamics, wrong arguments, or a start that holds no shares.
    FloatingPointError
        If shares leave the simplex or become infinite: the step is too long.
    NotConverged
        If the adaptive method needs too many steps.
    """
    if dynamics not in DYNAMICS:
        raise ProblemError(f"games.simulate: `dynamics` {one_of(dynamics, DYNAMICS)}")
    row = DYNAMICS[dynamics]
    if time is not None:
        steps, step = _divided(dynamics, time, steps, step)
    given = {"step": step, "noise": noise, "strength": strength}
    _check(dynamics, given, steps, method, weight, delay, rtol, atol)
    assert steps is not None
    rows = _rows(record, steps)
    if row.kind == "operator":
        if not isinstance(game, VariationalInequality):
            raise ProblemError(f"games.simulate: `game` must be a VariationalInequality for {dynamics}")
        assert step is not None
        return descend(game, dynamics, start, step=step, strength=strength, steps=steps, rows=rows, players=players)
    here = _populations(game, dynamics)
    shares, single = _start(here, start)
    if len(rows) * shares.size > _MOST_NUMBERS:
        raise ProblemError(f"games.simulate: `record` must be shorter for {len(shares)} members, got {len(rows)} steps")
    if row.kind == "rounds":
        method = "rounds"
    _check_method(here, dynamics, method, device)
    setting = Setting(
        dynamics, here.matrix, None if here.matrix is not None else here.payoffs_of, np.array(here.ends, np.int64),
        1.0 if step is None else float(step), 1.0 if noise is None else float(noise), float(weight), delay, seed,
        GAME_PLAYS, rtol, atol, device, threads,
    )  # fmt: skip
    found, means = _recorded(run_of(setting, method, shares), rows, progress)
    data = _dataset(here, dynamics, rows, found, means, setting, method)
    return data.isel(member=0, drop=True) if single else data


def _divided(dynamics: str, time: float, steps: int | None, step: float | None) -> tuple[int, float]:
    """Return the number and the length of the steps of a flow that end at `time`."""
    where = "games.simulate"
    if DYNAMICS[dynamics].kind != "flow" or steps is not None:
        raise ProblemError(f"{where}: `time` must be given for flows only, in place of `steps`, got {shown(time)}")
    for name, value in (("time", time), ("step", _STEP if step is None else step)):
        if not is_real(plain(value)) or value <= 0.0:
            raise ProblemError(f"{where}: `{name}` must be a positive number, got {shown(value)}")
    count = max(1, round(time / (_STEP if step is None else step)))
    return count, time / count


def _check(
    dynamics: str, given: dict[str, Any], steps: int | None, method: str, weight: float, delay: int, rtol: float,
    atol: float,
) -> None:  # fmt: skip
    where = "games.simulate"
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ProblemError(f"{where}: `steps` must be a whole number of at least 1, got {shown(steps)}")
    for name, value in given.items():
        if name in DYNAMICS[dynamics].needs and value is None:
            raise ProblemError(f"{where}: `{name}` must be given for {dynamics}")
        if name not in DYNAMICS[dynamics].needs and value is not None:
            raise ProblemError(f"{where}: `{name}` must not be given for {dynamics}, got {shown(value)}")
        if value is not None and (not is_real(plain(value)) or (name != "strength" and value <= 0.0)):
            positive = "a number" if name == "strength" else "a positive number"
            raise ProblemError(f"{where}: `{name}` must be {positive}, got {shown(value)}")
    if method not in METHODS:
        raise ProblemError(f"{where}: `method` {one_of(method, METHODS)}")
    for name, value in (("weight", weight), ("rtol", rtol), ("atol", atol)):
        if not is_real(plain(value)) or value <= 0.0:
            raise ProblemError(f"{where}: `{name}` must be a positive number, got {shown(value)}")
    if isinstance(delay, bool) or not isinstance(delay, int) or not 1 <= delay <= 1000:
        raise ProblemError(f"{where}: `delay` must be a whole number from 1 to 1000, got {shown(delay)}")


def _check_method(game: PopulationGame, dynamics: str, method: str, device: str) -> None:
    if method == "adaptive" and dynamics in ("best-response", "projection"):
        raise ProblemError(f'games.simulate: `method` must be "rk4" or "euler", {dynamics} has velocities that jump')
    if method == "adaptive" and game.matrix is None:
        raise ProblemError('games.simulate: `method` must be "rk4" or "euler" where payoffs are a function')
    if device not in ("cpu", "cuda") or (device == "cuda" and game.matrix is None):
        raise ProblemError(f'games.simulate: `device` must be "cpu", or "cuda" with a matrix, got {shown(device)}')
    if dynamics == "asynchronous-best-response" and len(game.strategies) < 2:
        raise ProblemError("games.simulate: `game` must have two or more populations for asynchronous-best-response")


def _rows(record: Sequence[int] | None, steps: int) -> list[int]:
    if record is None:
        return list(default_steps(steps))
    rows = [int(k) for k in record]
    if not rows or rows != list(record) or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > steps:
        raise ProblemError(f"games.simulate: `record` must hold ascending steps from 0 to {steps}, got {shown(record)}")
    return rows


def _populations(game: Any, dynamics: str) -> PopulationGame:
    if isinstance(game, MatrixGame):
        return PopulationGame.of(game)
    if not isinstance(game, PopulationGame):
        raise ProblemError(f"games.simulate: `game` must be a PopulationGame or MatrixGame for {dynamics}")
    return game


def _start(game: PopulationGame, start: Any) -> tuple[Array, bool]:
    """Return shares of shape (members, n), and whether there was one member without an axis."""
    sizes = game.strategies
    parts = [start] if len(sizes) == 1 else list(start)
    if len(parts) != len(sizes):
        raise ProblemError(f"games.simulate: `start` must hold shares of {len(sizes)} populations, got {len(parts)}")
    arrays = [np.asarray(part, float) for part in parts]
    ranks = {array.ndim for array in arrays}
    for array, size in zip(arrays, sizes, strict=True):
        if ranks not in ({1}, {2}) or array.shape[-1] != size or array.size == 0:
            raise ProblemError(
                f"games.simulate: `start` must have the shape ({size},) or (members, {size}), got {array.shape}"
            )
        if not np.all(np.isfinite(array)) or np.any(array < 0.0):
            raise ProblemError("games.simulate: `start` must hold finite numbers of at least 0")
        if not np.all(np.abs(array.sum(axis=-1) - 1.0) <= 1e-9):
            raise ProblemError("games.simulate: `start` must hold shares with the sum 1 in each population")
    if len({len(np.atleast_2d(array)) for array in arrays}) > 1:
        raise ProblemError("games.simulate: `start` must hold as many members of one population as of another")
    return np.concatenate([np.atleast_2d(array) for array in arrays], axis=1), ranks == {1}


def _recorded(run: Run, rows: list[int], progress: Report | None) -> tuple[Array, Array | None]:
    """Return the shares, and the means of rounds, at the recorded steps, shapes (steps, members, n)."""
    found, means, now = [], [], 0
    averages = getattr(run, "means", None)
    for goal in rows:
        while now < goal:
            steps = min(run.most, goal - now)
            run.advance(now, steps)
            now += steps
            if progress is not None:
                progress(now / max(rows[-1], 1))
        found.append(run.shares())
        if averages is not None:
            means.append(averages())
        _check_shares(found[-1], now)
    return np.array(found), np.array(means) if averages is not None else None


def _check_shares(shares: Array, step: int) -> None:
    bad = ~(np.isfinite(shares).all(axis=1) & (shares >= -_OUTSIDE).all(axis=1))
    if bad.any():
        raise FloatingPointError(
            f"games.simulate: member {int(np.argmax(bad))} left the simplex by step {step}; try a smaller step"
        )


def _dataset(
    game: PopulationGame, dynamics: str, rows: list[int], found: Array, means: Array | None, setting: Setting,
    method: str,
) -> xr.Dataset:  # fmt: skip
    dims = ("step", "member", "strategy")
    text = {"units": "1", "long_name": "share of a strategy", "symbol": "x"}
    data: dict[str, Any] = {"share": (dims, found, text)}
    if means is not None:
        data["mean_share"] = (dims, means, text | {"long_name": "mean share over all rounds so far"})
    powers = conserved_powers(game) if dynamics == "replicator" else None
    if powers is not None and np.all(found > 0.0):
        drift = np.expm1(np.einsum("smi,i->sm", np.log(found) - np.log(found[:1]), powers))
        label = {"units": "1", "long_name": "relative change of the conserved product", "symbol": r"\delta"}
        data["invariant_drift"] = (("step", "member"), drift, label)
    steps, sizes = np.array(rows), game.strategies
    coords: dict[str, Any] = {
        "step": steps, "population": ("strategy", np.repeat(np.arange(len(sizes)), sizes)),
        "strategy": np.concatenate([np.arange(n) for n in sizes]),
    }  # fmt: skip
    if DYNAMICS[dynamics].kind == "flow":
        coords["time"] = ("step", steps * setting.step, {"units": "1", "long_name": "time", "symbol": "t"})
    sums = [np.abs(found[:, :, a:b].sum(axis=2) - 1.0).max() for a, b in pairwise(game.ends)]
    return xr.Dataset(data, coords=coords).assign_attrs(
        theory="games.simulate", dynamics=dynamics, law=DYNAMICS[dynamics].law, source=DYNAMICS[dynamics].source,
        method=method, step_size=setting.step, noise=setting.eta, seed=setting.seed, device=setting.device,
        largest_sum_error=float(max(sums)),
    )  # fmt: skip


def conserved_powers(game: PopulationGame) -> Array | None:
    """Return powers p with prod x_i^p_i constant under the replicator, shape (n,); None where there are none known.

    d/dt sum w_a p_i log x_i = -(x - p)^T W A (x - p), which is 0 for all x where W A is antisymmetric along the shares:
    W = diag(w), w > 0 for each population, p an equilibrium inside.
    """
    if game.matrix is None or len(game.strategies) > 2:
        return None
    member = membership(game)
    with single_thread():
        centre = np.eye(game.dimension) - (member / member.sum(axis=0)) @ member.T
        a = centre @ game.matrix @ centre
        size = float(np.abs(a).max())
        weights = _balancing(a, game.strategies)
        uneven = weights[:, None] * a + (weights[:, None] * a).T
    if size == 0.0 or not np.all(weights > 0.0) or float(np.abs(uneven).max()) > 1e-12 * size * float(weights.max()):
        return None
    inside = game.interior_equilibrium()
    return None if inside is None else weights * inside


def _balancing(a: Array, sizes: Sequence[int]) -> Array:
    """Return weights of populations, shape (n,), that make two blocks each other's negative transposes if any can."""
    if len(sizes) == 1:
        return np.ones(len(a))
    upper, lower = a[: sizes[0], sizes[0] :], a[sizes[0] :, : sizes[0]].T
    size = float(np.sum(upper * upper))
    ratio = -float(np.sum(upper * lower)) / size if size > 0.0 else 0.0
    return np.repeat([ratio, 1.0], sizes)
