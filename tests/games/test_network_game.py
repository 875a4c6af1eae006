"""Networks as games: what is fed back, who plays, where the weights come from."""

from __future__ import annotations

import numpy as np
import pytest

from tests.games.game_examples import LAYERS, relu_game, three_layers
from theorysim.errors import ProblemError
from theorysim.games import AttentionBlock, NetworkGame, VariationalInequality, box, residuals, simplex, solve
from theorysim.games.potentialness import rotational_share


def test_equilibrium_is_the_fixed_point_of_the_network():
    game = NetworkGame(
        weights=LAYERS, biases=[[0.1, -0.2], [0.3, 0.0], [0.2, 0.1]], activations=["tanh", "relu", "sigmoid"]
    )
    found = solve(game)
    z = found["solution"].values
    assert found.attrs["outcome"] == "converged"
    np.testing.assert_allclose(game.respond(z), z, atol=1e-12)
    np.testing.assert_allclose(game.forward(z[-2:]), z[-2:], atol=1e-12)  # the output, fed back, is the output
    assert residuals.network_nash_conv(game, z) == pytest.approx(0.0, abs=1e-12)
    assert residuals.network_nash_conv(game, z + 0.01) > 1e-5
    assert np.all(game.costs(z) <= game.costs(np.concatenate([z[:4], z[4:] + 0.01])) + 1.0)


def test_a_feed_forward_network_has_its_forward_pass():
    game = NetworkGame.from_layers(
        [(np.ones((2, 3)), [0.1, -1.0], "relu"), ([[1.0, -2.0]], [0.5], "linear")],
        tying="unrolled",
        inputs=[1.0, 0.2, -0.5],
    )
    assert game.trivial
    z = solve(game, method="gauss-seidel", steps=3)["solution"].values
    np.testing.assert_allclose(z[-1:], game.forward([1.0, 0.2, -0.5]), atol=1e-15)
    assert solve(game, method="best-response", steps=5).attrs["outcome"] == "converged"


def test_trained_weights_from_a_file(tmp_path):
    draw = np.random.default_rng(0)
    arrays = {
        "W1": 0.3 * draw.standard_normal((5, 3)),
        "b1": draw.standard_normal(5),
        "W2": 0.3 * draw.standard_normal((3, 5)),
    }
    np.savez(tmp_path / "trained.npz", **arrays)
    game = NetworkGame.from_arrays(tmp_path / "trained.npz", activation="relu")
    assert [phi.name for phi in game.activations] == ["relu", "linear"]
    x = draw.standard_normal(3)
    want = arrays["W2"] @ np.maximum(arrays["W1"] @ x + arrays["b1"], 0.0)
    np.testing.assert_allclose(game.forward(x), want, atol=1e-14)
    with pytest.raises(ProblemError, match="W1, W2"):
        NetworkGame.from_arrays({"V": np.eye(2)}, activation="relu")


def test_players_are_layers_or_units():
    assert len(three_layers().players) == 3
    assert len(relu_game().players) == 2
    assert relu_game().respond_in_turn([0.0, 0.0]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": [np.ones((2, 3))]}, "feed 3 outputs back"),
        ({"weights": [np.ones((3, 2)), np.ones((2, 2))]}, "must have 3 columns"),
        ({"weights": [np.eye(2), np.eye(2)], "tying": "equilibrium"}, "one tied layer"),
        ({"weights": [np.eye(2)], "tying": "unrolled"}, "inputs"),
        ({"weights": [np.eye(2)], "tying": "tied"}, "must be one of cyclic"),
        ({"weights": [[[np.nan]]]}, "finite matrix"),
        ({"weights": [np.eye(2)], "biases": [[1.0]]}, "2 finite numbers"),
        ({"weights": []}, "at least one layer"),
        ({"weights": [np.eye(2)], "activations": "rleu"}, 'did you mean "relu"'),
    ],
)
def test_wrong_networks_are_refused(fields, message):
    with pytest.raises(ProblemError, match=message):
        NetworkGame(**({"activations": "relu"} | fields))


def attention() -> AttentionBlock:
    return AttentionBlock(
        inputs=[[1.0, 0.0], [0.0, 1.0], [-1.0, -0.5]], values=[[0.6, -0.8], [0.8, 0.6]], mixing=0.3, sharpness=1.0
    )


def test_attention_block_of_the_notes():
    """Case 14."""
    block = attention()
    found = solve(block)
    z = found["solution"].values
    want = [1.0192328424, 0.2041733771, -0.1896221405, 1.1325132305, -1.0057778095, -0.8106702574]
    np.testing.assert_allclose(z, want, atol=6e-11)
    j = block.response_jacobian(z)
    operator = np.eye(6) - j
    assert np.abs(np.linalg.eigvals(j)).max() == pytest.approx(0.4113341677, abs=1e-10)
    assert np.linalg.norm(j, 2) == pytest.approx(0.4978363762, abs=6e-11)
    assert np.linalg.eigvalsh(0.5 * (operator + operator.T))[0] == pytest.approx(0.6561063779, abs=1e-10)
    assert rotational_share(operator) == pytest.approx(0.1265360727, abs=1e-10)
    run = solve(block, method="best-response", steps=200)
    assert run.attrs["predicted_rate"] == pytest.approx(0.4113341677, abs=1e-9)
    assert run.attrs["fitted_rate"] == pytest.approx(0.4113, rel=0.02)


def test_attention_jacobian_and_its_bound_in_the_ball():
    draw = np.random.default_rng(2)
    block = AttentionBlock(inputs=draw.standard_normal((4, 3)), values=draw.standard_normal((3, 3)),
                           scores=draw.standard_normal((3, 3)), mixing=0.2, sharpness=0.7)  # fmt: skip
    z, h = draw.standard_normal(12), 1e-6
    central = np.array([(block.respond(z + h * e) - block.respond(z - h * e)) / (2 * h) for e in np.eye(12)]).T
    np.testing.assert_allclose(block.response_jacobian(z), central, atol=1e-8)
    weak = AttentionBlock(inputs=0.5 * np.eye(3), values=0.9 * np.eye(3), mixing=0.4)
    assert weak.lipschitz < 1.0
    for _ in range(200):
        x, y = draw.standard_normal((2, 3, 3))
        x, y = (weak.radius * p / np.linalg.norm(p, axis=1, keepdims=True) for p in (x, y))
        moved = (weak.respond(x.ravel()) - weak.respond(y.ravel())).reshape(3, 3)
        assert np.linalg.norm(moved, axis=1).max() <= weak.lipschitz * np.linalg.norm(x - y, axis=1).max()
        assert np.linalg.norm(weak.respond(x.ravel()).reshape(3, 3), axis=1).max() <= weak.radius * (1 + 1e-12)


def test_inequalities_of_ones_own():
    game = VariationalInequality(dimension=2, matrix=[[1.0, 1.0], [-1.0, 1.0]], shift=[0.3, 0.2], over=box(-1, 1))
    assert (game.monotone, game.lipschitz) == (pytest.approx(1.0), pytest.approx(np.sqrt(2)))
    z = solve(game, method="extragradient")["solution"].values
    np.testing.assert_allclose(z, np.linalg.solve([[1, 1], [-1, 1]], [-0.3, -0.2]), atol=1e-11)
    with pytest.raises(ProblemError, match="not both"):
        VariationalInequality(dimension=2, matrix=np.eye(2), operator=lambda z: z)
    with pytest.raises(ProblemError, match="Lipschitz"):
        solve(VariationalInequality(dimension=1, operator=lambda z: z), method="extragradient")
    with pytest.raises(ProblemError, match="at most"):
        box(1, 0)
    np.testing.assert_allclose(simplex().project(np.array([0.9, 0.8, -3.0])), [0.55, 0.45, 0.0])
