"""Interpolation in 1/N against curves whose law is known."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.forecast.interpolate import RADIUS, Point, expected_error, interpolated

STEPS = np.arange(12)
LIMIT = -0.2 * STEPS


def law(inverse_width: float) -> np.ndarray:
    """Log loss with a linear and a quadratic term in 1/N that grow in time."""
    return LIMIT + STEPS * (1.2 * inverse_width + 8.0 * inverse_width**2)


def point(inverse_width: float, error: float = 1e-6) -> Point:
    return Point(inverse_width, law(inverse_width), np.full(STEPS.size, error))


def test_limit_and_two_twins_recover_a_quadratic() -> None:
    estimate = interpolated([point(0.0), point(1 / 64), point(1 / 32)], at=1 / 256, reach=2 / RADIUS)
    bias = np.abs(law(1 / 256) - LIMIT).max()
    np.testing.assert_allclose(estimate.value, law(1 / 256), atol=0.05 * bias)
    assert np.all(np.abs(estimate.value - law(1 / 256)) < 4 * estimate.error + 1e-5)


def test_planted_wrong_limit_is_seen() -> None:
    """A limit that is off by a factor shows as an error bar that is no smaller than the damage."""
    wrong = Point(0.0, LIMIT + 0.5, np.full(STEPS.size, 1e-6))
    good = interpolated([point(0.0), point(1 / 64), point(1 / 32)], at=1 / 256, reach=2 / RADIUS)
    bad = interpolated([wrong, point(1 / 64), point(1 / 32)], at=1 / 256, reach=2 / RADIUS)
    assert np.all(bad.error[1:] > 1.5 * good.error[1:])


def test_twins_alone_extrapolate_linearly() -> None:
    line = [Point(x, LIMIT + 3.0 * x, np.full(STEPS.size, 1e-6)) for x in (1 / 128, 1 / 64)]
    estimate = interpolated(line, at=1 / 256, reach=1 / RADIUS)
    np.testing.assert_allclose(estimate.value, LIMIT + 3.0 / 256, atol=1.5e-3)


def test_noise_is_carried_by_the_weights() -> None:
    noisy = [point(0.0, 1e-4), point(1 / 64, 0.02), point(1 / 32, 0.02)]
    estimate = interpolated(noisy, at=1 / 256, reach=2 / RADIUS)
    assert np.all(estimate.sampling < 0.02)
    np.testing.assert_allclose(estimate.error**2, estimate.sampling**2 + estimate.width**2)


def test_error_covers_draws_of_its_own_prior() -> None:
    """Coverage of random laws with random noise: the reported error is neither idle nor boastful."""
    rng = np.random.default_rng(3)
    x, at, depth, noise = np.array([0.0, 1 / 64, 1 / 32]), 1 / 256, 2, np.array([0.002, 0.01, 0.01])
    u = np.append(x, at) * depth / RADIUS
    shape = sum(rng.standard_normal((400, 1)) * u**j for j in (1, 2, 3, 4))
    curves = 0.5 * shape
    seen = curves[:, :3] + noise * rng.standard_normal((400, 3))
    points = [Point(a, seen[:, i], np.full(400, noise[i])) for i, a in enumerate(x)]
    estimate = interpolated(points, at=at, reach=depth / RADIUS)
    z = (estimate.value - curves[:, 3]) / estimate.error
    assert 0.9 <= np.mean(np.abs(z) < 2) <= 0.995
    assert 0.65 < np.std(z) < 1.25


@pytest.mark.parametrize(
    ("widths", "errors"), [([0.0, 1 / 64], [0.001, 0.01]), ([0.0, 1 / 128, 1 / 64], [0.001, 0.02, 0.02])]
)
def test_expected_error_prefers_more_knowledge(widths: list[float], errors: list[float]) -> None:
    worse = expected_error([1 / 64], np.array([[0.02]]), at=1 / 256, reach=2 / RADIUS)
    assert expected_error(widths, np.array([errors]), at=1 / 256, reach=2 / RADIUS)[0] < worse[0]


def test_a_square_root_law_is_found_from_limit_and_twins() -> None:
    """Means that approach their limit as N^-1/2 (seen late in training) are met when the points show it."""
    points = [Point(x, LIMIT + 0.3 * STEPS * np.sqrt(x), np.full(STEPS.size, 1e-3)) for x in (0.0, 1 / 64, 1 / 32)]
    estimate = interpolated(points, at=1 / 256, reach=2 / RADIUS)
    truth = LIMIT + 0.3 * STEPS * np.sqrt(1 / 256)
    np.testing.assert_allclose(estimate.value, truth, atol=0.15 * np.abs(truth - LIMIT).max())
