"""Densities of one parameter: the double well of the note, orders, a case in closed form, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.errors import NotConverged, ProblemError
from theorysim.sde import density

OBSERVABLES = {"f": lambda x: (x * x - 1) ** 2 / 4, "x": lambda x: x, "square": lambda x: x * x, "one": np.ones_like}


def well(eta: float) -> density.Problem:
    """Case E."""
    return density.Problem(
        lambda x: x**3 - x, lambda x: 3 * x * x - 1, 0.5, eta, 2.0, start=(0.3, 0.2), interval=(-2.2, 2.2)
    )  # fmt: skip


# learning rate, then E f, E x, E x^2 of the steps, of order 1, of order 2
CASES = [
    (0.1, (0.0483451, 0.7141475, 0.7144471), (0.0465094, 0.7123685, 0.7151016), (0.0478473, 0.7100913, 0.7124132)),
    (0.05, (0.0431577, 0.7378309, 0.7199822), (0.0423318, 0.7373906, 0.7201899), (0.0430599, 0.7366992, 0.7193601)),
    (0.025, (0.0403790, 0.7505942, 0.7234701), (0.0399863, 0.7505043, 0.7235523), (0.0403588, 0.7502958, 0.7232978)),
]


@pytest.mark.parametrize(("eta", "steps", "first", "second"), CASES)
def test_the_double_well(eta, steps, first, second):
    problem = well(eta)
    answers = [
        density.finite(problem, OBSERVABLES),
        density.limit(problem, OBSERVABLES, order=1),
        density.limit(problem, OBSERVABLES, order=2),
    ]
    for found, wanted in zip(answers, (steps, first, second), strict=True):
        np.testing.assert_allclose([found["f"], found["x"], found["square"]], wanted, atol=2e-7)
        assert found["one"] == pytest.approx(1.0, abs=1e-8)


def test_orders_of_the_equations():
    errors: dict[int, list[float]] = {1: [], 2: []}
    for eta in (0.1, 0.05, 0.025):
        problem = well(eta)
        exact = density.finite(problem, OBSERVABLES)["f"]
        for order, found in errors.items():
            found.append(density.limit(problem, OBSERVABLES, order=order)["f"] - exact)
    np.testing.assert_allclose(errors[1], [-1.84e-3, -8.3e-4, -3.9e-4], atol=6e-6)
    np.testing.assert_allclose(errors[2], [-5.0e-4, -9.8e-5, -2.0e-5], atol=3e-6)
    assert density.slopes(errors[1])[-1] == pytest.approx(1.0, abs=0.15)
    assert density.slopes(errors[2])[-1] > 1.85


def test_a_quadratic_in_closed_form():
    """Ornstein and Uhlenbeck: f = h x^2/2, and x + c x noise as a check of the second-derivative term."""
    h, eta, s = 1.5, 0.2, 0.7
    problem = density.Problem(
        lambda x: h * x, lambda x: h + 0 * x, s, eta, 1.0, start=(0.5, 0.3), interval=(-5.0, 5.0)
    )  # fmt: skip
    found = density.limit(problem, {"x": lambda x: x, "square": lambda x: x * x})
    decay = np.exp(-h)
    assert found["x"] == pytest.approx(0.5 * decay, abs=1e-9)
    variance = 0.09 * decay**2 + eta * s**2 * (1 - decay**2) / (2 * h)
    assert found["square"] - found["x"] ** 2 == pytest.approx(variance, abs=1e-9)
    steps = density.finite(problem, {"x": lambda x: x, "square": lambda x: x * x})
    a = (1 - eta * h) ** 2
    assert steps["x"] == pytest.approx(0.5 * (1 - eta * h) ** 5, abs=1e-9)
    exact = 0.09 * a**5 + (eta * s) ** 2 * (1 - a**5) / (1 - a)
    assert steps["square"] - steps["x"] ** 2 == pytest.approx(exact, abs=1e-9)


def test_noise_that_depends_on_the_parameter():
    """E x^2 of order 1 with s^2 = a + m x^2: the moment equation closes."""
    problem = density.Problem(
        lambda x: x, lambda x: 1 + 0 * x, lambda x: np.sqrt(0.25 + x * x), 0.1, 1.0, (1.0, 0.1), (-9.0, 9.0)
    )  # fmt: skip
    rate, push = 2.0 - 0.1, 0.1 * 0.25
    exact = 1.01 * np.exp(-rate) + push * (1 - np.exp(-rate)) / rate
    assert density.limit(problem, {"s": lambda x: x * x})["s"] == pytest.approx(exact, abs=1e-8)


def test_quadrature_and_derivative():
    x, derivative, weights = density.chebyshev(33, (-1.0, 2.0))
    np.testing.assert_allclose(derivative @ np.sin(x), np.cos(x), atol=1e-11)
    assert weights @ np.exp(x) == pytest.approx(np.exp(2.0) - np.exp(-1.0), abs=1e-13)
    _, _, odd = density.chebyshev(32, (0.0, 1.0))
    assert odd.sum() == pytest.approx(1.0, abs=1e-14)


def change(**fields: object) -> density.Problem:
    settings = {
        "gradient": lambda x: x, "curvature": lambda x: 1 + 0 * x, "noise": 1.0, "learning_rate": 0.1, "time": 1.0,
        "start": (0.0, 1.0), "interval": (-5.0, 5.0),
    }  # fmt: skip
    return density.Problem(**(settings | fields))


WRONG = [
    (lambda: change(learning_rate=-0.1), "`learning_rate` must be"),
    (lambda: change(time=np.inf), "`time` must be"),
    (lambda: change(start=(0.0, 0.0)), "`start` have a positive"),
    (lambda: change(interval=(1.0, 5.0)), "`interval` must end where"),
    (lambda: change(noise=0.0), "`noise` must be positive"),
    (lambda: density.limit(change(), OBSERVABLES, order=3), "`order` must be one of"),
    (lambda: density.limit(change(), OBSERVABLES, points=3), "`points` must be"),
    (lambda: density.finite(change(time=0.95), OBSERVABLES), "`time` must be a whole number of steps"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_a_grid_that_is_too_coarse_is_told(monkeypatch):
    monkeypatch.setattr(density, "MOST_POINTS", 64)
    with pytest.raises(NotConverged, match="density"):
        density.finite(well(0.025), OBSERVABLES, points=40)
