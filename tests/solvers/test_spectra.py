"""Leading eigenpairs with their residual bounds; averages over the spectrum within their standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from theorysim.errors import NotConverged
from theorysim.solvers.spectra import lanczos_quadrature, leading_pairs

Array = NDArray[np.float64]
N = 300


def matrix(w: Array) -> Array:
    u = np.linalg.qr(np.random.default_rng(7).normal(size=(len(w), len(w))))[0]
    a = (u * w) @ u.T
    return 0.5 * (a + a.T)


SPECTRA = {
    "power law": np.arange(1, N + 1.0) ** -1.5,
    "multiple": np.r_[3.0, 3, 3, 2, 2, 1, 1, 1, 0.9 / np.arange(1, N - 7.0)],
    "low rank": np.r_[np.ones(5), np.zeros(N - 5)],
    "identity": np.ones(N),
    "signs": np.r_[2.0, 1.5, 1.0, -np.linspace(0.1, 3.0, N - 3)],
    "close": np.r_[1.0, 1.0 - 1e-6, 1.0 - 2e-6, np.linspace(0.0, 0.9, N - 3)],
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("count", [1, 4, 12])
def test_leading_pairs(name: str, count: int) -> None:
    w = np.sort(SPECTRA[name])[::-1]
    a = matrix(w)
    found = leading_pairs(lambda v: a @ v, N, count, seed=1)
    scale = np.abs(w).max()
    np.testing.assert_allclose(found.values, w[:count], atol=1e-10 * scale)
    assert np.all(np.abs(found.values - w[:count]) <= found.residuals + 1e-14 * scale)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(count), atol=1e-12)
    residuals = np.linalg.norm(a @ found.vectors - found.vectors * found.values, axis=0)
    np.testing.assert_allclose(found.residuals, residuals, atol=1e-14 * scale)
    assert found.residuals.max() <= 1.01e-10 * scale


def test_loose_tolerances_stop_early_and_their_bounds_hold() -> None:
    w = SPECTRA["power law"]
    a = matrix(w)
    loose, tight = (leading_pairs(lambda v: a @ v, N, 8, tolerance=tolerance) for tolerance in (1e-2, 1e-12))
    assert loose.products < tight.products
    assert np.all(np.abs(loose.values - w[:8]) <= loose.residuals)
    assert loose.residuals.max() > 1e-6


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_all_pairs_of_a_small_matrix(n: int) -> None:
    a = matrix(np.linspace(-1.0, 2.0, n))
    for count in range(1, n + 1):
        found = leading_pairs(lambda v: a @ v, n, count)
        np.testing.assert_allclose(found.values, np.linalg.eigvalsh(a)[::-1][:count], atol=1e-10)


def test_restarts_with_a_short_basis() -> None:
    w = 1.0 + np.linspace(1.0, 0.0, N)
    a = matrix(w)
    found = leading_pairs(lambda v: a @ v, N, 3, basis=14, most=2000, tolerance=1e-8)
    np.testing.assert_allclose(found.values, w[:3], atol=1e-8)
    assert found.products > 30
    with pytest.raises(NotConverged, match="leading pairs"):
        leading_pairs(lambda v: a @ v, N, 3, basis=14, most=20, tolerance=1e-8)


def powers(w: Array) -> Array:
    return np.stack([w**k for k in range(5)], axis=-1)


@pytest.mark.parametrize("name", ["power law", "multiple", "signs", "low rank"])
def test_moments_agree_within_their_standard_errors(name: str) -> None:
    w = SPECTRA[name]
    a = matrix(w)
    quadrature = lanczos_quadrature(lambda v: a @ v, N, probes=64, steps=30, seed=2)
    mean, error, cut = quadrature.average(powers)
    exact = powers(w).mean(axis=0)
    z = (mean - exact) / np.hypot(error, cut)
    assert np.abs(z).max() < 4
    assert mean[0] == pytest.approx(1.0, abs=1e-12)
    assert np.all(cut[1:] < 0.02 * error[1:])  # polynomials of low degree are exact for each probe
    # power: a planted error of ten standard errors or a factor 2, whichever is less, is rejected
    planted = mean[1:] + np.minimum(10 * error[1:], exact[1:])
    assert np.abs((planted - exact[1:]) / error[1:]).max() > 4


def test_the_cut_is_seen_where_steps_are_few() -> None:
    w = SPECTRA["power law"]
    a = matrix(w)

    def logarithm(x: Array) -> Array:
        return np.log(np.maximum(x, 1e-12) + 1e-3)

    exact = logarithm(w).mean()
    for steps in (8, 40):
        mean, error, cut = lanczos_quadrature(lambda v: a @ v, N, probes=64, steps=steps, seed=0).average(logarithm)
        assert abs(mean - exact) < 4 * np.hypot(error, cut)
    coarse = lanczos_quadrature(lambda v: a @ v, N, probes=64, steps=8, seed=0).average(logarithm)
    fine = lanczos_quadrature(lambda v: a @ v, N, probes=64, steps=40, seed=0).average(logarithm)
    assert coarse[2] > 3 * fine[2]


def test_probes_are_the_same_with_any_seed_chosen_again() -> None:
    a = matrix(SPECTRA["power law"])
    one, two, other = (lanczos_quadrature(lambda v: a @ v, N, probes=3, steps=9, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.nodes, two.nodes)
    assert np.abs(one.nodes - other.nodes).max() > 1e-6
    np.testing.assert_allclose(one.weights.sum(axis=1), 1.0, atol=1e-13)
