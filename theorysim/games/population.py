"""Populations of agents who earn payoffs F(x) that depend on the shares x of strategies.

    one population      F = A x
    two populations     A y for the first, B^T x for the second: i and j earn A[i, j] and B[i, j] from each other
    equilibrium         sum over populations of max_i F_i - x.F is 0: nobody gains by moving

Model    Continuous populations of mass 1; payoffs linear, or any function of the shares.
Limit    Infinitely many agents (`games.populations` for finitely many).
Valid    Finite payoffs.
Error    Rounding.
Sources  [Sandholm2010], [Hofbauer1998].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.games.inequality import simplex
from theorysim.games.matrix import MatrixGame
from theorysim.problem.validation import shown

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationGame:
    """A game of one or several populations.

    Parameters
    ----------
    payoffs : array_like, shape (n, n), or callable
        A of F = A x, or F itself: shares of shape (members, n) to payoffs of the same shape. With several populations
        their strategies follow one another in x.
    strategies : sequence of int, optional
        Strategies of each population; default: one population of the matrix's size. Needed with a function.

    Raises
    ------
    ProblemError
        If the matrix is not square or not finite, or the sizes do not fit.
    """

    payoffs: Any
    strategies: Sequence[int] = ()

    def __post_init__(self) -> None:
        where, sizes = "games.PopulationGame", tuple(self.strategies)
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
            raise ProblemError(f"{where}: `strategies` must be whole numbers of at least 1, got {shown(sizes)}")
        if callable(self.payoffs):
            if not sizes:
                raise ProblemError(f"{where}: `strategies` must be given with a payoff function")
        else:
            matrix = np.array(self.payoffs, dtype=float, ndmin=1)
            if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
                raise ProblemError(f"{where}: `payoffs` must be a square matrix, got shape {matrix.shape}")
            if not np.all(np.isfinite(matrix)):
                raise ProblemError(f"{where}: `payoffs` must be finite, got NaN or infinity")
            sizes = sizes or (len(matrix),)
            if sum(sizes) != len(matrix):
                raise ProblemError(f"{where}: `strategies` must add up to {len(matrix)}, got {shown(sizes)}")
            matrix.setflags(write=False)
            object.__setattr__(self, "payoffs", matrix)
        object.__setattr__(self, "strategies", sizes)

    @classmethod
    def two(cls, a: Any, b: Any) -> PopulationGame:
        """Return two populations: a[i, j] is earned by i of the first, b[i, j] by j of the second."""
        return cls.of(MatrixGame.bimatrix(a, b))

    @classmethod
    def of(cls, game: MatrixGame) -> PopulationGame:
        """Return a population for each player of a finite game."""
        sizes = game.strategies
        if game.players == 1:
            return cls(payoffs=np.repeat(game.payoffs[0][:, None], sizes[0], axis=1))
        if game.players > 2:
            return cls(payoffs=_multilinear(game), strategies=sizes)
        matrix = np.zeros((sum(sizes), sum(sizes)))
        matrix[: sizes[0], sizes[0] :] = game.payoffs[0]
        matrix[sizes[0] :, : sizes[0]] = game.payoffs[1].T
        return cls(payoffs=matrix, strategies=sizes)

    @property
    def matrix(self) -> Array | None:
        """A of F = A x, None where F is a function."""
        return None if callable(self.payoffs) else self.payoffs

    @property
    def dimension(self) -> int:
        """The number of strategies of all populations."""
        return sum(self.strategies)

    @property
    def ends(self) -> tuple[int, ...]:
        """The first strategy of each population, and the number of all."""
        return (0, *np.cumsum(self.strategies).tolist())

    def payoffs_of(self, shares: Any) -> Array:
        """Return F(x) for x of shape (n,) or (members, n).

        Raises
        ------
        ProblemError
            If a payoff function returns another shape, or numbers that are not finite.
        """
        x = np.asarray(shares, float)
        if self.matrix is not None:
            with single_thread():
                return np.asarray(x @ self.matrix.T)
        found = np.asarray(self.payoffs(np.atleast_2d(x)), float)
        if found.shape != np.atleast_2d(x).shape or not np.all(np.isfinite(found)):
            raise ProblemError(f"games: `payoffs` must return finite numbers of shape {np.atleast_2d(x).shape}")
        return found.reshape(x.shape)

    def deviation(self, shares: Any) -> float:
        """Return the sum over populations of what the best strategy earns above the mean: 0 at equilibria only."""
        x = self.checked(shares)
        f = self.payoffs_of(x)
        return float(sum(f[a:b].max() - x[a:b] @ f[a:b] for a, b in pairwise(self.ends)))

    def natural(self, shares: Any) -> float:
        """Return the natural residual |x - P(x + F)|, P the projection onto the shares."""
        x = self.checked(shares)
        f, over = self.payoffs_of(x), simplex()
        return float(np.linalg.norm(np.concatenate([x[a:b] - over.project(x[a:b] + f[a:b]) for a, b in
                                                    pairwise(self.ends)])))  # fmt: skip

    def is_equilibrium(self, shares: Any, *, tolerance: float = 1e-9) -> bool:
        """Return whether nobody gains more than `tolerance` by moving."""
        return self.deviation(shares) <= tolerance

    def interior_equilibrium(self) -> Array | None:
        """Return an equilibrium at which all strategies have shares, the smallest as large as can be; None without.

        Raises
        ------
        ProblemError
            Where payoffs are a function.
        """
        if self.matrix is None:
            raise ProblemError("games.interior_equilibrium: `payoffs` must be a matrix")
        n, many = self.dimension, len(self.strategies)
        member = membership(self)
        rows = np.zeros((n + many, n + many + 1))  # x, the payoff of each population, the smallest share
        rows[:n, :n], rows[:n, n : n + many] = self.matrix, -member
        rows[n:, :n] = member.T
        above = np.hstack([-np.eye(n), np.zeros((n, many)), np.ones((n, 1))])
        goal = np.zeros(n + many + 1)
        goal[-1] = -1.0
        found: Any = scipy.optimize.linprog(
            goal, A_ub=above, b_ub=np.zeros(n), A_eq=rows, b_eq=np.concatenate([np.zeros(n), np.ones(many)]),
            bounds=[(0, 1)] * n + [(None, None)] * many + [(None, 1)],
        )  # fmt: skip
        if found.status != 0 or found.x[-1] <= 1e-9:
            return None
        return np.asarray(found.x[:n] + _correction(rows[:, :-1], found.x[:-1], n, many)[:n])

    def checked(self, shares: Any) -> Array:
        """Return shares as an array of shape (n,).

        Raises
        ------
        ProblemError
            If they are no shares of this game's populations.
        """
        x = np.asarray(shares, float)
        if x.shape != (self.dimension,) or not np.all(x >= -1e-9):
            raise ProblemError(f"games: `shares` must be {self.dimension} numbers of at least 0, got {shown(shares)}")
        if any(not abs(x[a:b].sum() - 1.0) <= 1e-9 for a, b in pairwise(self.ends)):
            raise ProblemError(f"games: `shares` must have the sum 1 in each population, got {shown(shares)}")
        return x

    def payoff_jacobian(self, shares: Any) -> Array:
        """Return dF/dx, shape (n, n): A, or central differences of a payoff function."""
        if self.matrix is not None:
            return self.matrix
        x, h = self.checked(shares), 1e-6
        moves = h * np.eye(len(x))
        return np.asarray((self.payoffs_of(x + moves) - self.payoffs_of(x - moves)).T / (2.0 * h))


def _multilinear(game: MatrixGame) -> Callable[[Array], Array]:
    """Return F of a game of three or more players: each strategy's payoff, the others' averaged over."""
    sizes, letters = game.strategies, "abcdefghijklmnopqrstuvwxy"
    names = letters[: game.players]

    def payoffs(x: Array) -> Array:
        parts = np.split(x, np.cumsum(sizes)[:-1], axis=1)
        found = []
        for i, table in enumerate(game.payoffs):
            others = [j for j in range(game.players) if j != i]
            rule = ",".join([names, *(f"z{names[j]}" for j in others)]) + f"->z{names[i]}"
            found.append(np.einsum(rule, table, *(parts[j] for j in others), optimize=True))
        return np.concatenate(found, axis=1)

    return payoffs


def membership(game: PopulationGame) -> Array:
    """Return which population each strategy is of, shape (n, populations), 0 or 1."""
    return np.repeat(np.eye(len(game.strategies)), game.strategies, axis=0)


def _correction(rows: Array, x: Array, n: int, many: int) -> Array:
    """Return the least change that solves the equations to rounding."""
    aim = np.concatenate([np.zeros(n), np.ones(many)])
    with single_thread():
        return np.asarray(np.linalg.lstsq(rows, aim - rows @ x, rcond=None)[0])
