"""Beside QuantEcon and Gambit, where they are installed (extra ``peers``): the same equilibria of 1000 random games."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from theorysim.games.bimatrix import nash_equilibria
from theorysim.games.matrix import MatrixGame

GAMES, LARGEST = 1000, 5
pytestmark = pytest.mark.slow


def ours(a: Any, b: Any) -> Any:
    found = nash_equilibria(MatrixGame.bimatrix(a, b))
    return np.hstack([found["row"].values, found["column"].values])


def same(mine: Any, theirs: Any) -> bool:
    gaps = np.abs(mine[:, None] - np.array(theirs)[None]).max(axis=-1)
    return len(mine) == len(theirs) and bool((gaps.min(axis=0) < 1e-9).all())


def test_the_equilibria_that_quantecon_lists_of_nondegenerate_games() -> None:
    qe = pytest.importorskip("quantecon.game_theory")
    rng = np.random.default_rng(0)
    for _ in range(GAMES):
        m, n = rng.integers(1, LARGEST + 1, 2)
        a, b = rng.normal(size=(2, m, n))
        game = qe.NormalFormGame((qe.Player(a), qe.Player(b.T.copy())))
        assert same(ours(a, b), [np.concatenate(profile) for profile in qe.support_enumeration(game)])


def test_the_extreme_equilibria_that_gambit_lists_of_degenerate_games() -> None:
    """Gambit 17 enumerates in rational numbers, and lists some profiles of degenerate games twice."""
    gambit = pytest.importorskip("pygambit")
    exact = np.vectorize(gambit.Rational, otypes=[object])
    rng = np.random.default_rng(1)
    for _ in range(GAMES):
        m, n = rng.integers(1, LARGEST + 1, 2)
        a, b = rng.integers(-1, 2, size=(2, m, n)).astype(float)
        game = gambit.StrategicGame.from_arrays(exact(a), exact(b))
        names = [(player, strategy) for player in game.players for strategy in game.get_strategies(player)]
        listed = gambit.nash.enummixed_solve(game, rational=True).equilibria
        theirs = {tuple(float(profile[player][s]) for player, s in names) for profile in listed}
        assert same(ours(a, b), sorted(theirs))
