"""Networks passed through themselves, beside the equilibrium they settle at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import theorysim as ts
from theorysim import games
from theorysim.games import NetworkGame, Passes, network

RNG = np.random.default_rng(0)
WEIGHTS = [0.25 * RNG.standard_normal((4, 4)) for _ in range(2)]
BIASES = [RNG.standard_normal(4) for _ in range(2)]


def passes(activation: str = "tanh", steps: int = 40, **changes: object) -> Passes:
    game = NetworkGame(**{"weights": WEIGHTS, "biases": BIASES, "activations": activation, **changes})
    return Passes(game=game, steps=steps)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "sigmoid"])
def test_passes_settle_at_the_equilibrium_within_the_bound(activation: str) -> None:
    problem = passes(activation, units="unit")
    limit, runs = network.limit(problem), network.finite(problem, replicas=50, seed=1)
    rest = limit["position"].values[-1]
    np.testing.assert_allclose(problem.game.respond(rest), rest, atol=1e-13)
    away = np.abs(runs["position"].values - rest[:, None]).mean(axis=2)
    assert np.all(away <= limit["position_error"].values * (1 + 1e-9) + 1e-13)
    scores = ts.compare(limit, runs, names=("position",))
    assert float(np.abs(scores["position_z"]).max()) < 4


def test_a_planted_error_is_rejected() -> None:
    problem = passes()
    runs = network.finite(problem, replicas=50, seed=1)
    other = replace(problem, game=NetworkGame(weights=WEIGHTS, biases=[1.01 * b for b in BIASES], activations="tanh"))
    scores = ts.compare(network.limit(other), runs, names=("position",))
    assert float(np.abs(scores["position_z"]).max()) > 8


def test_the_start_is_forgotten_at_the_spectral_rate() -> None:
    """The bound is no slower than the fall that is measured, and the fall is that of the Jacobian."""
    problem = passes(steps=30, activation="tanh")
    limit, runs = network.limit(problem), network.finite(problem, replicas=20, seed=2)
    rest = limit["position"].values[-1]
    sizes = np.sqrt(np.mean((runs["position"].values - rest[:, None]) ** 2, axis=(1, 2)))
    slopes = problem.game.response_slopes(rest)
    radius = float(np.abs(np.linalg.eigvals(slopes[:, None] * problem.game.matrix)).max())
    steps = limit["step"].values
    late = (steps >= 8) & (sizes > 1e-13)
    rate = np.exp(np.polyfit(steps[late], np.log(sizes[late]), 1)[0])
    assert rate <= min(problem.factors) and rate == pytest.approx(radius, rel=0.1)


def test_where_nothing_contracts_it_is_refused() -> None:
    wild = Passes(game=NetworkGame(weights=[[[0, 2], [-2, 0]]], biases=[[1, 3]], activations="relu"), steps=5)
    verdict = network.validity(wild)
    assert not verdict.applies and verdict.number == pytest.approx(2.0)
    with pytest.raises(ts.ProblemError, match=r"least factor is 2; use games\.solve"):
        network.limit(wild)
    jumping = Passes(game=NetworkGame(weights=[[[0.1]]], activations="step"), steps=5)
    assert not network.validity(jumping).applies


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"game": 3}, "`game` must be a NetworkGame"),
        ({"steps": 0}, "`steps` must be a whole number"),
        ({"spread": -1.0}, "`spread` must be a number"),
        ({"spread": np.nan}, "`spread` must be a number"),
        ({"record": [3, 2]}, "`record` must hold ascending"),
        ({"record": [50]}, "`record` must hold ascending"),
    ],
)
def test_wrong_problems(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ts.ProblemError, match=message):
        replace(passes(), **changes)


def test_wrong_replicas() -> None:
    with pytest.raises(ts.ProblemError, match="`replicas` must be"):
        network.finite(passes(), replicas=0, seed=0)
    assert games.network is network
