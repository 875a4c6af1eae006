"""Equilibria of the notes, predicted and measured rates, and why runs fail."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.games.game_examples import relu_game, tanh_game
from theorysim.equations.inequality_rates import forward_backward
from theorysim.errors import NotConverged, ProblemError
from theorysim.games import NetworkGame, VariationalInequality, along_gain, box, certify, equilibria, solve
from theorysim.games.solve import NAMES
from theorysim.solvers.linearised import MATRICES


def test_relu_game():
    """Case 4: best responses cycle, forward-backward converges at the promised rate."""
    game = relu_game()
    np.testing.assert_allclose(solve(game)["solution"], [1.4, 0.2], atol=1e-15)
    jacobi = solve(game, method="best-response", steps=100)
    assert (jacobi.attrs["outcome"], jacobi.attrs["period"]) == ("cycle", 4)
    orbit = {tuple(z) for z in jacobi["position"].values[-4:].tolist()}
    assert orbit == {(3.0, 0.0), (1.0, 0.0), (1.0, 1.0), (3.0, 1.0)}
    turns = solve(game, method="gauss-seidel", steps=100)
    assert turns.attrs["period"] == 2
    assert {tuple(z) for z in turns["position"].values[-2:].tolist()} == {(1.0, 1.0), (3.0, 0.0)}
    run = solve(game, method="forward-backward", step=0.2, steps=50, tolerance=0.0)
    assert float(run["distance"][-1]) == pytest.approx(2.752924043e-3, rel=2e-10)
    assert float(run["bound"][-1]) == pytest.approx(5.342747781e-3, rel=2e-10)
    assert run.attrs["bound_factor"] == pytest.approx(0.894427191, abs=1e-9)


def test_relu_game_with_weak_weights():
    game = NetworkGame(weights=[[[0, 0.5], [-0.5, 0]]], biases=[[1, 1]], activations=["relu"], units="unit")
    np.testing.assert_allclose(solve(game)["solution"], [1.2, 0.4], atol=1e-15)
    for method, factor in (("best-response", 0.5), ("gauss-seidel", 0.25)):
        run = solve(game, method=method, steps=40)
        assert run.attrs["fitted_rate"] == pytest.approx(factor, rel=1e-3)
        assert run.attrs["predicted_rate"] == pytest.approx(factor, abs=1e-12)


def test_tanh_game():
    """Case 5."""
    game, solution = tanh_game(), np.array([0.5, -0.3, 0.2])
    np.testing.assert_allclose(solve(game)["solution"], solution, atol=2e-12)
    jacobi = solve(game, method="best-response", steps=200)
    gap = jacobi["position"].values[-1] - solution
    assert jacobi.attrs["predicted_rate"] == pytest.approx(1.0016059901, abs=1e-9)
    assert (np.abs(gap).max(), np.linalg.norm(gap)) == (
        pytest.approx(0.08606, abs=5e-6),
        pytest.approx(0.12198, abs=5e-6),
    )
    assert "repels this iteration by 1.00161" in jacobi.attrs["reason"]
    assert solve(game, method="gauss-seidel", steps=50).attrs["predicted_rate"] == pytest.approx(1.2865765823, abs=1e-9)
    run = solve(game, method="forward-backward", steps=60, tolerance=0.0, reference=solution)
    assert run.attrs["step_size"] == pytest.approx(0.3650138783, abs=6e-11)
    assert float(run["distance"][-1]) == pytest.approx(1.0554e-9, rel=1e-4)
    size = float(certify(game).sel(certificate="monotone")["number"])
    factor = forward_backward(0.3650138783, size, 1.6132702088)
    assert np.linalg.norm(solution) * factor**60 == pytest.approx(1.7459e-6, rel=3e-5)
    assert (
        float(run["bound"][-1]) <= np.linalg.norm(solution) * factor**60
    )  # |1 - a (1 - W)| is known, so ours is sharper
    relaxed = solve(game, method="krasnoselskii-mann", steps=100)
    assert relaxed.attrs["predicted_rate"] == pytest.approx(0.7023481924, abs=1e-9)


@pytest.mark.parametrize("method", sorted(set(MATRICES) - {"krasnoselskii-mann"}))
@pytest.mark.parametrize("game", [relu_game, tanh_game])
def test_predicted_rates_are_measured_and_bounds_hold(game, method):
    run = solve(game(), method=method, steps=400, start=np.full(game().dimension, 0.1))
    assert run.attrs["outcome"] == "converged"
    assert run.attrs["fitted_rate"] == pytest.approx(run.attrs["predicted_rate"], rel=6e-3)
    if run.attrs["bound_of"] != "none":
        measured = run[run.attrs["bound_of"]].values
        assert np.all(measured <= run["bound"].values * (1 + 1e-9) + 1e-11)


@pytest.mark.parametrize("method", ["golden-ratio", "newton", "krasnoselskii-mann", "relaxed-pass"])
def test_other_methods_find_the_equilibrium_of_the_tanh_game(method):
    run = solve(tanh_game(), method=method, steps=600)
    assert run.attrs["outcome"] == "converged"
    np.testing.assert_allclose(run["solution"], [0.5, -0.3, 0.2], atol=1e-9)


def test_bounds_of_slow_methods():
    """Halpern and relaxed steps on nonexpansive best responses; anchored and extragradient steps without a set."""
    turn = NetworkGame(weights=[[[0.0, 1.0], [-1.0, 0.0]]], biases=[[0.5, 0.3]], activations="tanh")
    for method in ("halpern", "krasnoselskii-mann"):
        run = solve(turn, method=method, steps=150, tolerance=0.0)
        assert run.attrs["bound_of"] == "residual"
        assert np.all(run["residual"].values[1:] <= run["bound"].values[1:])
    free = VariationalInequality(dimension=2, matrix=[[0.0, 1.0], [-1.0, 0.0]])
    for method, step in (("anchored", 0.125), ("extragradient", 0.5)):
        run = solve(free, method=method, step=step, start=[1.0, 1.0], steps=200, tolerance=0.0, reference=[0.0, 0.0])
        assert run.attrs["bound_of"] == "residual"
        assert np.all(run["residual"].values <= run["bound"].values)


def test_divergence_names_its_factor():
    free = VariationalInequality(dimension=2, matrix=[[0.0, 1.0], [-1.0, 0.0]])
    run = solve(free, method="forward-backward", step=0.3, start=[1.0, 1.0], steps=300)
    assert run.attrs["outcome"] == "diverging"
    assert run.attrs["factor"] == pytest.approx(1.044030650891, rel=1e-6)
    assert "1.04403" in run.attrs["reason"]


def test_networks_without_proximal_maps():
    """GELU: fixed-point methods run, the others are refused with the range of slopes."""
    game = NetworkGame(weights=[[[0.0, 0.5], [-0.5, 0.1]]], biases=[[0.3, 0.4]], activations="gelu", units="unit")
    ends = [
        solve(game, method=m)["solution"].values for m in ("newton", "best-response", "gauss-seidel", "halpern")[:3]
    ]
    np.testing.assert_allclose(ends[0], game.respond(ends[0]), atol=1e-12)
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], atol=1e-11)
    with pytest.raises(ProblemError, match=r"gelu with slopes in \[-0.1289"):
        solve(game, method="extragradient")


def test_several_equilibria_of_a_coordination_unit():
    """Case 8: m = tanh(1.5 m) has three, one alone at 0.9; the branch leaves 0 beyond gain 2/3."""
    found = equilibria(NetworkGame(weights=[[[1.5]]], activations="tanh"), seed=1)
    np.testing.assert_allclose(np.sort(found["position"].values.ravel()), [-0.8585596366, 0, 0.8585596366], atol=6e-11)
    outer = found.where(np.abs(found["position"][:, 0]) > 0.1, drop=True)
    assert float(outer["best_response_radius"].max()) < 1.0
    assert equilibria(NetworkGame(weights=[[[0.9]]], activations="tanh"), seed=1).sizes["equilibrium"] == 1
    branch = along_gain(NetworkGame(weights=[[[1.5]]], activations="tanh"), np.linspace(1.0, 0.5, 26), start=[0.9])
    assert float(branch[0, 0]) == pytest.approx(0.8585596366, abs=6e-11)
    assert float(branch[10, 0]) > 0.3 and abs(float(branch[-1, 0])) < 1e-6


def test_a_branch_that_ends_says_where():
    fold = NetworkGame(weights=[[[2.0]]], biases=[[-0.3]], activations="tanh")
    with pytest.raises(NotConverged, match="gain"):
        import theorysim.solvers.semismooth as semismooth

        semismooth.continued(
            lambda gain: (lambda z: z + 1.0 + gain, lambda z: np.eye(1)), np.zeros(1), np.array([1.0, 2.0])
        )
    assert along_gain(fold, [1.0]).shape == (1, 1)


def test_box_inequality_of_the_notes_through_solve():
    """Case 13."""
    rng = np.random.default_rng(0)
    q = rng.standard_normal((200, 200)) / np.sqrt(200)
    g = 0.1 * np.eye(200) + q - q.T
    x = np.clip(rng.standard_normal(200), -1, 1)
    nu = np.where(x >= 1, -rng.random(200), np.where(x <= -1, rng.random(200), 0.0))
    game = VariationalInequality(dimension=200, matrix=g, shift=nu - g @ x, over=box(-1, 1))
    run = solve(game, method="extragradient", steps=1000, tolerance=0.0)
    assert np.abs(run["position"].values[-1] - x).max() <= 9e-15
    assert run.attrs["outcome"] == "converged"
    newton = solve(game, method="newton", tolerance=1e-12)
    assert newton.sizes["step"] < 30
    np.testing.assert_allclose(newton["solution"], x, atol=1e-12)


def test_one_unit():
    game = NetworkGame(weights=[[[-0.5]]], biases=[[1.0]], activations=["relu"])
    for method in NAMES:
        run = solve(game, method=method, steps=3000, tolerance=1e-2 if method in ("halpern", "anchored") else 1e-9)
        assert run.attrs["outcome"] == "converged", method
        assert float(run["position"][-1, 0]) == pytest.approx(2 / 3, abs=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "forward"}, "must be one of"),
        ({"start": [1.0]}, "2 finite numbers"),
        ({"step": -1.0, "method": "tseng"}, "positive number"),
        ({"steps": 0}, "at least 1"),
        ({"tolerance": math.nan}, "tolerance"),
        ({"relaxation": 0.0}, "relaxation"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ProblemError, match=message):
        solve(relu_game(), **arguments)
    with pytest.raises(ProblemError, match="must suit the game"):
        solve(VariationalInequality(dimension=1, matrix=[[1.0]]), method="gauss-seidel")
