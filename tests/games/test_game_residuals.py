"""Distances from equilibrium, in the measures of the literature, and shares of games that no potential explains."""

from __future__ import annotations

import numpy as np
import pytest

from tests.games.game_examples import LAYERS, tanh_game
from theorysim.errors import ProblemError
from theorysim.games import NetworkGame, VariationalInequality, ball, box, residuals, simplex
from theorysim.games.potentialness import (
    balanced_share,
    cycle_defects,
    harmonic_share,
    potentialness,
    rotational_share,
    weighted_share,
)

CYCLIC = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
UNITS = [slice(i, i + 1) for i in range(3)]


def test_gaps_against_a_grid():
    matrix, shift, z = np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0.3, 0.2]), np.array([0.5, 0.5])
    game = VariationalInequality(dimension=2, matrix=matrix, shift=shift, over=box(-1, 1))
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 401)] * 2), -1).reshape(-1, 2)
    force = matrix @ z + shift
    assert residuals.stampacchia(game, z) == pytest.approx(((z - grid) @ force).max())
    weak = np.einsum("ij,ij->i", grid @ matrix.T + shift, z - grid).max()
    assert residuals.minty(game, z) == pytest.approx(weak, abs=1e-9)
    assert residuals.tangent(game, z) == pytest.approx(np.linalg.norm(force))
    assert residuals.natural(game, z) == pytest.approx(np.linalg.norm(z - np.clip(z - force, -1, 1)))
    corner = np.array([-1.0, -1.0])  # F = (-1.7, 0.2): only the first pushes inwards
    assert residuals.tangent(game, corner) == pytest.approx(1.7)
    disc = VariationalInequality(dimension=2, matrix=matrix, shift=shift, over=ball(1.0))
    assert residuals.stampacchia(disc, z) == pytest.approx(force @ z + np.linalg.norm(force))


def test_gaps_vanish_at_equilibrium_alone():
    game = VariationalInequality(dimension=3, matrix=CYCLIC, over=simplex())
    middle, corner = np.full(3, 1 / 3), np.array([1.0, 0.0, 0.0])
    for gap in (residuals.stampacchia, residuals.minty):
        assert gap(game, middle) == pytest.approx(0.0, abs=1e-10)
        assert gap(game, corner) == pytest.approx(1.0)


def test_finite_games():
    payoffs = [CYCLIC, -CYCLIC]
    middle, corner = np.full(3, 1 / 3), np.array([1.0, 0.0, 0.0])
    assert residuals.nash_conv(payoffs, [middle, middle]) == pytest.approx(0.0, abs=1e-15)
    assert residuals.nash_conv(payoffs, [corner, middle]) == pytest.approx(1.0)
    assert residuals.exploitability(payoffs, [corner, middle]) == pytest.approx(0.5)
    assert residuals.duality_gap(-CYCLIC, corner, middle) == pytest.approx(1.0)
    three = [np.zeros((2, 3, 2)) for _ in range(3)]
    three[1][0, 2, 1] = 4.0
    assert residuals.nash_conv(three, [[1, 0], [0.5, 0.5, 0], [0, 1]]) == pytest.approx(4.0)
    with pytest.raises(ProblemError, match="probabilities"):
        residuals.nash_conv(payoffs, [[1.0, 1.0, 0.0], middle])
    with pytest.raises(ProblemError, match="finite"):
        residuals.nash_conv([CYCLIC * np.nan, CYCLIC], [middle, middle])


def test_shares_of_finite_games():
    """Case 12."""
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    prisoners = np.array([[3.0, 0.0], [5.0, 1.0]])
    assert harmonic_share([CYCLIC, -CYCLIC]) == pytest.approx(1.0)
    assert harmonic_share([pennies, -pennies]) == pytest.approx(1.0)
    assert harmonic_share([prisoners, prisoners.T]) == pytest.approx(0.0, abs=1e-15)
    assert harmonic_share([np.diag([2.0, 1.0]), np.diag([1.0, 2.0])]) == pytest.approx(0.0, abs=1e-15)
    assert harmonic_share([np.diag([2.0, 1.0]), np.diag([1.0, 5.0])]) > 0.01  # not every battle of the sexes
    for t in (0.5, 1.0):
        assert harmonic_share([np.eye(3) + t * CYCLIC, np.eye(3) - t * CYCLIC]) == pytest.approx(
            3 * t**2 / (1 + 3 * t**2)
        )
    draw = np.random.default_rng(0)
    common = draw.standard_normal((3, 2, 4))
    assert harmonic_share([common, common, common + draw.standard_normal((3, 2, 1))]) == pytest.approx(0.0, abs=1e-14)
    with pytest.raises(ProblemError, match="own strategy"):
        harmonic_share([np.ones((2, 2)), np.ones((2, 2))])
    with pytest.raises(ProblemError, match="an axis each"):
        harmonic_share([np.ones((2, 2)), np.ones((2, 3))])


def test_share_of_the_tanh_game():
    """Case 5: kappa, and cycle products 0.27 against -0.224."""
    game = tanh_game()
    found = potentialness(game)
    assert float(found["kappa"]) == pytest.approx(0.4719789842, abs=6e-11)
    assert float(found["largest_cycle_defect"]) == pytest.approx(0.27 + 0.224)
    np.testing.assert_allclose(cycle_defects(game.matrix), [0.27 + 0.224])
    assert 0.1 < float(found["balanced_kappa"]) <= float(found["kappa"])


def test_weighted_potential_games_are_found():
    symmetric = np.array([[1.0, 0.5, 0.2], [0.5, 2.0, -0.3], [0.2, -0.3, 1.0]])
    weights = np.array([1.0, 2.0, 5.0])
    j = symmetric / weights[:, None]
    assert rotational_share(j) > 0.01
    least, found = weighted_share(j, UNITS)
    assert least == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(found, weights / weights.mean(), rtol=1e-5)
    assert balanced_share(j, UNITS) == pytest.approx(0.0, abs=1e-12)


def test_min_max_games_keep_their_share():
    """The weighted infimum of min-max xy is 1/2, all weight on one player: not attained; the balanced share is 1."""
    found = potentialness(VariationalInequality(dimension=2, matrix=[[0.0, 1.0], [-1.0, 0.0]]))
    assert float(found["kappa"]) == pytest.approx(1.0)
    assert not bool(found["attained"])
    assert float(found["weighted_kappa"]) == pytest.approx(0.5, abs=1e-5)
    assert float(found["balanced_kappa"]) == pytest.approx(1.0)
    with pytest.raises(ProblemError, match="not 0"):
        rotational_share(np.zeros((2, 2)))


def test_layer_games_have_a_potential_only_where_the_notes_say():
    w = np.array(LAYERS[0])
    two = NetworkGame(weights=[w, w.T], activations="tanh")
    assert float(potentialness(two)["kappa"]) == pytest.approx(0.0, abs=1e-15)
    scaled = NetworkGame(weights=[w, 3.0 * w.T], activations="tanh")
    assert float(potentialness(scaled)["kappa"]) > 0.01
    assert float(potentialness(scaled)["balanced_kappa"]) == pytest.approx(0.0, abs=1e-10)
    three = NetworkGame(weights=LAYERS, activations="tanh")
    assert float(potentialness(three)["balanced_kappa"]) > 0.05
