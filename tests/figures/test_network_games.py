"""What the caption of the figure on network games says."""

from __future__ import annotations

import numpy as np
import pytest

from figures.network_games import METHODS, rates, relu_game, tanh_game


@pytest.mark.parametrize("game", [relu_game, tanh_game])
def test_predicted_factors_are_measured(game) -> None:
    predicted, fitted = rates(game())
    assert len(predicted) == len(METHODS)
    assert np.all(predicted < 1.0)
    np.testing.assert_allclose(fitted, predicted, rtol=6e-3)
