"""Matrix and population games: payoffs, equilibria, multipliers at rest points, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from tests.games.population_examples import matching_pennies, members, rock_paper_scissors
from theorysim.equations.populations import coordination_slope, rps_eigenvalue, rps_logit_multiplier
from theorysim.errors import NotConverged, ProblemError
from theorysim.games import MatrixGame, PopulationGame, logit_equilibrium, multipliers
from theorysim.games.rest_points import linearised_flow

CENTRE = [1 / 3] * 3


def test_payoffs_of_a_game_of_three() -> None:
    rng = np.random.default_rng(0)
    game = MatrixGame(payoffs=tuple(rng.normal(size=(2, 3, 4)) for _ in range(3)))
    assert game.players == 3 and game.strategies == (2, 3, 4)
    p, q, r = (rng.dirichlet(np.ones(n)) for n in game.strategies)
    found = game.payoffs_of([p, q, r])
    np.testing.assert_allclose(found[1], np.einsum("abc,a,c->b", game.payoffs[1], p, r), atol=1e-14)
    gains = [f.max() - f @ s for f, s in zip(found, (p, q, r), strict=True)]
    assert game.nash_conv([p, q, r]) == pytest.approx(sum(gains), abs=1e-13)
    shares = PopulationGame.of(game).payoffs_of(np.concatenate([p, q, r]))
    np.testing.assert_allclose(shares, np.concatenate(found), atol=1e-14)


def test_bimatrix_zero_sum_and_one_player() -> None:
    game = MatrixGame.zero_sum([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(game.payoffs[1], -game.payoffs[0])
    np.testing.assert_allclose(PopulationGame.of(game).payoffs_of([0.5, 0.5, 1, 0, 0]), [1, 4, -2.5, -3.5, -4.5])
    alone = MatrixGame(payoffs=([1.0, 3.0, 2.0],))
    assert alone.nash_conv([[0.0, 1.0, 0.0]]) == 0.0
    np.testing.assert_allclose(PopulationGame.of(alone).payoffs_of([0.2, 0.3, 0.5]), [1.0, 3.0, 2.0])


@pytest.mark.parametrize(
    ("payoffs", "message"),
    [
        ([np.ones((2, 2))], "an axis each"),
        ([np.ones((2, 2)), np.ones((2, 3))], "an axis each"),
        ([[[np.nan, 1.0]], [[0.0, 1.0]]], "finite"),
        ([], "one table for each player"),
    ],
)
def test_wrong_tables(payoffs, message) -> None:
    with pytest.raises(ProblemError, match=message):
        MatrixGame(payoffs=payoffs)


@pytest.mark.parametrize("profile", [[[1.0]], [[0.5, 0.6], [1.0, 0.0]], [[1.5, -0.5], [1.0, 0.0]], [[1.0], [1.0, 0.0]]])
def test_wrong_profiles(profile) -> None:
    with pytest.raises(ProblemError, match="profile"):
        MatrixGame.zero_sum(np.eye(2)).payoffs_of(profile)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"payoffs": [[1.0, 2.0]]}, "square"),
        ({"payoffs": [[np.inf]]}, "finite"),
        ({"payoffs": np.eye(3), "strategies": (2, 2)}, "add up to 3"),
        ({"payoffs": np.eye(2), "strategies": (2, 0)}, "at least 1"),
        ({"payoffs": lambda x: x}, "strategies"),
    ],
)
def test_wrong_population_games(arguments, message) -> None:
    with pytest.raises(ProblemError, match=message):
        PopulationGame(**arguments)


def test_equilibria() -> None:
    game = rock_paper_scissors()
    assert game.is_equilibrium(CENTRE) and game.natural(CENTRE) < 1e-15
    assert game.deviation([0.5, 0.25, 0.25]) == pytest.approx(0.25)
    np.testing.assert_allclose(game.interior_equilibrium(), CENTRE, atol=1e-15)
    assert matching_pennies().is_equilibrium([0.5] * 4)
    assert PopulationGame(payoffs=[[3.0, 0.0], [5.0, 1.0]]).interior_equilibrium() is None
    lopsided = PopulationGame.two([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]])  # battle of the sexes
    np.testing.assert_allclose(lopsided.interior_equilibrium(), [2 / 3, 1 / 3, 1 / 3, 2 / 3], atol=1e-14)
    with pytest.raises(ProblemError, match="sum 1"):
        game.deviation([0.5, 0.5, 0.5])
    with pytest.raises(ProblemError, match="at least 0"):
        game.deviation([1.5, -0.5, 0.0])


def test_generalised_rock_paper_scissors_spirals_in() -> None:
    """Case 1: win 2, lose 1."""
    found = multipliers(rock_paper_scissors(2.0, 1.0), "replicator", CENTRE)
    np.testing.assert_allclose(found.real, -1 / 6, atol=1e-14)
    np.testing.assert_allclose(np.sort(np.abs(found.imag)), [0.8660254038] * 2, atol=5e-11)
    for win, lose in ((1.0, 3.0), (0.5, 0.2)):
        found = multipliers(rock_paper_scissors(win, lose), "replicator", CENTRE)
        real, imaginary = rps_eigenvalue(win, lose)
        np.testing.assert_allclose([found.real.max(), found.imag.max()], [real, imaginary], atol=1e-14)


@pytest.mark.parametrize(("beta", "factor"), [(1.5, 0.8660254038), (2.0, 1.1547005384), (3**0.5, 1.0)])
def test_discrete_logit_of_rock_paper_scissors(beta, factor) -> None:
    """Case 7: stable below sqrt 3 in rounds, always in time."""
    game = rock_paper_scissors()
    found = multipliers(game, "discrete-logit", CENTRE, noise=1.0 / beta)
    np.testing.assert_allclose(np.abs(found), factor, atol=5e-11)
    assert rps_logit_multiplier(beta, 1.0, 1.0) == pytest.approx(factor, abs=5e-11)
    np.testing.assert_allclose(multipliers(game, "logit", CENTRE, noise=1.0 / beta).real, -1.0, atol=1e-13)


def test_coordination_has_a_pitchfork() -> None:
    """Case 8: m = tanh(beta a m/2)."""
    game = PopulationGame(payoffs=3.0 * np.eye(2))
    x = logit_equilibrium(game, noise=1.0, start=[0.9, 0.1])
    assert x[0] - x[1] == pytest.approx(0.8585596366, abs=5e-11)
    for gain, m in ((3.0, x[0] - x[1]), (3.0, 0.0), (1.9, 0.0), (2.0, 0.0)):
        point = [0.5 + 0.5 * m, 0.5 - 0.5 * m]
        (slope,) = multipliers(PopulationGame(payoffs=gain * np.eye(2)), "discrete-logit", point, noise=1.0)
        assert slope.real == pytest.approx(coordination_slope(gain, float(m)), abs=1e-12)
    below = logit_equilibrium(PopulationGame(payoffs=1.9 * np.eye(2)), noise=1.0, start=[0.9, 0.1])
    assert below[0] - below[1] == pytest.approx(0.0, abs=1e-10)
    with pytest.raises(NotConverged):
        logit_equilibrium(game, noise=1.0, start=[0.9, 0.1], steps=1)


def test_matching_pennies_turns_with_its_scale() -> None:
    """Case 2: omega = s."""
    for scale in (1.0, 2.5):
        found = multipliers(matching_pennies(scale), "replicator", [0.5] * 4)
        np.testing.assert_allclose(sorted(found.imag), [-scale, scale], atol=1e-14)
        np.testing.assert_allclose(found.real, 0.0, atol=1e-14)


@pytest.mark.parametrize("rule", ["replicator", "logit", "projection", "smith", "bnn"])
def test_jacobians_are_derivatives(rule) -> None:
    rng = np.random.default_rng(2)
    game, h = PopulationGame(payoffs=rng.normal(size=(5, 5)), strategies=(3, 2)), 1e-6
    x = np.concatenate([rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))])
    jacobian = linearised_flow(game, rule, x, 0.4)[1]
    moves = [linearised_flow(game, rule, x + h * e, 0.4)[0] - linearised_flow(game, rule, x - h * e, 0.4)[0]
             for e in np.eye(5)]  # fmt: skip
    np.testing.assert_allclose(jacobian, np.array(moves).T / (2 * h), atol=1e-8)


def test_multipliers_of_a_payoff_function_and_of_weights() -> None:
    game = rock_paper_scissors(2.0, 1.0)
    called = PopulationGame(payoffs=lambda x: x @ game.matrix.T, strategies=(3,))
    for rule, more in (("replicator", {}), ("projection", {}), ("multiplicative-weights", {"step": 0.3})):
        np.testing.assert_allclose(
            multipliers(called, rule, CENTRE, **more), multipliers(game, rule, CENTRE, **more), atol=1e-9
        )
    weights = multipliers(game, "multiplicative-weights", CENTRE, step=0.3)
    np.testing.assert_allclose(weights, 1.0 + 0.3 * multipliers(game, "replicator", CENTRE), atol=1e-14)


@pytest.mark.parametrize(
    ("dynamics", "at", "arguments", "message"),
    [
        ("smith", CENTRE, {}, "kinks"),
        ("replicatr", CENTRE, {}, "did you mean"),
        ("logit", CENTRE, {}, "`noise` must be a positive number"),
        ("replicator", [0.5, 0.25, 0.25], {}, "rest point"),
        ("projection", [1.0, 0.0, 0.0], {}, "inside the simplex"),
    ],
)
def test_wrong_multipliers(dynamics, at, arguments, message) -> None:
    with pytest.raises(ProblemError, match=message):
        multipliers(rock_paper_scissors(), dynamics, at, **arguments)


def test_bad_payoff_functions() -> None:
    with pytest.raises(ProblemError, match="finite numbers of shape"):
        PopulationGame(payoffs=lambda x: x[:, :1], strategies=(3,)).payoffs_of(members(4, 3))
