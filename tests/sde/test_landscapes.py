"""Objectives: gradients, noise products, batches, variances and Hessian products of every kind beside each other."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde.functions import sampled

RNG = np.random.default_rng(0)
A = RNG.normal(size=(20, 5))
DIGITS = ts.data.digits(train=30, test=0, labels="one-hot")


def mlp(**more: object) -> ts.MLP:
    return ts.MLP(depth=2, width=7, activation="tanh", **more)


SUMS = {
    "least squares": sde.linear_model((A, RNG.normal(size=(20, 3))), weight_decay=0.1),
    "logistic": sde.linear_model((A, np.sign(RNG.normal(size=20))), "logistic"),
    "softmax": sde.linear_model((A, RNG.integers(0, 4, 20)), "cross-entropy"),
    "diagonal": sde.diagonal_network((A, RNG.normal(size=20)), weight_decay=0.2),
    "factors": sde.matrix_factorisation(RNG.normal(size=(6, 4)), 2, observed=RNG.random((6, 4)) < 0.7),
    "standard": sde.network(DIGITS, mlp(parameterization="standard", bias_std=0.0), "cross-entropy"),
    "ntk": sde.network(DIGITS, mlp(parameterization="ntk"), "mse"),
    "mup": sde.network(DIGITS, mlp(parameterization="mup", gamma0=1.0, bias_std=0.3), "cross-entropy"),
}


@pytest.fixture(params=SUMS)
def objective(request: pytest.FixtureRequest) -> sde.FiniteSum:
    return SUMS[request.param]


def states(objective: sde.FiniteSum, seed: int = 1) -> np.ndarray:
    return 0.5 * np.random.default_rng(seed).normal(size=(3, objective.dimension))


def test_gradient_is_that_of_the_loss(objective):
    x, v, step = states(objective), states(objective, 2), 1e-6
    rise = (objective.loss(x + step * v) - objective.loss(x - step * v)) / (2.0 * step)
    np.testing.assert_allclose((objective.gradient(x) * v).sum(axis=1), rise, rtol=1e-6, atol=1e-8)


def test_noise_is_the_structured_product(objective):
    x = states(objective)
    g = np.stack([objective.sample_gradients(one) for one in x])
    np.testing.assert_allclose(g.mean(axis=1), objective.gradient(x), atol=1e-13)
    xi = np.random.default_rng(3).normal(size=(3, objective.noises))
    wanted = np.einsum("pnd,pn->pd", g - g.mean(axis=1, keepdims=True), xi) / np.sqrt(objective.noises)
    np.testing.assert_allclose(objective.product(x, xi), wanted, atol=1e-12)
    fused = objective.drift_and_product(x, xi, -0.3, 0.7)
    np.testing.assert_allclose(fused, -0.3 * objective.gradient(x) + 0.7 * wanted, atol=1e-12)
    np.testing.assert_allclose(objective.variance(x), g.var(axis=1), atol=1e-12)


def test_batches_are_means_of_samples(objective):
    x, rows = states(objective), np.random.default_rng(4).integers(0, objective.noises, (3, 4))
    wanted = np.stack(
        [objective.sample_gradients(one)[chosen].mean(axis=0) for one, chosen in zip(x, rows, strict=True)]
    )
    np.testing.assert_allclose(objective.batch_gradient(x, rows), wanted, atol=1e-13)
    losses = np.take_along_axis(objective.losses(x), rows, 1).mean(axis=1)
    penalty = 0.5 * objective.weight_decay * (x * x).sum(axis=1)
    np.testing.assert_allclose(objective.batch_loss(x, rows), losses + penalty, rtol=1e-12)


def test_hessian_products(objective):
    x, v, step = states(objective), states(objective, 2), 1e-5
    wanted = (objective.gradient(x + step * v) - objective.gradient(x - step * v)) / (2.0 * step)
    np.testing.assert_allclose(objective.hessian_product(x, v), wanted, atol=1e-7 * np.abs(wanted).max())


def test_softmax_regression_from_its_definition():
    o, x = SUMS["softmax"], states(SUMS["softmax"])
    rows = np.column_stack([A, np.ones(20)])
    f = rows @ x[0].reshape(4, 6).T
    p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(o.gradient(x)[0], ((p - o.targets).T @ rows).ravel() / 20, atol=1e-14)
    np.testing.assert_allclose(o.loss(x)[0], -np.log(p[o.targets == 1.0]).mean(), rtol=1e-13)


def test_labels_that_move():
    o, x = SUMS["least squares"], states(SUMS["least squares"])
    zeta = np.random.default_rng(5).normal(size=(3, o.targets.size))
    rows = np.tile(np.arange(20), (3, 1))
    moved = o.batch_gradient(x, rows, zeta.reshape(3, 20, -1)) - o.gradient(x)
    np.testing.assert_allclose(o.label_product(x, zeta), moved * np.sqrt(20), atol=1e-12)


def test_quadratics_and_least_squares_keep_their_meaning():
    hessian, slope = np.array([[2, 0.5], [0.5, 1]]), [0.3, -1.0]
    o = sampled(sde.quadratic(hessian, covariance=[[1, -0.3], [-0.3, 0.5]], multiplicative=0.25, slope=slope))
    x = np.array([[0.4, -0.7]])
    np.testing.assert_allclose(o.gradient(x)[0], hessian @ x[0] - slope, rtol=1e-14)
    columns = np.stack([o.product(x, np.eye(3)[k : k + 1])[0] for k in range(3)])
    wanted = [[1, -0.3], [-0.3, 0.5]] + 0.25 * np.outer(x, x)
    np.testing.assert_allclose(columns.T @ columns, wanted, atol=1e-14)
    np.testing.assert_allclose(o.variance(x)[0], np.diag(wanted), atol=1e-14)
    y = RNG.normal(size=20)
    squares = sampled(sde.least_squares(A, y))
    np.testing.assert_allclose(squares.loss(np.ones((1, 5))), 0.5 * np.mean((A.sum(axis=1) - y) ** 2), rtol=1e-13)


def test_a_function_of_the_user():
    o = sde.function(
        lambda x: 0.25 * ((x * x - 1.0) ** 2).sum(axis=1), lambda x: x**3 - x, 2, covariance=[[1.0, 0.5], [0.5, 1.0]]
    )
    x, v = np.array([[0.3, -1.2]]), np.array([[1.0, 2.0]])
    np.testing.assert_allclose(o.hessian_product(x, v), (3 * x * x - 1) * v, rtol=1e-8)
    np.testing.assert_allclose(o.variance(x), [[1.0, 1.0]])


def cube(x: np.ndarray) -> np.ndarray:
    return (x**3).sum(axis=1)


WRONG = [
    (lambda: sde.linear_model(3), "`data` must be made by"),
    (lambda: sde.linear_model((A, np.ones(19))), "`data` must be x"),
    (lambda: sde.linear_model((A, np.full(20, np.nan))), "`data` must be finite"),
    (lambda: sde.linear_model((A, np.arange(20)), "logistic"), 'labels -1 and 1 for "logistic"'),
    (lambda: sde.linear_model((A, A), "cross-entropy"), "one-hot rows or classes"),
    (lambda: sde.linear_model((A, A), "hinge"), "`loss` must be one of mse, logistic"),
    (lambda: sde.linear_model((A, A), weight_decay=-1.0), "`weight_decay` must be"),
    (lambda: sde.diagonal_network((A, A)), "`data` must have one target"),
    (lambda: sde.matrix_factorisation(A, 0), "`rank` must be"),
    (lambda: sde.matrix_factorisation(A, 1, observed=np.zeros((20, 5), bool)), "`observed` must be"),
    (lambda: sde.network(DIGITS, 3), "`network` must be made by MLP"),
    (lambda: sde.network(DIGITS, mlp(parameterization="ntk", weight_rates=(1.0, 0.0, 1.0))), "must train every layer"),
    (lambda: sde.initial_states(SUMS["softmax"], seed=0), "`objective` must be made by network"),
    (lambda: sde.function(cube, lambda x: x**2, 2), "`gradient` must be that of `loss`"),
    (lambda: sde.function(cube, lambda x: 3 * x[:, :1] ** 2, 2), "`loss` and `gradient` must return shapes"),
    (lambda: sde.function(cube, lambda x: 3 * x**2, 0), "`dimension` must be"),
    (lambda: sde.function(cube, lambda x: 3 * x**2, 2, covariance=[[1, 0], [0, -1]]), "`covariance` must be positive"),
    (lambda: sde.function(cube, lambda x: 3 * x**2, 2, product=lambda x, w: w), "`noises` must be"),
    (lambda: sde.function(cube, lambda x: 3 * x**2, 2, product=lambda x, w: w, noises=3), "`product` must return"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()
