"""Equations whose paths are simulated: their fields against exact moments and closed forms, their paths beside runs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.special

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde.descents import covariance

X = np.array([[1, 0], [0, 1], [1, 1], [1, -1.0]])
Y = np.array([1, 0, 2, 1.0])
SQUARES = sde.least_squares(X, Y)
NOISY = sde.quadratic([[2, 0.5], [0.5, 1]], covariance=[[1, -0.3], [-0.3, 0.5]], multiplicative=0.5, slope=[0.2, 0.1])
PATHS = 4000


def sgd(eta: float, batch: int | None = 1, **more: object) -> ts.SGD:
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement", **more)


CLOSED = {
    "SGD 1": (SQUARES, sgd(0.1), 1),
    "SGD 2": (SQUARES, sgd(0.1, 2), 2),
    "multiplicative": (NOISY, sgd(0.1, 2), 2),
    "heavy ball 1": (SQUARES, sgd(0.2, 2, momentum=0.5), 1),
    "heavy ball 2": (NOISY, sgd(0.1, 2, momentum=0.5), 2),
    "Nesterov 2": (SQUARES, sgd(0.1, 1, momentum=0.5, nesterov=True), 2),
    "zeroth order": (SQUARES, sde.SPSA(learning_rate=0.05, probes=2), 1),
    "hessian-aware": (sde.quadratic([[2, 0.5], [0.5, 1]], covariance=1.0), sgd(0.2), "hessian-aware"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_fields_are_those_of_the_closed_moments(name):
    """Drift exactly, and the covariance of the noise at a point by unit increments."""
    objective, optimizer, order = CLOSED[name]
    closed, free = sde.from_optimizer(objective, optimizer, order), sde.simulated(objective, optimizer, order)
    motion = free.motion(10)
    fields, z = motion.fields, np.array([[0.4, -0.3, 0.2, 0.6][: motion.fields.dimension]])
    state = np.append(z[0], 1.0)
    np.testing.assert_allclose(fields.drift(0.0, z)[0] * free.clock, (closed.equation.matrix @ state)[:-1], atol=1e-9)
    units = np.eye(fields.noises)
    columns = fields.product(0.0, np.repeat(z, len(units), axis=0), units)
    wanted = closed.equation.spread(np.outer(state, state))[:-1, :-1]
    np.testing.assert_allclose(columns.T @ columns * free.clock, wanted, atol=1e-9)
    if fields.step is not None:
        w = np.full((1, fields.noises), 0.3) + np.arange(fields.noises)
        parts = 0.01 * fields.drift(0.0, z) + fields.product(0.0, z, w)
        np.testing.assert_allclose(fields.step(0.0, z, 0.01, w), parts, atol=1e-12)
    assert free.clock == closed.clock


@pytest.mark.parametrize("name", ["SGD 2", "heavy ball 1", "Nesterov 2"])
def test_paths_have_the_exact_moments(name):
    objective, optimizer, order = CLOSED[name]
    closed = sde.from_optimizer(objective, optimizer, order)
    exact = sde.moments.limit(sde.Run(closed, [0.3, -0.2], 10, record=[10]))
    found = sde.simulate(
        closed, [0.3, -0.2], 10, paths=PATHS, seed=1, record=[10], substeps=16, keep=("loss", "position")
    )
    z = (found["loss"] - exact["loss"]) / found["loss_error"]
    assert abs(float(z[0])) < 4.0
    assert np.abs((found["position"] - exact["mean"]) / found["position_error"]).max() < 4.0
    spread = found["covariance"].values[0] / exact["covariance"].values[0]
    assert np.abs(np.diag(spread) - 1.0).max() < 5.0 * np.sqrt(2.0 / PATHS)
    assert found.attrs["paths"] == PATHS and found["loss"].attrs["symbol"] == "f"


def test_extrapolation_removes_the_error_of_the_step():
    closed = sde.from_optimizer(sde.quadratic(1.0, covariance=0.01), sgd(0.5))
    wanted = float(sde.moments.limit(sde.Run(closed, 1.0, 4, record=[4]))["mean"][0, 0])
    errors = {}
    for scheme in ("euler", "talay-tubaro"):
        found = sde.simulate(
            closed, 1.0, 4, paths=PATHS, seed=1, record=[4], substeps=2, scheme=scheme, keep=("position",)
        )
        errors[scheme] = float((found["position"][0, 0] - wanted) / found["position_error"][0, 0])
    assert abs(errors["talay-tubaro"]) < 4.0 < abs(errors["euler"])


# eta, error of E x^2 at t = 1 (case B noise, u = 1.6 exp(-1.3 t)): order 2 falls by 4, order 1 by 2
def scheduled_error(eta: float, order: object) -> float:
    steps = round(1.0 / eta)
    u = 1.6 * np.exp(-1.3 * eta * np.arange(steps))
    objective = sde.quadratic(1.0, covariance=0.25, multiplicative=1.0)
    optimizer = ts.SGD(batch=1, sampling="replacement", schedule=tuple(float(one) for one in eta * u))
    fields = sde.simulated(objective, optimizer, order).motion(steps).fields
    q = 1.5**2
    for one in eta * u:
        q = ((1.0 - one) ** 2 + one**2) * q + 0.25 * one**2
    x, s, fine = np.ones((1, 1)), 1.5**2, 20
    dt = optimizer.learning_rate / fine
    for k in range(steps * fine):  # ds/dt = (2 a + b) s + c, the middle of each step
        t = (k + 0.5) * dt
        rate = 2.0 * fields.drift(t, x)[0, 0] + fields.product(t, x, np.eye(2)[:1])[0, 0] ** 2
        c = fields.product(t, 0.0 * x, np.eye(2)[1:])[0, 0] ** 2
        s = s * np.exp(rate * dt) + c * np.expm1(rate * dt) / rate
    return s - q


@pytest.mark.parametrize(("order", "ratio", "width"), [(1, 2.0, 0.3), (2, 4.0, 0.6)])
def test_schedules_keep_the_order(order, ratio, width):
    errors = [abs(scheduled_error(eta, order)) for eta in (0.1, 0.05, 0.025)]
    assert all(abs(one / two - ratio) < width for one, two in list(pairwise(errors))[1:])


def test_adam_is_the_published_equation():
    """m = g1 M, v-hat and P of the published form give the same motion, one step of time apart."""
    objective = sde.simulated(NOISY, ts.Adam(learning_rate=0.1, batch=2, beta1=0.8, beta2=0.9, epsilon=0.3)).objective
    model = sde.simulated(objective, ts.Adam(learning_rate=0.1, batch=2, beta1=0.8, beta2=0.9, epsilon=0.3))
    c, fields = model.parameters(), model.motion(5).fields
    x, m, u, t = np.array([[0.4, -0.2]]), np.array([[0.05, 0.3]]), np.array([[0.6, 0.2]]), 0.7
    g1, g2 = (1.0 - np.exp(-c[name] * (t + 0.01)) for name in ("c1", "c2"))
    p = c["sigma0"] * np.sqrt(u) + c["epsilon0"] * np.sqrt(g2)
    found = fields.drift(t, np.hstack([x, m / g1, u / g2]))[0]
    np.testing.assert_allclose(found[:2], (-np.sqrt(g2) / g1 * m / p)[0], rtol=1e-12)
    dm = c["c1"] * (objective.gradient(x) - m)  # (M g1)' = M' g1 + M g1'
    np.testing.assert_allclose(found[2:4] * g1 + m / g1 * c["c1"] * (1.0 - g1), dm[0:1].repeat(1, 0), rtol=1e-12)
    du = c["c2"] * (objective.variance(x) - u)
    np.testing.assert_allclose(found[4:] * g2 + u / g2 * c["c2"] * (1.0 - g2), du, rtol=1e-12)
    assert c["sigma0"] == pytest.approx(0.1 / np.sqrt(2.0)) and c["epsilon0"] == pytest.approx(0.03)


ADDITIVE = sde.quadratic([[1.0, 0.3], [0.3, 0.6]], covariance=[[1.0, 0.5], [0.5, 2.0]])
LOUD = sde.quadratic([[1.0, 0.3], [0.3, 0.6]], covariance=[[9.0, 4.5], [4.5, 18.0]])
RUNS = {
    "RMSprop": (ADDITIVE, sde.RMSprop(learning_rate=0.1, batch=1, beta=0.99, epsilon=0.1), 60),
    "Adam": (LOUD, ts.Adam(learning_rate=0.1, batch=1, beta1=0.98, beta2=0.99, epsilon=1.0), 80),
    "SGLD": (SQUARES, sde.SGLD(learning_rate=0.01, temperature=0.2, batch=2, sampling="replacement"), 40),
    "local SGD": (SQUARES, sde.LocalSGD(learning_rate=0.01, workers=3, local_steps=4, batch=1), 40),
    "label noise": (SQUARES, sde.LabelNoiseSGD(learning_rate=0.01, delta=1.0, batch=2), 40),
    "zeroth order": (SQUARES, sde.SPSA(learning_rate=0.005, probes=2, batch=2, sampling="replacement"), 40),
    "diagonal": (sde.diagonal_network((X, Y)), sgd(0.01, 1), 40),
    "heavy ball": (sde.diagonal_network((X, Y)), sgd(0.002, 1, momentum=0.9), 40),
}


@pytest.mark.parametrize("name", RUNS)
def test_equations_follow_their_algorithms(name):
    objective, optimizer, steps = RUNS[name]
    start = [0.9, 0.5, 0.3, 0.2] if name in ("diagonal", "heavy ball") else [1.0, 0.5]
    model = sde.simulated(objective, optimizer)
    equation = sde.simulate(model, start, steps, paths=PATHS // 2, seed=1, record=[steps], substeps=4)
    runs = sde.run_algorithm(objective, optimizer, start, steps, paths=PATHS // 2, seed=2, record=[steps])
    scores = ts.compare(equation, runs)
    assert abs(float(scores["loss_z"][0])) < 4.0 and abs(float(scores["loss_std_z"][0])) < 4.0
    wrong = equation.assign(loss=equation["loss"] + 8.0 * equation["loss_error"])
    assert abs(float(ts.compare(wrong, runs)["loss_z"][0])) > 4.0


def test_svag_of_rmsprop_tends_to_its_equation():
    optimizer, start, steps = sde.RMSprop(learning_rate=0.3, batch=1, beta=0.6, epsilon=0.1), [1.0, 0.5], 10
    equation = sde.simulate(sde.simulated(LOUD, optimizer), start, steps, paths=PATHS, seed=1, record=[steps])
    runs = [
        sde.run_algorithm(LOUD, optimizer, start, steps, paths=PATHS, seed=2, record=[steps], svag=factor)
        for factor in (1, 3)
    ]
    first, fine = (abs(float(ts.compare(equation, one)["loss_z"][0])) for one in runs)
    assert fine < 4.0 < first


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_signs_of_gaussian_gradients(rho):
    """E sign and Cov sign at a point, against two million signs; correlations are kept to first order."""
    objective = sde.quadratic(np.eye(2), covariance=[[1.0, 2.0 * rho], [2.0 * rho, 4.0]])
    fields = sde.simulated(objective, sde.SignSGD(learning_rate=0.04, batch=1)).motion(1).fields
    x = np.array([[0.3, -0.8]])
    signs = np.sign(
        x + np.random.default_rng(0).normal(size=(400_000, 2)) @ np.array([[1, 2 * rho], [0, 2 * np.sqrt(1 - rho**2)]])
    )
    np.testing.assert_allclose(-fields.drift(0.0, x)[0], signs.mean(axis=0), atol=4.0 / np.sqrt(400_000))
    columns = fields.product(0.0, np.repeat(x, 4 + fields.noises, axis=0)[: fields.noises], np.eye(fields.noises))
    found, wanted = columns.T @ columns / 0.04, np.cov(signs.T)
    np.testing.assert_allclose(np.diag(found), np.diag(wanted), atol=0.01)
    beyond = 2.0 / np.pi * (np.arcsin(rho) - rho)
    assert abs(found[0, 1] - wanted[0, 1]) < 0.01 + beyond
    assert rho == 0.0 or abs(found[0, 1]) > 5.0 * abs(found[0, 1] - wanted[0, 1])  # the published form has none
    z = x[0] / [1.0, 2.0]
    np.testing.assert_allclose(-fields.drift(0.0, x)[0], scipy.special.erf(z / np.sqrt(2.0)), rtol=1e-12)


def test_heavy_tails():
    optimizer = sde.HeavyTailedSGD(learning_rate=0.04, alpha=1.5, scale=0.5 * 0.04 ** (1.0 / 1.5 - 1.0))
    model = sde.from_optimizer(sde.quadratic(1.0), optimizer)  # case D5: sigma = .5 in the equation
    assert model.parameters()["noise"] == pytest.approx(0.5)
    found = sde.simulate(model, 1.0, 25, paths=PATHS, seed=3, record=[25])
    assert np.isfinite(found["loss"]).all() and found.attrs["equation"].endswith(r"dL^\alpha")


def test_hessian_aware_along_a_curved_path():
    objective = sde.linear_model((X, Y), "mse", intercept=False)
    model = sde.from_optimizer(objective, sgd(0.3), "hessian-aware")
    x = np.array([[0.2, 0.4], [1.0, -1.0]])
    np.testing.assert_allclose(
        covariance(objective, x), [np.cov(objective.sample_gradients(one).T, bias=True) for one in x], atol=1e-13
    )
    found = sde.simulate(model, x[0], 3, paths=64, seed=0, record=[3], substeps=2)
    assert np.isfinite(found["loss"]).all() and "no proof" in str(model)
    with pytest.raises(FloatingPointError, match="below 1 along the path"):
        sde.simulate(sde.from_optimizer(objective, sgd(2.0), "hessian-aware"), x[0], 3, paths=8, seed=0)


def test_paths_do_not_depend_on_their_number():
    model = sde.from_optimizer(sde.diagonal_network((X, Y)), sgd(0.01))
    few, more = (
        sde.simulate(model, np.ones((4, 4)) * [[0.1], [0.2], [0.3], [0.4]], 5, paths=4, seed=1, first_path=first)
        for first in (0, 4)
    )
    assert float(few["loss"][-1]) != float(more["loss"][-1])
    np.testing.assert_allclose(few["loss"][0], more["loss"][0], rtol=1e-14)  # each start with its own path


WRONG = [
    (lambda: sde.from_optimizer(SQUARES, ts.Adam(learning_rate=0.1, batch=2), 2), '`order` must be one of SGD: 1, 2'),
    (lambda: sde.simulated(SQUARES, sgd(0.1, momentum=0.5), "hessian-aware"), "got \"hessian-aware\" for heavy ball"),
    (lambda: sde.simulated(SQUARES, sgd(0.1, momentum=0.5, schedule=ts.Warmup(steps=2))), "`schedule` must be left"),
    (lambda: sde.simulated(SQUARES, ts.SGD(learning_rate=0.1, batch=2, sampling="epochs")), "`sampling` must be"),
    (lambda: sde.simulated(SQUARES, ts.Adam(learning_rate=0.1)), "noise must dominate"),
    (lambda: sde.from_optimizer(SQUARES, sde.SPSA(learning_rate=0.1, batch=1)), "use sde.simulated"),
    (lambda: sde.simulate(3, 1.0, 2, paths=2, seed=0), "`model` must be made by"),
    (lambda: sde.simulate(sde.simulated(SQUARES, sgd(0.1)), [0, 0], 2, paths=2, seed=0, substeps=0), "`substeps` must"),
    (lambda: sde.simulate(sde.simulated(SQUARES, sgd(0.1)), [0, 0], 2, paths=2, seed=0, scheme="x"), "`scheme` must"),
    (
        lambda: sde.simulated(sde.diagonal_network((np.ones((3, 40)), np.ones(3))), sgd(0.1), "hessian-aware"),
        "at most 32 parameters",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_every_equation_is_told():
    optimizers = [each for _, each, _ in RUNS.values()] + [
        sde.SignSGD(learning_rate=0.1, batch=1), sde.HeavyTailedSGD(learning_rate=0.1, alpha=1.2, scale=1.0),
    ]  # fmt: skip
    for optimizer in optimizers:
        model = sde.simulated(SQUARES, optimizer)
        assert model.latex().startswith("d") and "clock" in str(model)
        assert all(np.isfinite(value) for value in model.parameters().values())
