"""What the caption of the figure on population dynamics says."""

from __future__ import annotations

import numpy as np

from figures.population_dynamics import agents, magnetisations, orbits
from theorysim.compare import compare
from theorysim.games import populations


def test_orbits_close_or_spiral_out() -> None:
    start = [[0.5, 0.25, 0.25]]
    closed, spiral = (orbits(method, start, 20.0, 0.05).prod(axis=2)[:, 0] * 32 for method in ("rk4", "euler"))
    assert np.abs(closed - 1.0).max() < 1e-6
    assert spiral[-1] < 0.97


def test_pitchfork_is_at_two() -> None:
    gains = np.array([1.5, 2.5, 3.5])
    m = magnetisations(gains)
    np.testing.assert_allclose(m, np.tanh(0.5 * gains[:, None] * m), atol=1e-9)
    assert np.abs(m[0]).max() < 1e-6 and np.abs(m[1:]).min() > 0.5


def test_agents_scatter_as_predicted() -> None:
    asked = agents()
    assert populations.validity(asked).applies
    scores = compare(populations.limit(asked), populations.finite(asked, replicas=400, seed=1), names=["share"])
    assert np.abs(scores["share_z"]).max() < 4.0
    assert np.abs(scores["share_std_z"]).max() < 4.0
