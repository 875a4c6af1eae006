"""Gradient flow of finite networks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.finite import cases
from theorysim.finite.flow import integrate
from theorysim.finite.training import train
from theorysim.problem import GD, GradientFlow


def test_solver_on_an_exact_solution_and_its_order():
    """x' = -x^2 + oscillation, against exact values; the error falls with the tolerance."""
    times = (0.0, 0.5, 2.0, 10.0)

    def slope(state, out):
        out[0], out[1] = state[1], -state[0]

    errors = []
    for tolerance in (1e-5, 1e-8):
        state, worst = np.array([1.0, 0.0]), 0.0
        for index in integrate(slope, state, times, tolerance=tolerance, advance=lambda _: None):
            exact = np.array([np.cos(times[index]), -np.sin(times[index])])
            worst = max(worst, float(np.abs(state - exact).max()))
        errors.append(worst)
    assert errors[0] < 1e-3 and errors[1] < 1e-6
    assert errors[1] < errors[0] / 100


@pytest.mark.parametrize("optimizer", [GradientFlow(), GradientFlow(ridge=3.0), GradientFlow(weight_decay=0.3)])
@pytest.mark.parametrize("network", [{}, {"parameterization": "mup", "initial_output": "subtracted"}])
def test_flow_is_the_limit_of_small_steps(optimizer, network):
    """Two small-step runs, extrapolated in the step size, against the flow."""
    time, exact = 2.0, train(cases.flow(time=2.0, optimizer=optimizer, **network), replicas=2).isel(step=-1)
    finals = []
    for steps in (1000, 2000):
        descent = GD(learning_rate=time / steps, ridge=optimizer.ridge, weight_decay=optimizer.weight_decay)
        run = cases.run(optimizer=descent, steps=steps, record=(0, steps), **network)
        finals.append(train(run, replicas=2).isel(step=-1).test_prediction.values)
    np.testing.assert_allclose(2 * finals[1] - finals[0], exact.test_prediction, atol=4e-7)
    assert np.abs(finals[1] - exact.test_prediction).max() > 1e-6  # the step size does matter


def test_flow_of_a_linear_model_is_exponential():
    """Only the readout trains: f(t) - y = exp(-kappa Theta t) (f(0) - y) with a constant kernel."""
    from theorysim.finite.empirical import ntk
    from theorysim.finite.network import initialise

    training = cases.flow(time=30.0, weight_rates=(0, 0, 1.0), bias_rates=(0, 0, 0.5), activation="tanh")
    ours = train(training, replicas=1, seed=1)
    theta = ntk(initialise(training.layers, [0], seed=1), training.layers, training.network, cases.X)[0]
    w, u = np.linalg.eigh(theta)
    y, f = cases.TARGETS[3], ours.train_prediction.values[..., 0]
    for k, t in enumerate(training.recorded_times):
        expected = y + u @ (np.exp(-training.kappa * w * t)[:, None] * (u.T @ (f[0] - y)))
        np.testing.assert_allclose(f[k], expected, atol=3e-7)
