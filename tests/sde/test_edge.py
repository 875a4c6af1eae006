"""Central flows at the edge of stability: exact orbits, several directions, adaptive rules, the cubic model."""

from __future__ import annotations

import numpy as np
import pytest

import figures.edge_of_stability as stability
from theorysim.equations.flows import stabilization_energy
from theorysim.errors import ProblemError
from theorysim.sde import edge
from theorysim.sde.edge import Loss


def product(k: float, target: float) -> Loss:
    """Case O: L = y x^2/2 + (k/2)(y - Y)^2."""
    return Loss(
        lambda w: 0.5 * w[1] * w[0] ** 2 + 0.5 * k * (w[1] - target) ** 2,
        lambda w: np.array([w[1] * w[0], 0.5 * w[0] ** 2 + k * (w[1] - target)]),
        lambda w, x: np.array([w[1] * x[0] + w[0] * x[1], w[0] * x[0] + k * x[1]]),
    )


# learning rate, k, Y, start, x^2, y
ORBITS = [(0.1, 0.2, 20.5, (0.3, 19.5), 0.2, 20.0), (0.2, 0.3, 10.3, (0.3, 9.5), 0.18, 10.0)]


@pytest.mark.parametrize(("eta", "k", "target", "start", "square", "y"), ORBITS)
def test_the_orbit_of_the_note(eta, k, target, start, square, y):
    """Gradient descent ends on the orbit; the central flow predicts it, its sharpness and its mean loss, exactly."""
    loss, optimizer = product(k, target), edge.gradient_descent(learning_rate=eta)
    steps = edge.finite(loss, optimizer, start, 3000, record=500)
    x = steps["position"].values[:, 0]
    assert x[-1] ** 2 == pytest.approx(square, abs=1e-11)
    assert steps["position"].values[-1, 1] == pytest.approx(y, abs=1e-11)
    flow = edge.limit(loss, optimizer, start, 200, substeps=2, record=100)
    np.testing.assert_allclose(flow["covariance_diagonal"].values[-1], [square, 0.0], atol=1e-11)
    np.testing.assert_allclose(flow["position"].values[-1], [0.0, y], atol=1e-9)
    assert float(flow["sharpness"][-1]) == pytest.approx(flow.attrs["threshold"], abs=1e-9)
    assert float(flow["spread"][-1]) == pytest.approx(square, abs=1e-11)
    assert float(flow["mean_loss"][-1]) == pytest.approx(float(steps["loss"][-1]), abs=1e-9)
    assert float(flow["mean_loss"][-1] - flow["loss"][-1]) == pytest.approx(square / eta, abs=1e-9)  # tr S/eta


def test_below_the_edge_it_is_gradient_flow():
    loss = product(0.2, 10.0)
    flow = edge.limit(loss, edge.gradient_descent(learning_rate=0.1), [0.3, 9.0], 20, substeps=50)
    assert np.all(flow["spread"] == 0.0)
    exact = 10.0 - np.exp(-0.2 * 2.0)
    assert float(flow["position"][-1, 1]) == pytest.approx(exact, abs=0.02)


def quartic() -> Loss:
    """Two sharp directions whose curvatures rise together, coupled: L = x.C(s) x/2 + |s - Y|^2/4 + (x_1 x_2)^2/8."""
    target, couple = np.array([20.6, 20.9]), 0.3

    def value(w: np.ndarray) -> float:
        x, s = w[:2], w[2:]
        return float(0.5 * s @ x**2 + couple * s.mean() * x[0] * x[1] / 10 + 0.25 * np.sum((s - target) ** 2))

    def gradient(w: np.ndarray) -> np.ndarray:
        x, s = w[:2], w[2:]
        return np.concatenate([
            s * x + couple * s.mean() * x[::-1] / 10,
            0.5 * x**2 + couple * x[0] * x[1] / 20 + 0.5 * (s - target),
        ])  # fmt: skip

    return Loss(value, gradient)


def test_two_directions_at_the_edge():
    """Gradient descent averaged over a period and over time follows the flow: centre, both variances, mean loss."""
    loss, optimizer = quartic(), edge.gradient_descent(learning_rate=0.1)
    start = [0.05, 0.08, 19.0, 19.5]
    flow = edge.limit(loss, optimizer, start, 200, substeps=1, record=100)
    steps = edge.finite(loss, optimizer, start, 2000, record=5)
    tail = steps["position"].values[-60:]
    centre, variance = tail.mean(axis=0), tail.var(axis=0)
    np.testing.assert_allclose(flow["position"].values[-1], centre, atol=2e-3)
    np.testing.assert_allclose(flow["covariance_diagonal"].values[-1], variance, atol=2e-3)
    assert float(flow["mean_loss"][-1]) == pytest.approx(float(steps["loss"][-60:].mean()), rel=1e-3)
    assert float(flow["sharpness"][-1]) == pytest.approx(2.0, abs=1e-3)
    assert np.sum(flow["covariance_diagonal"].values[-1] > 1e-2) == 2


def test_rmsprop():
    """Two adaptive directions: centre, variances and mean loss of the steps, without a parameter to fit."""
    loss, squares = product(0.2, 20.5), [1.0, 0.01]
    optimizer = edge.rmsprop(learning_rate=0.02, memory=0.9, epsilon=1e-6)
    flow = edge.limit(loss, optimizer, [0.3, 19.5], 200, squares=squares, substeps=2, record=50)
    steps = edge.finite(loss, optimizer, [0.3, 19.5], 1500, squares=squares, record=5)
    tail = steps["position"].values[-60:]
    np.testing.assert_allclose(flow["position"].values[-1], tail.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(flow["covariance_diagonal"].values[-1], tail.var(axis=0), rtol=0.01)
    assert flow["covariance_diagonal"].values[-1, 0] == pytest.approx(0.01**2, rel=1e-4)  # |x| = eta/2
    assert float(flow["mean_loss"][-1]) == pytest.approx(float(steps["loss"][-60:].mean()), rel=1e-3)


def test_momentum_near_a_stable_orbit():
    """Case O with momentum 0.5 from beside its orbit: threshold 2(1 + b)/(1 - b) = 6, x^2 as the flow says."""
    eta, k = 0.1, 0.2
    loss, optimizer = product(k, 60.5), edge.Rule(eta, 0.5)
    start = [0.4, 60.0]
    flow = edge.limit(loss, optimizer, start, 100, record=50)
    assert flow.attrs["threshold"] == pytest.approx(6.0)
    np.testing.assert_allclose(flow["covariance_diagonal"].values[-1, 0], 2 * k * 0.5, atol=1e-9)
    steps = edge.finite(loss, optimizer, start, 4000, record=5)
    tail = steps["position"].values[-60:]
    np.testing.assert_allclose(tail[:, 0].var(), 2 * k * 0.5, rtol=1e-3)
    np.testing.assert_allclose(tail[:, 1].mean(), 60.0, rtol=1e-4)


def network() -> tuple[Loss, np.ndarray]:
    """One hidden tanh layer of 20 on T4, its start, by the figure's own functions."""
    return Loss(stability.value, stability.gradient, hessian=stability.hessian), stability.start()


def test_derivatives_of_the_network():
    loss, w = network()
    step = 1e-5 * np.eye(w.size)
    slopes = [(stability.value(w + e) - stability.value(w - e)) / 2e-5 for e in step]
    np.testing.assert_allclose(stability.gradient(w), slopes, atol=1e-9)
    bent = Loss(stability.value, stability.gradient)
    v = np.random.default_rng(1).standard_normal(w.size)
    np.testing.assert_allclose(bent.times(w, v), loss.times(w, v), atol=1e-7)


# rule, steps, allowed error of the mean loss and of the centre over the way gone
NETWORK = [
    (edge.gradient_descent(learning_rate=0.28), 1000, 0.15, 0.1),
    (edge.rmsprop(learning_rate=0.01, memory=0.95, epsilon=1e-3), 300, 0.02, 0.03),
    (edge.adam(learning_rate=0.02, beta1=0.5, beta2=0.95, epsilon=1e-3), 300, 0.08, 0.04),
]


@pytest.mark.parametrize(("optimizer", "steps", "of_loss", "of_centre"), NETWORK)
def test_a_network(optimizer, steps, of_loss, of_centre):
    """Mean loss over the second half, and the mean place at three quarters, of the steps and of the flow."""
    loss, w = network()
    squares = np.full(w.size, 1e-3)
    run = edge.finite(loss, optimizer, w, steps, squares=squares, record=5)
    flow = edge.limit(loss, optimizer, w, steps, squares=squares, substeps=1, record=steps // 20)
    rows, window = steps // 5, steps // 40  # every fifth step: both phases of a period of two
    mean = float(run["loss"][rows // 2 :].mean())
    assert float(flow["mean_loss"][10:].mean()) == pytest.approx(mean, rel=of_loss)
    assert abs(float(flow["loss"][10:].mean()) / mean - 1.0) > 0.02  # without the oscillation it would be too small
    centre = run["position"].values[3 * rows // 4 - window : 3 * rows // 4 + window].mean(axis=0)
    gone = np.linalg.norm(centre - w)
    assert np.linalg.norm(flow["position"].values[15] - centre) < of_centre * gone
    assert float(flow["sharpness"][-1]) == pytest.approx(optimizer.threshold, rel=1e-3)


def test_many_parameters_take_the_iterative_route(monkeypatch):
    """A sharp direction in 12 dimensions: Lanczos and dense eigenvectors give one flow."""
    rng = np.random.default_rng(0)
    soft = rng.uniform(0.5, 2.0, 10)

    def gradient(w: np.ndarray) -> np.ndarray:
        first = [w[1] * w[0], 0.5 * w[0] ** 2 + 0.2 * (w[1] - 20.5)]
        return np.concatenate([first, soft * w[2:]])

    loss = Loss(lambda w: float(w @ w), gradient)
    start = np.concatenate([[0.3, 19.5], np.ones(10)])
    optimizer = edge.gradient_descent(learning_rate=0.1)
    dense = edge.limit(loss, optimizer, start, 30, substeps=1, record=10)
    values, vectors = edge._spectrum(loss, start, np.full(12, 10.0))
    monkeypatch.setattr(edge, "DENSE", 4)
    lanczos = edge.limit(loss, optimizer, start, 30, substeps=1, record=10)
    few, tracked = edge._spectrum(loss, start, np.full(12, 10.0))
    np.testing.assert_allclose(few, values[: edge.TRACKED], atol=1e-9)
    np.testing.assert_allclose(np.abs(tracked[:, 0]), np.abs(vectors[:, 0]), atol=1e-9)
    np.testing.assert_allclose(lanczos["position"], dense["position"], atol=0.02)  # two flat directions by Euler steps
    np.testing.assert_allclose(lanczos["spread"], dense["spread"], atol=5e-3)


def test_the_cubic_model_is_case_o():
    """alpha = k (Y - y), beta = 1: the model turns about x^2 = 2 alpha/beta and keeps its energy to first order."""
    drift = []
    for eta in (0.01, 0.005):
        path = edge.self_stabilization(
            (0.3, 0.0), round(20 / eta), learning_rate=eta, progressive=0.1, restoring=1.0
        )  # fmt: skip
        energy = [stabilization_energy(x, y, 0.1, 1.0) for x, y in path]
        drift.append(max(energy) - min(energy))
        assert (path[:, 0] ** 2).min() < 0.2 < (path[:, 0] ** 2).max()
    assert 1.7 < drift[0] / drift[1] < 2.4


def test_rules_by_name():
    assert set(edge.FLOWS) == {"gradient-descent", "heavy-ball", "rmsprop", "adam"}
    assert edge.rule("adam", learning_rate=1e-3, beta1=0.9, beta2=0.99).threshold == pytest.approx(38.0)
    heavy = edge.rule("heavy-ball", learning_rate=0.1, momentum=0.9)
    assert heavy.threshold / heavy.preconditioner(np.ones(1))[0] ** -1 == pytest.approx(2 * 1.9 / 0.1, rel=1e-12)


LOSS, GD = product(0.2, 20.5), edge.gradient_descent(learning_rate=0.1)
WRONG = [
    (lambda: edge.gradient_descent(learning_rate=0.0), "`learning_rate` must be"),
    (lambda: edge.heavy_ball(learning_rate=0.1, momentum=0.0 - 1.0), "`momentum` must be"),
    (lambda: edge.rmsprop(learning_rate=0.1, memory=1.0), "`memory` must be"),
    (lambda: edge.rmsprop(learning_rate=0.1, memory=0.9, epsilon=-1.0), "`epsilon` must be"),
    (lambda: edge.rule("sgd", learning_rate=0.1), "`name` must be one of"),
    (lambda: edge.limit(LOSS, GD, [np.nan, 1.0], 5), "`start` must be"),
    (lambda: edge.limit(LOSS, GD, [1.0, 1.0], 0), "`steps` must be"),
    (lambda: edge.limit(LOSS, GD, [1.0, 1.0], 5, substeps=0), "`substeps` must be"),
    (lambda: edge.limit(LOSS, GD, [1.0, 1.0], 5, squares=[-1.0, 1.0]), "`squares` must be"),
    (lambda: edge.limit(Loss(lambda w: 0.0, lambda w: w[:1]), GD, [1.0, 1.0], 5), "`loss` must have a finite gradient"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_divergence_is_an_exception():
    steep = Loss(lambda w: float(w[0] ** 2), lambda w: 2.0 * w)
    with pytest.raises(FloatingPointError, match="not finite"), np.errstate(over="ignore", invalid="ignore"):
        edge.finite(steep, edge.gradient_descent(learning_rate=10.0), [1.0], 1000)
