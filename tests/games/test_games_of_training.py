"""Networks under training as games."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import games
from theorysim.games.training import measured

X = np.random.default_rng(0).standard_normal((30, 5))


def autoencoder(**changes: object) -> ts.Training:
    stated: dict[str, object] = {
        "data": ts.data.arrays(X[:20], X[:20], X[20:], X[20:]),
        "network": ts.MLP(depth=1, width=7, activation="tanh", bias_std=0.3),
        "optimizer": ts.SGD(learning_rate=0.4),
        "steps": 30,
    }
    return ts.Training(**{**stated, **changes})


@pytest.mark.parametrize("parameterization", ["ntk", "standard", "mup"])
def test_the_game_is_the_trained_network(parameterization: str) -> None:
    training = autoencoder(network=ts.MLP(depth=2, width=7, activation="tanh", parameterization=parameterization))
    run = ts.train(training, replicas=3, seed=4)
    game = games.of_training(training, seed=4, replica=2)
    np.testing.assert_allclose(game.forward(X[20:]), run.test_prediction.isel(step=-1, replica=2).values, atol=1e-13)
    first = games.of_training(training, seed=4, replica=2, step=0)
    np.testing.assert_allclose(
        first.forward(X[21]), run.test_prediction.isel(step=0, replica=2, test_sample=1).values, atol=1e-13
    )
    unrolled = games.of_training(training, seed=4, replica=2, tying="unrolled", inputs=X[20])
    solution = games.solve(unrolled, method="best-response", steps=10)["solution"].values
    np.testing.assert_allclose(
        solution[-5:], run.test_prediction.isel(step=-1, replica=2, test_sample=0).values, atol=1e-12
    )


def test_along_training_is_the_game_at_each_step() -> None:
    training = autoencoder()
    found = games.along_training(training, replicas=2, seed=3)
    game = games.of_training(training, seed=3, replica=1, step=training.recorded[2])
    here = found.isel(step=2, replica=1)
    assert float(here["kappa"]) == pytest.approx(float(games.potentialness(game)["kappa"]), abs=1e-14)
    w1, w2 = game.weights
    size = 12 + np.sum(w1**2) + np.sum(w2**2)
    assert float(here["kappa"]) == pytest.approx(0.5 * np.sum((w1 - w2.T) ** 2) / size, abs=1e-14)
    loss = ts.train(training, replicas=2, seed=3).test_loss.values[2, 1]
    x = X[20:]
    assert float(here["one_pass"]) == pytest.approx(np.sqrt(2 * 5 * loss / np.mean(np.sum(x**2, axis=1))), rel=1e-12)


def test_equilibria_are_counted() -> None:
    """x = 3/2 tanh(2 x): one equilibrium repels, two attract."""
    x = 1.0
    for _ in range(200):
        x = 1.5 * np.tanh(2 * x)
    game = games.NetworkGame(weights=[[[2.0]], [[1.5]]], activations=["tanh", "linear"])
    found = measured(game, np.array([[-2.0], [-0.1], [0.3], [4.0]]))
    assert found["equilibria"] == 2 and found["settled"] == 1.0
    away = np.array([x - 2.0, x - 0.1, x - 0.3, x - 4.0])
    size = np.sqrt(np.mean(np.array([4.0, 0.01, 0.09, 16.0])))
    assert found["distance"] == pytest.approx(np.sqrt(np.mean(away**2)) / size, abs=1e-7)
    cycle = games.NetworkGame(weights=[[[1.0]], [[-8.0]]], activations=["tanh", "linear"])
    assert measured(cycle, np.ones((2, 1)))["settled"] == 0.0


def test_weight_decay_balances_linear_layers() -> None:
    """W2^T W2 - W1 W1^T falls by (1 - eta lambda)^2 a step, up to the square of the step in its source."""
    decay, rate, steps = 0.02, 0.01, 600
    training = autoencoder(
        network=ts.MLP(depth=1, width=4, activation="linear", parameterization="standard"),
        optimizer=ts.SGD(learning_rate=rate, weight_decay=decay), steps=steps,
    )  # fmt: skip
    ends = [games.of_training(training, seed=1, step=step) for step in (0, steps)]
    gaps = [w2.T @ w2 - w1 @ w1.T for w1, w2 in (game.weights for game in ends)]
    np.testing.assert_allclose(gaps[1], (1 - rate * decay) ** (2 * steps) * gaps[0], atol=2e-3 * np.abs(gaps[0]).max())
    kept = autoencoder(network=training.network, optimizer=ts.SGD(learning_rate=rate), steps=steps)
    w1, w2 = games.of_training(kept, seed=1).weights
    np.testing.assert_allclose(w2.T @ w2 - w1 @ w1.T, gaps[0], atol=2e-3 * np.abs(gaps[0]).max())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ts.data.arrays(X, X[:, :2])}, "`outputs` must be as many as inputs"),
        ({"network": ts.MLP(depth=1, width=7, initial_output="subtracted")}, "`initial_output` must be"),
        ({"network": ts.ResidualMLP(depth=2, width=7)}, "`network` must be an MLP"),
    ],
)
def test_networks_that_are_no_games(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ts.ProblemError, match=message):
        games.along_training(autoencoder(**changes))


def test_wrong_arguments() -> None:
    with pytest.raises(ts.ProblemError, match="`step` must be recorded"):
        games.of_training(autoencoder(), step=31)
    with pytest.raises(ts.ProblemError, match="`replicas` must be"):
        games.along_training(autoencoder(), replicas=0)
