"""Hermite series: coefficients, dual maps against closed forms and two-dimensional integrals, bounds that hold."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from tests.infinite import reference
from tests.infinite.test_recursion import layers_of
from theorysim.equations.activations import Activation, activation, custom
from theorysim.infinite.hermite import expand, nodes
from theorysim.infinite.recursion import diagonal, kernels_of


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def hidden(act: str) -> Activation:
    """Return a built-in activation under a name that has no closed form."""
    own = activation(act)
    return Activation(f"my {act}", own.function, own.derivative)


@pytest.mark.parametrize("variance", [1e-6, 1.0, 30.0, 1e4])
def test_nodes_integrate_at_any_variance(variance: float) -> None:
    z, weight = nodes(np.array([variance]), 10)
    for power, moment in ((0, 1.0), (2, 1.0), (4, 3.0), (8, 105.0)):
        assert (weight * z**power).sum() == pytest.approx(moment, rel=1e-14)
    square = (weight * np.tanh(math.sqrt(variance) * z) ** 2).sum()
    with mp.workdps(20):
        points = [0, 1 / math.sqrt(variance), 4 / math.sqrt(variance), 20 / math.sqrt(variance), 40]
        exact = 2 * mp.quad(lambda t: mp.tanh(math.sqrt(variance) * t) ** 2 * mp.npdf(t), sorted(points))
    assert square == pytest.approx(float(exact), rel=1e-13)


def test_coefficients_of_a_sine() -> None:
    """sin(sqrt(q) z) = exp(-q/2) sum over odd k of (-1)^((k-1)/2) q^(k/2)/sqrt(k!) h_k(z)."""
    q = np.array([0.3, 2.0, 5.0])
    phi, _ = expand(activation("sin"), q)
    for k in range(1, 24, 2):
        exact = (-1) ** (k // 2) * np.exp(-q / 2) * q ** (k / 2) / math.sqrt(math.factorial(k))
        np.testing.assert_allclose(phi.coefficients[k], exact, rtol=0.0, atol=1e-14)
    assert np.abs(phi.coefficients[::2]).max() < 1e-15
    np.testing.assert_allclose(phi.moment, 0.5 * (1.0 - np.exp(-2.0 * q)), rtol=1e-14)


@pytest.mark.parametrize("act", ["gelu", "erf", "sin", "cos", "linear", "quadratic"])
@pytest.mark.parametrize("bias_std", [None, 0.3])
def test_series_give_the_closed_forms(act: str, bias_std: float | None) -> None:
    layers = layers_of(act, 3, 5, weight_std=0.9, bias_std=bias_std)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(70, 5)), rng.normal(size=(30, 5))
    x[1], y[3] = x[0] + 1e-5, x[7]
    for other in (None, y):
        closed = kernels_of(layers, activation(act), x, other)
        series = kernels_of(layers, hidden(act), x, other)
        for name in ("nngp", "ntk"):
            difference = np.abs(getattr(closed, name) - getattr(series, name)).max()
            scale = np.abs(getattr(closed, name)).max()
            bound = getattr(series, f"{name}_error")
            assert difference < 1e-9 * scale
            assert difference <= bound + 1e-13 * scale
            assert bound < 1e-8 * scale


def test_tanh_against_two_dimensional_integrals() -> None:
    layers = layers_of("tanh", 3, 4, weight_std=1.5, bias_std=0.2)
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    y[1] = x[0] + 1e-2
    dual = reference.quadrature(np.tanh, lambda u: 1.0 / np.cosh(u) ** 2)
    kernels = kernels_of(layers, activation("tanh"), x, y)
    for i in range(3):
        for j in range(2):
            nngp, ntk = reference.kernels(dual, layers, x[i], y[j])
            assert kernels.nngp[i, j] == pytest.approx(float(nngp), abs=1e-10)
            assert kernels.ntk[i, j] == pytest.approx(float(ntk), abs=1e-10)


def test_dual_map_of_tanh_by_mpmath() -> None:
    """One layer, one pair, against an integral by mpmath."""
    layers = layers_of("tanh", 1, 2, weight_std=1.0)
    x, y = np.array([[1.7, 0.4]]), np.array([[0.6, -1.1]])
    q1, q2, q12 = (float(u @ v) / 2.0 for u, v in ((x[0], x[0]), (y[0], y[0]), (x[0], y[0])))
    with mp.workdps(20):
        low, rest = mp.mpf(q12) / mp.sqrt(q1), mp.sqrt(q2 - mp.mpf(q12) ** 2 / q1)
        grid = [mp.mpf(k) / 5 for k in range(-45, 46)]  # the trapezoidal rule converges exponentially here
        weight = [mp.npdf(z) / 5 for z in grid]
        second = [mp.fdot(weight, [mp.tanh(low * z + rest * w) for w in grid]) for z in grid]
        first = [mp.tanh(mp.sqrt(q1) * z) for z in grid]
        exact = float(mp.fsum(p * u * v for p, u, v in zip(weight, first, second, strict=True)))
    assert kernels_of(layers, activation("tanh"), x, y).nngp[0, 0] == pytest.approx(exact, abs=1e-11)


def test_a_users_activation() -> None:
    own = custom(softplus, logistic, "my softplus")
    layers = layers_of("relu", 2, 3, weight_std=1.3, bias_std=0.1)
    x = np.array([[1.0, -0.5, 0.3], [0.2, 0.9, -1.4]])
    kernels = kernels_of(layers, own, x)
    dual = reference.quadrature(lambda u: np.logaddexp(0.0, u), lambda u: 1.0 / (1.0 + np.exp(-u)))
    for i, j in ((0, 0), (0, 1), (1, 1)):
        nngp, ntk = reference.kernels(dual, layers, x[i], x[j])
        assert kernels.nngp[i, j] == pytest.approx(float(nngp), abs=1e-10)
        assert kernels.ntk[i, j] == pytest.approx(float(ntk), abs=1e-10)
    assert 0.0 < kernels.ntk_error < 1e-8


def test_a_kink_has_an_honest_bound_and_an_exact_diagonal() -> None:
    layers = layers_of("relu", 3, 4, bias_std=0.1)
    x = np.random.default_rng(9).normal(size=(40, 4))
    closed, series = kernels_of(layers, activation("relu"), x), kernels_of(layers, hidden("relu"), x)
    error = np.abs(closed.ntk - series.ntk).max()
    assert error <= series.ntk_error
    assert series.ntk_error > 1e-6  # it is slow to converge, and says so
    np.testing.assert_allclose(np.diag(series.ntk), np.diag(closed.ntk), rtol=1e-13)
    np.testing.assert_allclose(diagonal(layers, hidden("relu"), x)[0], np.diag(closed.nngp), rtol=1e-13)
