"""How far a game is from one in which everybody descends a single function.

    J = dF/dz = S + K;  kappa = |K|^2/(|S|^2 + |K|^2): 0 potential, 1 Hamiltonian
    weighted: the least kappa of diag(w) J over positive weights of players
    balanced: kappa of D J D^-1 for the positive D of players at which |D J D^-1| is least
    cycle defects: W_ij W_jk W_ki - W_ik W_kj W_ji, all 0 where weights make a unit game a potential game
    finite games: flow X of unilateral deviations = D phi + rest;  harmonic share |X - D phi|^2/|X|^2

Model    `NetworkGame` and other games with a Jacobian; payoff tables.
Limit    None.
Valid    Everywhere. The least weighted kappa is often an infimum (all weight goes to one player, whose own block has no
         twist): `attained` says so, and the balanced kappa, 0 for the same games, is the one to read then. A cyclic
         layer game of L >= 3 layers is never an exact or block-weighted potential game, L = 2 only for W_2 = W_1^T up
         to weights.
Error    Rounding; the weighted minimum is the best of eight descents.
Sources  [Candogan2011] for finite games.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_WEIGHTS, normals
from theorysim.errors import ProblemError
from theorysim.games.network_game import NetworkGame
from theorysim.games.residuals import checked_payoffs
from theorysim.games.solve import Game, _vector, inequality_of

Array = NDArray[np.float64]
_STARTS = 8
LARGEST = 300
"""Units up to which cycles are looked through: their number grows as the cube."""


def potentialness(game: Game, *, at: Any = None) -> xr.Dataset:
    """Return kappa, weighted and balanced kappa, the weights, and the largest cycle defect of a game.

    Parameters
    ----------
    at : array_like, shape (n,), optional
        Where to take the Jacobian of F; default 0 (a network's is the same everywhere).
    """
    problem = inequality_of(game, "newton")
    if problem.jacobian is None:
        raise ProblemError("games.potentialness: `game` must have a Jacobian")
    j = problem.jacobian(_vector("at", at, problem.dimension))
    if isinstance(game, NetworkGame):
        j = np.eye(game.dimension) - game.matrix  # the game's own F, whatever the activations are
    players = getattr(game, "players", tuple(slice(i, i + 1) for i in range(len(j))))
    least, weights = weighted_share(j, players)
    data: dict[str, Any] = {
        "kappa": rotational_share(j),
        "weighted_kappa": least,
        "balanced_kappa": balanced_share(j, players),
        "weights": ("player", weights),
        "attained": bool(weights.min() > 1e-5 * weights.max()),
        "largest_cycle_defect": _largest_defect(np.eye(len(j)) - j),
    }
    return xr.Dataset(data).assign_attrs(theory="games.network")


def rotational_share(jacobian: Any) -> float:
    """Return |K|^2/(|S|^2 + |K|^2) of a matrix: 0 symmetric, 1 antisymmetric.

    Raises
    ------
    ProblemError
        If it is zero, not square or not finite.
    """
    j = np.asarray(jacobian, float)
    size = float(np.sum(j * j))
    if j.ndim != 2 or j.shape[0] != j.shape[1] or not np.isfinite(size) or size == 0.0:
        raise ProblemError(f"games.rotational_share: `jacobian` must be square, finite and not 0, got shape {j.shape}")
    return float(np.sum((0.5 * (j - j.T)) ** 2) / size)


def weighted_share(jacobian: Any, players: Sequence[slice]) -> tuple[float, Array]:
    """Return the least rotational share of diag(w) J over positive weights of players, and w with mean 1.

    |K_w|^2 and |diag(w) J|^2 are quadratic in w: a ratio, descended in log w from equal and from random weights.
    """
    j = np.asarray(jacobian, float)
    rotational_share(j)
    twist, size = _forms(j, players)

    def ratio(logs: Array) -> tuple[float, Array]:
        w = np.exp(logs - logs.max())
        above, below = float(w @ twist @ w), float(w @ (size * w))
        slope = 2.0 * w * (twist @ w / below - above * size * w / below**2)
        return above / below, slope

    draws = normals((_STARTS, len(players)), seed=0, stream=0, purpose=GAME_WEIGHTS, step=0)
    draws[0] = 0.0
    limits = [(-14.0, 14.0)] * len(players)
    with single_thread():
        found = [scipy.optimize.minimize(ratio, start, jac=True, method="L-BFGS-B", bounds=limits,
                                         options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 2000})
                 for start in draws]  # fmt: skip
    best = min(found, key=lambda result: float(result.fun))
    w = np.exp(best.x - best.x.max())
    return max(float(best.fun), 0.0), np.asarray(w / w.mean())


def balanced_share(jacobian: Any, players: Sequence[slice]) -> float:
    """Return the rotational share of D J D^-1, D = diag(e^t) over players with least |D J D^-1| (convex in t).

    0 exactly where diag(w) J is symmetric for some positive w = e^(2t); no weight is sent to 0 to get there, so that
    min-max games keep their 1.
    """
    j = np.asarray(jacobian, float)
    rotational_share(j)
    squares = _block_sums(j * j, players)
    total = float(squares.sum())

    def size(t: Array) -> tuple[float, Array]:
        scaled = squares / total * np.exp(2.0 * (t[:, None] - t[None, :]))
        return float(scaled.sum()), 2.0 * (scaled.sum(axis=1) - scaled.sum(axis=0))

    with single_thread():
        found = scipy.optimize.minimize(size, np.zeros(len(players)), jac=True, method="L-BFGS-B",
                                        bounds=[(-14.0, 14.0)] * len(players),
                                        options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 5000})  # fmt: skip
    scale = np.empty(len(j))
    for player, t in zip(players, found.x, strict=True):
        scale[player] = np.exp(t)
    return rotational_share(scale[:, None] * j / scale[None, :])


def _forms(j: Array, players: Sequence[slice]) -> tuple[Array, Array]:
    """Return A and the diagonal of B: |K_w|^2 = w.A w, |diag(w) J|^2 = w.B w."""
    twist, size = -0.5 * _block_sums(j * j.T, players), _block_sums(j * j, players).sum(axis=1)
    return twist + 0.5 * np.diag(size), size


def _block_sums(entries: Array, players: Sequence[slice]) -> Array:
    """Return the sum over each block of players, who follow one another, shape (players, players)."""
    starts = [player.start for player in players]
    return np.asarray(np.add.reduceat(np.add.reduceat(entries, starts, axis=0), starts, axis=1))


def _largest_defect(w: Array) -> float:
    """Return the largest |cycle defect|, NaN beyond `LARGEST` units."""
    if len(w) > LARGEST:
        return float("nan")
    size = 0.0
    for i in range(len(w)):
        there = w[i][:, None] * w * w[:, i]  # W_ij W_jk W_ki of all j, k
        size = max(size, float(np.abs(there - there.T).max()))
    return size


def cycle_defects(weights: Any) -> Array:
    """Return W_ij W_jk W_ki - W_ik W_kj W_ji of all i < j < k, shape (n (n-1) (n-2)/6,): Kolmogorov's condition.

    Raises
    ------
    ProblemError
        For more than `LARGEST` units.
    """
    w = np.asarray(weights, float)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or len(w) > LARGEST:
        raise ProblemError(f"games.cycle_defects: `weights` must be square, up to {LARGEST} units, got shape {w.shape}")
    i, j, k = np.array(list(combinations(range(len(w)), 3)), dtype=int).reshape(-1, 3).T
    return np.asarray(w[i, j] * w[j, k] * w[k, i] - w[i, k] * w[k, j] * w[j, i])


def harmonic_share(payoffs: Sequence[Any]) -> float:
    """Return the share of a finite game that no potential explains: 0 exact potential game, 1 harmonic game.

    Edges between profiles that differ in one player's strategy carry that player's change of payoff, all alike; phi is
    found by least squares.

    Parameters
    ----------
    payoffs : sequence of array_like, one of shape (n_1, .., n_N) for each player

    Raises
    ------
    ProblemError
        If nobody's payoff ever changes.
    """
    tables = checked_payoffs(payoffs)
    shape = tables[0].shape
    number = np.arange(int(np.prod(shape))).reshape(shape)
    ends, flows = [], []
    for axis, table in enumerate(tables):
        for low, high in combinations(range(shape[axis]), 2):
            ends.append(np.stack([number.take(low, axis).ravel(), number.take(high, axis).ravel()]))
            flows.append((table.take(high, axis) - table.take(low, axis)).ravel())
    pairs = np.concatenate(ends, axis=1) if ends else np.zeros((2, 0), int)
    flow = np.concatenate(flows) if flows else np.zeros(0)
    total = float(flow @ flow)
    if total == 0.0:
        raise ProblemError("games.harmonic_share: `payoffs` must depend on the player's own strategy somewhere")
    row = np.arange(len(flow))
    gradient = scipy.sparse.csr_array(
        (
            np.concatenate([np.ones(len(flow)), -np.ones(len(flow))]),
            (np.tile(row, 2), np.concatenate([pairs[1], pairs[0]])),
        ),
        shape=(len(flow), number.size),
    )
    if number.size <= 2000:
        phi = np.linalg.lstsq(gradient.toarray(), flow, rcond=None)[0]
    else:
        phi = scipy.sparse.linalg.lsqr(gradient, flow, atol=1e-14, btol=1e-14, iter_lim=100_000)[0]
    rest = flow - gradient @ phi
    return float(rest @ rest) / total
