"""Modified flows of deterministic optimizers: residuals fall by one order more than those of the plain flow."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.sde import implicit

START = np.array([1.2, -0.7])


def gradient(w: np.ndarray) -> np.ndarray:
    """Of x^2 + y^4/4 + x y/2 + y^2/2 + sin(x)/5: not quadratic."""
    x, y = w
    return np.array([2 * x + 0.5 * y + 0.2 * np.cos(x), y**3 + 0.5 * x + y])


def product(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    x, y = w
    return np.array([(2 - 0.2 * np.sin(x)) * v[0] + 0.5 * v[1], 0.5 * v[0] + (3 * y**2 + 1) * v[1]])


def nothing(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.zeros_like(v)


def residuals(momentum: float, hessian) -> list[float]:
    """Distance of heavy ball from the flow, both from the point where the memory has filled."""
    found = []
    for eta in (0.02, 0.01, 0.005):
        scale = (1 - momentum) * eta
        begin = 0 if momentum == 0.0 else round(0.4 / eta)
        steps = round(0.6 / eta)
        path = implicit.descent_steps(gradient, START, begin + steps, learning_rate=scale, momentum=momentum)
        drift = implicit.descent(gradient, hessian, learning_rate=scale, momentum=momentum)
        end = implicit.integrate(drift, path[begin], [steps * scale])[-1]
        found.append(float(np.abs(path[-1] - end).max()))
    return found


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.8])
def test_descent_and_heavy_ball(momentum):
    with_it, without = residuals(momentum, product), residuals(momentum, nothing)
    assert with_it[1] / with_it[2] == pytest.approx(4.0, abs=0.4)
    assert without[1] / without[2] == pytest.approx(2.0, abs=0.2)
    assert with_it[2] < 0.1 * without[2]


BATCHES = np.array([[1.0, 0.3, 0.5], [0.4, 1.5, -0.3], [2.0, 0.2, 0.1], [0.6, 0.8, -0.9]])


def gradients(w: np.ndarray) -> np.ndarray:
    """Of (a.w - b)^2/2 + cos(w_1) b/3, each batch with its own a, b."""
    a, b = BATCHES[:, :2], BATCHES[:, 2]
    return a * (a @ w - b)[:, None] - np.outer(b, [np.sin(w[0]) / 3, 0.0])


def products(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    a, b = BATCHES[:, :2], BATCHES[:, 2]
    bend = np.zeros_like(v)
    bend[:, 0] = -b * np.cos(w[0]) / 3 * v[:, 0]
    return a * (a * v).sum(axis=1, keepdims=True) + bend


def test_epochs_averaged_over_orders():
    """All 24 orders of one epoch: the error is cubic in eta (8 per halving), without the penalty quadratic (4)."""
    found: dict[str, list[float]] = {"with": [], "without": []}
    for eta in (0.04, 0.02, 0.01):
        total = np.zeros(2)
        for order in permutations(range(4)):
            w = START.copy()
            for k in order:
                w = w - eta * gradients(w)[k]
            total += w / 24
        for name, hessian in (("with", products), ("without", nothing)):
            drift = implicit.epochs(gradients, hessian, learning_rate=eta)
            end = implicit.integrate(drift, START, [4 * eta], 1e-13)[-1]
            found[name].append(float(np.abs(total - end).max()))
    assert found["with"][1] / found["with"][2] == pytest.approx(8.0, abs=0.5)
    assert found["without"][1] / found["without"][2] == pytest.approx(4.0, abs=0.5)


def adam_residuals(placement, betas, epsilon, hessian) -> list[float]:
    found = []
    for eta in (4e-3, 2e-3, 1e-3):
        begin, steps = round(0.3 / eta), round(0.2 / eta)
        settings = {"beta1": betas[0], "beta2": betas[1], "epsilon": epsilon, "placement": placement}
        path = implicit.adam_steps(gradient, START, begin + steps, learning_rate=eta, **settings)
        drift = implicit.adam(gradient, hessian, learning_rate=eta, **settings)
        end = implicit.integrate(drift, path[begin], [steps * eta])[-1]
        found.append(float(np.abs(path[-1] - end).max()))
    return found


ADAM = [
    ("inside", (0.8, 0.9), 0.3), ("inside", (0.6, 0.8), 0.1), ("inside", (0.9, 0.5), 0.3), ("inside", (0.0, 0.8), 0.1),
    ("outside", (0.8, 0.9), 0.3), ("outside", (0.6, 0.8), 0.3), ("outside", (0.0, 0.8), 0.3),
]  # fmt: skip


@pytest.mark.parametrize(("placement", "betas", "epsilon"), ADAM)
def test_adam(placement, betas, epsilon):
    with_it = adam_residuals(placement, betas, epsilon, product)
    without = adam_residuals(placement, betas, epsilon, nothing)
    assert 3.5 < with_it[1] / with_it[2] < 5.0
    assert without[1] / without[2] == pytest.approx(2.0, abs=0.25)


def test_the_flows_are_named():
    assert set(implicit.FLOWS) == {"descent", "epochs", "adam"}
    end = implicit.integrate(lambda w: -w, [1.0, 2.0], [0.0, 1.0])
    np.testing.assert_allclose(end, [[1, 2], np.exp(-1) * np.array([1, 2])], rtol=1e-9)


def adam(**change: object) -> object:
    settings = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3} | change
    return implicit.adam(gradient, product, **settings)


WRONG = [
    (lambda: implicit.descent(gradient, product, learning_rate=0.0), "`learning_rate` must be a positive"),
    (lambda: implicit.descent(gradient, product, learning_rate=0.1, momentum=1.0), "`momentum` must be in"),
    (lambda: adam(beta2=1.0), "`beta2` must be in"),
    (lambda: adam(epsilon=0.0), "`epsilon` must be a positive"),
    (lambda: adam(placement="below"), "`placement` must be one of outside, inside"),
    (lambda: implicit.integrate(gradient, [np.nan], [1.0]), "`start` must be finite"),
    (lambda: implicit.integrate(gradient, START, [1.0, 0.5]), "`times` must be ascending"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_a_flow_that_blows_up_is_an_exception():
    with pytest.raises(FloatingPointError, match="not finite"):
        implicit.integrate(lambda w: w**3, [1.0], [1.0])
