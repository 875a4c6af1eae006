"""The states of a two-armed Bernoulli bandit after t pulls, in a row: by n1, then s1, then s2 (n2 = t - n1)."""

from __future__ import annotations

from theorysim.backend.compile import body


@body
def states(t: int) -> int:
    """Return how many states there are after t pulls."""
    return (t + 1) * (t + 2) * (t + 3) // 6


@body
def place(t: int, n1: int, s1: int, s2: int) -> int:
    """Return the place of a state among those after t pulls."""
    before = (t + 1) * n1 + t * n1 * (n1 - 1) // 2 - (n1 - 1) * n1 * (2 * n1 - 1) // 6
    return before + s1 * (t - n1 + 1) + s2
