"""Networks that pass their output through themselves again and again: where they settle, and the passes beside it.

    x(k+1) = D x(k),  D x = rho(W x + b),   x(0) ~ N(0, spread^2);   x(k) -> x*, the Nash equilibrium (`network_game`)
    |x(k) - x*|_p <= q_p^k |x(0) - x*|_p,   q_p = |Lip W|_p,   p = 2, 1, infinity

Model    A `NetworkGame` whose layers (or units) give best responses at once, pass after pass.
Limit    k -> inf: the equilibrium, which does not depend on the start.
Valid    q_p < 1 for some p (sufficient, `certify` has more rows): there is one equilibrium and passes find it.
         Elsewhere an equilibrium may exist that passes do not find: `games.solve` has methods that do.
Error    The transient: the mean of |x(0) - x*|_p over starts times the least q_p^k, a bound for every unit.
Sources  In the sense of [Combettes2020]; the contraction is Banach's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_STARTS, normals
from theorysim.errors import NotConverged, ProblemError
from theorysim.games.network_game import NetworkGame, Units
from theorysim.games.solve import solve
from theorysim.observables import labelled
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, shown
from theorysim.theory import Verdict

__all__ = ["OBSERVABLES", "NetworkGame", "Passes", "Units", "finite", "limit", "validity"]

Array = NDArray[np.float64]
NAME = "games.network"
OBSERVABLES = ("position",)
_NORMS = (2.0, 1.0, math.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class Passes:
    """A network, and how often its output is passed through it.

    Parameters
    ----------
    game : NetworkGame
    steps : int
        Passes.
    spread : float
        Standard deviation of every unit at the start.
    record : sequence of int, optional
        Recorded passes, ascending; default: about 30, log-spaced.
    """

    game: NetworkGame
    steps: int
    spread: float = 1.0
    record: Sequence[int] | None = None

    def __post_init__(self) -> None:
        where = "games.Passes"
        if not isinstance(self.game, NetworkGame):
            raise ProblemError(f"{where}: `game` must be a NetworkGame, got {type(self.game).__name__}")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ProblemError(f"{where}: `steps` must be a whole number of at least 1, got {shown(self.steps)}")
        if not is_real(self.spread) or self.spread < 0.0:
            raise ProblemError(f"{where}: `spread` must be a number of at least 0, got {shown(self.spread)}")
        rows = tuple(default_steps(self.steps) if self.record is None else self.record)
        if not rows or list(rows) != sorted(set(rows)) or rows[0] < 0 or rows[-1] > self.steps:
            raise ProblemError(f"{where}: `record` must hold ascending passes up to {self.steps}, got {shown(rows)}")
        object.__setattr__(self, "record", rows)

    @property
    def factors(self) -> tuple[float, ...]:
        """q_p for p = 2, 1, infinity; infinite where an activation is not Lipschitz."""
        slopes = np.concatenate([
            np.full(len(w), s.lipschitz) for w, s in zip(self.game.weights, self.game.slopes, strict=True)
        ])  # fmt: skip
        if not np.all(np.isfinite(slopes)):
            return (math.inf,) * len(_NORMS)
        with single_thread():
            return tuple(float(np.linalg.norm(slopes[:, None] * self.game.matrix, p)) for p in _NORMS)


def validity(problem: Passes) -> Verdict:
    """Say whether passes are certain to settle: the least contraction factor."""
    factor = min(problem.factors) * (1.0 + 1e-15 * problem.game.dimension)
    applies = factor < 1.0
    text = f"each pass brings any two states closer by {factor:.4g} at least" if applies else (
        f"no norm contracts: the least factor is {factor:.4g}"
    )  # fmt: skip
    return Verdict(theory=NAME, applies=applies, number=factor, threshold=1.0, reason=text)


def limit(problem: Passes, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return the equilibrium at every recorded pass: ``position`` (step, component), with the transient as its error.

    Raises
    ------
    ProblemError
        Where no norm contracts; it names `games.solve`.
    NotConverged
        If Newton's method does not find the equilibrium.
    """
    verdict = validity(problem)
    if not verdict.applies:
        raise ProblemError(f"{NAME}: {verdict.reason}; use games.solve, which looks for equilibria all the same")
    steps = np.array(problem.record)
    found = solve(problem.game, method="newton")
    if found.attrs["outcome"] != "converged":
        raise NotConverged(NAME, found.sizes["step"] - 1, float(found["residual"][-1]), "a network that contracts more")
    rest = np.asarray(found["position"].values[-1])
    values = {
        "position": np.tile(rest, (len(steps), 1)),
        "position_error": np.tile(_transient(problem, rest, steps)[:, None], (1, len(rest))),
    }
    attrs = {"theory": NAME, "device": device, "contraction": verdict.number}
    return labelled(values, steps=steps, time=steps.astype(float), attrs=attrs)


def finite(problem: Passes, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Pass random starts through the network: the same observable, with the dimension ``replica``."""
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"{NAME}: `replicas` must be a positive whole number, got {shown(replicas)}")
    game, steps = problem.game, np.array(problem.record)
    now = np.stack([problem.spread * normals(game.dimension, seed=seed, stream=r, purpose=GAME_STARTS)
                    for r in range(replicas)])  # fmt: skip
    rows = []
    with single_thread():
        for k in range(int(steps[-1]) + 1):
            if k in steps:
                rows.append(now.T)
            now = game.respond(now)
    attrs = {"theory": NAME, "seed": seed, "device": device}
    return labelled({"position": np.stack(rows)}, steps=steps, time=steps.astype(float), attrs=attrs,
                    replicas=np.arange(replicas))  # fmt: skip


def _transient(problem: Passes, rest: Array, steps: NDArray[np.int64]) -> Array:
    """Return the least of the bounds q_p^k E |x(0) - x*|_p, shape (steps,)."""
    n, s = len(rest), problem.spread
    from_start = (s * math.sqrt(n), s * n * math.sqrt(2.0 / math.pi), s * math.sqrt(2.0 * math.log(2.0 * n)))
    bounds = [
        q**steps * (float(np.linalg.norm(rest, p)) + far)
        for p, q, far in zip(_NORMS, problem.factors, from_start, strict=True) if q < 1.0
    ]  # fmt: skip
    return np.asarray(np.min(bounds, axis=0))
