"""Finite games in normal form: one table of payoffs for each player, one axis of a table for each player.

    payoff of player i:  sum over profiles s of table_i[s_1, .., s_N] p_1[s_1] .. p_N[s_N],  p_j mixed strategies

Model    Finitely many players and strategies; players maximise.
Limit    None.
Valid    Finite payoffs; tables may have any shape.
Error    Rounding.
Sources  The definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.games.residuals import checked_payoffs, nash_conv

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MatrixGame:
    """A game in normal form.

    Parameters
    ----------
    payoffs : sequence of array_like, one of shape (n_1, .., n_N) for each of N players
        Entry (s_1, .., s_N) of table i: what player i gets where player j plays s_j.

    Raises
    ------
    ProblemError
        If shapes differ, a table lacks an axis for a player, or a payoff is not finite.
    """

    payoffs: tuple[Array, ...]

    def __post_init__(self) -> None:
        tables = tuple(np.ascontiguousarray(table) for table in checked_payoffs(self.payoffs))
        for table in tables:
            table.setflags(write=False)
        object.__setattr__(self, "payoffs", tables)

    @classmethod
    def bimatrix(cls, a: Any, b: Any) -> MatrixGame:
        """Return a game of two: a[i, j] is the payoff of the row player i, b[i, j] of the column player j."""
        return cls(payoffs=(a, b))

    @classmethod
    def zero_sum(cls, a: Any) -> MatrixGame:
        """Return a game of two in which the column player gets -a."""
        return cls(payoffs=(a, -np.asarray(a, float)))

    @property
    def players(self) -> int:
        """The number of players."""
        return len(self.payoffs)

    @property
    def strategies(self) -> tuple[int, ...]:
        """The number of strategies of each player."""
        return self.payoffs[0].shape

    def payoffs_of(self, profile: Sequence[Any]) -> list[Array]:
        """Return for each player what their strategies earn against the others' mixed strategies, shapes (n_i,).

        Parameters
        ----------
        profile : sequence of array_like, shapes (n_i,)
            One mixed strategy for each player.

        Raises
        ------
        ProblemError
            If a strategy is no probability vector of its player's size.
        """
        mixed = checked_profile(profile, self.strategies)
        return [_values(table, mixed, i) for i, table in enumerate(self.payoffs)]

    def nash_conv(self, profile: Sequence[Any]) -> float:
        """Return the sum over players of what a best response adds to their payoff: 0 at Nash equilibria only."""
        return nash_conv(self.payoffs, checked_profile(profile, self.strategies))


def checked_profile(profile: Sequence[Any], sizes: Sequence[int]) -> list[Array]:
    """Return mixed strategies as arrays of shapes (n_i,).

    Raises
    ------
    ProblemError
        If one is missing, has another size, a negative entry, or a sum other than 1.
    """
    if len(profile) != len(sizes):
        raise ProblemError(f"games: `profile` must hold {len(sizes)} strategies, got {len(profile)}")
    mixed = [np.asarray(part, float) for part in profile]
    for i, (part, size) in enumerate(zip(mixed, sizes, strict=True)):
        if part.shape != (size,) or not np.all(part >= -1e-12) or not abs(float(part.sum()) - 1.0) <= 1e-9:
            raise ProblemError(f"games: `profile[{i}]` must be {size} probabilities, got {part.tolist()}")
    return mixed


def _values(table: Array, mixed: Sequence[Array], player: int) -> Array:
    """Return the payoff of each strategy of a player, the others' averaged over, shape (n_player,)."""
    for other in reversed(range(len(mixed))):
        if other != player:
            table = np.tensordot(table, mixed[other], axes=(other, 0))
    return np.asarray(table)
