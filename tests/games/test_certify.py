"""Certificates: the numbers of the notes, and that what they promise happens."""

from __future__ import annotations

import numpy as np
import pytest

from tests.games.game_examples import relu_game, tanh_game, three_layers
from theorysim.errors import ProblemError
from theorysim.games import NetworkGame, certify, equilibria, solve
from theorysim.games.certify import layered_constant


def row(found, name):
    chosen = found.sel(certificate=name)
    return float(chosen["number"]), str(chosen["verdict"].values)


def test_three_layers():
    """Case 6."""
    game = three_layers()
    found = certify(game)
    assert layered_constant(game.weights) == pytest.approx(1.6761736305, abs=6e-11)
    assert row(found, "layered-lipschitz") == (pytest.approx(0.4190434076, abs=6e-11), "sufficient")
    assert row(found, "banach-layers") == (pytest.approx(0.4586984805, abs=6e-11), "sufficient")
    assert row(found, "layered-averaged") == (pytest.approx(0.6828879426, abs=6e-11), "sufficient")


def test_unit_games():
    """Cases 4 and 5: monotone, whatever the norms say."""
    found = certify(relu_game())
    assert row(found, "monotone") == (pytest.approx(1.0), "sufficient")
    assert row(found, "p-matrix") == (pytest.approx(1.0), "sufficient")
    assert row(found, "banach-2") == (pytest.approx(2.0), "failed")
    assert "0.894427" in str(found.sel(certificate="monotone")["gives"].values)
    assert row(certify(tanh_game()), "monotone")[0] == pytest.approx(0.95, abs=1e-12)


def test_what_is_no_proximal_map_loses_those_rows_alone():
    found = certify(three_layers("gelu"))
    for name in ("monotone", "layered-lipschitz", "layered-averaged", "p-matrix", "max-measure"):
        assert row(found, name)[1] == "not applicable"
        assert "-0.1289" in str(found.sel(certificate=name)["gives"].values)
    assert row(found, "banach-2") == (pytest.approx(0.860351 * 1.128904, rel=1e-5), "sufficient")
    assert "gelu" in found.attrs["slopes_1"]


def test_measure_sees_inhibition_that_norms_do_not():
    """W = -5 I + 0.5 off: |W| is large, mu_inf is negative."""
    w = 0.5 * np.ones((3, 3)) - 5.5 * np.eye(3)
    found = certify(NetworkGame(weights=[w], activations="relu", tying="equilibrium"))
    assert row(found, "max-measure") == (pytest.approx(-4.0), "sufficient")
    assert row(found, "banach-inf")[1] == "failed"
    assert "0.166667" in str(found.sel(certificate="max-measure")["gives"].values)


def test_large_and_feed_forward_networks_say_what_does_not_apply():
    wide = NetworkGame(weights=[0.01 * np.ones((21, 21))], activations="relu")
    assert row(certify(wide), "p-matrix")[1] == "not applicable"
    plain = NetworkGame(
        weights=[np.ones((2, 3)), np.ones((1, 2))], activations="relu", tying="unrolled", inputs=[1, 2, 3]
    )
    found = certify(plain)
    assert "forward pass" in found.attrs["note"]
    assert row(found, "banach-weighted-inf") == (pytest.approx(0.0, abs=1e-6), "sufficient")
    with pytest.raises(ProblemError, match="NetworkGame"):
        certify("network")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(6))
def test_a_sufficient_row_is_never_refuted(seed):
    """Random games: where any row promises uniqueness, all starts lead to one equilibrium; and many games have more."""
    draw = np.random.default_rng(seed)
    w = draw.standard_normal((4, 4)) * (0.4 + 0.4 * (seed % 3))
    game = NetworkGame(weights=[w], biases=[draw.standard_normal(4)], activations=["tanh"], units="unit")
    rows = certify(game)
    unique = rows.where(rows["gives"].str.contains("unique"), drop=True)
    places = equilibria(game, starts=24, spread=2.0, seed=seed)
    assert places.sizes["equilibrium"] >= 1
    if bool((unique["verdict"] == "sufficient").any()):
        assert places.sizes["equilibrium"] == 1


def test_layered_constant_bounds_random_pairs():
    game = three_layers("relu")
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((2, 400, 2))
    ratios = [
        np.linalg.norm(game.forward(p) - game.forward(q)) / np.linalg.norm(p - q) for p, q in zip(x, y, strict=True)
    ]
    assert 0.1 < max(ratios) <= 0.4190434076


def test_relaxed_network_converges_within_its_interval():
    game = three_layers()
    found = solve(game, method="relaxed-pass", relaxation=1.4, start=[3.0, -2.0])  # 1/alpha = 1.464
    assert found.attrs["outcome"] == "converged"
