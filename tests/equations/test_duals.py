"""Dual maps: finite everywhere, symmetric, vectorisable; close pairs keep all their digits through ten layers."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from tests import activation_examples
from tests.activation_examples import example
from theorysim.equations import dual
from theorysim.equations.activations import activation
from theorysim.equations.dual_abrelu import close_start
from theorysim.equations.duals import dual_of
from theorysim.errors import ProblemError

ALL = {name: dual_of(example(name)) for name in activation_examples.ALL if dual_of(example(name)) is not None}
ALL["leaky_relu"] = dual("leaky_relu", 0.1)
SLOPES = {"relu": (0.0, 1.0), "abs": (-1.0, 1.0), "leaky_relu": (0.1, 1.0)}


def _pair(maps, q1, q2, q12):
    return maps.pair(q12, *maps.prepare(q1), *maps.prepare(q2))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("q1", "q2", "q12"),
    [(0, 0, 0), (0, 1, 0), (1, 1, 1), (1, 1, -1), (1e8, 1e8, 1e8), (1e8, 1e8, -1e8), (1e-14, 2, 1e-7)],
)
def test_finite_at_the_edges(name, q1, q2, q12):
    maps = ALL[name]
    if name == "exp" and q1 > 1e3:
        assert maps.diagonal(float(q1)) == (np.inf, np.inf)  # refused by the recursion
        return
    there, back = _pair(maps, float(q1), float(q2), float(q12)), _pair(maps, float(q2), float(q1), float(q12))
    assert np.isfinite(there).all()
    assert there == pytest.approx(back, rel=1e-15)
    if q1 == q2 == q12 != 0:
        assert there == pytest.approx(maps.diagonal(float(q1)), rel=2e-8, abs=1e-300)
    assert np.isfinite(maps.diagonal(float(q1))).all()


@pytest.mark.parametrize("name", ALL)
def test_rounding_beyond_a_full_correlation_is_clamped(name):
    q = 0.7
    assert np.isfinite(_pair(ALL[name], q, q, np.nextafter(q, 1.0))).all()
    assert np.isfinite(_pair(ALL[name], q, q, -np.nextafter(q, 1.0))).all()


def test_zero_input_of_relu_has_no_output():
    t, tdot = _pair(ALL["relu"], 0.0, 2.0, 0.0)
    assert t == 0.0
    assert tdot == pytest.approx(0.25)  # phi'(0) = 1/2 there


def test_unknown_and_missing():
    assert dual("tanh") is None
    assert dual("selu") is None
    with pytest.raises(ProblemError):
        dual("seluu")
    with pytest.raises(ProblemError, match="degree"):
        dual("monomial")


def test_parameters_change_the_maps():
    one, other = (dual("sin", parameters={"rate": rate}) for rate in (1.0, 2.0))
    assert one == dual("sin") and one != other and other == dual("sin", parameters={"rate": 2.0, "phase": 0.0})
    assert dual("rectified_monomial", parameters={"degree": 1}).pair == dual("relu").pair


def test_hermite_polynomials_are_orthonormal_at_unit_variance():
    for degree in (1, 2, 5, 9):
        maps = dual("hermite", parameters={"degree": degree})
        assert _pair(maps, 1.0, 1.0, 0.7) == pytest.approx((0.7**degree, degree * 0.7 ** (degree - 1)), rel=1e-14)


@pytest.mark.parametrize("name", ["sign", "step"])
def test_the_singular_derivative(name):
    """Tdot of steep error functions tends to it; it is infinite where two samples coincide, NaN where not chosen."""
    maps = dual(name, parameters={"derivative": "distribution"})
    steep = dual("erf", parameters={"rate": 1e4})
    share = 1.0 if name == "sign" else 0.25
    assert _pair(maps, 1.3, 0.8, 0.5)[1] == pytest.approx(share * _pair(steep, 1.3, 0.8, 0.5)[1], rel=1e-7)
    assert _pair(maps, 1.0, 1.0, 1.0)[1] == np.inf and maps.diagonal(1.0)[1] == np.inf
    assert _pair(maps, 0.0, 1.0, 0.0)[1] == np.inf
    assert np.isnan(_pair(dual(name), 1.0, 1.0, 0.5)[1]) and np.isnan(dual(name).diagonal(1.0)[1])
    assert activation(name).choice.startswith(f"{name} jumps")


@pytest.mark.parametrize("name", ["sign", "step"])
def test_close_pairs_of_a_jump_keep_all_digits(name):
    maps, (m, h) = dual(name, parameters={"derivative": "distribution"}), {"sign": (0, 1), "step": (0.5, 0.5)}[name]
    w, v, alpha, beta = 1.3, 0.2, 1.1, 0.3
    generator = np.random.default_rng(1)
    for size in (1e-10, 1e-6, 1e-3):
        x, direction = generator.standard_normal((2, 20))
        y = x + size * direction / np.linalg.norm(direction)
        q1, q2 = w * (x @ x) / 20 + v, w * (y @ y) / 20 + v
        delta, d = close_start(x, y, w, v)
        theta = alpha * (x @ y) / 20 + beta
        with mpmath.workdps(60):
            xs, ys = [[mpmath.mpf(float(z)) for z in row] for row in (x, y)]
            k11, k22, k12 = (
                mpmath.fdot(p, q) * mpmath.mpf(w) / 20 + mpmath.mpf(v) for p, q in ((xs, xs), (ys, ys), (xs, ys))
            )
            exact = alpha * (k12 - v) / w + beta
            for _ in range(3):
                delta, d, theta, q12 = maps.close(delta, d, q1, q2, theta, w, v, alpha, beta)
                q1 = q2 = w * (m * m + h * h) + v
                t = m * m + h * h * 2 / mpmath.pi * mpmath.asin(k12 / mpmath.sqrt(k11 * k22))
                tdot = h * h * 2 / mpmath.pi / mpmath.sqrt(k11 * k22 - k12**2)
                exact = alpha * t + beta + w * tdot * exact
                k11 = k22 = w * mpmath.mpf(m * m + h * h) + v
                k12 = w * t + v
                assert abs(theta / exact - 1) < 1e-14 and abs(q12 / k12 - 1) < 1e-14


def _exact(x, y, w, v, depth, slopes, weight_rate, bias_rate):
    """Return (Sigma, Theta, gap) of one pair after `depth` layers at 60 digits, by the textbook recursion."""
    a, b, w, v, alpha, beta = (mpmath.mpf(z) for z in (*slopes, w, v, weight_rate, bias_rate))
    x, y = [mpmath.mpf(float(z)) for z in x], [mpmath.mpf(float(z)) for z in y]
    k11, k22, k12 = (mpmath.fdot(p, q) / len(x) for p, q in ((x, x), (y, y), (x, y)))
    q1, q2, q12, theta = w * k11 + v, w * k22 + v, w * k12 + v, alpha * k12 + beta
    f, m = (a - b) ** 2 / (2 * mpmath.pi), (a * a + b * b) / 2
    for _ in range(depth):
        angle = mpmath.acos(min(q12 / mpmath.sqrt(q1 * q2), mpmath.mpf(1)))
        tdot = m - f * angle
        t = f * mpmath.sqrt(q1 * q2) * mpmath.sin(angle) + q12 * tdot
        theta = alpha * t + beta + w * tdot * theta
        q1, q2, q12 = w * m * q1 + v, w * m * q2 + v, w * t + v
    return q12, theta, 1 - q12 / mpmath.sqrt(q1 * q2)


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize("v", [0.0, 0.0025, 0.3])
def test_close_pairs_keep_all_digits_through_ten_layers(name, v):
    slopes, maps = SLOPES[name], ALL[name]
    m = 0.5 * (slopes[0] ** 2 + slopes[1] ** 2)
    w, alpha, beta, depth = 1.1 / m, 1.3, 0.2, 10
    generator = np.random.default_rng(1)
    worst = 0.0
    for size in (0.0, *(10.0**-k for k in range(10, 1, -1))):
        x, direction = generator.standard_normal((2, 20))
        y = x + size * direction / np.linalg.norm(direction)
        q1, q2 = w * (x @ x) / 20 + v, w * (y @ y) / 20 + v
        delta, d = close_start(x, y, w, v)
        theta = alpha * (x @ y) / 20 + beta
        for _ in range(depth):
            delta, d, theta, q12 = maps.close(delta, d, q1, q2, theta, w, v, alpha, beta)
            q1, q2 = w * m * q1 + v, w * m * q2 + v
        with mpmath.workdps(60):
            exact = _exact(x, y, w, v, depth, slopes, alpha, beta)
            worst = max(worst, *(float(abs(got / want - 1)) for got, want in zip((q12, theta), exact[:2], strict=True)))
            if size > 0.0:
                assert abs(delta / exact[2] - 1) < 1e-13
            else:
                assert delta == 0.0 and abs(exact[2]) < 1e-50
    assert worst < 4e-15  # what the plain recursion in doubles loses: 1e-9 and worse


def test_the_plain_recursion_does_lose_digits():
    """Power of the test above: without the gap the same pair is wrong by more than 1e-12."""
    maps, w, depth = ALL["relu"], 2.0, 10
    generator = np.random.default_rng(3)
    x, direction = generator.standard_normal((2, 20))
    y = x + 1e-7 * direction
    q1, q2, q12 = (w * (p @ q) / 20 for p, q in ((x, x), (y, y), (x, y)))
    theta = q12
    for _ in range(depth):
        t, tdot = _pair(maps, q1, q2, q12)
        theta = w * t + w * tdot * theta
        q12 = w * t
    with mpmath.workdps(60):
        exact = _exact(x, y, w, 0.0, depth, (0.0, 1.0), w, 0.0)[1]
        assert abs(theta / exact - 1) > 1e-12


def test_pairs_opposite_to_each_other_start_right():
    x = np.array([1.0, -2.0, 0.5])
    delta, d = close_start(x, -x, 1.0, 0.0)
    assert delta == pytest.approx(2.0) and d == pytest.approx(0.0, abs=1e-15)
