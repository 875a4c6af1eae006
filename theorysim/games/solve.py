"""Equilibria, with the history of the residual, what theory promises for it, and why a run did not converge.

    method                  a step (T z = prox(z - a F z); for networks at a = 1: the best responses)
    best-response           z+ = T z at a = 1: all players at once         gauss-seidel: one after another
    relaxed-pass            x+ = x + lambda (network(x) - x): the relaxed recurrent network (lambda = `relaxation`)
    newton                  semismooth Newton steps for z = T z
    and those of `solvers.variational_inequality`: forward-backward, extragradient, optimistic, tseng, ...

Model    `NetworkGame`, `VariationalInequality` or `AttentionBlock`.
Limit    None: the iterates themselves.
Valid    Every method runs on every game; `certify` and `bound` say what is promised. Networks whose activations are no
         proximal maps take best-response, gauss-seidel, relaxed-pass, krasnoselskii-mann, halpern and newton only.
Error    The natural residual |z - prox_f(z - F z)| reached.
Sources  As `solvers.variational_inequality`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.games.attention import AttentionBlock
from theorysim.games.bounds import NONE, Bound, bound_of
from theorysim.games.inequality import VariationalInequality
from theorysim.games.network_game import NetworkGame
from theorysim.problem.validation import is_real, one_of, plain, shown
from theorysim.solvers import linearised
from theorysim.solvers.box_inequality import CODES, march_in_box
from theorysim.solvers.semismooth import newton_path
from theorysim.solvers.variational_inequality import METHODS, Inequality, March, Method, fitted_rate, march, period

Array = NDArray[np.float64]
Game = NetworkGame | VariationalInequality | AttentionBlock
RESPONSES = ("best-response", "gauss-seidel", "relaxed-pass", "newton")
NAMES = (*RESPONSES, *METHODS)
"""Every method."""
_FIXED_POINT = ("krasnoselskii-mann", "halpern")
_MOST_NUMBERS = 20_000_000
_LARGEST_LOCAL = 500  # components up to which the spectrum of an iteration is computed


def solve(
    game: Game, *, method: str = "newton", start: Any = None, step: float | None = None, relaxation: float = 0.5,
    steps: int = 1000, tolerance: float = 1e-12, reference: Any = None,
) -> xr.Dataset:  # fmt: skip
    """Return the run of a method.

    Parameters
    ----------
    game : NetworkGame, VariationalInequality or AttentionBlock
    method : str
        One of `NAMES`.
    start : array_like, shape (n,), optional
        Default 0.
    step : float, optional
        a. Default: m/L^2 for forward-backward where m > 0; 0.9/L for extragradient and Tseng; 0.45/L for optimistic
        and Popov, 0.4/L projected-reflected; 1/(8 L) anchored; 1 for those on best responses; 1/L where nothing else.
    relaxation : float
        lambda of krasnoselskii-mann and relaxed-pass.
    steps : int
        Most steps.
    tolerance : float
        Residual at which to stop.
    reference : array_like, shape (n,), optional
        The solution, for `distance`; default: where the run, or Newton from its end, converged.

    Returns
    -------
    Dataset with `position` (step, component), `residual`, `distance`, `bound` (step; NaN without) and `solution`
    (component). Attributes: `outcome` ("converged", "cycle", "diverging" or "slow"), `reason`, `period`, `factor`
    (of divergence), `fitted_rate`, `predicted_rate` (spectral radius of the iteration at the solution, up to
    500 components), `bound_factor`, `bound_of`.

    Raises
    ------
    ProblemError
        For wrong arguments, or a method that the game does not allow.
    """
    if method not in NAMES:
        raise ProblemError(f"games.solve: `method` {one_of(method, NAMES)}")
    _check_numbers(relaxation, steps, tolerance)
    size = _dimension(game, method)
    if size * (steps + 1) > _MOST_NUMBERS:
        raise ProblemError(f"games.solve: `steps` must be at most {_MOST_NUMBERS // size - 1} for {size} components")
    z0 = _vector("start", start, size)
    a = _step(game, method, step)
    with single_thread():
        run = _run(game, method, z0, a, relaxation, steps, tolerance)
        solution = _solution(game, method, run, reference, tolerance)
        promised = _bound(game, method, a, relaxation, z0, solution, len(run.path) - 1)
        local = _local_rate(game, method, a, relaxation, solution)
    return _labelled(run, solution, promised, local, method, a, tolerance, steps)


def _check_numbers(relaxation: float, steps: int, tolerance: float) -> None:
    if not is_real(relaxation) or relaxation <= 0.0:
        raise ProblemError(f"games.solve: `relaxation` must be a positive number, got {shown(relaxation)}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ProblemError(f"games.solve: `steps` must be a whole number of at least 1, got {shown(steps)}")
    if not is_real(tolerance) or tolerance < 0.0:
        raise ProblemError(f"games.solve: `tolerance` must be a number of at least 0, got {shown(tolerance)}")


def _vector(name: str, value: Any, size: int) -> Array:
    array = np.zeros(size) if value is None else np.array(value, dtype=float)
    if array.shape != (size,) or not np.all(np.isfinite(array)):
        raise ProblemError(f"games.solve: `{name}` must hold {size} finite numbers, got shape {array.shape}")
    return array


def _dimension(game: Game, method: str) -> int:
    if not isinstance(game, NetworkGame | VariationalInequality | AttentionBlock):
        raise ProblemError(f"games.solve: `game` must be a game of this package, got {type(game).__name__}")
    if method == "relaxed-pass":
        if not isinstance(game, NetworkGame) or game.trivial:
            raise ProblemError("games.solve: `method` must suit the game, relaxed-pass is for networks that feed back")
        return len(game.weights[-1])
    if method == "gauss-seidel" and not isinstance(game, NetworkGame):
        raise ProblemError("games.solve: `method` must suit the game, gauss-seidel is for networks")
    return game.dimension


def inequality_of(game: Game, method: str = "forward-backward") -> Inequality:
    """Return the inequality that a method works on: of best responses where activations are no proximal maps."""
    if isinstance(game, NetworkGame) and not game.proximal and method in (*_FIXED_POINT, *RESPONSES):
        return fixed_point(game)
    return game.inequality


def fixed_point(game: NetworkGame) -> Inequality:
    """Return z = rho(W z + b) as an inequality without f: F z = z - rho(W z + b)."""
    one = np.eye(game.dimension)
    return Inequality(
        game.dimension, lambda z: z - game.respond(z), lambda v, a: v, lambda v, a: np.ones(len(v)),
        lambda z: one - game.response_slopes(z)[:, None] * game.matrix,
    )  # fmt: skip


def _constants(game: Game) -> tuple[float, float]:
    """Return m and L of F, NaN where unknown."""
    if isinstance(game, VariationalInequality):
        return tuple(math.nan if c is None else c for c in (game.monotone, game.lipschitz))  # type: ignore[return-value]
    if isinstance(game, NetworkGame):
        return game.monotonicity
    return math.nan, math.nan


def _step(game: Game, method: str, step: float | None) -> float:
    if step is not None:
        if not is_real(plain(step)) or step <= 0.0:
            raise ProblemError(f"games.solve: `step` must be a positive number, got {shown(step)}")
        return float(step)
    network = isinstance(game, NetworkGame | AttentionBlock)
    if method in RESPONSES or (network and method in _FIXED_POINT):
        return 1.0
    m, size = _constants(game)
    if not math.isfinite(size):
        raise ProblemError("games.solve: `step` must be given: the Lipschitz constant of F is not known")
    if method == "forward-backward" and m > 0.0:
        return m / size**2
    share = {"extragradient": 0.9, "tseng": 0.9, "optimistic": 0.45, "popov": 0.45, "projected-reflected": 0.4,
             "anchored": 0.125, "golden-ratio": 0.1}  # fmt: skip
    return share.get(method, 1.0) / size


def _run(game: Game, method: str, z0: Array, a: float, r: float, steps: int, tolerance: float) -> March:
    if method == "relaxed-pass":
        assert isinstance(game, NetworkGame)
        return _passes(game, z0, r, steps, tolerance)
    problem = inequality_of(game, method)
    if method == "newton":
        path = newton_path(*_map(problem), z0, steps=steps, tolerance=tolerance)
        return March(path, np.array([problem.residual(z) for z in path]))
    if method in ("best-response", "gauss-seidel"):
        respond = game.respond_in_turn if isinstance(game, NetworkGame) and method == "gauss-seidel" else None
        step = respond or (lambda z: problem.forward_backward(z, 1.0))
        own = Method(lambda p, z, _: (z,), lambda p, state, k, _a, _r: (step(state[0]),))
        return march(problem, own, z0, step=1.0, relaxation=r, steps=steps, tolerance=tolerance)
    if method in ("peaceman-rachford", "douglas-rachford") and problem.affine is None:
        raise ProblemError(f"games.solve: `method` must suit the game, {method} needs an affine operator")
    if method in CODES and problem.affine is not None and problem.box is not None:
        path, residual = march_in_box(method, problem.affine, problem.box, z0, step=a, steps=steps,
                                      tolerance=tolerance, keep=True)  # fmt: skip
        return March(path, residual)
    return march(problem, METHODS[method], z0, step=a, relaxation=r, steps=steps, tolerance=tolerance)


def _passes(game: NetworkGame, x0: Array, r: float, steps: int, tolerance: float) -> March:
    free = Inequality(len(x0), lambda x: x - game.forward(x), lambda v, a: v)
    return march(free, METHODS["krasnoselskii-mann"], x0, step=1.0, relaxation=r, steps=steps, tolerance=tolerance)


def _map(problem: Inequality) -> tuple[Any, Any]:
    """Return T z = prox_f(z - F z) and its derivative."""
    if problem.jacobian is None or problem.prox_slope is None:
        raise ProblemError("games.solve: `method` must suit the game, newton needs a Jacobian and a separable set or f")
    jacobian, slope = problem.jacobian, problem.prox_slope

    def derivative(z: Array) -> Array:
        kept = slope(z - problem.operator(z), 1.0)
        return np.asarray(kept[:, None] * (np.eye(len(z)) - jacobian(z)))

    return lambda z: problem.forward_backward(z, 1.0), derivative


def _solution(game: Game, method: str, run: March, reference: Any, tolerance: float) -> Array | None:
    if reference is not None:
        return _vector("reference", reference, run.path.shape[1])
    end: Array = run.path[-1]
    if run.residual[-1] <= max(tolerance, 1e-14):
        return end
    if method == "relaxed-pass" or not np.all(np.isfinite(end)):
        return None
    problem = inequality_of(game, method)
    if problem.jacobian is None or problem.prox_slope is None:
        return None
    found = newton_path(*_map(problem), end, steps=100, tolerance=tolerance)[-1]
    return found if problem.residual(found) <= max(tolerance, 1e-10) else None


def _bound(game: Game, method: str, a: float, r: float, z0: Array, solution: Array | None, steps: int) -> Bound:
    if solution is None or method == "relaxed-pass" or isinstance(game, AttentionBlock):
        return NONE
    m, size = _constants(game)
    problem = inequality_of(game, method)
    if method in ("peaceman-rachford", "douglas-rachford"):  # their variable u, x = prox(u), stands at z - a F z
        solution = solution - a * problem.operator(solution)
    free = problem.box is not None and not np.any(np.isfinite(problem.box))
    return bound_of(
        method, step=a, relaxation=r, monotone=m, lipschitz=size, response=_response_constant(game, problem, a, method),
        distance=float(np.linalg.norm(z0 - solution)), steps=steps, free=free,
    )  # fmt: skip


def _response_constant(game: Game, problem: Inequality, a: float, method: str) -> float:
    """Return a Lipschitz constant of T, for methods whose bound needs it: |D W| for best responses, else |1 - a M|."""
    if method not in ("best-response", "forward-backward", *_FIXED_POINT):
        return math.nan
    if isinstance(game, NetworkGame) and (a == 1.0 or method == "best-response"):
        bounds = np.concatenate([np.full(len(w), s.lipschitz) for w, s in zip(game.weights, game.slopes, strict=True)])
        return float(np.linalg.norm(bounds[:, None] * game.matrix, 2)) if np.all(np.isfinite(bounds)) else math.nan
    if problem.affine is None:
        return math.nan
    return float(np.linalg.norm(np.eye(problem.dimension) - a * problem.affine[0], 2))


def _local_rate(game: Game, method: str, a: float, r: float, solution: Array | None) -> float:
    """Return the spectral radius of the iteration at the solution, NaN where it has none or is too large."""
    if solution is None or method in ("relaxed-pass", "newton") or len(solution) > _LARGEST_LOCAL:
        return math.nan
    problem = inequality_of(game, method)
    if problem.jacobian is None or problem.prox_slope is None:
        return math.nan
    j = problem.jacobian(solution)
    if method in ("best-response", "gauss-seidel"):
        kept = problem.prox_slope(solution - problem.operator(solution), 1.0)
        w = kept[:, None] * (np.eye(len(j)) - j)
        if method == "best-response":
            return linearised.spectral_radius(w)
        assert isinstance(game, NetworkGame)
        return linearised.spectral_radius(linearised.in_turn(w, game.players))
    if method not in linearised.MATRICES:
        return math.nan
    kept = problem.prox_slope(solution - a * problem.operator(solution), a)
    return linearised.spectral_radius(linearised.MATRICES[method](j, np.diag(kept), a, r))


def _labelled(
    run: March, solution: Array | None, promised: Bound, local: float, method: str, a: float, tolerance: float,
    steps: int,
) -> xr.Dataset:  # fmt: skip
    path, residual = run.path, run.residual
    outcome = _outcome(run, tolerance, steps, local)
    distance = np.full(len(path), np.nan) if solution is None else np.linalg.norm(path - solution, axis=1)
    values = np.full(len(path), np.nan) if promised.values is None else promised.values
    texts = {"residual": "natural residual", "distance": "distance to the solution", "bound": "bound"}
    data: dict[str, Any] = {"position": (("step", "component"), path, {"units": "1", "long_name": "iterate"})}
    for name, row in (("residual", residual), ("distance", distance), ("bound", values)):
        data[name] = ("step", row, {"units": "1", "long_name": texts[name]})
    data["solution"] = ("component", np.full(path.shape[1], np.nan) if solution is None else solution)
    return xr.Dataset(data, coords={"step": np.arange(len(path))}).assign_attrs(
        theory="games.network", method=method, step_size=a, fitted_rate=fitted_rate(residual), predicted_rate=local,
        bound_factor=promised.factor, bound_of=promised.of, **outcome,
    )  # fmt: skip


def _outcome(run: March, tolerance: float, steps: int, local: float) -> dict[str, Any]:
    """Return how a run ended and why."""
    last, count = float(run.residual[-1]), len(run.path) - 1
    if last <= tolerance or (last <= 1e-13 * (1.0 + float(np.linalg.norm(run.path[-1])))):
        return {"outcome": "converged", "reason": f"residual {last:.3g} after {count} steps", "period": 0,
                "factor": math.nan}  # fmt: skip
    sizes = np.linalg.norm(run.path, axis=1)
    factor = fitted_rate(sizes[np.isfinite(sizes)])
    if not np.isfinite(last) or (sizes[-1] > 1e3 * (1.0 + sizes[0]) and factor > 1.0):
        return {"outcome": "diverging", "reason": f"iterates grow by {factor:.6g} per step", "period": 0,
                "factor": factor}  # fmt: skip
    found = period(run.path)
    if found > 1:
        return {"outcome": "cycle", "reason": f"a cycle of period {found}", "period": found, "factor": math.nan}
    reason = f"residual {last:.3g} after {count} of {steps} steps"
    if local > 1.0:
        reason += f"; the equilibrium repels this iteration by {local:.6g} per step"
    return {"outcome": "slow", "reason": reason, "period": 0, "factor": math.nan}
