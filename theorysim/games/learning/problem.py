"""A bandit whose arms are drawn from Beta laws, and the agent that plays it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from theorysim.games.learning.arguments import MOST_COUNT
from theorysim.problem.validation import Statement, shown

Agent = Literal["thompson", "ucb1", "greedy", "bayes-optimal"]


class BayesBandit(Statement):
    """Bernoulli arms with success probabilities drawn from independent Beta laws, which the agent takes as its prior.

    Parameters
    ----------
    horizon : int
        Pulls, T.
    agent : "thompson", "ucb1", "greedy" or "bayes-optimal"
        The last knows the horizon, and has the least regret there.
    prior : sequence of (a, b)
        Whole numbers of the Beta law of each arm; default: two uniform arms. (With whole numbers the probability that
        one arm is the better one is a finite sum.)
    """

    section: ClassVar[str] = "bandit"
    horizon: int = Field(ge=1, le=10_000_000)
    agent: Agent
    prior: tuple[tuple[int, int], ...] = ((1, 1), (1, 1))

    @field_validator("prior", mode="before")
    @classmethod
    def _beliefs(cls, value: Any) -> Any:
        rows = value if isinstance(value, tuple) else ()
        good = [
            isinstance(row, tuple) and len(row) == 2 and all(type(n) is int and 1 <= n <= MOST_COUNT for n in row)
            for row in rows
        ]
        if len(rows) < 2 or not all(good):
            raise ValueError(
                f"must hold a pair (a, b) of whole numbers from 1 to {MOST_COUNT} for each of two arms or more, "
                f"got {shown(value)}"
            )
        return value
