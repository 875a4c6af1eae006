"""Spectra on the sphere and on the cube: acceptance numbers, closed forms, 80 digits, sum rules, tiny eigenvalues."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np
import pytest

import theorysim as ts
from theorysim import kernels
from theorysim.infinite import spectra
from theorysim.infinite.power_series import kernel_series
from theorysim.kernels.learner import activation_of
from theorysim.shipped import load

A3 = json.loads((Path(__file__).parents[1] / "data" / "A3_analytic.json").read_text())["sphere_ntk_relu_L3_d10"]
ONE = ts.MLP(depth=1, width=8, activation="relu")
HARD = ts.activation(lambda x: min(1.0, max(-1.0, x)), lambda x: 1.0 if abs(x) < 1.0 else 0.0, name="hard tanh")
NETWORKS = {
    "relu": ts.MLP(depth=3, width=8, activation="relu", bias_std=0.1),
    "erf": ts.MLP(depth=2, width=8, activation="erf"),
    "gelu": ts.MLP(depth=1, width=8, activation="gelu"),
    "tanh": ts.MLP(depth=2, width=8, activation="tanh", bias_std=0.3),
    "standard": ts.MLP(depth=1, width=8, activation="relu", parameterization="standard", bias_std=0.1),
}


@cache
def relu_eigenvalues():
    """Return the claim of derivations/spectra.py."""
    return load("derivations", "spectra").relu_eigenvalues()


def test_acceptance_numbers_on_the_sphere():
    """A3: relu NTK, three layers, ten dimensions, |x|^2 = d/2; every number of it."""
    found = kernels.sphere_spectrum(ts.MLP(depth=3, width=8, activation="relu"), 10, degrees=8, input_variance=0.5)
    np.testing.assert_allclose(found.eigenvalue, np.array(A3["lam"], dtype=float), rtol=2e-12)
    assert list(found.degeneracy) == A3["mult"]
    assert found.attrs["total"] == pytest.approx(float(A3["trace"]), rel=1e-14)
    assert float(found.power.sum()) == pytest.approx(float(A3["partial"]), abs=1e-9)
    assert float(found.cumulative_power[-1]) == pytest.approx(float(A3["partial"]) / 4.0, abs=1e-9)


@pytest.mark.parametrize("dim", [2, 3, 10, 1000])
def test_one_layer_of_relu_in_closed_form(dim):
    """Degrees 0, 1, 2: proved in derivations/spectra.py (kappa there is a quarter of sw^2 T at sw^2 = 2, q = 2)."""
    exact = np.array([float(v) for v in relu_eigenvalues().exact([(dim,)])[0][0]])
    found = kernels.sphere_spectrum(ONE, dim, degrees=2, kernel="nngp")
    np.testing.assert_allclose(found.eigenvalue, 4.0 * exact, rtol=1e-12)


def relu_kernel(c):
    """Return kappa of one hidden layer at cosine c, q = 2: the NNGP kernel, at the digits of mpmath."""
    return 2 * (mpmath.sqrt((1 - c) * (1 + c)) + (mpmath.pi - mpmath.acos(c)) * c) / mpmath.pi


@pytest.mark.parametrize(("dim", "k"), [(3, 12), (10, 20), (30, 10), (1000, 8), (1000, 20)])
def test_high_degrees_and_dimensions_against_80_digits(dim, k):
    """Of degree 20 in 1000 dimensions the eigenvalue is 1e-50 of kappa(1): the integral in doubles would be noise."""
    with mpmath.workdps(80):

        def integrand(t):
            c, before, now = mpmath.cos(t), mpmath.mpf(0), mpmath.mpf(1)
            for n in range(k):
                before, now = now, ((2 * n + dim - 2) * c * now - n * before) / (n + dim - 2)
            return relu_kernel(c) * now * mpmath.sin(t) ** (dim - 2)

        nodes = mpmath.linspace(0, mpmath.pi, 9) if dim < 100 else [
            mpmath.pi / 2 + mpmath.mpf(j) / 10 for j in range(-8, 9)
        ]  # fmt: skip
        size = mpmath.sqrt(mpmath.pi) * mpmath.gamma((mpmath.mpf(dim) - 1) / 2) / mpmath.gamma(mpmath.mpf(dim) / 2)
        exact = float(mpmath.quad(integrand, nodes, method="gauss-legendre", maxdegree=7) / size)
    found = kernels.sphere_spectrum(ONE, dim, degrees=k, kernel="nngp")
    value, error = float(found.eigenvalue[k]), float(found.eigenvalue_error[k])
    assert abs(value - exact) <= 4.0 * error + 1e-14 * abs(exact)
    assert error <= (1e-7 if dim == 10 else 1e-9) * abs(exact)  # 10 is where neither route is at its best


def cube_exact(kernel, dim, degrees):
    """Return eigenvalues by averages and differences over bits, at 120 digits."""
    with mpmath.workdps(120):
        values = [kernel(mpmath.mpf(dim - 2 * j) / dim) for j in range(dim + 1)]
        exact = []
        for k in range(degrees + 1):
            if k:
                values = [(a - b) / 2 for a, b in pairwise(values)]
            average = sum(mpmath.binomial(dim - k, i) * v for i, v in enumerate(values)) / mpmath.mpf(2) ** (dim - k)
            exact.append(float(average))
    return np.array(exact)


@pytest.mark.parametrize("dim", [1, 2, 7, 40, 200])
def test_cube_against_120_digits(dim):
    degrees = min(dim, 40)
    exact = cube_exact(relu_kernel, dim, degrees)
    found = kernels.cube_spectrum(ONE, dim, kernel="nngp")
    value, error = found.eigenvalue.values[: degrees + 1], found.eigenvalue_error.values[: degrees + 1]
    scale = 4e-15 * np.abs(exact)
    assert np.all(np.abs(value - exact) <= 4.0 * error + scale)
    low = np.flatnonzero(exact[:31] > 1e-100)  # eigenvalues down to 1e-40, and still nine digits
    np.testing.assert_allclose(value[low], exact[low], rtol=1e-9)
    assert float(found.cumulative_power[-1]) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
def test_sum_rule_and_positivity(name, kernel):
    """sum power = kappa(1), the self-kernel of `kernels.ntk`; eigenvalues of a kernel are not negative."""
    dim = 12
    found = kernels.cube_spectrum(NETWORKS[name], dim, kernel=kernel, input_variance=0.7)
    x = math.sqrt(0.7) * np.ones((1, dim))
    own = float(getattr(kernels, kernel)(NETWORKS[name], x)[0, 0])
    assert found.attrs["total"] == pytest.approx(own, rel=1e-13)
    assert float(found.power.sum()) == pytest.approx(own, rel=2e-12)
    assert np.all(found.eigenvalue >= -found.eigenvalue_error)
    assert float(found.degeneracy.sum()) == 2.0**dim


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_smooth_kernels_end_early_on_the_sphere(name):
    found = kernels.sphere_spectrum(NETWORKS[name], 200, degrees=60)
    assert float(found.cumulative_power[-1]) == pytest.approx(1.0, abs=1e-9)
    assert np.all(np.diff(found.cumulative_power) >= 0.0)


def test_cube_equals_the_eigenvalues_of_the_kernel_matrix():
    """All 64 corners of six bits, a kernel of one's own network."""
    corners = np.array([[1.0 - 2.0 * (i >> b & 1) for b in range(6)] for i in range(64)])
    network = ts.MLP(depth=2, width=8, activation=HARD, bias_std=0.2)
    exact = np.sort(np.linalg.eigvalsh(kernels.ntk(network, corners).values / 64.0))
    found = kernels.cube_spectrum(network, 6)
    spread = np.sort(np.repeat(found.eigenvalue.values, found.degeneracy.values.astype(int)))
    matrix_error = kernels.ntk(network, corners).attrs["error"]
    np.testing.assert_allclose(spread, exact, atol=1e-12 + matrix_error + 4.0 * found.eigenvalue_error.max().item())


def test_sphere_equals_random_inputs():
    """Mean over random pairs of kappa(c) c = eigenvalue_1 (theorem of Funk and Hecke); 5 % more is rejected."""
    dim, network = 5, NETWORKS["relu"]
    found = kernels.sphere_spectrum(network, dim, degrees=1)
    x = np.random.default_rng(2).standard_normal((1500, dim))
    x *= math.sqrt(dim) / np.linalg.norm(x, axis=1, keepdims=True)
    values = kernels.ntk(network, x[:750], x[750:]).values * (x[:750] @ x[750:].T) / dim
    rows = values.mean(axis=1)
    error = rows.std(ddof=1) / math.sqrt(375.0)
    eigenvalue = float(found.eigenvalue[1])
    assert abs(rows.mean() - eigenvalue) < 4 * error
    assert abs(rows.mean() - 1.6 * eigenvalue) > 4 * error


def test_both_routes_agree_where_both_are_good():
    network, dim = NETWORKS["gelu"], 20
    layers = network.layers(inputs=dim, outputs=1)
    domain = spectra.sphere(dim)
    powers = kernel_series(layers, activation_of(network), 1.0, 512)[1]
    walked = spectra._walked(domain, powers, 6)
    found = kernels.sphere_spectrum(network, dim, degrees=6)
    np.testing.assert_allclose(walked, found.power, rtol=1e-11, atol=1e-30)


def test_odd_activations_have_no_even_degrees():
    found = kernels.sphere_spectrum(ts.MLP(depth=2, width=8, activation="erf"), 8, degrees=9)
    even = found.sel(degree=[0, 2, 4, 6, 8])
    assert np.all(np.abs(even.power) <= 4.0 * even.degeneracy * even.eigenvalue_error)
    assert np.all(even.power < 1e-15)


BAD = [
    (lambda: kernels.sphere_spectrum("relu", 5), 'sphere_spectrum: `network` must be an MLP, got "relu"'),
    (lambda: kernels.sphere_spectrum(ONE, 1), "sphere_spectrum: `dim` must be a whole number from 2 to .*, got 1"),
    (lambda: kernels.sphere_spectrum(ONE, 5.5), "`dim` must be a whole number"),
    (lambda: kernels.sphere_spectrum(ONE, 5, degrees=-1), "`degrees` must be a whole number from 0"),
    (lambda: kernels.sphere_spectrum(ONE, 10**6, degrees=100), "`degrees` must be at most 65 in 1000000 dimensions"),
    (lambda: kernels.sphere_spectrum(ONE, 5, kernel="ntk2"), '`kernel` must be one of ntk, nngp; got "ntk2"'),
    (lambda: kernels.sphere_spectrum(ONE, 5, input_variance=-1.0), "`input_variance` must be a number, positive"),
    (lambda: kernels.cube_spectrum(ONE, 0), "cube_spectrum: `dim` must be a whole number from 1 to 1000, got 0"),
    (lambda: kernels.cube_spectrum(ONE, 4, degrees=5), "`degrees` must be a whole number from 0 to 4, got 5"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input(call, message):
    with pytest.raises(ts.ProblemError, match=message):
        call()
