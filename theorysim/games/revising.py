"""N agents of a symmetric game, and the protocol by which they revise their strategies (`games.populations`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.games.population import PopulationGame
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, one_of, plain, shown
from theorysim.solvers.revising_agents import PROTOCOLS

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Agents:
    """N agents in a symmetric game.

    Parameters
    ----------
    game : PopulationGame
        One population with a matrix of payoffs.
    protocol : {"logit", "imitation", "smith", "bnn"}
    agents : int
        N, at most 2^31.
    start : array_like, shape (n,)
        Shares that are whole numbers of agents.
    rounds : int
    noise : float, optional
        Temperature of logit.
    rate : float, optional
        Of the others; default: as large as probabilities allow, 1/(max A - min A).
    record : sequence of int, optional
        Rounds to record; default: about 30, log-spaced.

    Raises
    ------
    ProblemError
        If something is missing, does not fit, or would be a probability above 1.
    """

    game: PopulationGame
    protocol: str
    agents: int
    start: Any
    rounds: int
    noise: float | None = None
    rate: float | None = None
    record: Sequence[int] | None = None

    def __post_init__(self) -> None:
        where = "games.populations"
        if self.protocol not in PROTOCOLS:
            raise ProblemError(f"{where}: `protocol` {one_of(self.protocol, PROTOCOLS)}")
        game = self.game
        if not isinstance(game, PopulationGame) or game.matrix is None or len(game.strategies) > 1:
            raise ProblemError(f"{where}: `game` must be a PopulationGame of one population with a matrix")
        for name, most in (("agents", 2**31), ("rounds", 10**9)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise ProblemError(f"{where}: `{name}` must be a whole number from 1 to {most}, got {shown(value)}")
        x = game.checked(self.start)
        object.__setattr__(self, "start", x)
        if np.any(np.abs(x * self.agents - np.rint(x * self.agents)) > 1e-6):
            raise ProblemError(f"{where}: `start` must be whole numbers of {self.agents} agents, got {shown(x)}")
        object.__setattr__(self, "rate", self._checked_rate(game.matrix))
        rows = list(default_steps(self.rounds) if self.record is None else self.record)
        if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > self.rounds:
            raise ProblemError(
                f"{where}: `record` must hold ascending rounds from 0 to {self.rounds}, got {shown(rows)}"
            )
        object.__setattr__(self, "record", tuple(rows))

    def _checked_rate(self, matrix: Array) -> float:
        where, spread = "games.populations", float(matrix.max() - matrix.min())
        needs, unwanted = ("noise", "rate") if self.protocol == "logit" else ("rate", "noise")
        if getattr(self, unwanted) is not None:
            raise ProblemError(f"{where}: `{unwanted}` must not be given for {self.protocol}")
        value = plain(getattr(self, needs))
        if needs == "rate" and value is None:
            value = 1.0 / spread if spread > 0.0 else 1.0
        if not is_real(value) or value <= 0.0:
            raise ProblemError(f"{where}: `{needs}` must be a positive number, got {shown(value)}")
        if needs == "rate" and value * spread > 1.0 + 1e-12:
            raise ProblemError(f"{where}: `rate` must be at most {1.0 / spread:.6g}, a probability, got {shown(value)}")
        return float(value) if needs == "rate" else 1.0

    @property
    def clock(self) -> float:
        """Time of the rule of that name in one round."""
        rate = float(self.rate or 1.0)
        return {"logit": 1.0, "imitation": rate}.get(self.protocol, rate / self.game.dimension)
