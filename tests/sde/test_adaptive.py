"""RMSprop and Adam: closed cases of their equations, the algorithms beside them, scaling, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import ProblemError
from theorysim.sde import adaptive
from theorysim.sde.adaptive_run import Run, at_learning_rate, constants
from theorysim.sde.optimizers import RMSprop

ETA2 = (0.1, 0.05, 0.025)


def rmsprop(square: float = 0.1, u0: float = 4.0) -> Run:
    """Case I: h = 1, Sigma = 1, s0 = 1/2, e0 = 0.1, c2 = 1, T = 1."""
    eta = float(np.sqrt(square))
    noise = 0.25 / square
    optimizer = RMSprop(learning_rate=eta, beta=1.0 - square, epsilon=0.1 / eta, batch=1)
    steps = round(1.0 / square)
    return Run(sde.quadratic(1.0, covariance=noise), optimizer, 1.0, steps, [steps], mean_squares=u0 * noise)


def adam(square: float = 0.1) -> Run:
    """Case I: h = 1, Sigma = 1, u0 = 1, s0 = 1/2, e0 = 0.1, c1 = 2, c2 = 1, from t = 0.1 to 2.1."""
    eta = float(np.sqrt(square))
    noise = 0.25 / square
    optimizer = ts.Adam(learning_rate=eta, beta1=1 - 2 * square, beta2=1 - square, epsilon=0.1 / eta, batch=1)
    steps, begin = round(2.0 / square), round(0.1 / square)
    return Run(
        sde.quadratic(1.0, covariance=noise), optimizer, 1.0, steps, [steps], mean_squares=noise, begin=begin
    )  # fmt: skip


def final(run: Run) -> tuple[float, float]:
    """Return mean and raw second moment of the equation at the end."""
    found = adaptive.limit(run)
    mean = float(found["mean"][-1, 0])
    return mean, float(found["covariance"][-1, 0, 0]) + mean**2


def ends(run: Run, replicas: int, seed: int = 1) -> np.ndarray:
    return adaptive.finite(run, replicas=replicas, seed=seed)["position"].values[-1, 0]


@pytest.mark.parametrize(("u0", "mean", "variance"), [(4.0, 0.34541114, 0.12324935), (1.0, 0.1888756, 0.20090125)])
def test_rmsprop_equation(u0, mean, variance):
    found = adaptive.limit(rmsprop(u0=u0))
    assert float(found["mean"][0, 0]) == pytest.approx(mean, abs=6e-9)
    assert float(found["covariance"][0, 0, 0]) == pytest.approx(variance, abs=6e-9)
    assert float(found["time"][0]) == pytest.approx(1.0)


def test_adam_equation():
    found = adaptive.limit(adam())
    x, m = float(found["mean"][0, 0]), float(found["momentum_mean"][0, 0])
    second = [
        found["covariance"][0, 0, 0] + x * x,
        found["cross_covariance"][0, 0, 0] + x * m,
        found["momentum_covariance"][0, 0, 0] + m * m,
    ]
    np.testing.assert_allclose([x, m], [-0.11017287, 0.02699315], atol=6e-9)
    np.testing.assert_allclose(np.array(second, float), [0.20701457, -0.0039546, 0.24648302], atol=6e-9)


@pytest.mark.parametrize(("square", "wanted"), list(zip(ETA2, (0.32851, 0.33705, 0.34118), strict=True)))
def test_rmsprop_steps(square, wanted):
    """Against runs of 10^7 replicas (standard error 1.1e-4), and with the power to see v taken after its update."""
    x = ends(rmsprop(square), 100_000)
    error = np.hypot(x.std() / np.sqrt(x.size), 1.1e-4)
    assert abs(x.mean() - wanted) < 4.0 * error
    assert abs(x.mean() - wanted - 0.02) > 4.0 * error


@pytest.mark.parametrize("make", [rmsprop, adam])
def test_the_equation_errs_by_the_square_of_the_learning_rate(make):
    """Errors of the mean over eta^2 are one number; over eta or eta^4 they would differ by 2 and 4 over the ladder."""
    wanted = final(make())[0]
    runs = [at_learning_rate(make(), float(np.sqrt(square))) for square in ETA2]
    assert all(final(run)[0] == pytest.approx(wanted, rel=1e-9) for run in runs)  # the same equation on every rung
    ratios, spread = [], []
    for run, square in zip(runs, ETA2, strict=True):
        x = ends(run, 300_000)
        ratios.append((x.mean() - wanted) / square)
        spread.append(x.std() / np.sqrt(x.size) / square)
    assert abs(ratios[0]) > 10.0 * spread[0]  # Monte Carlo knows the error of the first rung to a tenth
    assert abs(ratios[2] / ratios[0] - 1.0) < 0.3 + 4.0 * spread[2] / abs(ratios[0])
    assert abs(2.0 * ratios[0] - ratios[2]) > 4.0 * spread[2]  # first order in eta
    assert abs(0.25 * ratios[0] - ratios[2]) > 4.0 * spread[2]  # fourth order


def test_adam_from_its_first_step():
    """From nothing, where the equation is singular: the second moment errs by O(eta^2)."""
    errors = []
    for square in (0.1, 0.025):
        eta = float(np.sqrt(square))
        optimizer = ts.Adam(learning_rate=eta, beta1=1 - 2 * square, beta2=1 - square, epsilon=0.1 / eta, batch=1)
        steps = round(2.0 / square)
        run = Run(sde.quadratic(1.0, covariance=0.25 / square), optimizer, 1.0, steps, [steps])
        x = ends(run, 200_000)
        errors.append((x**2).mean() - final(run)[1])
        assert final(run)[0] == pytest.approx(-0.0884993876, abs=1e-9)
    assert 2.5 < errors[0] / errors[1] < 5.5


def test_several_dimensions_and_replicas():
    """Correlated noise, an off-centre minimum: 400 small steps are near the equation; replicas are counted."""
    objective = sde.quadratic([[1.0, 0.4], [0.4, 0.6]], covariance=[[40.0, 15.0], [15.0, 30.0]], slope=[0.3, -0.2])
    optimizer = ts.Adam(learning_rate=0.05, beta1=0.99, beta2=0.995, epsilon=1e-3, batch=2)
    run = Run(objective, optimizer, [1.0, -1.0], 400, [400], mean_squares=[20.0, 15.0], begin=50)
    theory, runs = adaptive.limit(run), adaptive.finite(run, replicas=4000, seed=2)
    x = runs["position"].values[0]
    z = (x.mean(axis=1) - theory["mean"].values[0]) / (x.std(axis=1) / np.sqrt(x.shape[1]))
    assert np.abs(z).max() < 4.0
    np.testing.assert_allclose(np.cov(x), theory["covariance"].values[0], atol=4 * 0.15 * np.sqrt(2 / 4000))
    loss = runs["loss"].values[0]
    assert abs(loss.mean() - float(theory["loss"][0])) < 4.0 * loss.std() / np.sqrt(loss.size) + 0.01
    few = adaptive.finite(run, replicas=3, seed=2)["position"].values
    np.testing.assert_allclose(few, runs["position"].values[..., :3], rtol=1e-12)


def test_square_root_rule_keeps_the_equation():
    optimizer = ts.Adam(learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, batch=64)
    scaled = adaptive.square_root_scaled(optimizer, 4.0)
    assert scaled.batch == 256
    assert scaled.learning_rate == pytest.approx(2e-3)
    assert (scaled.beta1, scaled.beta2, scaled.epsilon) == pytest.approx((0.6, 0.996, 5e-9))
    one, two = constants(optimizer), constants(scaled)
    for name in ("noise", "epsilon", "momentum_rate", "square_rate"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-12)
    assert adaptive.scaling_hard_limit(optimizer) == pytest.approx(10.0)
    linear = optimizer.model_copy(update={"learning_rate": 4e-3, "batch": 256})
    assert constants(linear).noise != pytest.approx(one.noise)


OPTIMIZER = RMSprop(learning_rate=0.1, beta=0.9, batch=1)
LOUD = sde.quadratic(1.0, covariance=9.0)
WRONG = [
    (lambda: adaptive.square_root_scaled(ts.Adam(learning_rate=1e-3, batch=1), 10.0), "`factor` must be below 1/"),
    (lambda: adaptive.square_root_scaled(OPTIMIZER, 1.5), "`factor` must give a whole batch"),
    (lambda: adaptive.square_root_scaled(OPTIMIZER, -1.0), "`factor` must be a positive"),
    (lambda: adaptive.limit(Run(LOUD, OPTIMIZER, 10.0, 5)), "`covariance` must dominate"),
    (lambda: Run(LOUD, RMSprop(learning_rate=0.1), 1.0, 5), "`batch` must be given"),
    (lambda: Run(LOUD, ts.SGD(learning_rate=0.1), 1.0, 5), "`optimizer` must be RMSprop or Adam"),
    (lambda: Run(sde.quadratic(1.0, covariance=1.0, multiplicative=1.0), OPTIMIZER, 1.0, 5), "`objective` must be"),
    (lambda: Run(LOUD, OPTIMIZER, [1.0, 2.0], 5), "`start` must hold 1"),
    (lambda: Run(LOUD, OPTIMIZER, 1.0, 0), "`steps` must be a whole number"),
    (lambda: Run(LOUD, OPTIMIZER, 1.0, 5, record=[9]), "`record` must hold"),
    (lambda: Run(LOUD, OPTIMIZER, 1.0, 5, mean_squares=-1.0), "`mean_squares` must be"),
    (lambda: Run(LOUD, ts.Adam(learning_rate=0.1, batch=1), 1.0, 5, momentum=1.0), "`begin` must be at least 1"),
    (lambda: at_learning_rate(Run(LOUD, OPTIMIZER, 1.0, 5), 1.0), "`learning_rate` must keep"),
    (lambda: adaptive.finite(Run(LOUD, OPTIMIZER, 1.0, 5), replicas=0, seed=0), "`replicas` must be"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_noise_over_signal_is_measured():
    assert adaptive.noise_to_signal(Run(LOUD, OPTIMIZER, 1.5, 5)) == pytest.approx(4.0)
