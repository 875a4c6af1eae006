"""Equilibria of two players: against brute force over supports, known degenerate games, and certificates."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from theorysim.errors import NotConverged, ProblemError
from theorysim.games import bimatrix
from theorysim.games.bimatrix import lemke_howson, nash_equilibria, zero_sum
from theorysim.games.matrix import MatrixGame
from theorysim.solvers import best_response_polytopes as polytopes
from theorysim.solvers import lemke_howson as pivoting
from theorysim.solvers.bimatrix import maximal_subsets

NASHPY_231 = [[0, -1, -1, -1, 1, -1], [1, 0, 1, -1, -1, -1], [1, -1, 0, -1, -1, 1], [1, 1, 1, 0, -1, -1],
              [-1, 1, 1, 1, 0, -1], [1, 1, -1, 1, 1, 0]]  # fmt: skip
PENNIES = [[1.0, -1.0], [-1.0, 1.0]]


def by_supports(a, b):
    """All equilibria of a nondegenerate game: equal supports, indifference, no better reply."""
    found = []
    for size in range(1, min(a.shape) + 1):
        for rows in combinations(range(a.shape[0]), size):
            for columns in combinations(range(a.shape[1]), size):
                x, y = np.zeros(a.shape[0]), np.zeros(a.shape[1])
                border = np.ones((size + 1, size + 1))
                border[-1, -1] = 0.0
                last = np.append(np.zeros(size), 1.0)
                border[:-1, :-1] = a[np.ix_(rows, columns)]
                y[list(columns)] = np.linalg.solve(border, last)[:-1]
                border[:-1, :-1] = b[np.ix_(rows, columns)].T
                x[list(rows)] = np.linalg.solve(border, last)[:-1]
                best = max((a @ y).max() - x @ a @ y, (x @ b).max() - x @ b @ y)
                if x.min() >= 0.0 and y.min() >= 0.0 and best < 1e-9:
                    found.append(np.append(x, y))
    return np.array(sorted(map(tuple, found)))


def profiles(equilibria):
    joined = np.hstack([equilibria["row"].values, equilibria["column"].values])
    return np.array(sorted(map(tuple, joined)))


def test_random_games_against_brute_force():
    rng = np.random.default_rng(1)
    for _ in range(80):
        m, n = rng.integers(1, 5, 2)
        a, b = rng.normal(size=(2, m, n))
        found = nash_equilibria(MatrixGame.bimatrix(a, b))
        assert found.attrs["nondegenerate"] == 1
        assert found.sizes["equilibrium"] % 2 == 1
        assert not found["continuum"].any()
        np.testing.assert_array_equal(found["subset_member"].sum("equilibrium"), 1)
        assert found["nash_conv"].max() < 1e-12
        np.testing.assert_allclose(profiles(found), by_supports(a, b), atol=1e-10)


def test_degenerate_games_hold_their_certificates():
    """Ties everywhere: each listed profile is an equilibrium, so is the mean of a subset, and none is listed twice."""
    rng = np.random.default_rng(2)
    degenerate = 0
    for _ in range(75):
        m, n = rng.integers(1, 6, 2)
        game = MatrixGame.bimatrix(*rng.integers(-1, 2, size=(2, m, n)))
        found = nash_equilibria(game)
        degenerate += 1 - found.attrs["nondegenerate"]
        assert found.sizes["equilibrium"] >= 1
        assert found["nash_conv"].max() < 1e-12
        rows = profiles(found)
        assert len(np.unique(np.round(rows, 9), axis=0)) == len(rows)
        weight = rng.random(found.sizes["equilibrium"])
        for member in found["subset_member"].values:
            chosen = np.where(member, weight, 0.0) / weight[member].sum()
            x, y = chosen @ found["row"].values, chosen[::-1] @ found["column"].values[::-1]
            assert game.nash_conv([x / x.sum(), y / y.sum()]) < 1e-12
        for label in range(m + n):
            assert lemke_howson(game, label)["nash_conv"] < 1e-12
    assert degenerate > 50


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (1e-12, 3e-12), (1e200, -1e200), (0.125, 40.0)])
def test_a_game_on_which_support_enumeration_fails(scale, shift):
    a = scale * np.array(NASHPY_231, float) + shift
    game = MatrixGame.bimatrix(a, scale * -np.array(NASHPY_231, float))
    found = nash_equilibria(game)
    expected = [0, 0, 1 / 3, 0, 1 / 3, 1 / 3]
    assert found.sizes["equilibrium"] == 1
    np.testing.assert_allclose(found["row"].values[0], expected, atol=1e-15)
    np.testing.assert_allclose(found["column"].values[0], expected, atol=1e-15)
    for label in range(12):
        one = lemke_howson(game, label)
        np.testing.assert_allclose(one["row"], expected, atol=1e-12)


def test_the_value_of_a_zero_sum_game():
    found = zero_sum(MatrixGame.zero_sum(NASHPY_231))
    assert abs(float(found["value"])) < 1e-12 and found["nash_conv"] < 1e-12
    shifted = zero_sum(MatrixGame.bimatrix(np.array(PENNIES) + 3.0, -np.array(PENNIES)))
    np.testing.assert_allclose(shifted["value"], 3.0, atol=1e-12)
    np.testing.assert_allclose(shifted["row"], [0.5, 0.5], atol=1e-12)
    assert float(zero_sum(MatrixGame.zero_sum([[2.0, 5.0]]))["value"]) == pytest.approx(2.0)


def test_a_continuum_is_reported_as_one():
    """The row player is indifferent against the first column; von Stengel's example of a segment of equilibria."""
    a, b = [[3, 3], [2, 5], [0, 6]], [[3, 3], [2, 6], [3, 1]]
    found = nash_equilibria(MatrixGame.bimatrix(a, b))
    assert found.attrs["nondegenerate"] == 0
    assert found.sizes["equilibrium"] == 3 and found.sizes["subset"] == 2
    segment = found["continuum"].values
    assert segment.sum() == 2 and len(np.unique(found["component"].values[segment])) == 1
    ends = found["column"].values[segment][:, 0]
    np.testing.assert_allclose(sorted(ends), [2 / 3, 1.0], atol=1e-15)
    np.testing.assert_array_equal(found["row"].values[segment], [[1, 0, 0], [1, 0, 0]])


def test_everything_is_an_equilibrium_of_the_zero_game():
    found = nash_equilibria(MatrixGame.bimatrix(np.zeros((3, 4)), np.ones((3, 4))))
    assert found.sizes["equilibrium"] == 12 and found.sizes["subset"] == 1
    assert found["continuum"].all() and int(found["component"].max()) == 0
    found = nash_equilibria(MatrixGame.bimatrix([[4.0]], [[-2.0]]))
    assert found.sizes["equilibrium"] == 1 and found["row"].values == found["column"].values == 1.0


def test_a_coordination_game_has_all_its_mixtures():
    found = nash_equilibria(MatrixGame.bimatrix(np.eye(5), np.eye(5)))
    assert found.sizes["equilibrium"] == 2**5 - 1
    wide = np.random.default_rng(3).normal(size=(2, 3, 50))
    assert nash_equilibria(MatrixGame.bimatrix(*wide))["nash_conv"].max() < 1e-12


def test_large_integers_are_decided_exactly():
    """A tie that rounding hides, and payoffs whose minors exceed 64 bits."""
    a = np.array([[1.0, 0.0], [1.0 - 2.0**-52, 2.0**-60]])
    assert nash_equilibria(MatrixGame.bimatrix(a, -a)).sizes["equilibrium"] == 1
    rng = np.random.default_rng(4)
    big = rng.integers(-(10**9), 10**9, size=(5, 5)).astype(float)
    tied = np.vstack([big, big[:1]])
    found = nash_equilibria(MatrixGame.bimatrix(tied, -tied))
    assert found.attrs["nondegenerate"] == 0 and found["nash_conv"].max() < 1e-12 * np.abs(big).max()
    exact = zero_sum(MatrixGame.zero_sum(tied))
    np.testing.assert_allclose(found["row_payoff"], float(exact["value"]), rtol=1e-9)


def test_doubles_and_integers_walk_the_same_polytope():
    matrix = np.random.default_rng(5).integers(-4, 5, size=(4, 5)).astype(float)
    walk = polytopes._walk(polytopes._whole, polytopes.compiled)
    slow = polytopes._walk(polytopes.floordiv, polytopes.interpreted)
    whole = polytopes.positive_integers(matrix)
    quick = polytopes._explored(walk, whole.astype(np.int64), polytopes._WORD, 0, 0)
    plain = polytopes._explored(slow, whole, np.inf, 0, 0)
    np.testing.assert_array_equal(quick.keys, plain.keys)
    np.testing.assert_array_equal(quick.tables, plain.tables.astype(np.int64))
    doubles = polytopes.vertices(matrix)
    assert doubles.simple
    np.testing.assert_array_equal(doubles.labels, quick.keys[1:])


def test_the_upper_bound_on_vertices():
    assert polytopes.most_vertices(12, 12) == 24752
    assert polytopes.most_vertices(2, 5) == 7 and polytopes.most_vertices(3, 50) == 102


def test_a_large_zero_sum_game_by_pivots():
    rng = np.random.default_rng(6)
    for table in (rng.normal(size=(200, 200)), rng.integers(-1, 2, size=(60, 90))):
        game = MatrixGame.zero_sum(table)
        found = lemke_howson(game, 7)
        assert found["nash_conv"] < 1e-12
        np.testing.assert_allclose(found["row_payoff"], zero_sum(game)["value"], atol=1e-12)


def test_fractions_take_over_where_rounding_misleads(monkeypatch):
    monkeypatch.setattr(pivoting, "_GAP", -1.0)
    found = lemke_howson(MatrixGame.zero_sum(NASHPY_231))
    np.testing.assert_array_equal(found["row"], np.array([0, 0, 1, 0, 1, 1]) / 3)
    with pytest.raises(NotConverged, match="another label"):
        lemke_howson(MatrixGame.zero_sum(np.random.default_rng(0).normal(size=(40, 40))))


def test_subsets_are_closed_under_intersection():
    pairs = np.array([[0, 0], [0, 1], [1, 1], [1, 2], [2, 1]])
    masks = maximal_subsets(pairs, 100)
    shown = sorted(tuple(np.flatnonzero(m)) for m in masks)
    assert shown == [(0, 1), (1, 2, 4), (2, 3)]


def test_bad_input_is_one_line():
    three = MatrixGame(payoffs=(np.zeros((2, 2, 2)),) * 3)
    for call in (nash_equilibria, lemke_howson, zero_sum):
        with pytest.raises(ProblemError, match=r"`game` must be a MatrixGame of two players, got 3 players"):
            call(three)
        with pytest.raises(ProblemError, match="got list"):
            call([[1.0]])
    with pytest.raises(ProblemError, match=r"got 13 times 13; lemke_howson finds one"):
        nash_equilibria(MatrixGame.zero_sum(np.eye(13)))
    with pytest.raises(ProblemError, match=r"`label` must be in 0 .. 3, got 4"):
        lemke_howson(MatrixGame.zero_sum(PENNIES), 4)
    with pytest.raises(ProblemError, match=r"`game` must have payoffs of one sum"):
        zero_sum(MatrixGame.bimatrix(PENNIES, PENNIES))
    with pytest.raises(ProblemError):
        MatrixGame.bimatrix([[np.nan]], [[0.0]])


def test_too_many_subsets_are_refused(monkeypatch):
    monkeypatch.setattr(bimatrix, "MOST_SUBSETS", 2)
    with pytest.raises(ProblemError, match="at most 2 maximal Nash subsets"):
        nash_equilibria(MatrixGame.bimatrix(np.eye(3), np.eye(3)))
