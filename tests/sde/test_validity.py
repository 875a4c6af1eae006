"""Scaling rules: where they break, predicted and exact, and what is not Gaussian."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError


def sgd(eta: float, batch: int | None = 1, **more: object) -> ts.SGD:
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement", **more)


# factor of the loss, predicted and exact factor of the batch
BREAK = [(1.1, 37.3, 36.9), (1.5, 134.0, 132.7), (2.0, 200.5, 198.5)]


@pytest.mark.parametrize(("factor", "predicted", "exact"), BREAK)
def test_break_of_the_linear_rule(factor, predicted, exact):
    model = sde.from_optimizer(sde.quadratic(1.0, covariance=1.0, multiplicative=4.0), sgd(0.005))
    report = sde.validity(model, factor=factor)
    assert report.predicted_limit == pytest.approx(predicted, abs=0.06)
    assert report.exact_limit == pytest.approx(exact, abs=0.06)
    assert report.gaussian
    assert "linear scaling" in str(report)


def test_exact_limit_is_where_the_loss_has_grown():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3))
    objective = sde.least_squares(x, x @ [1.0, -1.0, 0.5] + rng.normal(size=40))
    limit = sde.linear_scaling_limit(sde.from_optimizer(objective, sgd(0.01, 2)), 1.5)

    def excess(kappa: float) -> float:
        model = sde.from_optimizer(objective, sgd(0.01 * kappa, round(2 * kappa)))
        spread = sde.stationary_covariance(model, model.algorithm)
        return 0.5 * float(np.sum(objective.hessian * spread))

    below, above = np.floor(2 * limit) / 2, np.ceil(2 * limit) / 2
    assert excess(below) <= 1.5 * excess(1.0) <= excess(above)


def test_rare_samples_are_not_gaussian():
    x = np.eye(50)[:, :1] * 10.0 + 0.1
    report = sde.validity(sde.from_optimizer(sde.least_squares(x, np.arange(50.0)), sgd(0.001)))
    assert not report.gaussian
    assert "not Gaussian" in str(report)
    larger = sde.validity(sde.from_optimizer(sde.least_squares(x, np.arange(50.0)), sgd(0.001, 400)))
    assert larger.skewness == pytest.approx(report.skewness / 20.0)


def test_wrong_input_is_told():
    model = sde.from_optimizer(sde.quadratic(1.0, covariance=1.0), sgd(0.1))
    with pytest.raises(ProblemError, match="`factor` must be"):
        sde.validity(model, factor=1.0)
    with pytest.raises(ProblemError, match="`model` must be of minibatch SGD"):
        sde.validity(sde.from_optimizer(sde.quadratic(1.0, covariance=1.0), sgd(0.1, momentum=0.5)))
    with pytest.raises(FloatingPointError, match="stationary"):
        sde.validity(sde.from_optimizer(sde.quadratic(1.0, covariance=1.0, multiplicative=9.0), sgd(0.5)))
