"""Several equilibria of one game: Newton from many starts, and along a growing gain.

Model    `NetworkGame`, `AttentionBlock`, or a `VariationalInequality` with a Jacobian and a separable set.
Limit    None.
Valid    Finds isolated equilibria that starts reach; many starts do not prove that there are no others.
Error    Residual at most `tolerance` at each.
Sources  [Qi1993] for Newton's method at kinks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_STARTS, normals
from theorysim.errors import ProblemError
from theorysim.games.network_game import NetworkGame
from theorysim.games.solve import Game, _map, _vector, inequality_of
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.linearised import spectral_radius
from theorysim.solvers.semismooth import continued, newton_path

Array = NDArray[np.float64]


def equilibria(game: Game, *, starts: int = 64, spread: float = 1.0, seed: int, tolerance: float = 1e-10) -> xr.Dataset:
    """Return the different equilibria that Newton's method reaches from random starts.

    Parameters
    ----------
    starts : int
        Starts: 0 and normal vectors.
    spread : float
        Their standard deviation.
    seed : int
    tolerance : float
        Residual; equilibria closer than its root count as one.

    Returns
    -------
    Dataset with `position` (equilibrium, component), `residual`, `best_response_radius` (spectral radius of
    simultaneous best responses there) and `reached` (starts that led to it), most reached first.
    """
    for name, value in (("starts", starts), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int) or value < (1 if name == "starts" else 0):
            raise ProblemError(f"games.equilibria: `{name}` must be a whole number, got {shown(value)}")
    if not is_real(spread) or spread <= 0.0:
        raise ProblemError(f"games.equilibria: `spread` must be a positive number, got {shown(spread)}")
    problem = inequality_of(game, "newton")
    map_, derivative = _map(problem)
    places: list[Array] = []
    counts: list[int] = []
    draws = spread * normals((starts, game.dimension), seed=seed, stream=0, purpose=GAME_STARTS, step=0)
    draws[0] = 0.0
    with single_thread():
        for start in draws:
            z = newton_path(map_, derivative, start, steps=200, tolerance=tolerance)[-1]
            if problem.residual(z) > tolerance:
                continue
            near = [i for i, place in enumerate(places) if np.linalg.norm(z - place) < np.sqrt(tolerance)]
            if near:
                counts[near[0]] += 1
            else:
                places.append(z)
                counts.append(1)
        order = sorted(range(len(places)), key=lambda i: -counts[i])
        found = np.array([places[i] for i in order]).reshape(len(order), game.dimension)
        data: dict[str, Any] = {
            "position": (("equilibrium", "component"), found),
            "residual": ("equilibrium", np.array([problem.residual(z) for z in found])),
            "best_response_radius": ("equilibrium", np.array([spectral_radius(derivative(z)) for z in found])),
            "reached": ("equilibrium", np.array([counts[i] for i in order], dtype=int)),
        }
    return xr.Dataset(data).assign_attrs(theory="games.network", starts=starts, seed=seed)


def along_gain(game: NetworkGame, gains: Any, *, start: Any = None) -> xr.DataArray:
    """Return the equilibrium as all weights grow by a gain, followed from the first one, dims (gain, component).

    Raises
    ------
    NotConverged
        Where the path ends before the last gain.
    """
    if not isinstance(game, NetworkGame):
        raise ProblemError(f"games.along_gain: `game` must be a NetworkGame, got {type(game).__name__}")
    values = np.atleast_1d(np.asarray(gains, float))
    if values.ndim != 1 or not np.all(np.isfinite(values)):
        raise ProblemError("games.along_gain: `gains` must be finite numbers")
    z0 = _vector("start", start, game.dimension)
    with single_thread():
        found = continued(lambda gain: _map(inequality_of(scaled(game, gain), "newton")), z0, values)
    return xr.DataArray(found, dims=("gain", "component"), coords={"gain": values}, name="equilibrium")


def scaled(game: NetworkGame, gain: float) -> NetworkGame:
    """Return the network with all weights times `gain` (biases stay)."""
    return replace(game, weights=[gain * w for w in game.weights])
