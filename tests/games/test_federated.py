"""Federated fixed points: the numbers of the notes, and rounds that are run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.games import Client, Federated, federated_map, solve


def client(curvature, centre, share=0.5):
    return Client(curvature=curvature, centre=centre, share=share)


TWO = [client(1.0, 0.0), client(4.0, 1.0)]
OTHER = [client(2.0, 3.0, 0.25), client(0.5, -1.0, 0.75)]
GAMES = [client([[1.0, 2.0], [-2.0, 1.0]], [1.0, 0.0]), client([[0.5, -1.0], [1.0, 0.5]], [0.0, 1.0])]


@pytest.mark.parametrize(("steps", "where"), [(1, 0.8), (5, 0.6925023465), (50, 0.5012917726), (math.inf, 0.5)])
def test_two_quadratics(steps, where):
    """Case 9."""
    found = Federated(clusters=[TWO], step=0.1, local_steps=steps)
    assert found.fixed_point[0] == pytest.approx(where, abs=6e-11)
    assert found.optimum[0] == pytest.approx(0.8, abs=1e-15)
    if steps == 5:
        assert found.factor == pytest.approx(0.334125, abs=1e-12)
        assert found.bias == pytest.approx(0.8 - 0.6925023465, abs=6e-11)


@pytest.mark.parametrize(("rounds", "where"), [(1, 0.8213139282), (3, 0.8490331042), (math.inf, 0.8713719576)])
def test_two_servers(rounds, where):
    found = Federated(clusters=[TWO, OTHER], cluster_shares=[0.4, 0.6], step=0.1, local_steps=5, cluster_rounds=rounds)
    assert found.fixed_point[0] == pytest.approx(where, abs=6e-11)
    assert found.optimum[0] == pytest.approx(0.9672131148, abs=6e-11)
    if rounds == 3:
        assert float(found.run(60)[-1, 0]) == pytest.approx(where, abs=6e-11)


def test_linear_games_of_two_clients():
    found = Federated(clusters=[GAMES], step=0.1, local_steps=5)
    np.testing.assert_allclose(found.fixed_point, [0.335276448387, -0.214147459854], atol=6e-13)
    np.testing.assert_allclose(found.optimum, [0.461538461538, -0.692307692308], atol=6e-13)
    assert found.factor == pytest.approx(0.5066168408, abs=6e-11)
    sizes = np.linalg.norm(found.run(40).values - found.fixed_point, axis=1)
    assert (sizes[40] / sizes[20]) ** (1 / 20) == pytest.approx(found.factor, rel=0.02)


def test_client_operators_of_ones_own():
    """The same clients as functions: relaxed rounds end at the closed form."""

    def step(one):
        return lambda x: x - 0.1 * one.curvature @ (x - one.centre)

    game = federated_map([[(step(one), one.share) for one in GAMES]], dimension=2, local_steps=5)
    run = solve(game, method="krasnoselskii-mann", step=1.0, relaxation=0.9, tolerance=1e-13)
    np.testing.assert_allclose(
        run["solution"], Federated(clusters=[GAMES], step=0.1, local_steps=5).fixed_point, atol=1e-12
    )


def test_partial_participation_scatters_about_the_fixed_point_of_all():
    """One of two equal-curvature clients a round: x+ = r x + (1 - r) c, so the mean is unbiased, the variance exact."""
    pair = [client(1.0, -1.0), client(1.0, 1.0)]
    fed = Federated(clusters=[pair], step=0.1, local_steps=3)
    values = fed.run(6000, participants=1, seed=3).values[200:, 0]
    r = 0.9**3
    variance = (1 - r) / (1 + r)
    per_step = math.sqrt(variance * (1 + r) / (1 - r) / len(values))
    assert abs(values.mean()) < 4 * per_step
    assert values.var() == pytest.approx(variance, rel=0.12)
    assert abs(values.mean() - 0.2) > 4 * per_step  # power: a planted bias is seen
    np.testing.assert_array_equal(fed.run(5, participants=2).values, fed.run(5).values)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"step": -0.1}, "positive"),
        ({"local_steps": 0}, "at least 1 or inf"),
        ({"clusters": [[client(1.0, 0.0, 0.4)]]}, "add up to 1"),
        ({"clusters": []}, "must hold clients"),
        ({"cluster_shares": [0.3]}, "sum 1"),
        ({"clusters": [[client(1.0, 0.0), client(np.eye(2), [0, 0])]]}, "one dimension"),
    ],
)
def test_wrong_settings(fields, message):
    with pytest.raises(ProblemError, match=message):
        Federated(**({"clusters": [TWO], "step": 0.1} | fields))


def test_unstable_rounds_are_refused():
    with pytest.raises(ProblemError, match="factor"):
        Federated(clusters=[[client(60.0, 0.0), client(4.0, 1.0)]], step=0.1).fixed_point  # noqa: B018
    with pytest.raises(ProblemError, match="shapes"):
        client(np.eye(3), [0.0, 1.0])
