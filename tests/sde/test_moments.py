"""Exact moments of optimizers and of their equations: closed cases, orders, stationary states, runs beside them."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde import moments
from theorysim.sde.moments import Run, stationary_covariance

X = np.array([[1, 0], [0, 1], [1, 1], [1, -1.0]])
Y = np.array([1, 0, 2, 1.0])


def sgd(eta: float, batch: int | None = 1, **more: object) -> ts.SGD:
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement", **more)


def last(objective: sde.Objective, optimizer: ts.SGD | sde.SPSA, order: object, start: object, steps: int) -> tuple:
    """Return mean, variance (first component) and loss at the end, of the equation and of the algorithm."""
    run = Run(sde.from_optimizer(objective, optimizer, order), start, steps, record=[steps])
    return tuple(
        (float(d["mean"][0, 0]), float(d["covariance"][0, 0, 0]), float(d["loss"][0]))
        for d in (moments.limit(run), moments.exact(run))
    )


# case A: eta, steps, exact mean and variance, order 1, order 2
ADDITIVE = [
    (0.2, 10, (0.1073741824, 0.1098300872), (0.1353352832, 0.0981684361), (0.1108031584, 0.0897929691)),
    (0.1, 20, (0.1215766546, 0.0518536377), (0.1353352832, 0.0490842181), (0.1224564283, 0.0469049725)),
    (0.05, 40, (0.1285121566, 0.0252175545), (0.1353352832, 0.0245421090), (0.1287349036, 0.0239860323)),
]


@pytest.mark.parametrize(("eta", "steps", "exact", "first", "second"), ADDITIVE)
def test_additive_noise(eta, steps, exact, first, second):
    objective = sde.quadratic(1.0, covariance=1.0)
    for order, wanted in ((1, first), (2, second), ("hessian-aware", exact)):
        equation, algorithm = last(objective, sgd(eta), order, 1.0, steps)
        np.testing.assert_allclose(equation[:2], wanted, atol=6e-11)
        np.testing.assert_allclose(algorithm[:2], exact, atol=6e-11)
    np.testing.assert_allclose(equation, algorithm, rtol=1e-12)


# case B: eta, exact E x^2, order 1, order 2
MULTIPLICATIVE = [
    (0.1, 0.3212379590, 0.3477192798, 0.3153126962),
    (0.05, 0.3112859079, 0.3256149042, 0.3099085418),
    (0.025, 0.3075389467, 0.3149383914, 0.3072064645),
    (0.0125, 0.3059371288, 0.3096914401, 0.3058554259),
]


def second_moment(order: object, eta: float) -> tuple[float, float]:
    objective = sde.quadratic(1.0, covariance=0.25, multiplicative=1.0)
    return tuple(2.0 * loss for _, _, loss in last(objective, sgd(eta), order, 1.5, round(1.0 / eta)))


@pytest.mark.parametrize(("eta", "exact", "first", "second"), MULTIPLICATIVE)
def test_multiplicative_noise(eta, exact, first, second):
    np.testing.assert_allclose(second_moment(1, eta), (first, exact), atol=6e-11)
    np.testing.assert_allclose(second_moment(2, eta), (second, exact), atol=6e-11)


@pytest.mark.parametrize(("order", "slope"), [(1, 1.0), (2, 2.0)])
def test_order_of_the_equation(order, slope):
    errors = [abs(np.subtract(*second_moment(order, eta))) for eta in (0.0125, 0.00625, 0.003125)]
    assert abs(np.log2(errors[1] / errors[2]) - slope) < 0.05


# case C: eta, batch, exact excess loss, order 1, order 2
FINITE_SUM = [
    (0.1, 1, 0.0422767042, 0.0457472817, 0.0411644260),
    (0.05, 1, 0.0384854140, 0.0403571165, 0.0382224604),
    (0.025, 1, 0.0368100581, 0.0377752904, 0.0367460544),
    (0.1, 2, 0.0366316353, 0.0403571165, 0.0362032567),
]


@pytest.mark.parametrize(("eta", "batch", "exact", "first", "second"), FINITE_SUM)
def test_least_squares(eta, batch, exact, first, second):
    objective = sde.least_squares(X, Y)
    assert objective.minimum == pytest.approx(1.0 / 24.0, abs=1e-14)
    for order, wanted in ((1, first), (2, second)):
        equation, algorithm = last(objective, sgd(eta, batch), order, [0.0, 0.0], round(2.0 / eta))
        assert equation[2] - objective.minimum == pytest.approx(wanted, abs=6e-11)
        assert algorithm[2] - objective.minimum == pytest.approx(exact, abs=6e-11)


def test_linear_scaling_leaves_the_first_equation_alone():
    objective = sde.least_squares(X, Y)
    one, two = (
        last(objective, sgd(eta, batch), 1, [0.0, 0.0], round(2.0 / eta))[0] for eta, batch in ((0.1, 2), (0.05, 1))
    )
    np.testing.assert_allclose(one, two, rtol=1e-12)


# case F: sqrt eta, exact mean and variance, order 1 mean and variance, order 2 mean
MOMENTUM = [
    (0.2, 0.0856275537, 0.0883183701, 0.1505743651, 0.0801531953, 0.0978506652),
    (0.1, 0.1178221776, 0.0420279948, 0.1505743651, 0.0400765966, 0.1210926963),
    (0.05, 0.1341405648, 0.0205162094, 0.1505743651, 0.0200382988, 0.1349858011),
]
MOMENTUM_VARIANCE_ERRORS = (-1.94474e-3, -2.45265e-4, -3.08593e-5)


def test_heavy_ball():
    objective = sde.quadratic(1.0, covariance=1.0)
    for (h, mean, variance, mean1, variance1, mean2), error in zip(MOMENTUM, MOMENTUM_VARIANCE_ERRORS, strict=True):
        optimizer, steps = sgd(h * h, momentum=1.0 - h), round(2.0 / h)
        first, algorithm = last(objective, optimizer, 1, 1.0, steps)
        second, _ = last(objective, optimizer, 2, 1.0, steps)
        np.testing.assert_allclose(algorithm[:2], (mean, variance), atol=6e-11)
        np.testing.assert_allclose(first[:2], (mean1, variance1), atol=6e-11)
        assert second[0] == pytest.approx(mean2, abs=6e-11)
        assert second[1] - variance == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_second_order_of_momentum(nesterov):
    """In two dimensions: the mean errs by O(eta), so by 4 per halving of sqrt eta."""
    objective = sde.quadratic([[1.5, 0.3], [0.3, 0.7]], covariance=1.0)
    errors = []
    for h in (0.05, 0.025):
        optimizer = sgd(h * h, momentum=1.0 - h, nesterov=nesterov)
        run = Run(sde.from_optimizer(objective, optimizer, 2), [1.0, -0.5], round(2.0 / h), record=[round(2.0 / h)])
        errors.append(np.abs(moments.limit(run)["mean"] - moments.exact(run)["mean"]).values.max())
    assert 3.5 < errors[0] / errors[1] < 4.5


@pytest.mark.parametrize(("eta", "beta", "variance"), [(0.1, 0.9, 0.5135135135), (0.01, 0.9, 0.0501319261)])
def test_stationary_variance_of_heavy_ball(eta, beta, variance):
    model = sde.from_optimizer(sde.quadratic(1.0, covariance=1.0), sgd(eta, momentum=beta))
    assert stationary_covariance(model, model.algorithm)[0, 0] == pytest.approx(variance, abs=6e-11)


def test_nesterov_is_that_of_the_networks():
    """The parameters are those of PyTorch's form: theta <- theta - eta (g + beta buffer)."""
    optimizer, theta, buffer = sgd(0.1, None, momentum=0.8, nesterov=True), 1.0, 0.0
    for _ in range(5):
        buffer = 0.8 * buffer + 1.3 * theta
        theta -= 0.1 * (1.3 * theta + 0.8 * buffer)
    assert last(sde.quadratic(1.3), optimizer, 1, 1.0, 5)[1][0] == pytest.approx(theta, rel=1e-13)


def test_svag_tends_to_the_first_equation():
    objective = sde.quadratic(1.0, covariance=0.25, multiplicative=1.0)
    model, found = sde.from_optimizer(objective, sgd(0.1)), {}
    for factor in (1, 2, 4, 8, 16, 64):
        run = Run(sde.svag(model, factor), 1.5, 10 * factor, record=[10 * factor])
        found[factor] = 2.0 * float(moments.exact(run)["loss"][0])
        assert 2.0 * float(moments.limit(run)["loss"][0]) == pytest.approx(0.3477192798, abs=6e-11)
    wanted = [0.3212379590, 0.3345090197, 0.3411233381, 0.3444237850, 0.3460721727, 0.3473076254]
    np.testing.assert_allclose(list(found.values()), wanted, atol=6e-11)


# case H: batch, stationary E x^2
BREAK = [(1, 0.0025316456), (16, 0.0026315789), (64, 0.0030120482), (128, 0.0037313433), (256, 0.0071428571)]


@pytest.mark.parametrize(("batch", "wanted"), BREAK)
def test_linear_scaling_breaks(batch, wanted):
    objective = sde.quadratic(1.0, covariance=1.0, multiplicative=4.0)
    model = sde.from_optimizer(objective, sgd(0.005 * batch, batch))
    assert stationary_covariance(model, model.algorithm)[0, 0] == pytest.approx(wanted, abs=6e-11)
    assert stationary_covariance(model)[0, 0] == pytest.approx(0.0025252525, abs=6e-11)


def test_nothing_is_stationary_beyond_the_edge():
    objective = sde.quadratic(1.0, covariance=1.0, multiplicative=4.0)
    model = sde.from_optimizer(objective, sgd(0.005 * 512, 512))
    with pytest.raises(FloatingPointError, match="stationary"):
        stationary_covariance(model, model.algorithm)


def test_stationary_covariances_in_two_dimensions():
    objective = sde.quadratic([[2, 0.5], [0.5, 1]], covariance=[[1, -0.3], [-0.3, 0.5]])
    first, second, matched = (sde.from_optimizer(objective, sgd(0.1, 4), order) for order in (1, 2, "hessian-aware"))
    steps = [0.0082048688, -0.0053832573, 0.0092368702]
    entries = ([0, 0, 1], [0, 1, 1])
    np.testing.assert_allclose(stationary_covariance(first, first.algorithm)[entries], steps, atol=6e-11)
    np.testing.assert_allclose(stationary_covariance(matched)[entries], steps, atol=6e-11)
    np.testing.assert_allclose(
        stationary_covariance(first)[entries], [0.0075595238, -0.0052380952, 0.0088690476], atol=6e-11
    )
    np.testing.assert_allclose(
        stationary_covariance(second)[entries], [0.0069546006, -0.0050209630, 0.0085995800], atol=6e-11
    )


def test_zeroth_order():
    h = np.diag([1.0] + [0.01] * 99)
    optimizer = sde.SPSA(learning_rate=0.1)
    run = Run(sde.from_optimizer(sde.quadratic(h), optimizer), np.ones(100), 50, record=[50])
    assert float(moments.exact(run)["loss"][0]) == pytest.approx(0.4773474230, abs=6e-11)
    descent = Run(sde.from_optimizer(sde.quadratic(h), sgd(0.1, None)), np.ones(100), 50, record=[50])
    assert float(moments.exact(descent)["loss"][0]) == pytest.approx(0.4478853935, abs=6e-11)


RUNS = {
    "least squares": (sde.least_squares(X, Y), sgd(0.2, 2), [0.3, -0.2]),
    "subsets": (sde.least_squares(X, Y), ts.SGD(learning_rate=0.2, batch=2, momentum=0.5), [0.3, -0.2]),
    "Nesterov": (sde.least_squares(X, Y), sgd(0.1, 1, momentum=0.5, nesterov=True), [0.3, -0.2]),
    "multiplicative": (sde.quadratic([[2, 0.5], [0.5, 1]], covariance=0.3, multiplicative=0.5), sgd(0.2, 2), [1, 1.0]),
    "zeroth order": (sde.quadratic([[2, 0.5], [0.5, 1]]), sde.SPSA(learning_rate=0.05, probes=2), [1, 1.0]),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_have_the_exact_moments(name):
    objective, optimizer, start = RUNS[name]
    run = Run(sde.from_optimizer(objective, optimizer), start, 8, record=[4, 8])
    theory, runs = moments.exact(run), moments.finite(run, replicas=1500, seed=3)
    for found, wanted in (
        (runs["position"].values, theory["mean"].values),
        (runs["loss"].values, theory["loss"].values),
    ):
        error = found.std(axis=-1, ddof=1) / np.sqrt(found.shape[-1])
        z = (found.mean(axis=-1) - wanted) / error
        assert np.abs(z).max() < 4.0
        assert np.abs((found.mean(axis=-1) - wanted - 8.0 * error) / error).max() > 4.0


def test_a_planted_error_is_seen_in_the_loss():
    objective, optimizer, start = RUNS["least squares"]
    run = Run(sde.from_optimizer(objective, optimizer), start, 8, record=[8])
    loss = moments.finite(run, replicas=1500, seed=3)["loss"].values
    error = loss.std(ddof=1) / np.sqrt(loss.size)
    subsets = ts.SGD(learning_rate=0.2, batch=2)
    wrong = moments.exact(Run(sde.from_optimizer(objective, subsets), start, 8, record=[8]))["loss"]
    assert abs(loss.mean() - float(wrong[0])) > 4.0 * error


def test_replicas_are_the_same_however_many():
    objective, optimizer, start = RUNS["least squares"]
    run = Run(sde.from_optimizer(objective, optimizer), start, 5)
    few, many = (moments.finite(run, replicas=n, seed=1)["position"].values for n in (2, 4))
    np.testing.assert_allclose(few, many[..., :2], rtol=1e-14)


def test_large_problems_are_integrated_to_the_same_numbers(monkeypatch):
    from theorysim.sde import linear

    rng = np.random.default_rng(0)
    objective = sde.least_squares(rng.normal(size=(30, 4)), rng.normal(size=30))
    run = Run(sde.from_optimizer(objective, sgd(0.1, 3), 2), np.zeros(4), 40)
    dense = moments.limit(run)
    monkeypatch.setattr(linear, "DENSE", 0)
    np.testing.assert_allclose(moments.limit(run)["covariance"], dense["covariance"], atol=1e-11)


def test_the_equation_is_told_in_latex():
    objective = sde.quadratic(1.0, covariance=1.0)
    assert r"\nabla f" in sde.from_optimizer(objective, sgd(0.1)).latex()
    assert r"\log" in sde.from_optimizer(objective, sgd(0.1), "hessian-aware").latex()


WRONG = [
    (lambda: sde.quadratic([[1, 2], [0, 1]]), "`hessian` must be finite and symmetric"),
    (lambda: sde.quadratic([[1, 0], [0, -1]]), "`hessian` must be positive semidefinite"),
    (lambda: sde.quadratic(np.nan), "`hessian` must be finite"),
    (lambda: sde.quadratic(1.0, covariance=np.eye(2)), "`covariance` must be"),
    (lambda: sde.quadratic(1.0, multiplicative=-1.0), "`multiplicative` must be"),
    (lambda: sde.least_squares(X, Y[:2]), "`x` and `y` must have shapes"),
    (lambda: sde.least_squares(X, [1, 2, np.inf, 0]), "`x` and `y` must be finite"),
    (lambda: sde.least_squares(np.empty((0, 2)), []), "`x` and `y` must have shapes"),
    (lambda: sde.from_optimizer(sde.quadratic(1.0), ts.Adam(learning_rate=1e-3)), "noise must dominate"),
    (lambda: sde.from_optimizer(sde.quadratic(1.0), 3.0), "`optimizer` must be one of SGD, Adam"),
    (lambda: sde.from_optimizer(3.0, sgd(0.1)), "`objective` must be made by"),
    (lambda: sde.from_optimizer(sde.quadratic(1.0), sgd(0.1, momentum=0.5), "hessian-aware"), "heavy ball and Nest"),
    (lambda: sde.from_optimizer(sde.quadratic(1.0), sgd(0.1), 3), '`order` must be one of SGD: 1, 2, "hessian-aware"'),
    (lambda: sde.from_optimizer(sde.quadratic(2.0), sgd(0.6), "hessian-aware"), "`learning_rate` must be below 0.5"),
    (lambda: sde.from_optimizer(sde.least_squares(X, Y), sgd(0.1, ridge=0.1)), "no ridge"),
    (lambda: sde.from_optimizer(sde.least_squares(X, Y), ts.SGD(learning_rate=0.1, batch=5)), "at most 4"),
    (lambda: Run(sde.from_optimizer(sde.quadratic(1.0), sgd(0.1)), [1.0, 2.0], 3), "`start` must hold 1"),
    (lambda: Run(sde.from_optimizer(sde.quadratic(1.0), sgd(0.1)), 1.0, 0), "`steps` must be a whole number"),
    (lambda: Run(sde.from_optimizer(sde.quadratic(1.0), sgd(0.1)), 1.0, 5, record=[3, 9]), "`record` must hold"),
    (lambda: sde.svag(sde.from_optimizer(sde.quadratic(1.0), sgd(0.1)), 0), "`factor` must be"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message.replace("(", r"\(")):
        make()


def test_divergence_is_an_exception():
    run = Run(sde.from_optimizer(sde.quadratic(1.0, covariance=1.0), sgd(3.0)), 1.0, 3000)
    with pytest.raises(FloatingPointError, match="diverges"):
        moments.exact(run)
