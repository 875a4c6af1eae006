"""Leading corrections in 1/width: against scalar maps, exact finite networks, coincidence, and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest

import theorysim as ts
from tests.infinite.random_networks import covariance_with_error, kernels
from theorysim.equations import finite_width as maps
from theorysim.infinite import dual_slopes
from theorysim.infinite.fluctuations import fluctuations
from theorysim.infinite.gaussian_rules import evaluated, gaussian_rule
from theorysim.infinite.homogeneous import kernel_moments, relu_tangent_moments
from theorysim.infinite.pairs import pairs_of
from theorysim.problem.network import activation_of

PAIR = np.array([[1.0, 0.3, -0.5], [0.7, -0.8, 0.9]]) * 1.3


def network(activation, widths, weight_variance, bias_variance=0.0, **more):
    return ts.MLP(
        depth=len(widths), width=tuple(widths), activation=activation,
        weight_std=math.sqrt(weight_variance), bias_std=math.sqrt(bias_variance) if bias_variance else None, **more,
    )  # fmt: skip


def expanded(net, x):
    return fluctuations(net.layers(inputs=x.shape[1], outputs=1), activation_of(net), x)


# --- one input: the tensors are the scalar maps of equations/finite_width.py ---------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "erf"])
def test_one_input_is_the_scalar_maps(activation):
    w, bias, widths, rates = 1.7, 0.1 if activation != "relu" else 0.0, (20, 30, 40), (1.1, 0.6, 2.0, 1.4)
    net = network(activation, widths, w, bias, weight_rates=rates)
    found = expanded(net, PAIR[:1])
    z, weight = np.polynomial.hermite_e.hermegauss(200)
    if activation == "relu":  # the kink: half the rule's moments by hand below
        moments = lambda q: (q / 2, 1.5 * q * q, 0.5, 0.5 * q, 0.5, 0.5, 0.0, 0.0, 0.0)  # noqa: E731
    else:
        act = activation_of(net)

        def moments(q):
            u = np.sqrt(q) * z
            y, s = (np.array([g(t) for t in u]) ** 2 for g in (act.function, act.derivative))
            mean = lambda g: float(g @ weight / weight.sum())  # noqa: E731
            two, four = (z**2 - 1) / (2 * q), (z**4 - 6 * z**2 + 3) / (4 * q * q)
            return (mean(y), mean(y * y), mean(s), mean(y * s), mean(s * s),
                    mean(y * two), mean(y * four), mean(s * two), mean(s * four))  # fmt: skip

    k = theta = None
    v = m = d = a = b = f = shift = 0.0
    for now, width, rate in zip(found[:-1], widths, rates[1:], strict=True):
        k, theta = float(now.kernel[0]), float(now.tangent[0])
        y, y2, s, ys, s2, slope, curve, tslope, tcurve = moments(k)
        site, cross, tangent = y2 - y * y, ys - y * s, s2 - s * s
        new = {
            "v": maps.kernel_variance(v, width, w, y, y2, slope),
            "m": maps.kernel_shift(m, v, w, slope, curve),
            "d": maps.tangent_covariance(d, v, width, theta, w, rate, s, slope, tslope, site, cross),
            "a": maps.tangent_variance(a, d, v, width, theta, w, rate, s, slope, tslope, site, cross, tangent),
            "b": maps.tangent_between(b, width, theta, w, s, s2),
            "shift": maps.tangent_shift(shift, m, d, v, f, theta, w, rate, w, s, slope, curve, tslope, tcurve),
        }
        f = maps.paired_gradient(f, width, theta, w, slope, ys)
        v, m, d, a, b, shift = new["v"], new["m"], new["d"], new["a"], new["b"], new["shift"]
    last = found[-1]
    np.testing.assert_allclose(last.joint[0], [[v, d], [d, a]], rtol=1e-8)
    np.testing.assert_allclose(last.between.ravel(), b, rtol=1e-8)
    np.testing.assert_allclose(last.kernel_shift.ravel(), m, rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(last.tangent_shift.ravel(), shift, rtol=1e-7, atol=1e-14)
    np.testing.assert_allclose(last.tangent_covariance(pairs_of(1)).ravel(), a + 2 * b, rtol=1e-8)
    assert maps.excess_kurtosis(v, float(last.kernel[0])) == pytest.approx(3 * v / float(last.kernel[0]) ** 2)


# --- exact finite networks ------------------------------------------------------------------------------------------


def test_exact_relu_moments_are_those_of_the_note():
    assert kernel_moments((32, 48, 40), (0.0, 1.0), 2)[1] == pytest.approx(1.4362792968750002, rel=1e-14)
    assert abs(kernel_moments((32, 48, 40), (0.0, 1.0), 2)[1] - 1.4341) < 4 * 0.0032  # networks
    for width, measured in ((16, 7.12), (32, 6.73), (64, 6.76)):  # networks, 3 % each
        mean, second = relu_tangent_moments(network("relu", (width, width), 2.0).layers(inputs=5, outputs=1), 5.0)
        assert mean == pytest.approx(6.0, rel=1e-13)
        assert width * (second / mean**2 - 1) == pytest.approx(measured, rel=0.08)


@pytest.mark.parametrize("widths", [(3,), (2, 3), (4, 3, 5)])
def test_exact_relu_moments_of_tiny_networks(widths):
    rates = (1.0, 2.0, 0.5, 0.7)[: len(widths) + 1]
    net = network("relu", widths, 1.5, weight_rates=rates)
    mean, second = relu_tangent_moments(net.layers(inputs=3, outputs=1), float(PAIR[0] @ PAIR[0]))
    k, theta, _ = (c.ravel() for c in kernels("relu", PAIR[:1], widths, 1.5, 0.0, rates, networks=200_000))
    for sample, exact in ((theta, mean), (theta**2, second)):
        assert abs(sample.mean() - exact) < 4 * sample.std() / math.sqrt(len(sample))
        assert abs(sample.mean() - 1.5 * exact) > 4 * sample.std() / math.sqrt(len(sample))  # power
    infinite = float(expanded(net, PAIR[:1])[-1].kernel[0])
    moments = kernel_moments(widths, (0.0, 1.0), 3)
    for order in (2, 3):
        ratio = (k / infinite) ** order
        assert abs(ratio.mean() - moments[order - 1]) < 4 * ratio.std() / math.sqrt(len(k))


def test_moments_of_the_relu_family():
    z = np.random.default_rng(0).standard_normal((400_000, 3))
    for edges in ((-1.0, 1.0), (0.2, 1.0), (1.0, 1.0)):
        y = np.mean(np.where(z < 0, edges[0] * z, edges[1] * z) ** 2, axis=1)
        y /= 0.5 * (edges[0] ** 2 + edges[1] ** 2)
        exact = kernel_moments((3,), edges, 3)
        for order in (1, 2, 3):
            assert abs(np.mean(y**order) - exact[order - 1]) < 4 * np.std(y**order) / math.sqrt(len(y))
    assert kernel_moments((7,), (1.0, 1.0), 2)[1] == pytest.approx(1 + 2 / 7)


def test_relu_chain_is_the_leading_order_of_the_exact_moments():
    width = 10**6
    net = network("relu", (width,) * 4, 2.0)
    last = expanded(net, PAIR[:1])[-1]
    exact = kernel_moments((width,) * 4, (0.0, 1.0), 2)[1] - 1
    assert last.kernel_covariance.item() / last.kernel.item() ** 2 == pytest.approx(exact, rel=2e-5)
    assert width * exact == pytest.approx(20, rel=2e-5)
    mean, second = relu_tangent_moments(net.layers(inputs=3, outputs=1), float(PAIR[0] @ PAIR[0]))
    assert last.tangent_covariance(pairs_of(1)).item() == pytest.approx(second - mean**2, rel=1e-4)
    assert last.tangent_shift.item() == last.kernel_shift.item() == 0.0


def test_mean_of_a_quadratic_network():
    """phi = u^2, K_1 = 1, two layers of n: E Theta_3 is a rational function of n (derivations/finite_width.py)."""
    n = 10**5
    net = network("quadratic", (n, n), 1.0, weight_rates=1.0)
    last = expanded(net, np.ones((1, 4)))[-1]
    y2, cross = (105 + (n - 1) * 9) / n, (60 + (n - 1) * 12) / n
    exact = 3 * y2 + 4 * (y2 + cross + 2 * 60 / n)
    assert last.tangent.item() == pytest.approx(111)
    assert last.tangent_shift.item() == pytest.approx(exact - 111, rel=1e-9)
    assert last.kernel_shift.item() == pytest.approx(3 * (y2 - 9), rel=1e-9)


# --- pairs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "gelu", "erf"])
def test_two_equal_inputs_are_one(activation):
    net = network(activation, (20, 30, 25), 1.6, 0.1)
    last = expanded(net, np.stack([PAIR[0], PAIR[0]]))[-1]
    for array in (last.kernel_shift[0], last.tangent_shift[0], np.diagonal(last.joint[0])[:3],
                  np.diagonal(last.joint[0])[3:], last.between.ravel(), last.paired[0, 1].ravel()):  # fmt: skip
        np.testing.assert_allclose(array, array[0], rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_order_of_inputs_does_not_matter(activation):
    net = network(activation, (20, 30), 1.6, 0.1)
    one, two = (expanded(net, x)[-1] for x in (PAIR, PAIR[::-1]))
    turn = [2, 1, 0]
    for name in ("kernel", "tangent"):
        np.testing.assert_allclose(getattr(one, name)[turn], getattr(two, name), rtol=1e-13)
    for name in ("kernel_shift", "tangent_shift"):
        np.testing.assert_allclose(getattr(one, name)[:, turn], getattr(two, name), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(one.kernel_covariance[0][turn][:, turn], two.kernel_covariance[0], rtol=1e-8)
    np.testing.assert_allclose(one.between[:, ::-1, ::-1, ::-1, ::-1], two.between, rtol=1e-8)


def test_three_inputs_agree_with_pairs_within_their_error():
    x = np.random.default_rng(4).standard_normal((3, 4))
    net = network("gelu", (30, 40), 1.8, 0.1)
    many, few = expanded(net, x)[-1], expanded(net, x[[0, 2]])[-1]
    chosen = pairs_of(3).table[[0, 0, 2], [0, 2, 2]]
    for all_, exact in (
        (many.kernel_covariance[:, chosen][:, :, chosen], few.kernel_covariance[0]),
        (many.mixed_covariance[:, chosen][:, :, chosen], few.mixed_covariance[0]),
        (many.tangent_shift[:, chosen], few.tangent_shift[0]),
        (many.between[:, ::2, ::2, ::2, ::2], few.between[0]),
    ):
        error = all_.std(axis=0, ddof=1) / math.sqrt(len(all_))
        assert np.all(np.abs(all_.mean(axis=0) - exact) < 6 * error + 1e-9 * np.abs(exact).max())
        assert np.all(error < 0.02 * np.abs(exact).max())


@pytest.mark.parametrize("activation", ["relu", "erf", "gelu", "tanh"])
def test_slopes_against_differences(activation):
    act, pairs = activation_of(network(activation, (4,), 1.0)), pairs_of(2)
    q = np.array([1.3, 0.7, -0.4])  # q1, q2, q12

    def at(values):
        matrix = np.array([[values[0], values[2]], [values[2], values[1]]])
        return dual_slopes.slopes_of(act, matrix, pairs)

    here, step = at(q), 1e-5
    for k, unit in enumerate(np.eye(3)):
        up, down = at(q + step * unit), at(q - step * unit)
        for one, two in (("value", "gradient"), ("gradient", "curvature")):
            difference = (getattr(up, one)[:, 1] - getattr(down, one)[:, 1]) / (2 * step)
            np.testing.assert_allclose(getattr(here, two)[:, 1, ..., k], difference, rtol=1e-6, atol=1e-8)
    for own, place in ((0, 0), (2, 1)):  # self-kernels
        up, down = (at(q + s * np.eye(3)[place]) for s in (step, -step))
        difference = (up.gradient[:, own, 0] - down.gradient[:, own, 0]) / (2 * step)
        np.testing.assert_allclose(here.curvature[:, own, 0, 0], difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("cosine", [0.3, -0.9])
def test_both_routes_to_the_slopes_agree(activation, cosine):
    act, pairs = activation_of(network(activation, (4,), 1.0)), pairs_of(2)
    covariance = np.array([[1.5, cosine * math.sqrt(1.2)], [cosine * math.sqrt(1.2), 0.8]])
    one = dual_slopes.slopes_of(act, covariance, pairs)
    other = dual_slopes.Slopes(one.value.copy(), one.gradient.copy(), one.curvature.copy(), 0.0)
    dual_slopes._fill_by_parts(other, act, covariance, 1)
    np.testing.assert_allclose(other.gradient, one.gradient, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.curvature, one.curvature, rtol=1e-6, atol=1e-7)


def test_the_plane_rule_is_exact_for_kinks():
    act = activation_of(network("relu", (4,), 1.0))
    for cosine in (0.0, 0.6, -0.95, 0.9999):
        covariance = np.array([[2.0, cosine * math.sqrt(6.0)], [cosine * math.sqrt(6.0), 3.0]])
        ((points, weights),) = gaussian_rule(covariance)
        u, v = evaluated(act.function, points)
        c2 = cosine**2
        angle = math.acos(cosine)  # E relu(u)^2 relu(v)^2, the arc-cosine kernel of degree 2
        exact = 6.0 * (3 * math.sin(angle) * cosine + (math.pi - angle) * (1 + 2 * c2)) / (2 * math.pi)
        assert float((u * u * v * v) @ weights) == pytest.approx(exact, rel=1e-10)
        assert weights.sum() == pytest.approx(1.0, rel=1e-13)


# --- Monte Carlo ----------------------------------------------------------------------------------------------------

SETTINGS = {"relu": (2.0, 0.0), "tanh": (1.8, 0.1), "erf": (1.7, 0.1), "gelu": (2.0, 0.05)}


def _measured(activation, width, networks):
    w, bias = SETTINGS[activation]
    k, theta, between = kernels(activation, PAIR, (width, width), w, bias, (w,) * 3, networks=networks, seed=width)
    rows, columns = np.triu_indices(2)
    k, theta, between = (c[:, rows, columns] for c in (k, theta, between))
    zero = np.zeros_like(between)
    return {
        "kernel": covariance_with_error(k, k),
        "ntk": covariance_with_error(theta, theta),
        "mixed": covariance_with_error(k, theta),
        "between": ((between**2).mean(axis=0), (between**2).std(axis=0) / math.sqrt(len(zero))),
    }


def _predicted(activation, width):
    w, bias = SETTINGS[activation]
    last, pairs = expanded(network(activation, (width, width), w, bias), PAIR)[-1], pairs_of(2)
    places = (pairs.first, pairs.second, pairs.first, pairs.second)
    return {
        "kernel": np.diagonal(last.kernel_covariance[0]),
        "ntk": last.tangent_covariance(pairs)[0][places],
        "mixed": np.diagonal(last.mixed_covariance[0]),
        "between": last.between[0][places],
    }


@pytest.mark.parametrize("activation", ["tanh", "erf", "gelu", "relu"])
def test_variances_of_wide_networks(activation):
    """Width 256: the next order is below the standard error of 1000 networks (4 to 7 %)."""
    predicted, measured = _predicted(activation, 256), _measured(activation, 256, 1000)
    for name, (value, error) in measured.items():
        assert np.all(np.abs(value - predicted[name]) < 4 * error), name
    worst = {name: np.max(np.abs(value - 2 * predicted[name]) / error) for name, (value, error) in measured.items()}
    assert min(worst.values()) > 5, worst  # a planted factor 2 is rejected


@pytest.mark.parametrize("activation", ["tanh", "erf", "gelu"])
def test_variances_of_narrow_networks_extrapolate(activation):
    """Widths 16 and 64: n Var = leading + c/n + O(1/n^2); the extrapolation removes c."""
    predicted = _predicted(activation, 1)
    narrow, wide = _measured(activation, 16, 16_000), _measured(activation, 64, 6000)
    for name, leading in predicted.items():
        (one, one_error), (two, two_error) = narrow[name], wide[name]
        value = (4 * 64 * two - 16 * one) / 3
        error = np.hypot(4 * 64 * two_error, 16 * one_error) / 3
        slack = np.abs(16 * one - leading) / 16  # order of the 1/n^2 that is left
        assert np.all(np.abs(value - leading) < 4 * error + slack), name
        assert np.any(np.abs(value - 2 * leading) > 4 * error + slack), name


@pytest.mark.parametrize("width", [16, 64])
def test_narrow_relu_networks_have_the_exact_variance(width):
    measured = _measured("relu", width, 20_000 if width == 16 else 8000)
    layers = network("relu", (width, width), 2.0).layers(inputs=3, outputs=1)
    for place, x in ((0, PAIR[0]), (2, PAIR[1])):
        mean, second = relu_tangent_moments(layers, float(x @ x))
        value, error = (part[place] for part in measured["ntk"])
        assert abs(value - (second - mean**2)) < 4 * error
        k = 2.0 * float(x @ x) / 3
        value, error = (part[place] for part in measured["kernel"])
        assert abs(value - k**2 * ((1 + 5 / width) ** 2 - 1)) < 4 * error
        assert width > 16 or abs(value - k**2 * 10 / width) > 4 * error  # the leading order alone is rejected at 16


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_means_of_networks(activation):
    """Both means; the kernel of layer 2, whose mean is known exactly, is the control variate."""
    w, bias = SETTINGS[activation]
    width, networks = 24, 40_000
    k, theta, _ = kernels(activation, PAIR, (width,) * 2, w, bias, (w,) * 3, networks=networks, seed=7)
    last = expanded(network(activation, (width,) * 2, w, bias), PAIR)[-1]
    rows, columns = np.triu_indices(2)
    for sample, infinite, shift in (
        (k, last.kernel, last.kernel_shift[0]),
        (theta, last.tangent, last.tangent_shift[0]),
    ):
        sample = sample[:, rows, columns]
        error = sample.std(axis=0) / math.sqrt(networks)
        next_order = 6 * np.abs(shift) / width
        assert np.all(np.abs(sample.mean(axis=0) - infinite - shift) < 4 * error + next_order)
