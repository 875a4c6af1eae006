"""Nash equilibria of games of two players: all extreme ones, one of a large game, the value of a zero-sum game.

    x A y = max over the simplex of  . A y,   x B y = max of  x B .

Model    `MatrixGame` of two players.
Limit    None.
Valid    `nash_equilibria`: polytopes of at most 25,000 vertices by the upper bound theorem (12 times 12 strategies,
         3 times 50); `lemke_howson`: one equilibrium of any size; `zero_sum`: A + B constant.
Error    Ties are decided exactly: payoffs are doubles, doubles are fractions. Probabilities within 1e-12 where the game
         is nondegenerate, correctly rounded where it is degenerate. A tie that payoffs only meant is none (0.1 + 0.2).
Sources  [Lemke1964], [Avis2010].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged, ProblemError
from theorysim.games.matrix import MatrixGame
from theorysim.problem.validation import shown
from theorysim.solvers import lemke_howson as pivoting
from theorysim.solvers.best_response_polytopes import MOST_VERTICES, most_vertices
from theorysim.solvers.bimatrix import Extreme, components, extreme_equilibria, maximal_subsets

Array = NDArray[np.float64]

MOST_SUBSETS = 4096
_MOST_LABELS = 62


def nash_equilibria(game: MatrixGame) -> xr.Dataset:
    """Return all extreme equilibria, and the maximal Nash subsets that they span.

    Every equilibrium is a mean of extreme ones of one subset; an isolated equilibrium is a subset of its own.

    Returns
    -------
    Dataset
        Over equilibrium: ``row`` (row_strategy), ``column`` (column_strategy), ``row_payoff``, ``column_payoff``,
        ``nash_conv``, ``row_vertex`` and ``column_vertex`` (equal numbers, equal strategies), ``component``,
        ``continuum`` (True where it is not isolated); ``subset_member`` (subset, equilibrium). The attribute
        ``nondegenerate`` says that both polytopes are simple: then the count is odd and nothing is a continuum.

    Raises
    ------
    ProblemError
        If the game has not two players, or is too large.
    """
    a, b = _tables("nash_equilibria", game)
    m, n = a.shape
    most = max(most_vertices(m, n), most_vertices(n, m))
    if most > MOST_VERTICES or m + n > _MOST_LABELS:
        raise ProblemError(
            f"games.nash_equilibria: `game` must be small enough to list all equilibria (12 times 12 strategies), "
            f"got {m} times {n}; lemke_howson finds one"
        )
    with single_thread():
        found = extreme_equilibria(a, b)
    return _listed(found, a, b)


def lemke_howson(game: MatrixGame, label: int = 0) -> xr.Dataset:
    """Return the equilibrium at the end of the Lemke-Howson path of a label.

    Parameters
    ----------
    label : int
        The strategy whose label is dropped: the row player's first, then the column player's.

    Returns
    -------
    Dataset
        ``row``, ``column``, ``row_payoff``, ``column_payoff``, ``nash_conv``, and the attribute ``pivots``.

    Raises
    ------
    ProblemError
        If the game has not two players, or the label is none of theirs.
    NotConverged
        If rounding hides the path.
    """
    a, b = _tables("lemke_howson", game)
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < sum(a.shape):
        raise ProblemError(f"games.lemke_howson: `label` must be in 0 .. {sum(a.shape) - 1}, got {shown(label)}")
    with single_thread():
        x, y, pivots = pivoting.lemke_howson(a, b, label)
    return _profile(x, y, a, b).assign_attrs(label=label, pivots=pivots)


def zero_sum(game: MatrixGame) -> xr.Dataset:
    """Return the value of a zero-sum game (payoffs may sum to a constant) and optimal strategies, by linear programs.

    Returns
    -------
    Dataset
        ``value`` to the row player, ``row``, ``column``, ``row_payoff``, ``column_payoff``, ``nash_conv``.

    Raises
    ------
    ProblemError
        If the game has not two players, or the sum of the payoffs varies.
    NotConverged
        If HiGHS fails.
    """
    a, b = _tables("zero_sum", game)
    total, size = a + b, max(float(np.abs(a).max()), float(np.abs(b).max()))
    if float(np.ptp(total)) > 1e-12 * size:
        raise ProblemError(f"games.zero_sum: `game` must have payoffs of one sum, got sums from {total.min():g} on")
    x, y = _maximin(a), _maximin(-a.T)
    out = _profile(x, y, a, b)
    out["value"] = ((), float(x @ a @ y), {"units": "1", "long_name": "value to the row player", "symbol": "v"})
    return out


def _maximin(a: Array) -> Array:
    """Return the x in the simplex whose worst payoff, min over j of (x A)_j, is largest."""
    m, n = a.shape
    unit = max(float(np.abs(a).max()), 1e-300)
    cost = np.append(np.zeros(m), -1.0)
    bounded = np.hstack([-(a / unit).T, np.ones((n, 1))])
    simplex = np.append(np.ones(m), 0.0)[None]
    found: Any = scipy.optimize.linprog(
        cost, A_ub=bounded, b_ub=np.zeros(n), A_eq=simplex, b_eq=[1.0], bounds=[(0, None)] * m + [(None, None)],
        method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise NotConverged("zero_sum", int(found.nit), np.inf, "lemke_howson")
    x = np.maximum(found.x[:m], 0.0)
    return np.asarray(x / x.sum())


def _tables(where: str, game: Any) -> tuple[Array, Array]:
    if not isinstance(game, MatrixGame) or game.players != 2:
        got = f"{game.players} players" if isinstance(game, MatrixGame) else type(game).__name__
        raise ProblemError(f"games.{where}: `game` must be a MatrixGame of two players, got {got}")
    return game.payoffs[0], game.payoffs[1]


def _profile(x: Array, y: Array, a: Array, b: Array) -> xr.Dataset:
    """Label one profile, or many along the dimension equilibrium."""
    many = ("equilibrium",) if x.ndim == 2 else ()
    against_y, against_x = y @ a.T, x @ b
    rows, columns = np.sum(x * against_y, axis=-1), np.sum(y * against_x, axis=-1)
    gap = against_y.max(axis=-1) - rows + against_x.max(axis=-1) - columns

    def about(text: str, symbol: str) -> dict[str, str]:
        return {"units": "1", "long_name": text, "symbol": symbol}

    return xr.Dataset({
        "row": ((*many, "row_strategy"), x, about("mixed strategy of the row player", "x")),
        "column": ((*many, "column_strategy"), y, about("mixed strategy of the column player", "y")),
        "row_payoff": (many, rows, about("payoff of the row player", "x^TAy")),
        "column_payoff": (many, columns, about("payoff of the column player", "x^TBy")),
        "nash_conv": (many, np.maximum(gap, 0.0), about("what best responses add", r"\mathrm{NashConv}")),
    })  # fmt: skip


def _listed(found: Extreme, a: Array, b: Array) -> xr.Dataset:
    group = components(found.pairs)
    shared = np.bincount(group)[group] > 1
    masks = maximal_subsets(found.pairs, MOST_SUBSETS)
    if len(masks) > MOST_SUBSETS:
        raise ProblemError(
            f"games.nash_equilibria: `game` must have at most {MOST_SUBSETS} maximal Nash subsets, got more"
        )
    out = _profile(found.row, found.column, a, b)
    for name, side in (("row_vertex", 0), ("column_vertex", 1)):
        out[name] = ("equilibrium", np.unique(found.pairs[:, side], return_inverse=True)[1])
    out["component"] = ("equilibrium", group)
    out["continuum"] = ("equilibrium", shared)
    out["subset_member"] = (("subset", "equilibrium"), np.array(masks).reshape(len(masks), len(group)))
    return out.assign_attrs(nondegenerate=int(found.simple))
