"""Whether equations can be believed: reports on general objectives, and SGD on digits beside its equation."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde.trust import noise_skewness, noise_to_signal

X = np.array([[1, 0], [0, 1], [1, 1], [1, -1.0]])
Y = np.array([1, 0, 2, 1.0])
DIGITS = ts.data.digits(train=100, test=0, labels="one-hot")
PATHS = 200


def sgd(eta: float, batch: int | None = 1, **more: object) -> ts.SGD:
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement", **more)


def softmax() -> tuple[sde.FiniteSum, np.ndarray]:
    objective = sde.linear_model(DIGITS, "cross-entropy")
    return objective, np.zeros(objective.dimension)


def perceptron() -> tuple[sde.FiniteSum, np.ndarray]:
    network = ts.MLP(depth=1, width=8, activation="tanh", parameterization="standard", bias_std=0.0)
    objective = sde.network(DIGITS, network, "cross-entropy")
    return objective, sde.initial_states(objective, seed=0)[0]


# problem, learning rate and batch of runs that are, or are not, their equation
REAL = {
    "softmax, small steps": (softmax, 0.05, 16, True),
    "softmax, large steps": (softmax, 4.0, 16, False),
    "perceptron, small steps": (perceptron, 0.05, 16, True),
    "perceptron, large steps": (perceptron, 2.0, 16, False),
}


@pytest.mark.parametrize("name", REAL)
def test_real_data(name):
    """The report says where the equation holds, and there it does: mean and variance of the loss over 200 seeds."""
    make, eta, batch, wanted = REAL[name]
    (objective, start), steps = make(), 30
    model = sde.from_optimizer(objective, sgd(eta, batch))
    report = sde.trust(model, start, steps, paths=PATHS, seed=10, ladder=(1, 4))
    equation = sde.simulate(model, start, steps, paths=PATHS, seed=1, record=[steps], substeps=4)
    runs = sde.run_algorithm(objective, sgd(eta, batch), start, steps, paths=PATHS, seed=2, record=[steps])
    scores = ts.compare(equation, runs)
    largest = max(abs(float(scores[f"loss_{key}"][0])) for key in ("z", "std_z"))
    assert report.valid is wanted
    assert largest < 4.0 if wanted else largest > 6.0


def test_ratio_and_skewness_are_those_of_the_closed_report():
    objective, optimizer = sde.least_squares(X, Y), sgd(0.05)
    closed = sde.validity(sde.from_optimizer(objective, optimizer))
    land = sde.simulated(objective, optimizer).objective
    minimum = np.linalg.lstsq(objective.hessian, objective.slope, rcond=None)[0]
    assert noise_skewness(land, minimum) == pytest.approx(closed.skewness, rel=1e-9)
    runs = sde.run_algorithm(objective, optimizer, minimum, 400, paths=4000, seed=1, record=[400], keep=("position",))
    ratio = noise_to_signal(land, 1.0, np.ascontiguousarray(runs["position"].values[0].T))
    assert ratio == pytest.approx(closed.noise_to_signal, rel=0.1)


def test_lanczos_finds_the_same_directions(monkeypatch):
    objective, _ = softmax()
    x = np.random.default_rng(0).normal(size=objective.dimension)
    dense = noise_skewness(objective, x)
    monkeypatch.setattr(import_module("theorysim.sde.trust"), "LARGEST_DENSE", 0)
    assert noise_skewness(objective, x) == pytest.approx(dense, rel=1e-9)
    assert dense > 0.5


def test_linear_rule_breaks_where_predicted():
    """Case H by Monte Carlo: multiplicative noise, the loss doubles at about 200 times the batch."""
    objective = sde.quadratic(1.0, covariance=1.0, multiplicative=4.0)
    model = sde.simulated(objective, sgd(0.02))  # predicted limit 1 + N/(2 G), exact stationary state
    report = sde.trust(model, 0.1, 256, paths=4000, ladder=(1,), factor=2.0)
    closed = sde.validity(sde.from_optimizer(objective, sgd(0.02)))
    assert report.rule == "linear"
    assert report.predicted_limit == pytest.approx(closed.predicted_limit, rel=0.15)
    assert report.measured_limit <= closed.exact_limit < 2.0 * report.rungs[-1].factor
    assert "linear scaling rule" in str(report)


def test_square_root_rule_ends_at_its_hard_limit():
    objective = sde.linear_model((X, Y))
    model = sde.simulated(objective, ts.Adam(learning_rate=0.02, batch=1, beta1=0.7, beta2=0.9, sampling="replacement"))
    report = sde.trust(model, np.zeros(3), 32, paths=200, ladder=(1, 2))
    assert report.rule == "square-root" and report.predicted_limit == pytest.approx(1.0 / 0.3)
    assert [rung.factor for rung in report.rungs] == [1, 2]
    assert "square-root scaling rule ends at 3.33" in str(report)


def test_optimizers_without_ladder_or_rule():
    model = sde.simulated(sde.linear_model((X, Y)), sde.SignSGD(learning_rate=0.01, batch=2))
    report = sde.trust(model, np.zeros(3), 4, paths=50)
    assert not report.valid and report.rule == "" and report.noise_to_signal > 0.0


WRONG = [
    (lambda: sde.trust(sde.from_optimizer(sde.quadratic(1.0), sgd(0.1)), 1.0, 3), "`model` must be simulated"),
    (lambda: sde.trust(sde.simulated(sde.quadratic(1.0), sgd(0.1)), 1.0, 3, factor=1.0), "`factor` must be"),
    (lambda: sde.trust(sde.simulated(sde.quadratic(1.0), sgd(0.1)), 1.0, 3, ladder=(2,)), "`ladder` must begin"),
    (lambda: sde.trust(sde.simulated(sde.quadratic(1.0), sgd(0.1, None)), 1.0, 3), "optimizer with batches"),
    (lambda: sde.validity(sde.simulated(sde.quadratic(1.0), sgd(0.1))), "sde.trust"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()
