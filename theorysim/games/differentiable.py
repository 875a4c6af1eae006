"""Differentiable games without a set: players descend their own costs, F their gradients one below the other.

    min_x max_y x^T A y:   F(x, y) = (A y, -A^T x)

Model    `VariationalInequality` on all of space.
Limit    None: the iterates themselves.
Valid    Proximal points need an affine F; consensus and symplectic adjustment a Jacobian.
Error    Rounding.
Sources  [Gidel2019], [Mescheder2017], [Balduzzi2018], [Rockafellar1976].  Proof: derivations/game_rates.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.games.dynamics import DYNAMICS
from theorysim.games.inequality import VariationalInequality
from theorysim.problem.validation import shown
from theorysim.solvers import differentiable_games, linearised
from theorysim.solvers.variational_inequality import METHODS, Inequality, Method, fitted_rate, march

Array = NDArray[np.float64]
_SHARED = {"gradient-descent-ascent": "forward-backward", "extragradient": "extragradient",
           "optimistic-gradient": "optimistic"}  # fmt: skip
_MOST_NUMBERS = 20_000_000


def min_max(matrix: Any) -> VariationalInequality:
    """Return the game min_x max_y x^T A y on all of space; z = (x, y).

    Raises
    ------
    ProblemError
        If the matrix is not finite or has no two axes.
    """
    a = np.array(matrix, float)
    if a.ndim != 2 or a.size == 0 or not np.all(np.isfinite(a)):
        raise ProblemError(f"games.min_max: `matrix` must be finite with two axes, got shape {a.shape}")
    m, n = a.shape
    return VariationalInequality(dimension=m + n, matrix=np.block([[np.zeros((m, m)), a], [-a.T, np.zeros((n, n))]]))


def descend(
    game: VariationalInequality, dynamics: str, start: Any, *, step: float, strength: float | None, steps: int,
    rows: list[int], players: Sequence[int] | None,
) -> xr.Dataset:  # fmt: skip
    """Return the iterates at the recorded steps (`simulate` says what comes back).

    Attributes: `fitted_rate` of |F|, and `predicted_rate`, the spectral radius of the step where F is affine.
    """
    problem = game.inequality
    if game.over is not None or game.prox is not None:
        raise ProblemError(f"games.simulate: `game` must live on all of space for {dynamics}; see games.solve")
    z = np.array(start, float)
    if z.shape != (game.dimension,) or not np.all(np.isfinite(z)):
        raise ProblemError(f"games.simulate: `start` must hold {game.dimension} finite numbers, got shape {z.shape}")
    if (steps + 1) * len(z) > _MOST_NUMBERS:
        raise ProblemError(f"games.simulate: `steps` must be at most {_MOST_NUMBERS // len(z) - 1}, got {steps}")
    parts = _players(players, game.dimension)
    method = _method(problem, dynamics, parts, strength)
    run = march(problem, method, z, step=step, relaxation=strength or 0.0, steps=steps, tolerance=0.0)
    rows = [k for k in rows if k < len(run.path)]
    predicted = _radius(problem, dynamics, parts, step, strength)
    data = {
        "position": (("step", "component"), run.path[rows], {"units": "1", "long_name": "iterate", "symbol": "z"}),
        "residual": ("step", run.residual[rows], {"units": "1", "long_name": "size of F", "symbol": "|F|"}),
    }
    return xr.Dataset(data, coords={"step": rows}).assign_attrs(
        theory="games.simulate", dynamics=dynamics, law=DYNAMICS[dynamics].law, source=DYNAMICS[dynamics].source,
        step_size=float(step), strength=math.nan if strength is None else float(strength),
        fitted_rate=fitted_rate(run.residual), predicted_rate=predicted,
    )  # fmt: skip


def _players(players: Sequence[int] | None, size: int) -> list[slice]:
    counts = [1] * size if players is None else list(players)
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in counts) or sum(counts) != size:
        raise ProblemError(
            f"games.simulate: `players` must be whole numbers that add up to {size}, got {shown(players)}"
        )
    ends = np.concatenate([[0], np.cumsum(counts)]).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def _method(problem: Inequality, dynamics: str, players: list[slice], strength: float | None) -> Method:
    if dynamics in _SHARED:
        return METHODS[_SHARED[dynamics]]
    if dynamics in ("alternating-gradient-descent-ascent", "negative-momentum"):
        return differentiable_games.alternating(players, strength or 0.0)
    if dynamics == "proximal-point" and problem.affine is None:
        raise ProblemError("games.simulate: `game` must have an affine operator for proximal-point")
    if dynamics in ("consensus", "symplectic-gradient-adjustment") and problem.jacobian is None:
        raise ProblemError(f"games.simulate: `game` must have a `jacobian` for {dynamics}")
    return differentiable_games.METHODS[dynamics]


def _radius(problem: Inequality, dynamics: str, players: list[slice], a: float, strength: float | None) -> float:
    if problem.affine is None or problem.dimension > 500:
        return math.nan
    j = problem.affine[0]
    if dynamics in _SHARED:
        matrix = linearised.MATRICES[_SHARED[dynamics]](j, np.eye(len(j)), a, 0.0)
    else:
        matrix = differentiable_games.iteration_matrix(dynamics, j, players, a, strength or 0.0)
    return linearised.spectral_radius(matrix)
