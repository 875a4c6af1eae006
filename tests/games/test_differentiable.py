"""Differentiable games: the numbers of the notes, factors, and spectral radii of every linear method."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.equations import game_rates
from theorysim.equations.inequality_rates import optimistic_rotation
from theorysim.errors import ProblemError
from theorysim.games import DYNAMICS, VariationalInequality, box, min_max, simulate

METHODS = tuple(name for name, row in DYNAMICS.items() if row.kind == "operator")


def run(method: str, step: float, *, game: VariationalInequality | None = None, steps: int = 100, strength: float = 0.3,
        **more):  # fmt: skip
    game = min_max([[1.0]]) if game is None else game
    if "strength" in DYNAMICS[method].needs:
        more["strength"] = strength
    return simulate(game, method, np.ones(game.dimension), step=step, steps=steps, **more)


@pytest.mark.parametrize(
    ("method", "step", "factor", "end"),
    [
        ("gradient-descent-ascent", 0.1, 1.004987562112, 2.325860627562),
        ("extragradient", 0.1, 0.995037687728, 0.859939748216),
        ("proximal-point", 0.1, 0.995037190210, None),
        ("optimistic-gradient", 0.1, 0.994936153005, 0.859985278817),
        ("gradient-descent-ascent", 0.3, 1.044030650891, 105.157413355654),
        ("extragradient", 0.3, 0.958175349297, 0.019724879893),
        ("proximal-point", 0.3, 0.957826285221, None),
        ("optimistic-gradient", 0.3, 0.948683298051, 0.008199606145),
        ("alternating-gradient-descent-ascent", 0.3, 1.0, None),
    ],
)
def test_rotation(method, step, factor, end) -> None:
    """Case 3."""
    found = run(method, step)
    assert found.attrs["predicted_rate"] == pytest.approx(factor, abs=6e-13)
    if end is not None:
        assert float(np.linalg.norm(found["position"][-1])) == pytest.approx(end, abs=2e-12 * max(end, 1.0))


def test_closed_forms_are_the_predicted_factors() -> None:
    for e in (0.05, 0.3, 0.9, 2.5):
        assert run("gradient-descent-ascent", e, steps=1).attrs["predicted_rate"] == pytest.approx(
            game_rates.gradient_rotation(e), abs=1e-12
        )
        for method, factor in (
            ("extragradient", game_rates.extragradient_rotation(e)),
            ("proximal-point", game_rates.proximal_rotation(e)),
            ("alternating-gradient-descent-ascent", game_rates.alternating_rotation(e)),
            ("consensus", game_rates.consensus_rotation(e, 0.3)),
            ("symplectic-gradient-adjustment", game_rates.consensus_rotation(e, 0.3)),
            ("optimistic-gradient", optimistic_rotation(e)),
        ):  # fmt: skip
            assert run(method, e, steps=1).attrs["predicted_rate"] == pytest.approx(
                factor, abs=1e-7 if e > 2 else 1e-12
            )


def test_optimism_is_stable_up_to_one_over_root_three() -> None:
    for e, radius in ((3**-0.5, 1.0), (0.57, 0.98071), (0.58, 1.00686)):
        assert run("optimistic-gradient", e, steps=1).attrs["predicted_rate"] == pytest.approx(radius, abs=6e-6)


@pytest.mark.parametrize("method", METHODS)
def test_iterates_shrink_by_the_spectral_radius(method) -> None:
    """A game with friction of three players of 2, 1 and 2 components: measured and predicted factor agree."""
    rng = np.random.default_rng(0)
    j = rng.normal(size=(5, 5))
    j = 0.25 * np.eye(5) + 0.5 * (j - j.T) + 0.05 * (j + j.T)
    game = VariationalInequality(dimension=5, matrix=j)
    found = run(method, 0.05, game=game, steps=2500, players=(2, 1, 2), strength=-0.3 if "momentum" in method else 0.2,
                record=[1200, 2400])  # fmt: skip
    size = np.linalg.norm(found["position"].values, axis=1)
    measured = (size[1] / size[0]) ** (1 / 1200)
    assert measured == pytest.approx(found.attrs["predicted_rate"], rel=1e-3)


def test_matrices_are_the_steps() -> None:
    """One step from each axis, state (z, z of before) for momentum: exactly the columns of the matrix."""
    from theorysim.solvers.differentiable_games import METHODS as OWN
    from theorysim.solvers.differentiable_games import alternating, iteration_matrix

    j, players = np.random.default_rng(1).normal(size=(4, 4)), [slice(0, 1), slice(1, 3), slice(3, 4)]
    problem = VariationalInequality(dimension=4, matrix=j).inequality
    for name, method in OWN.items():
        columns = [method.step(problem, (e,), 0, 0.2, 0.4)[0] for e in np.eye(4)]
        np.testing.assert_allclose(np.array(columns).T, iteration_matrix(name, j, players, 0.2, 0.4), atol=1e-13)
    for momentum, name in ((0.0, "alternating-gradient-descent-ascent"), (-0.4, "negative-momentum")):
        step = alternating(players, momentum).step
        matrix = iteration_matrix(name, j, players, 0.2, momentum)
        for e, column in zip(np.eye(len(matrix)), matrix.T, strict=True):
            state = (e[:4], e[4:]) if momentum else (e, e)
            new = step(problem, state, 0, 0.2, 0.0)
            np.testing.assert_allclose(np.concatenate(new) if momentum else new[0], column, atol=1e-14)
    with pytest.raises(KeyError):
        iteration_matrix("unknown", j, players, 0.1, 0.1)


def test_negative_momentum_heals_alternating_descent() -> None:
    game = min_max(np.random.default_rng(2).normal(size=(3, 3)))
    plain = run("alternating-gradient-descent-ascent", 0.2, game=game, players=(3, 3), steps=1)
    healed = run("negative-momentum", 0.2, game=game, players=(3, 3), strength=-0.3, steps=1)
    assert plain.attrs["predicted_rate"] == pytest.approx(1.0, abs=1e-12)
    assert healed.attrs["predicted_rate"] < 1.0


def test_what_does_not_suit_is_refused() -> None:
    curved = VariationalInequality(dimension=1, operator=lambda z: z**3, lipschitz=1.0)
    for game, method, more, message in (
        (curved, "proximal-point", {}, "affine"),
        (curved, "consensus", {"strength": 1.0}, "jacobian"),
        (VariationalInequality(dimension=1, matrix=[[1.0]], over=box(-1, 1)), "extragradient", {}, "all of space"),
        (min_max([[1.0]]), "extragradient", {"players": (1, 2)}, "add up to 2"),
        (min_max([[1.0]]), "consensus", {}, "`strength` must be given"),
        (min_max([[1.0]]), "extragradient", {"strength": 1.0}, "must not be given"),
    ):
        with pytest.raises(ProblemError, match=message):
            simulate(game, method, np.ones(game.dimension), step=0.1, steps=3, **more)
    with pytest.raises(ProblemError, match="2 finite numbers"):
        simulate(min_max([[1.0]]), "extragradient", [1.0], step=0.1, steps=3)
    for matrix in ([[np.nan]], [1.0], np.zeros((0, 2))):
        with pytest.raises(ProblemError, match="two axes"):
            min_max(matrix)
    assert np.isfinite(run("gradient-descent-ascent", 0.1, game=curved)["position"]).all()
