"""Closed forms of r_t against powers of the companion matrix at 60 digits, and against the optimizers themselves."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from theorysim.equations import descent

FORMS = {
    "heavy ball": (descent.heavy_ball, descent.heavy_ball_filter, descent.heavy_ball_edge),
    "nesterov": (descent.nesterov, descent.nesterov_filter, descent.nesterov_edge),
}


def _exact(form, x, t, b):
    """Return r_t by repeated squaring of the companion matrix."""
    x, b = mpmath.mpf(x), mpmath.mpf(b)
    if form == "heavy ball":
        trace, determinant, first = 1 + b - x, b, 1 - x
    else:
        trace, determinant, first = (1 + b) * (1 - x), b * (1 - x), 1 - (1 + b) * x
    power, square = mpmath.eye(2), mpmath.matrix([[trace, -determinant], [1, 0]])
    while t:
        power = power * square if t & 1 else power
        square, t = square * square, t >> 1
    return power[1, 0] * first + power[1, 1]


def _places(form, b, edge):
    double = (1 - b**0.5) ** 2 if form == "heavy ball" else ((1 - b) / (1 + b)) ** 2
    generator = np.random.default_rng(5)
    edges = [1e-30, 1e-12, double, np.nextafter(double, 0), double * (1 + 1e-9), 1.0, np.nextafter(1.0, 2), 1 + 1e-9]
    return [*edges, edge - 1e-9, np.nextafter(edge, 0), edge, *generator.uniform(0, edge, 5)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("b", [0.0, 1e-6, 0.5, 0.9, 0.99])
def test_momentum_for_any_number_of_steps(form, b):
    residual, moved, largest = FORMS[form]
    for x in _places(form, b, largest(b)):
        for t in (0, 1, 2, 7, 256, 257, 1000, 10_000_000):
            with mpmath.workdps(110):
                r = _exact(form, x, t, b)
                h = (1 - r) / mpmath.mpf(x)
                assert abs(residual(x, t, b) - r) <= 1e-12 * (1 + abs(r)), (x, t)
                assert abs(moved(x, t, b) - h) <= 1e-12 * (1 / mpmath.mpf(max(x, 1e-2)) + abs(h)), (x, t)


def _trained(x, b, steps, nesterov):
    """Return residuals of one parameter under PyTorch's SGD on x theta^2/2, from theta = 1."""
    theta, buffer, seen = 1.0, 0.0, [1.0]
    for _ in range(steps):
        gradient = x * theta
        buffer = b * buffer + gradient
        theta -= gradient + b * buffer if nesterov else buffer
        seen.append(theta)
    return np.array(seen)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("x", "b"), [(0.003, 0.9), (0.3, 0.9), (1.2, 0.5), (1.3, 0.8)])
def test_momentum_is_what_the_optimizer_does(form, x, b):
    steps = 60
    expected = _trained(x, b, steps, nesterov=form == "nesterov")
    residual, moved, _ = FORMS[form]
    found = np.array([residual(x, t, b) for t in range(steps + 1)])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    h = np.array([moved(x, t, b) for t in range(steps + 1)])
    np.testing.assert_allclose(1 - x * h, expected, rtol=0, atol=1e-13)


def test_without_momentum_all_are_gradient_descent():
    for x in (1e-9, 0.4, 1.0, 1.9):
        for t in (0, 1, 5, 1000):
            assert descent.heavy_ball(x, t, 0.0) == descent.nesterov(x, t, 0.0) == descent.gradient_descent(x, t)
            assert descent.heavy_ball_filter(x, t, 0.0) == descent.gradient_descent_filter(x, t)


@pytest.mark.parametrize("b", [0.0, 0.5, 0.9])
def test_filters_at_zero(b):
    t = 1_000_000
    assert descent.flow_filter(0.0, 3.5) == 3.5
    assert descent.gradient_descent_filter(0.0, t) == t
    ball = (t - b * (1 - b**t) / (1 - b)) / (1 - b)
    nesterov = (t - b * b * (1 - b**t) / (1 - b)) / (1 - b)
    assert descent.heavy_ball_filter(0.0, t, b) == pytest.approx(ball, rel=1e-14)
    assert descent.nesterov_filter(0.0, t, b) == pytest.approx(nesterov, rel=1e-14)
    assert descent.heavy_ball(0.0, t, b) == 1.0 == descent.nesterov(0.0, t, b)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("b", [0.0, 0.3, 0.9])
def test_edges_of_stability(form, b):
    residual, _, largest = FORMS[form]
    assert abs(residual(0.999 * largest(b), 200_000, b)) < 1e-12
    assert abs(residual(1.001 * largest(b), 20_000, b)) > 1e3


def test_gradient_descent_limit_is_flow():
    h = 1e-6
    assert descent.gradient_descent(h, 2_000_000) == pytest.approx(descent.flow(1.0, 2.0), rel=3e-6)


def test_full_batch_has_no_noise():
    assert descent.subset_noise(50.0, 50.0) == 0.0
    assert descent.subset_noise(1.0, 1.0) == 0.0
    assert descent.subset_noise(50.0, 1.0) == descent.replacement_noise(1.0) == 1.0
