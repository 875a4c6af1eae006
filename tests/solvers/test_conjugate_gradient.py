"""Conjugate gradients: solutions, error estimates that hold and are not idle, and honest failures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from theorysim.errors import NotConverged
from theorysim.solvers.conjugate_gradient import solve

Array = NDArray[np.float64]
N = 200


def problem(w: Array) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(2)
    u = np.linalg.qr(rng.normal(size=(len(w), len(w))))[0]
    return (u * w) @ u.T, u, rng.normal(size=(len(w), 3)) * [1.0, 1e-6, 1e6]


SPECTRA = {
    "slow": np.linspace(0.1, 1.0, N),
    "steep": np.arange(1, N + 1.0) ** -2,
    "outlier": np.r_[1e4, np.geomspace(1, 1e-3, N - 1)],
    "low rank": np.r_[np.ones(20), np.zeros(N - 20)],
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("ridge", [1e-2, 1e-4])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-9])
def test_errors_are_covered_and_not_idle(name: str, ridge: float, tolerance: float) -> None:
    w = SPECTRA[name]
    a, u, y = problem(w)
    found = solve(lambda v: a @ v, y, ridge=ridge, tolerance=tolerance)
    exact = u @ ((u.T @ y) / (w + ridge)[:, None])
    size = np.linalg.norm(y, axis=0)
    assert np.all(found.residual <= tolerance * size)
    off = np.linalg.norm(a @ (found.x - exact), axis=0)
    assert np.all(off <= found.residual + found.rounding)
    assert np.all(found.rounding < 1e-6 * size)
    # as seen by other samples: rows like those of the kernel
    rows = np.random.default_rng(3).normal(size=(50, N)) / np.sqrt(N) @ np.diag(w) @ u.T
    error = np.abs(rows @ (found.x - exact)).max(axis=0)
    estimate = np.abs(rows @ found.change).max(axis=0)
    assert np.all(error <= estimate + found.rounding)
    assert np.all(estimate <= 1000 * (error + found.rounding))


def test_without_ridge() -> None:
    a, _, y = problem(SPECTRA["steep"])
    found = solve(lambda v: a @ v, y, tolerance=1e-7)
    assert np.all(np.linalg.norm(y - a @ found.x, axis=0) <= 1.0001 * found.residual)
    assert np.all(found.residual <= 1e-7 * np.linalg.norm(y, axis=0))


def test_columns_alone_and_zero_columns() -> None:
    a, _, y = problem(SPECTRA["slow"])
    together = solve(lambda v: a @ v, np.column_stack((y[:, 0], np.zeros(N))), tolerance=1e-10)
    alone = solve(lambda v: a @ v, y[:, :1], tolerance=1e-10)
    np.testing.assert_allclose(together.x[:, :1], alone.x, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(together.x[:, 1], 0.0)


def test_a_tolerance_below_rounding_is_refused_with_what_can_be_had() -> None:
    a, _, y = problem(SPECTRA["outlier"])
    with pytest.raises(NotConverged, match="a tolerance above") as caught:
        solve(lambda v: a @ v, y, ridge=1e-3, tolerance=1e-15)
    assert caught.value.residual > 1e-16


def test_too_few_products() -> None:
    a, _, y = problem(SPECTRA["steep"])
    with pytest.raises(NotConverged) as caught:
        solve(lambda v: a @ v, y, tolerance=1e-8, most=5)
    assert caught.value.iterations == 5


def test_negative_eigenvalues_are_an_error() -> None:
    a, _, y = problem(np.r_[-1.0, SPECTRA["slow"][1:]])
    with pytest.raises(ArithmeticError, match="not positive"):
        solve(lambda v: a @ v, y)


def test_progress_rises_to_one() -> None:
    a, _, y = problem(SPECTRA["steep"])
    fractions: list[float] = []
    solve(lambda v: a @ v, y, ridge=1e-2, progress=fractions.append)
    assert fractions[-1] == pytest.approx(1.0) and all(0.0 <= f <= 1.0 for f in fractions)
