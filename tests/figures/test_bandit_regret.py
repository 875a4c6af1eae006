"""What the caption of the figure on bandits says."""

from __future__ import annotations

import numpy as np
import pytest

from figures.bandit_regret import RUNS, simulated
from theorysim.games import learning


@pytest.mark.parametrize("agent", ["thompson", "ucb1", "greedy"])
def test_dots_are_on_their_lines(agent: str) -> None:
    dots = simulated(agent)
    exact = learning.regret(agent, 100).sel(step=dots["step"])
    z = (dots.mean("replica") - exact) / (dots.std("replica", ddof=1) / np.sqrt(RUNS))
    assert float(np.abs(z).max()) < 4
    assert float(exact[-1]) > 1.5 * 1.74824602  # the least regret after 100 pulls
