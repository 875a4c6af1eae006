"""The game on the torus: equilibrium, gap, stability, flow, and particles beside the flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from theorysim.compare import compare
from theorysim.errors import NotConverged, ProblemError
from theorysim.games import torus_game
from theorysim.games.torus_game import Problem

TABLE = np.zeros((5, 5))
TABLE[1, 1], TABLE[2, 2], TABLE[3, 2], TABLE[1, 4], TABLE[3, 0], TABLE[0, 2] = 2.0, 1.0, 0.7, -0.5, 0.4, 0.6
CASE = Problem(
    payoff=TABLE, inverse_temperature=2.0, particles=500, step=0.02, steps=200, start=(0.0, 1.0),
    record=[0, 5, 50, 200],
)  # fmt: skip


def weights(found):
    return [found[side].values * 2 * np.pi / found.sizes["angle"] for side in ("descent", "ascent")]


@pytest.mark.parametrize("beta", [0.1, 2.0, 20.0])
def test_densities_are_best_responses_to_each_other(beta):
    game = replace(CASE, inverse_temperature=beta)
    found = torus_game.equilibrium(game)
    mu, nu = weights(found)
    phi = torus_game.features(game.angles, 5)
    values = phi @ TABLE @ phi.T
    for own, exponent in ((mu, -beta * values @ nu), (nu, beta * mu @ values)):
        best = np.exp(exponent - exponent.max())
        np.testing.assert_allclose(own, best / best.sum(), atol=1e-11)
    assert abs(found.attrs["gap"]) < 1e-12 and found.attrs["abscissa"] < 0.0
    assert torus_game.validity(game).applies
    assert mu.sum() == pytest.approx(1.0, abs=1e-12)


def test_the_gap_is_what_best_responses_add():
    found = torus_game.equilibrium(CASE)
    mu, nu = weights(found)
    tilted = mu * (1.0 + 0.1 * np.cos(CASE.angles - 0.3))
    tilted /= tilted.sum()
    first, second = (torus_game.gap(CASE, (1 - e) * mu + e * tilted, nu) for e in (1.0, 0.1))
    assert first > 0.0 and second > 0.0
    assert first / second == pytest.approx(100.0, rel=0.1)  # quadratic at its zero


def test_a_payoff_without_coupling_has_gibbs_measures():
    table = np.zeros((3, 3))
    table[1, 0], table[0, 2] = 1.5, -0.5
    found = torus_game.equilibrium(replace(CASE, payoff=table, inverse_temperature=1.0))
    mu = np.exp(-1.5 * np.cos(CASE.angles))
    np.testing.assert_allclose(found["descent"], mu / mu.sum() * 65 / (2 * np.pi), rtol=1e-10)
    flat = torus_game.equilibrium(replace(CASE, payoff=np.zeros((3, 3))))
    assert flat.attrs["abscissa"] == pytest.approx(-1.0 / 2.0, rel=1e-9)  # slowest mode of heat at 1/beta


def test_the_flow_arrives_where_it_starts_near_and_decays_at_the_linear_rate():
    game = replace(CASE, step=0.1, steps=400, record=[100, 200, 300, 400])
    found = torus_game.limit(game)
    rest = torus_game.equilibrium(game)
    mu, nu = weights(rest)
    phi = torus_game.features(game.angles, 5)
    target = np.concatenate([(mu @ phi)[1:], (nu @ phi)[1:]])
    distance = np.linalg.norm(found["harmonic"].values - target, axis=1)
    assert distance[0] < 1e-2 and found.attrs["gap"] < 1e-6
    late = replace(CASE, step=0.1, steps=280, record=range(40, 281, 4))
    gaps = np.linalg.norm(torus_game.limit(late, tolerance=1e-11)["harmonic"].values - target, axis=1)
    rate = np.polyfit(0.1 * np.arange(40, 281, 4), np.log(gaps), 1)[0]  # the gaps oscillate about their decay
    assert rate == pytest.approx(rest.attrs["abscissa"], rel=0.05)


def test_particles_follow_the_flow_and_planted_errors_are_rejected():
    runs = torus_game.finite(CASE, replicas=60, seed=1)

    def worst(game, answer):
        scores = compare(answer(game), runs, names=torus_game.OBSERVABLES)
        return max(float(np.abs(scores[f"{name}_z"]).max()) for name in torus_game.OBSERVABLES)

    assert worst(CASE, torus_game.stepped) < 4.0
    assert worst(CASE, torus_game.limit) < 4.0
    wrong = TABLE.copy()
    wrong[1, 1] = 2.3
    assert worst(replace(CASE, payoff=wrong), torus_game.stepped) > 6.0
    assert worst(replace(CASE, inverse_temperature=1.7), torus_game.stepped) > 6.0
    assert worst(replace(CASE, payoff=-TABLE), torus_game.limit) > 6.0


def test_euler_steps_tend_to_the_flow():
    gaps = []
    for refine in (1, 2):
        game = replace(CASE, step=0.02 / refine, steps=50 * refine, record=[50 * refine])
        difference = torus_game.stepped(game)["harmonic"] - torus_game.limit(game, tolerance=1e-11)["harmonic"]
        gaps.append(float(np.abs(difference).max()))
    assert gaps[0] / gaps[1] == pytest.approx(2.0, abs=0.15)


def test_steps_equal_pairwise_forces():
    """The sums over harmonics against the definition: a double sum over particles, with the same noise."""
    from theorysim.backend.random import GAME_ANGLES, normals, uniforms

    small = replace(CASE, particles=4, steps=1, record=[0, 1], step=0.1)
    found = torus_game.finite(small, replicas=2, seed=3)
    start = np.array([0.0, 1.0]) + 2 * np.pi / 2 * (uniforms((4, 2), seed=3, stream=1, purpose=GAME_ANGLES) - 0.5)
    g = normals((4, 2), seed=3, stream=1, step=1, purpose=GAME_ANGLES)

    def payoff(x, y):
        phi = [torus_game.features(np.array([angle]), 5)[0] for angle in (x, y)]
        return phi[0] @ TABLE @ phi[1]

    x, y = start.T
    h = 1e-5
    down = [np.mean([payoff(xi + h, yj) - payoff(xi - h, yj) for yj in y]) / (2 * h) for xi in x]
    up = [np.mean([payoff(xi, yj + h) - payoff(xi, yj - h) for xi in x]) / (2 * h) for yj in y]
    moved = start + 0.1 * np.stack([-np.array(down), up], axis=1) + np.sqrt(0.1) * g
    expected = np.concatenate([torus_game.features(moved[:, s], 5).mean(axis=0)[1:] for s in range(2)])
    np.testing.assert_allclose(found["harmonic"].sel(step=1, replica=1), expected, atol=1e-9)


def test_no_convergence_is_told():
    with pytest.raises(NotConverged, match="higher temperature"):
        torus_game.equilibrium(CASE, iterations=1)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"payoff": np.zeros((4, 4))}, r"`payoff` must be square, of odd size"),
        ({"payoff": [[np.nan]]}, r"`payoff` must be finite"),
        ({"inverse_temperature": -1.0}, r"`inverse_temperature` must be a positive number"),
        ({"particles": 0}, r"`particles` must be a whole number of at least 1"),
        ({"grid": 64}, r"`grid` must be odd"),
        ({"grid": 9}, r"`grid` must be a whole number of at least 21"),
        ({"start": (0.0,)}, r"`start` must hold two angles"),
        ({"record": [7, 2]}, r"`record` must hold ascending steps"),
    ],
)
def test_bad_input_is_one_line(change, message):
    with pytest.raises(ProblemError, match=message):
        replace(CASE, **change)


def test_bad_replicas_are_one_line():
    with pytest.raises(ProblemError, match="`replicas` must be a whole number"):
        torus_game.finite(CASE, replicas=0, seed=0)
    with pytest.raises(ProblemError, match="`replicas` must be at most 134217"):
        torus_game.finite(CASE, replicas=10**6, seed=0)
