"""The exponential integrator against scipy's implicit ones, closed forms, and its own order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from theorysim.errors import NotConverged
from theorysim.solvers import exponential
from theorysim.solvers.exponential import flow, phis

Array = NDArray[np.float64]


def integral_phi(k: int, x: float) -> float:
    """phi_k(-x) = int_0^1 exp(-x(1-s)) s^(k-1)/(k-1)! ds by Gauss-Legendre, fit for moderate x."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s = 0.5 * (nodes + 1)
    return float(0.5 * np.sum(weights * np.exp(-x * (1 - s)) * s ** (k - 1)) / math.factorial(k - 1))


@pytest.mark.parametrize("x", [0.0, 1e-12, 1e-5, 0.3, 0.999999, 1.0, 1.5, 7.0, 40.0])
def test_phis_have_no_cancellation(x: float) -> None:
    for k, value in enumerate(phis(np.array([x])), start=1):
        assert value[0] == pytest.approx(integral_phi(k, x), rel=2e-14)


def test_phis_at_huge_arguments_follow_their_expansions() -> None:
    x = np.array([1e6, 1e9, 1e12])
    one, two, three = phis(x)
    np.testing.assert_allclose(one, 1 / x, rtol=1e-15)
    np.testing.assert_allclose(two, 1 / x - 1 / x**2, rtol=1e-15)
    np.testing.assert_allclose(three, 0.5 / x - 1 / x**2, rtol=1e-11)


RATES = np.array([0.0, 0.5, 3.0])


def coupled(y: Array) -> Array:
    """A smooth nonlinearity that mixes the components."""
    return np.asarray(np.sin(y[[1, 2, 0]]) - 0.3 * y * y[[2, 0, 1]] + 0.2)


def test_fixed_steps_converge_with_order_four() -> None:
    start = np.array([1.0, -0.5, 0.8])
    exact = solve_ivp(lambda t, y: coupled(y) - RATES * y, (0, 2), start, "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    errors, estimates = [], []
    for count in (16, 32, 64):
        state, force = start, coupled(start)
        scheme = exponential._scheme(RATES, 2 / count)
        for k in range(count):
            state, force, estimate = exponential._step(scheme, RATES, coupled, state, force)
            if k == 0:
                estimates.append(np.abs(estimate).max())
        errors.append(np.abs(state - exact).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 3.8) and np.all(orders < 4.5)
    # one step of the third-order companion is wrong at the fourth power of the step
    assert np.all(np.abs(np.log2(np.array(estimates[:-1]) / estimates[1:]) - 4) < 0.4)


def test_stiff_order_does_not_drop() -> None:
    # The step is far too long for the rates: order 4 needs the stiff order conditions, not just the classical ones.
    rates = np.geomspace(1e-2, 1e6, 9)

    def forcing(y: Array) -> Array:
        return np.asarray(np.cos(y[0]) + 0.1 * y[::-1])

    # past the initial layer, which no polynomial over a long step can follow
    start, exact = flow(rates, forcing, np.ones(9), np.array([1.0, 2.0]), 1e-13)
    errors = []
    for count in (8, 16, 32):
        state, force, scheme = start, forcing(start), exponential._scheme(rates, 1 / count)
        for _ in range(count):
            state, force, _ = exponential._step(scheme, rates, forcing, state, force)
        errors.append(np.abs(state - exact).max())
    assert np.all(np.log2(np.array(errors[:-1]) / errors[1:]) > 3.5)


def test_rates_over_twelve_decades_agree_with_radau_in_few_steps() -> None:
    rates = np.geomspace(1e-6, 1e6, 13)
    drive = np.linspace(0.5, 2, 13)

    def rest(y: Array) -> Array:
        return np.asarray(drive / (1 + y**2) + 0.2 * np.tanh(y.sum()))

    start, times = np.linspace(1, -1, 13), np.array([1e-3, 1.0, 30.0])
    calls: list[float] = []
    found = list(flow(rates, rest, start, times, 1e-9, progress=calls.append))
    exact = solve_ivp(lambda t, y: rest(y) - rates * y, (0, 30), start, "Radau", t_eval=times, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(np.array(found), exact.y.T, rtol=0, atol=3e-8)
    assert len(calls) < 600  # an explicit method would need 1e7
    assert np.all(np.diff(calls) > 0) and set(times) <= set(calls)


def test_rates_broadcast_over_trailing_axes() -> None:
    rates = np.array([[0.1], [20.0]])
    start = np.arange(6.0).reshape(2, 3)
    (many,) = flow(rates, np.cos, start, np.array([2.0]), 1e-11)
    for column in range(3):
        (one,) = flow(rates[:, 0], np.cos, start[:, column], np.array([2.0]), 1e-11)
        np.testing.assert_allclose(many[:, column], one, atol=1e-9)


def test_fixed_points_stay_to_the_last_bit() -> None:
    rates = np.array([0.0, 0.25, 4.0, 1e6])
    point = np.array([1.7, 3.0, -2.5, 0.125])

    def rest(y: Array) -> Array:
        return np.asarray(rates * point + (y - point) ** 3)  # exactly rates * point at the fixed point

    for state in flow(rates, rest, point, np.array([0.0, 1e-3, 1.0, 1e9])):
        np.testing.assert_array_equal(state, point)


def test_linear_problems_are_exact_in_one_stride() -> None:
    rates, source = np.array([0.0, 1e-3, 1.0, 1e5]), np.array([0.5, 1.0, -2.0, 7.0])
    times = np.array([0.0, 0.1, 10.0])
    for time, state in zip(times, flow(rates, lambda y: source + 0 * y, np.ones(4), times, 1e-3), strict=True):
        one = phis(rates * time)[0]
        np.testing.assert_allclose(state, np.exp(-rates * time) + time * one * source, rtol=1e-13)


def test_errors_follow_the_tolerance() -> None:
    start, times = np.array([1.0, -0.5, 0.8]), np.array([1.0, 5.0])
    exact = solve_ivp(lambda t, y: coupled(y) - RATES * y, (0, 5), start, "DOP853", t_eval=times,
                      rtol=1e-13, atol=1e-14).y.T  # fmt: skip
    steps, errors = [], []
    for tolerance in (1e-4, 1e-6, 1e-8, 1e-10):
        calls: list[float] = []
        found = np.array(list(flow(RATES, coupled, start, times, tolerance, progress=calls.append)))
        errors.append(np.abs(found - exact).max())
        steps.append(len(calls))
        assert errors[-1] < 10 * tolerance
    assert np.all(np.diff(steps) > 0) and np.all(np.diff(errors) < 0)


def test_the_measure_decides_which_components_count() -> None:
    def oscillator(y: Array) -> Array:
        return np.array([-0.1 * y[0], 50 * y[2], -50 * y[1]])

    start, times, rates = np.array([1.0, 1.0, 0.0]), np.array([1.0]), np.zeros(3)
    counts = []
    for measure in (exponential.largest, lambda x: float(abs(x[0]))):
        calls: list[float] = []
        list(flow(rates, oscillator, start, times, 1e-8, measure, progress=calls.append))
        counts.append(len(calls))
    assert counts[1] < counts[0] / 5


def test_too_few_steps_raise() -> None:
    with pytest.raises(NotConverged, match="exponential integrator") as caught:
        list(flow(RATES, coupled, np.ones(3), np.array([100.0]), 1e-12, max_steps=20))
    assert caught.value.iterations == 20


def test_a_solution_that_blows_up_raises() -> None:
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(NotConverged):
        list(flow(np.zeros(1), lambda y: y**2, np.ones(1), np.array([2.0]), 1e-8))
