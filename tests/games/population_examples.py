"""The population games of the notes."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorysim.games import PopulationGame


def rock_paper_scissors(win: float = 1.0, lose: float = 1.0) -> PopulationGame:
    """Case 1."""
    return PopulationGame(payoffs=[[0.0, -lose, win], [win, 0.0, -lose], [-lose, win, 0.0]])


def matching_pennies(scale: float = 1.0) -> PopulationGame:
    """Case 2."""
    a = scale * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return PopulationGame.two(a, -a)


def members(count: int, strategies: int, seed: int = 0) -> Any:
    """Return random shares, shape (count, strategies)."""
    return np.random.default_rng(seed).dirichlet(np.ones(strategies), size=count)
