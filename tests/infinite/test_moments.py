"""Gaussian means of activations: closed forms, kinks anywhere, fast growth, and what cannot be resolved."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.equations.activations import activation, custom
from theorysim.equations.duals import DUALS
from theorysim.errors import NotConverged
from theorysim.infinite.hermite import expand, nodes
from theorysim.infinite.moments import hermite_coefficients, moments

Q = np.logspace(-14, 3, 60)
HARD = custom(lambda x: min(1.0, max(-1.0, x)), lambda x: 1.0 if abs(x) < 1.0 else 0.0, name="hard tanh")


def trapezoid(function):
    """Return E function(z), z ~ N(0, 1), for analytic functions: exponentially accurate."""
    z = np.arange(-14.0, 14.0, 0.01)
    return float((function(z) * np.exp(-0.5 * z * z)).sum() * 0.01 / math.sqrt(2.0 * math.pi))


@pytest.mark.parametrize("name", ["relu", "abs", "erf", "gelu", "sin", "linear", "quadratic"])
def test_closed_forms(name):
    found = moments(activation(name), Q)
    exact = np.array([DUALS[name].diagonal(float(q)) for q in Q])
    np.testing.assert_allclose(found.square, exact[:, 0], rtol=4e-15)
    np.testing.assert_allclose(found.slope, exact[:, 1], rtol=4e-15)


def test_growth_is_the_derivative_of_the_square():
    """Against the Gaussian identity d/dq E phi^2 = E phi^2 (z^2 - 1)/(2q)."""
    for q in (0.3, 2.0, 9.0):
        expected = trapezoid(lambda z, q=q: np.tanh(math.sqrt(q) * z) ** 2 * (z * z - 1.0)) / (2.0 * q)
        assert moments(activation("tanh"), np.array([q])).growth[0] == pytest.approx(expected, rel=1e-13)


def test_kinks_off_the_origin():
    """Hard tanh: E phi'^2 = erf(1/sqrt(2q)); fixed panels miss it by more than 1e-3."""
    q = np.array([0.2, 0.5, 2.0, 7.0, 300.0])
    found = moments(HARD, q)
    exact = np.array([math.erf(1.0 / math.sqrt(2.0 * v)) for v in q])
    np.testing.assert_allclose(found.slope, exact, rtol=1e-14)
    z, weight = nodes(q[1:2], 10)
    assert abs((np.abs(math.sqrt(q[1]) * z) < 1.0) @ weight - exact[1]) > 1e-3
    density = np.exp(-0.5 / q) * np.sqrt(2.0 / (np.pi * q))
    np.testing.assert_allclose(found.growth, exact - density, rtol=1e-13, atol=1e-16)  # E z^2 over |u| < 1
    np.testing.assert_allclose(found.square, q * (exact - density) + (1.0 - exact), rtol=1e-13)


def test_variance_zero_at_kinks_and_bends():
    zero = np.zeros(1)
    for name, slope in (("relu", 0.5), ("abs", 1.0), ("tanh", 1.0), ("elu", 1.0), ("quadratic", 0.0)):
        found = moments(activation(name), zero)
        assert (found.square[0], found.slope[0], found.growth[0]) == (0.0, slope, slope)
    assert moments(activation("cos"), zero).square[0] == 1.0
    assert moments(activation("cos"), zero).growth[0] == pytest.approx(-1.0, abs=1e-7)


def test_fast_growth_is_followed_and_overflow_is_infinite():
    found = moments(activation("exp"), np.array([1.0, 50.0, 1e4]))
    np.testing.assert_allclose(found.square[:2], np.exp([2.0, 100.0]), rtol=1e-13)
    assert np.isinf(found.square[2]) and np.isinf(found.slope[2])


def test_hermite_coefficients_equal_those_of_the_kernels():
    q = np.array([0.1, 1.0, 4.0])
    found = hermite_coefficients(activation("tanh"), q, 40)
    expected = expand(activation("tanh"), q)[0].coefficients[:40]
    np.testing.assert_allclose(found, expected, atol=3e-15)
    relu = hermite_coefficients(activation("relu"), np.ones(1), 3)[:, 0]
    expected = [1.0 / math.sqrt(2.0 * math.pi), 0.5, 0.5 / math.sqrt(math.pi)]
    np.testing.assert_allclose(relu, expected, rtol=1e-14)
    kinked = hermite_coefficients(HARD, np.ones(1), 4)[1, 0]
    assert kinked == pytest.approx(math.erf(math.sqrt(0.5)), rel=1e-14)  # E phi'


def test_what_cannot_be_resolved_is_refused():
    with pytest.raises(NotConverged, match="moments of sin"):
        moments(activation("sin"), np.array([1e9]))
    with pytest.raises(FloatingPointError, match="gabor: not a number"):
        moments(activation("gabor"), np.array([1e14]))
    with pytest.raises(FloatingPointError, match="overflows"):
        hermite_coefficients(activation("exp"), np.array([1e4]), 3)
