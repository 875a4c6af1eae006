"""How far a point is from an equilibrium, in the measures of the literature.

    natural      |z - prox_f(z - F z)|
    tangent      min over the normal cone N of |F z + c|
    Stampacchia  sup over y of <F z, z - y>
    Minty        sup over y of <F y, z - y>
    duality gap  max_j (x^T A)_j - min_i (A y)_i, x minimises x^T A y
    NashConv     sum over players of (value of the best response - value); over the players: exploitability

Model    Variational inequalities on sets, networks, finite games.
Limit    None.
Valid    Gaps need a bounded set; the Minty gap an affine monotone F.
Error    Rounding; of the Minty gap `tolerance`.
Sources  [Facchinei2003].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged, ProblemError
from theorysim.games.activations import potential
from theorysim.games.inequality import VariationalInequality
from theorysim.games.network_game import NetworkGame
from theorysim.games.solve import Game, _vector, inequality_of

Array = NDArray[np.float64]


def natural(game: Game, z: Any) -> float:
    """Return |z - prox_f(z - F z)|."""
    problem = inequality_of(game, "newton")
    return problem.residual(_vector("z", z, problem.dimension))


def tangent(game: Game, z: Any) -> float:
    """Return the distance of -F z from the normal cone of the box at z; |F z| without a set.

    Raises
    ------
    ProblemError
        If the set is no box, or z is outside.
    """
    problem = inequality_of(game, "newton")
    if problem.box is None:
        raise ProblemError("games.tangent: `game` must live on a box or on all of space")
    place = _vector("z", z, problem.dimension)
    low, high = problem.box
    if np.any(place < low) or np.any(place > high):
        raise ProblemError("games.tangent: `z` must be inside the box")
    force = problem.operator(place)
    held = ((place <= low) & (force > 0.0)) | ((place >= high) & (force < 0.0))
    return float(np.linalg.norm(np.where(held, 0.0, force)))


def stampacchia(game: VariationalInequality, z: Any) -> float:
    """Return sup over the set of <F z, z - y>."""
    over = _set(game)
    place = _vector("z", z, game.dimension)
    force = game.inequality.operator(place)
    return float(force @ (place - over.support(-force)))


def minty(game: VariationalInequality, z: Any, *, tolerance: float = 1e-10) -> float:
    """Return sup over the set of <F y, z - y>, F affine and monotone.

    Accelerated projected ascent until the sup is known within `tolerance`, by the linear upper bound.

    Raises
    ------
    NotConverged
        If 100,000 steps do not suffice.
    """
    over, problem = _set(game), game.inequality
    if problem.affine is None or not (game.monotone is not None and game.monotone >= -1e-12):
        raise ProblemError("games.minty: `game` must have an affine monotone operator")
    matrix, shift = problem.affine
    place = _vector("z", z, game.dimension)
    # Where M is antisymmetric the goal is linear: any step length serves.
    curvature = max(float(np.linalg.norm(matrix + matrix.T, 2)), 1e-3 * float(np.linalg.norm(matrix, 2)), 1e-9)

    def gradient(y: Array) -> Array:
        return np.asarray(matrix.T @ (place - y) - matrix @ y - shift)

    y = over.project(place)
    ahead, weight, gap = y, 1.0, np.inf
    for _ in range(100_000):
        slope = gradient(y)
        gap = float(slope @ (over.support(slope) - y))
        if gap <= tolerance:
            return float((matrix @ y + shift) @ (place - y))
        new = over.project(ahead + gradient(ahead) / curvature)
        following = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * weight**2))
        if float((new - y) @ (new - ahead)) < 0.0:  # overshot: begin the acceleration anew
            following = 1.0
        ahead, weight, y = new + (weight - 1.0) / following * (new - y), following, new
    raise NotConverged("games.minty", 100_000, gap, "a larger tolerance")


def _set(game: VariationalInequality) -> Any:
    if not isinstance(game, VariationalInequality) or game.over is None:
        raise ProblemError("games: gaps need a VariationalInequality with a bounded set `over`")
    return game.over


def duality_gap(matrix: Any, x: Any, y: Any) -> float:
    """Return max_j (x^T A)_j - min_i (A y)_i: x minimises, y maximises x^T A y over probability vectors."""
    a = np.asarray(matrix, float)
    p, q = (_strategy(name, value, size) for name, value, size in (("x", x, a.shape[0]), ("y", y, a.shape[1])))
    return float((p @ a).max() - (a @ q).min())


def nash_conv(payoffs: Sequence[Any], strategies: Sequence[Any]) -> float:
    """Return sum over players of what a best response adds to their payoff.

    Parameters
    ----------
    payoffs : sequence of array_like, one of shape (n_1, .., n_N) for each player
    strategies : sequence of array_like, shapes (n_i,)
    """
    tables = checked_payoffs(payoffs)
    mixed = [_strategy(f"strategies[{i}]", s, size) for i, (s, size) in
             enumerate(zip(strategies, tables[0].shape, strict=True))]  # fmt: skip
    total = 0.0
    for i, table in enumerate(tables):
        values = table
        for j in reversed(range(len(mixed))):
            if j != i:
                values = np.tensordot(values, mixed[j], axes=(j, 0))
        total += float(values.max() - values @ mixed[i])
    return total


def exploitability(payoffs: Sequence[Any], strategies: Sequence[Any]) -> float:
    """Return `nash_conv` over the number of players."""
    return nash_conv(payoffs, strategies) / len(payoffs)


def network_nash_conv(game: NetworkGame, z: Any) -> float:
    """Return the sum over players of what their best responses save of f(x) + |x - W x_others - b|^2/2."""
    place = _vector("z", z, game.dimension)
    now = game.costs(place)
    total = 0.0
    aim = game.matrix @ place + game.shift
    for player in game.players:
        moved = place.copy()
        moved[player] = game.respond_of(place, player)
        # a player's own output enters the aim of a unit with a self-loop as something given
        own = 0.5 * (moved[player] - aim[player]) ** 2 - 0.5 * (place[player] - aim[player]) ** 2
        total += float(-own.sum()) + float(_potentials(game, place, player) - _potentials(game, moved, player))
    return total if np.isfinite(now).all() else float("inf")


def _potentials(game: NetworkGame, z: Array, player: slice) -> float:
    f = potential(game.activation_of(player))
    return sum(f(float(y)) for y in z[player])


def checked_payoffs(payoffs: Sequence[Any]) -> list[Array]:
    """Return payoff tables of one shape with an axis for each player.

    Raises
    ------
    ProblemError
        If they are no tables of numbers, not finite, or shapes differ.
    """
    try:
        tables = [np.array(table, float) for table in payoffs]
    except (TypeError, ValueError):
        raise ProblemError("games: `payoffs` must be tables of numbers, rows of one length") from None
    shapes = {table.shape for table in tables}
    if not tables or len(shapes) != 1 or tables[0].ndim != len(tables) or 0 in tables[0].shape:
        raise ProblemError(f"games: `payoffs` must be one table for each player, an axis each, got {sorted(shapes)}")
    if not all(np.all(np.isfinite(table)) for table in tables):
        raise ProblemError("games: `payoffs` must be finite, got NaN or infinity")
    return tables


def _strategy(name: str, value: Any, size: int) -> Array:
    p = np.asarray(value, float)
    if p.shape != (size,) or not np.all(p >= -1e-12) or not abs(float(p.sum()) - 1.0) <= 1e-9:
        raise ProblemError(f"games: `{name}` must be {size} probabilities, got shape {p.shape}")
    return p
