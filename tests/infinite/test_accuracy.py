"""Expected accuracy under a Gaussian law against independent routes."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.equations.gaussian import binary_accuracy
from theorysim.infinite.accuracy import decided_accuracy, gaussian_accuracy

RNG = np.random.default_rng(8)


def test_one_output_is_the_closed_form() -> None:
    mean, std = np.array([[0.7], [-0.2]]), np.array([0.5, 2.0])
    expected = 0.5 * (binary_accuracy(0.7, 0.5) + binary_accuracy(0.2, 2.0))
    assert gaussian_accuracy(mean, std, np.array([1, 0])) == pytest.approx(expected, abs=1e-14)


def test_two_outputs_are_one_output_of_the_difference() -> None:
    mean, std = RNG.normal(size=(6, 2)), RNG.uniform(0.1, 2.0, size=6)
    classes = RNG.integers(0, 2, size=6)
    margin = (mean[:, 1] - mean[:, 0]) * np.where(classes == 1, 1, -1)
    expected = np.mean([binary_accuracy(m, s * np.sqrt(2)) for m, s in zip(margin, std, strict=True)])
    assert gaussian_accuracy(mean, std, classes) == pytest.approx(expected, abs=1e-7)


def test_ten_outputs_agree_with_sampled_networks() -> None:
    mean, std = RNG.normal(size=(4, 10)), np.array([0.3, 1.0, 2.0, 0.7])
    classes = np.array([3, 1, 4, 1])
    draws = mean[:, :, None] + std[:, None, None] * RNG.normal(size=(4, 10, 200_000))
    sampled = decided_accuracy(draws, classes)
    z = (gaussian_accuracy(mean, std, classes) - sampled.mean()) / (sampled.std() / np.sqrt(sampled.size))
    assert abs(z) < 4


def test_no_spread_is_the_plain_decision() -> None:
    mean = RNG.normal(size=(50, 5))
    classes = RNG.integers(0, 5, size=50)
    assert gaussian_accuracy(mean, np.zeros(50), classes) == pytest.approx(np.mean(mean.argmax(1) == classes))
