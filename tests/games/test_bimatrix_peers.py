"""Beside QuantEcon, where it is installed: the same equilibria of nondegenerate games."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.games.bimatrix import nash_equilibria
from theorysim.games.matrix import MatrixGame

pytest.importorskip("quantecon")


def test_the_equilibria_that_quantecon_lists():
    import quantecon.game_theory as qe

    rng = np.random.default_rng(0)
    for _ in range(100):
        m, n = rng.integers(1, 6, 2)
        a, b = rng.normal(size=(2, m, n))
        found = nash_equilibria(MatrixGame.bimatrix(a, b))
        mine = np.hstack([found["row"].values, found["column"].values])
        game = qe.NormalFormGame((qe.Player(a), qe.Player(b.T.copy())))
        theirs = np.array([np.concatenate(profile) for profile in qe.support_enumeration(game)])
        gaps = np.abs(mine[:, None] - theirs[None]).max(axis=-1)
        assert len(mine) == len(theirs) and (gaps.min(axis=0) < 1e-9).all()
