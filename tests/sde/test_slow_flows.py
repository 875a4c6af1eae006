"""Flows along manifolds of minima: the case of the note, several data, local SGD, variances of workers, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts
from theorysim import sde
from theorysim.errors import NotConverged, ProblemError
from theorysim.sde import slow_flows
from theorysim.sde.slow_flows import Manifold


def product() -> Manifold:
    """Case J: f = (u v - 1)^2/2."""
    return Manifold(lambda w: w[..., :1] * w[..., 1:], lambda w: w[..., None, ::-1], [1.0])


def difference(w: np.ndarray) -> np.ndarray:
    return w[0] ** 2 - w[1] ** 2


def test_the_case_of_the_note():
    found = slow_flows.limit(product(), [2.0, 0.5], [0.0, 1.0, 2.0], noise=0.5).values
    assert difference(found[-1]) == pytest.approx(2.274489974, abs=6e-10)
    assert difference(found[1]) == pytest.approx(3.75 * np.exp(-0.25), abs=6e-10)
    np.testing.assert_allclose(found[:, 0] * found[:, 1], 1.0, atol=1e-9)


def runs(eta: float, replicas: int, **more: int) -> tuple[float, float]:
    """Return mean of u^2 - v^2 at tau = 2 and its standard error."""
    found = slow_flows.finite(
        product(), [2.0, 0.5], [2.0], learning_rate=eta, noise=0.5, replicas=replicas, seed=1, **more
    )  # fmt: skip
    values = difference(found.values[0])
    return float(values.mean()), float(values.std() / np.sqrt(replicas))


def test_steps_with_noisy_labels():
    """The published means of SGD, and errors of the flow that fall in proportion to eta."""
    gaps = []
    for eta, wanted in ((0.1, 2.0466), (0.05, 2.1671)):
        mean, error = runs(eta, 3000)
        assert abs(mean - wanted) < 4.0 * np.hypot(error, 1e-4)
        gaps.append(2.274489974 - mean)
    assert 1.9 < gaps[0] / gaps[1] < 2.4
    assert abs(runs(0.1, 3000)[0] - 2.0466 * 1.01) > 4.0 * runs(0.1, 3000)[1]


def test_a_step_shrinks_the_difference_exactly():
    """u^2 - v^2 is multiplied by 1 - eta^2 r^2 in each step."""
    found = slow_flows.finite(
        product(), [2.0, 0.5], [0.01], learning_rate=0.1, noise=0.5, replicas=5, seed=3
    ).values[0]  # fmt: skip
    np.testing.assert_allclose(difference(found), 3.75 * (1.0 - 0.01 * 0.25), rtol=1e-12)


def quadratic_data() -> tuple[Manifold, np.ndarray]:
    """Two data, four parameters: F_i = sum_j x_ij w_j^2; tr H = (4/n) sum_ij x_ij^2 w_j^2."""
    x = np.array([[1.0, 2.0, 0.5, 0.3], [0.4, 1.0, 1.5, 0.7]])
    return Manifold(lambda w: w**2 @ x.T, lambda w: 2.0 * x * w[..., None, :], [2.0, 1.5]), x


def test_several_data():
    """The force is the gradient of tr H; the flow falls along it and ends where it is normal to the manifold."""
    manifold, x = quadratic_data()
    w = np.array([0.8, 0.5, 0.9, 1.1])
    weights = 4.0 * (x**2).sum(axis=0)  # of w_j^2 in n tr H
    np.testing.assert_allclose(manifold.force(w, np.eye(4)), weights * w, rtol=1e-9)
    found = slow_flows.limit(manifold, w, [0.0, 0.5, 400.0], noise=1.0).values
    np.testing.assert_allclose(manifold.residual(found), 0.0, atol=1e-9)
    sharpness = found**2 @ weights
    assert sharpness[0] > sharpness[1] > sharpness[2]
    j = manifold.jacobian(found[-1])
    slope = weights * found[-1]
    left = slope - j.T @ np.linalg.lstsq(j.T, slope, rcond=None)[0]
    assert np.abs(left).max() < 1e-5


def test_local_steps_between_none_and_all():
    """K workers that never average drift K times as fast; those that always average, as one."""
    one, many = (
        difference(slow_flows.limit(product(), [2.0, 0.5], [2.0], noise=0.5, batch=4, **more).values[0])
        for more in ({}, {"workers": 4, "local_time": 1e9})
    )
    assert one == pytest.approx(3.75 * np.exp(-0.125), abs=1e-8)
    assert many == pytest.approx(3.75 * np.exp(-0.5), abs=1e-7)


def test_local_sgd():
    """Four workers, average every 0.3 of gradient-flow time: errors of the flow in proportion to eta."""
    flow = difference(
        slow_flows.limit(product(), [2.0, 0.5], [2.0], noise=0.5, batch=4, workers=4, local_time=0.3).values[0]
    )
    gaps = []
    for eta in (0.1, 0.05):
        mean, error = runs(eta, 800, batch=4, workers=4, local_steps=round(0.3 / eta))
        gaps.append(flow - mean)
        assert gaps[-1] > 4.0 * error
    assert 1.6 < gaps[0] / gaps[1] < 2.6
    extrapolated = flow - (2.0 * gaps[1] - gaps[0])
    assert extrapolated == pytest.approx(flow, abs=0.02)  # one worker: 3.31; no averages: 2.27


def test_drift_and_diffusion_of_any_noise():
    """Label noise leaves no diffusion, and the general drift is the flow's; isotropic noise diffuses along."""
    manifold, w = product(), np.array([2.0, 0.5])
    h = manifold.curvature(w)
    drift, diffusion = slow_flows.local_sgd(manifold, w, 0.25 * h, batch=1, workers=1, local_time=0.0)
    tangent = np.array([2.0, -0.5]) / np.sqrt(4.25)
    np.testing.assert_allclose(drift, -0.25 * 0.25 * (tangent @ [4.0, 1.0]) * tangent, rtol=1e-8)
    np.testing.assert_allclose(diffusion, 0.0, atol=1e-12)
    _, isotropic = slow_flows.local_sgd(manifold, w, np.eye(2), batch=4, workers=2, local_time=0.5)
    np.testing.assert_allclose(isotropic, np.outer(tangent, tangent) / 4.0, atol=1e-12)


@pytest.mark.parametrize(("steps", "theory", "exact"), [(20, 1.909e-3, 1.890e-3), (100, 3.379e-3, 3.385e-3)])
def test_variance_of_workers(steps, theory, exact):
    found = slow_flows.worker_variance(1.0, 1.0, learning_rate=0.01, workers=4, batch=4, local_steps=steps)
    np.testing.assert_allclose(found, (theory, exact), atol=6e-7)


def test_regularizer_of_label_noise():
    """lambda dR/dh is half the stationary variance of heavy ball under label noise (.0763636364)."""
    eta, beta, h, step = 0.3, 0.6, 1.5, 1e-5
    slope = (
        slow_flows.regularizer(h + step, learning_rate=eta, momentum=beta)
        - slow_flows.regularizer(h - step, learning_rate=eta, momentum=beta)
    ) / (2 * step)
    strength = slow_flows.regularizer_strength(learning_rate=eta, noise=np.sqrt(0.7), batch=4, momentum=beta)
    assert 2.0 * strength * slope == pytest.approx(0.0763636364, abs=1e-9)
    optimizer = ts.SGD(learning_rate=eta, batch=4, momentum=beta, sampling="replacement")
    model = sde.from_optimizer(sde.quadratic(h, covariance=0.7 * h), optimizer)
    assert sde.stationary_covariance(model, model.algorithm)[0, 0] == pytest.approx(0.0763636364, abs=6e-11)
    assert slow_flows.regularizer([1.0, 2.0], learning_rate=1e-9) == pytest.approx(0.75)


WRONG = [
    (lambda: Manifold(lambda w: w, lambda w: w, [np.nan]), "`targets` must be finite"),
    (lambda: slow_flows.limit(product(), [2.0, 0.5], [1.0, 0.5], noise=0.5), "`times` must be ascending"),
    (lambda: slow_flows.limit(product(), [2.0, np.inf], [1.0], noise=0.5), "`start` must be finite"),
    (lambda: slow_flows.limit(product(), [2.0, 0.5], [1.0], noise=-0.5), "`noise` must be"),
    (lambda: slow_flows.limit(product(), [2.0, 0.5], [1.0], noise=0.5, workers=2), "`batch` must be a multiple"),
    (lambda: slow_flows.limit(product(), [2.0, 0.5], [1.0], noise=0.5, local_time=-1.0), "`local_time` must be"),
    (lambda: runs(-0.1, 3), "`learning_rate` must be"),
    (lambda: runs(0.1, 0), "`replicas` must be"),
    (lambda: slow_flows.local_sgd(product(), [2.0, 0.5], np.eye(3), batch=1, workers=1, local_time=0), "`covariance`"),
    (lambda: slow_flows.regularizer([8.0], learning_rate=0.3), "`eigenvalues` must be below"),
    (
        lambda: slow_flows.worker_variance(1.0, 1.0, learning_rate=3.0, workers=1, batch=1, local_steps=1),
        "`learning_rate` must be below",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_input_is_told(make, message):
    with pytest.raises(ProblemError, match=message):
        make()


def test_targets_out_of_reach_are_told():
    positive = Manifold(lambda w: w**2 + 1.0, lambda w: 2.0 * w[..., None], [0.0])
    with pytest.raises(NotConverged, match="gradient flow"):
        slow_flows.limit(positive, [1.0], [1.0], noise=0.5)
