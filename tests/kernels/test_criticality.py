"""Edge of chaos: the acceptance numbers, every phase, every class, a user's activation, and what is refused."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest

import theorysim as ts
from theorysim import kernels
from theorysim.equations.activations import activation
from theorysim.shipped import load

A3 = json.loads((Path(__file__).parents[1] / "data" / "A3_analytic.json").read_text())
SCALARS = ("q_star", "chi_perp", "chi_parallel", "c_star", "chi_c", "xi_c", "xi_q", "xi_gradient", "depth_limit")


def hard_tanh():
    return ts.activation(lambda x: min(1.0, max(-1.0, x)), lambda x: 1.0 if abs(x) < 1.0 else 0.0, name="hard tanh")


def swish():
    return ts.activation(
        lambda x: x / (1.0 + math.exp(-x)),
        lambda x: 1.0 / (1.0 + math.exp(-x)) + x * math.exp(-x) / (1.0 + math.exp(-x)) ** 2,
        name="my swish",
    )


def mean(function, q):
    """Return E function(u), u ~ N(0, q), at 30 digits, for functions without kinks."""
    root, step = mpmath.sqrt(q), mpmath.mpf("0.08")
    points = [k * step for k in range(-175, 176)]
    return step * mpmath.fsum(function(root * z) * mpmath.npdf(z) for z in points)


@cache
def claim(name):
    """Return a claim of derivations/criticality.py."""
    return getattr(load("derivations", "criticality"), name)()


def exact(name, *arguments):
    """Return the numbers of a claim."""
    return [float(value) for value in claim(name).exact([arguments])[0][0]]


@pytest.mark.parametrize("row", A3["eoc_tanh_points"]["rows"], ids=lambda row: f"q={row[0]}")
def test_critical_line_of_tanh(row):
    """A3 to 1e-9; its point q = 2 is itself off by 1.4e-9 (poles of tanh): there 30 digits judge."""
    found = kernels.critical_line("tanh", row[0])
    with mpmath.workdps(30):
        weight = 1 / mean(lambda u: mpmath.sech(u) ** 4, row[0])
        bias = row[0] - weight * mean(lambda u: mpmath.tanh(u) ** 2, row[0])
    assert float(found.weight_variance[0]) == pytest.approx(float(weight), abs=1e-14)
    assert float(found.bias_variance[0]) == pytest.approx(float(bias), abs=1e-14)
    published = 2e-9 if row[0] == 2.0 else 1e-9
    np.testing.assert_allclose([found.weight_variance[0], found.bias_variance[0]], row[1:], rtol=0, atol=published)
    std = [math.sqrt(float(v[0])) for v in (found.weight_variance, found.bias_variance)]
    there = kernels.phase("tanh", *std)
    assert there.phase == "critical" and math.isinf(there.xi_c)
    assert float(there.q_star) == pytest.approx(row[0], rel=1e-10)


def test_phase_points_of_tanh():
    """A3, first point to 1e-9. Its second is off by 1e-7 in q*, 2.5e-6 in chi_1: there 30 digits judge."""
    for row, tolerance in zip(A3["phase_tanh"], (1e-9, 5e-6), strict=True):
        found = kernels.phase("tanh", row["sw"], row["sb"])
        with mpmath.workdps(30):
            w, v = mpmath.mpf(row["sw"]) ** 2, mpmath.mpf(row["sb"]) ** 2
            q = mpmath.findroot(lambda q, w=w, v=v: w * mean(lambda u: mpmath.tanh(u) ** 2, q) + v - q, row["qstar"])
            chi = w * mean(lambda u: mpmath.sech(u) ** 4, q)
        assert float(found.q_star) == pytest.approx(float(q), rel=1e-14)
        assert float(found.chi_perp) == pytest.approx(float(chi), rel=1e-14)
        published = [row[key] for key in ("qstar", "chi1", "cstar", "chi_cstar", "xi_c")]
        names = ("q_star", "chi_perp", "c_star", "chi_c", "xi_c")
        np.testing.assert_allclose([float(found[name]) for name in names], published, rtol=tolerance)
    assert found.phase == "chaotic"


def test_chaotic_fixed_point_of_the_correlation_by_an_independent_route():
    """Sine: T(c) = e^-q sinh(q c), so c* solves a scalar equation; and close to the critical line."""
    for w, v in ((3.0, 0.2), (9.0, 0.01), (1.3, 1e-4)):
        found = kernels.phase("sin", math.sqrt(w), math.sqrt(v))
        q, c = float(found.q_star), float(found.c_star)
        assert q == pytest.approx(w * -math.expm1(-2.0 * q) / 2.0 + v, rel=1e-14)
        assert w * math.exp(-q) * math.sinh(q * c) + v == pytest.approx(q * c, rel=1e-12)
        assert float(found.chi_c) == pytest.approx(w * math.exp(-q) * math.cosh(q * c), rel=1e-12)
        assert c < 1.0 and found.phase == "chaotic" and float(found.c_star_error) < 1e-11
    near = kernels.critical_line("tanh", 0.5)
    std = math.sqrt(float(near.weight_variance[0]) + 1e-5), math.sqrt(float(near.bias_variance[0]))
    found = kernels.phase("tanh", *std)
    assert 1e-7 < 1.0 - float(found.c_star) < 1e-3
    # c'(c) is nearly a parabola there: the other slope is as far below 1 as chi_1 is above
    assert 1.0 - float(found.chi_c) == pytest.approx(float(found.chi_perp) - 1.0, rel=1e-2)


def test_half_stable_point_of_gelu():
    """A3 and the closed form (derivations/criticality.py); reached from above alone, 3.035 is stable below it."""
    h = A3["halfstable_gelu"]
    found = kernels.universality("gelu")
    assert (found.name, found.attracts) == ("half-stable", "above")
    values = [found.variance, found.weight_variance, found.bias_variance]
    np.testing.assert_allclose(values, exact("gelu_half_stable"), rtol=1e-12)
    np.testing.assert_allclose(values, [h["K"], h["C_W"], h["C_b"]], rtol=0, atol=1e-9)
    std = math.sqrt(h["C_W"]), math.sqrt(h["C_b"])
    from_above, from_below = (kernels.phase("gelu", *std, input_variance=x) for x in (3.0, 0.5))
    assert list(from_above.fixed_point_stability.values) == ["stable", "half-stable"]
    np.testing.assert_allclose(from_above.fixed_point_q, [3.03498143, h["K"]], rtol=1e-8)
    assert float(from_above.q_star) == pytest.approx(h["K"], rel=1e-9) and from_above.phase == "critical"
    assert float(from_below.q_star) == pytest.approx(3.03498143, rel=1e-8) and from_below.phase == "ordered"
    np.testing.assert_allclose(from_above.fixed_point_chi_parallel[1], 1.0, atol=1e-9)


@pytest.mark.parametrize("phi", ["silu", "user"])
def test_half_stable_point_of_swish(phi):
    """Published numbers of Roberts, Yaida & Hanin: K* = 14.32017362, C_b = .55514317, C_W = 1.98800468."""
    found = kernels.universality(swish() if phi == "user" else phi)
    assert (found.name, found.attracts) == ("half-stable", "below")
    values = [found.variance, found.weight_variance, found.bias_variance]
    np.testing.assert_allclose(values, [14.32017362, 1.98800468, 0.55514317], rtol=0, atol=6e-9)


CLASSES = {
    "relu": ("scale-invariant", None, 2.0),
    "abs": ("scale-invariant", None, 1.0),
    "linear": ("scale-invariant", None, 1.0),
    "tanh": ("K*=0", 0.0, 1.0),
    "sin": ("K*=0", 0.0, 1.0),
    "erf": ("K*=0", 0.0, math.pi / 4.0),
    "elu": ("K*=0", 0.0, 1.0),
    "sigmoid": ("none", None, None),
    "softplus": ("none", None, None),
    "cos": ("none", None, None),
    "quadratic": ("none", None, None),
    "exp": ("none", None, None),
}


@pytest.mark.parametrize("name", CLASSES)
def test_universality_classes(name):
    kind, variance, weight = CLASSES[name]
    found = kernels.universality(name)
    assert (found.name, found.variance) == (kind, variance)
    assert found.weight_variance == (None if weight is None else pytest.approx(weight, rel=1e-14))


def test_leaky_relu_by_its_closed_form():
    (critical,) = exact("abrelu_weight_variance", 0.1, 1.0)
    assert kernels.universality(activation("leaky_relu", 0.1)).weight_variance == pytest.approx(critical, rel=1e-14)


def test_closed_critical_lines():
    for name in ("erf", "sin"):
        for q in (1e-3, 0.3, 2.0, 20.0):
            found = kernels.critical_line(name, q)
            weight, bias = exact(f"{name}_line", q)
            assert float(found.weight_variance[0]) == pytest.approx(weight, rel=1e-14)
            assert float(found.bias_variance[0]) == pytest.approx(bias, abs=3e-15 * q)


def test_relu_in_every_phase():
    """q* = sb^2/(1 - sw^2/2), chi = sw^2/2 exactly; sw^2 = 2 without biases keeps every variance."""
    q, chi = exact("relu_fixed_point", 1.9, 0.1)
    ordered = kernels.phase("relu", math.sqrt(1.9), math.sqrt(0.1))
    assert ordered.phase == "ordered" and float(ordered.c_star) == 1.0
    np.testing.assert_allclose([ordered.q_star, ordered.chi_perp, ordered.chi_parallel], [q, chi, chi], rtol=1e-13)
    assert float(ordered.xi_c) == pytest.approx(-1.0 / math.log(chi), rel=1e-12)
    for size in (0.1, 1.0, 30.0):
        critical = kernels.phase("relu", math.sqrt(2.0), 0.0, input_variance=size)
        assert critical.phase == "critical" and float(critical.q_star) == pytest.approx(2.0 * size, rel=1e-15)
        assert critical.fixed_point_stability.item() == "neutral"
        assert all(math.isinf(critical[name]) for name in ("xi_c", "xi_q", "xi_gradient", "depth_limit"))
    for sw, sb in ((math.sqrt(2.0), 0.1), (1.5, 0.0), (1.5, 0.3)):
        exploding = kernels.phase("relu", sw, sb)
        assert exploding.phase == "exploding" and math.isinf(exploding.q_star)
        assert float(exploding.chi_perp) == pytest.approx(sw * sw / 2.0, rel=1e-14)
    vanishing = kernels.phase("relu", 1.2, 0.0)
    assert vanishing.phase == "vanishing" and float(vanishing.q_star) == 0.0


def test_linear_network():
    found = kernels.phase("linear", 0.9, 0.3)
    np.testing.assert_allclose([found.q_star, found.chi_perp, found.xi_q],
                               [0.09 / 0.19, 0.81, -1.0 / math.log(0.81)], rtol=1e-13)  # fmt: skip
    assert kernels.phase("linear", 1.0, 0.0).phase == "critical"


def test_small_variances_near_the_critical_point_of_tanh():
    """K' = sw^2 K - 2 K^2 + ..: q* = (sw^2 - 1)/2, or sb/sqrt 2 at sw = 1, to first order (derivations)."""
    assert kernels.phase("tanh", 1.0, 0.0).phase == "critical"
    assert float(kernels.phase("tanh", 1.0, 0.0).q_star) == 0.0
    assert float(kernels.phase("tanh", math.sqrt(1.0 + 1e-8), 0.0).q_star) == pytest.approx(5e-9, rel=1e-6)
    for sb in (1e-4, 1e-7, 1e-10):
        assert float(kernels.phase("tanh", 1.0, sb).q_star) == pytest.approx(sb / math.sqrt(2.0), rel=3.0 * sb + 1e-5)
    assert float(kernels.phase("tanh", 0.5, 1e-10).q_star) == pytest.approx(1e-20 / 0.75, rel=1e-10)


def test_several_fixed_points_and_which_one_is_reached():
    """Quadratic: q* = 3 w q*^2 + v, two roots; from beyond the larger one the variance explodes."""
    w, v = 0.25, 0.05
    roots = [(1.0 + sign * math.sqrt(1.0 - 12.0 * w * v)) / (6.0 * w) for sign in (-1.0, 1.0)]
    small, large = (kernels.phase("quadratic", 0.5, math.sqrt(v), input_variance=x) for x in (0.5, 5.0))
    np.testing.assert_allclose(small.fixed_point_q, roots, rtol=1e-12)
    assert list(small.fixed_point_stability.values) == ["stable", "unstable"]
    assert small.phase == "ordered" and float(small.q_star) == pytest.approx(roots[0], rel=1e-12)
    assert large.phase == "exploding" and math.isinf(large.chi_perp) and float(large.depth_limit) == 0.0


def test_a_map_that_decreases():
    """Cosine: V falls with q; q* = sw^2 (1 + e^(-2 q*))/2 + sb^2."""
    found = kernels.phase("cos", 1.5, 0.2)
    q = float(found.q_star)
    assert q == pytest.approx(2.25 * (1.0 + math.exp(-2.0 * q)) / 2.0 + 0.04, rel=1e-14)
    assert float(found.chi_parallel) == pytest.approx(-2.25 * math.exp(-2.0 * q), rel=1e-12)


def test_slow_decay_of_a_map_that_is_not_monotone():
    """Gabor at the critical point: the variance falls to 0 as 1/depth, V decreases further out."""
    found = kernels.phase("gabor", 1.0, 0.0)
    assert (str(found.phase.values), float(found.q_star)) == ("critical", 0.0)
    assert float(kernels.phase("gabor", 1.001, 0.0).q_star) > 0.0


def test_a_user_activation_with_kinks_off_the_origin():
    """Hard tanh: chi_1 = sw^2 erf(1/sqrt(2 q*)), V closed; c* from its own series and 2-D quadrature."""
    found = kernels.phase(hard_tanh(), 2.0, 0.3)
    q, c = float(found.q_star), float(found.c_star)
    inside, density = math.erf(1.0 / math.sqrt(2.0 * q)), math.sqrt(2.0 / (math.pi * q)) * math.exp(-0.5 / q)
    assert q == pytest.approx(4.0 * (q * (inside - density) + 1.0 - inside) + 0.09, rel=1e-13)
    assert float(found.chi_perp) == pytest.approx(4.0 * inside, rel=1e-13)
    z = np.linspace(-9.0, 9.0, 3001)
    weight = np.exp(-0.5 * z * z) * (z[1] - z[0]) / math.sqrt(2.0 * math.pi)
    u = math.sqrt(q) * z
    v = math.sqrt(q) * (c * z[:, None] + math.sqrt(1.0 - c * c) * z)
    product = weight @ (np.clip(u, -1, 1)[:, None] * np.clip(v, -1, 1)) @ weight
    assert 4.0 * product + 0.09 == pytest.approx(q * c, rel=1e-5)
    assert found.phase == "chaotic" and float(found.c_star_error) < 1e-10


def test_diagram_equals_single_phases():
    weights, biases = [0.5, 1.0, 1.7], [0.0, 0.2]
    for name in ("tanh", "relu", "gelu", "cos"):
        diagram = kernels.phase_diagram(name, weights, biases)
        assert diagram.q_star.dims == ("weight_std", "bias_std")
        for w in weights:
            for b in biases:
                one, cell = kernels.phase(name, w, b), diagram.sel(weight_std=w, bias_std=b)
                assert one.phase == cell.phase
                for scalar in SCALARS:
                    assert float(cell[scalar]) == pytest.approx(float(one[scalar]), rel=1e-9)
        assert not any(np.isnan(diagram[scalar]).any() for scalar in SCALARS)
        assert all(diagram[name].attrs["long_name"] for name in diagram.data_vars)


def test_the_diagram_is_critical_where_the_line_says():
    """chi_1 crosses 1 on the critical line, in both directions off it."""
    line = kernels.critical_line("tanh", np.array([0.1, 0.7, 3.0]))
    for w, v in zip(line.weight_variance.values, line.bias_variance.values, strict=True):
        names = [str(kernels.phase("tanh", math.sqrt(w * f), math.sqrt(v)).phase.values) for f in (0.999, 1.0, 1.001)]
        assert names == ["ordered", "critical", "chaotic"]


def test_a_line_without_networks_says_so():
    found = kernels.critical_line("softplus", [0.1, 1.0, 10.0])
    assert not found.exists.any()
    relu = kernels.critical_line("relu", [0.5, 2.0])
    assert relu.exists.all() and np.all(relu.bias_variance == 0.0)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "silu", "erf", "sigmoid", "softplus", "cos"])
def test_recommended_initialisation_keeps_signals_alive(name):
    found = kernels.recommended_initialisation(name, 30)
    there = kernels.phase(name, found.weight_std, found.bias_std, input_variance=found.input_variance)
    assert float(there.depth_limit) >= 30
    assert 0.0 < found.variance < 100.0 and found.gradient_factor > 1e-5
    assert name in found.why and "30 layers" in found.why
    through = kernels.signals(name, found.weight_std, found.bias_std, 30, input_variance=found.input_variance)
    assert float(through.variance[-1]) == pytest.approx(found.variance, rel=1e-12)
    # power: with weights 20 % smaller the same network is dead, or its limit is short
    worse = kernels.phase(name, 0.8 * found.weight_std, 0.0, input_variance=found.input_variance)
    assert float(worse.depth_limit) < 30


BAD = [
    (lambda: kernels.phase("rleu", 1.0, 0.0), "must be one of relu.*rleu"),
    (lambda: kernels.phase(3, 1.0, 0.0), "kernels.phase: `activation` must be a name .* got 3"),
    (lambda: kernels.phase("sign", 1.0, 0.0), "`activation` must be continuous"),
    (lambda: kernels.phase("relu", -1.0, 0.0), "kernels.phase: `weight_std` must be a number, at least 0 .* got -1.0"),
    (lambda: kernels.phase("relu", math.nan, 0.0), "`weight_std` must be a number.* got nan"),
    (lambda: kernels.phase("relu", 1.0, "x"), '`bias_std` must be a number.* got "x"'),
    (lambda: kernels.phase("relu", 1e7, 0.0), "`weight_std` must be a number, at least 0 and at most 1e"),
    (lambda: kernels.phase("relu", 1.0, 0.0, input_variance=0.0), "`input_variance` must be a number, positive"),
    (lambda: kernels.phase_diagram("relu", [], [0.0]), "`weight_stds` must hold at least one number"),
    (lambda: kernels.phase_diagram("relu", [1.0], [0.0, math.inf]), "`bias_stds` must be a number.* got inf"),
    (lambda: kernels.critical_line("relu", [1.0, 0.0]), "kernels.critical_line: `q` must be a number, positive"),
    (lambda: kernels.critical_line("relu", True), "`q` must be a number"),
    (lambda: kernels.recommended_initialisation("relu", 0), "`depth` must be a whole number from 1 to 10000, got 0"),
    (lambda: kernels.recommended_initialisation("relu", 2.5), "`depth` must be a whole number"),
    (lambda: kernels.recommended_initialisation("quadratic", 9), "`activation` must have a variance that is reached"),
    (lambda: kernels.universality("step"), "`activation` must be continuous"),
    (lambda: kernels.signals("relu", 1.0, 0.0, 5, input_correlation=1.5), "`input_correlation` must be a number from"),
    (lambda: kernels.finite_signals("relu", 1.0, 0.0, 5, width=0, replicas=1), "`width` must be a whole number from 1"),
    (lambda: kernels.finite_signals("relu", 1.0, 0.0, 5, width=9, replicas=0), "`replicas` must be a whole number"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input(call, message):
    with pytest.raises(ts.ProblemError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
