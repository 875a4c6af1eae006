"""What the caption of the figure on noise in games says."""

from __future__ import annotations

import numpy as np
import pytest

from figures.mean_field_game import fluctuations, noise_floor
from theorysim.equations.stochastic_games import descent_ascent, first_order


@pytest.mark.parametrize("particles", [10, 300])
def test_measured_fluctuations_are_the_predicted_ones(particles) -> None:
    measured, theory = fluctuations(particles)
    assert np.abs(measured / theory - 1.0).max() < 4.0 * np.sqrt(2.0 / 1999)


def test_the_noise_floor_is_that_of_the_algorithm_and_not_of_the_equation() -> None:
    measured = noise_floor(0.4)
    error = descent_ascent(0.5, 1.0, 0.4) * np.sqrt(1.0 / 3999)
    assert abs(measured - descent_ascent(0.5, 1.0, 0.4)) < 4.0 * error
    assert abs(measured - first_order(0.5, 1.0, 0.4)) > 20.0 * error
