"""What a user may hand to the agents, checked: one line of blame each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, one_of, plain, shown

Array = NDArray[np.float64]
MOST_COUNT = 10_000
"""Largest number of a Beta prior."""


def whole(value: Any, name: str, *, where: str, least: int = 1, most: int | None = None) -> int:
    """Return a whole number in [least, most].

    Raises
    ------
    ProblemError
        For anything else.
    """
    value = plain(value)
    above = most is not None and isinstance(value, int) and value > most
    if isinstance(value, bool) or not isinstance(value, int) or value < least or above:
        span = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ProblemError(f"{where}: `{name}` must be a whole number {span}, got {shown(value)}")
    return value


def horizon_of(value: Any, *, where: str, most: int | None = None) -> int:
    """Return a checked number of pulls."""
    return whole(value, "horizon", where=where, most=most)


def agent_of(value: Any, known: Iterable[str], *, where: str) -> str:
    """Return the name of a known agent."""
    names = list(known)
    if value not in names:
        raise ProblemError(f"{where}: `agent` {one_of(value, names)}")
    return str(value)


def prior_of(prior: Any, *, where: str, arms: int | None = None) -> NDArray[np.int64]:
    """Return Beta priors as an array of int64, shape (arms, 2).

    Raises
    ------
    ProblemError
        Unless they are pairs of whole numbers from 1 to `MOST_COUNT`.
    """
    try:
        rows = np.asarray(prior)
    except ValueError:  # rows of different lengths
        rows = np.zeros(0)
    good = rows.ndim == 2 and rows.shape[1] == 2 and len(rows) > 0 and rows.dtype.kind in "iu"
    if not good or rows.min() < 1 or rows.max() > MOST_COUNT:
        raise ProblemError(
            f"{where}: `prior` must hold a pair (a, b) of whole numbers from 1 to {MOST_COUNT} for each arm, "
            f"got {shown(prior)}"
        )
    if arms is not None and len(rows) != arms:
        raise ProblemError(f"{where}: `prior` must hold {arms} arms, got {len(rows)}")
    return np.ascontiguousarray(rows, np.int64)


def two_armed(prior: Any, *, where: str, horizon: int = 0, most: int = 0) -> None:
    """Refuse what exact recursions cannot hold, other than two arms or a horizon above `most`, naming what fits."""
    arms, other = len(prior_of(prior, where=where)), "games.learning.agents.finite and games.learning.bernoulli"
    if arms != 2:
        raise ProblemError(
            f"{where}: `prior` must hold two arms for the exact recursion, got {arms}; {other} simulate any number"
        )
    if horizon > most:
        raise ProblemError(
            f"{where}: `horizon` must be at most {most} for the exact recursion, got {horizon}; {other} simulate more"
        )


def means_of(means: Any, *, where: str, most: float = 1.0, least: float = 0.0) -> Array:
    """Return means of arms, shape (arms,), each in [least, most]."""
    values = np.atleast_1d(np.asarray(means, float))
    if values.ndim != 1 or len(values) < 1 or not np.all((values >= least) & (values <= most)):
        raise ProblemError(
            f"{where}: `means` must be numbers in [{least:g}, {most:g}], one for each arm, got {shown(means)}"
        )
    return values


def positive(value: Any, name: str, *, where: str) -> float:
    """Return a finite number above zero."""
    value = plain(value)
    if not is_real(value) or value <= 0.0:
        raise ProblemError(f"{where}: `{name}` must be a positive number, got {shown(value)}")
    return float(value)


def chances_of(beliefs: NDArray[np.int64], means: Sequence[float] | None) -> Array:
    """Return rows (A, C, B) of the chance of a success, (A + B s)/(C + B n): B = 0 where the mean is given."""
    if means is None:
        return np.array([[a, a + b, 1.0] for a, b in beliefs.astype(float)])
    found = means_of(means, where="regret")
    if len(found) != len(beliefs):
        raise ProblemError(f"regret: `means` must hold {len(beliefs)} numbers, got {len(found)}")
    return np.array([[p, 1.0, 0.0] for p in found])
