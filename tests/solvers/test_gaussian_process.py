"""Low-rank Gaussian processes: factorisations, spans, and the covariance that the directions make."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim.solvers.gaussian_process import NoRoom, Rows, Span, directions, pivoted_cholesky, standard_normals

SAMPLES = 400


def draws(rows: int, *, first: int = 0, stream: int = 0) -> np.ndarray:
    return standard_normals((rows, SAMPLES), seed=3, stream=stream, purpose=70, first=first)


@pytest.mark.parametrize("rank", [1, 4, 9])
def test_pivoted_cholesky_rebuilds_a_matrix_of_low_rank(rank: int) -> None:
    half = np.random.default_rng(rank).normal(size=(9, rank))
    pivots, factor = pivoted_cholesky(half @ half.T, np.full(9, 1e-10))
    assert len(pivots) == rank == len(set(pivots.tolist()))
    np.testing.assert_allclose(factor @ factor.T, half @ half.T, atol=1e-12)
    np.testing.assert_array_equal(np.triu(factor[pivots], 1), 0.0)


def test_what_is_rejected_is_below_its_threshold() -> None:
    x = np.linspace(0.0, 1.0, 30)
    matrix, threshold = np.exp(-((x[:, None] - x) ** 2)), np.full(30, 1e-4)
    pivots, factor = pivoted_cholesky(matrix, threshold)
    rest = np.diagonal(matrix) - np.sum(factor**2, axis=1)
    assert 2 <= len(pivots) < 8 and np.all(rest < threshold) and np.all(rest > -1e-12)


def test_zero_and_undefined_matrices_have_no_pivots() -> None:
    assert len(pivoted_cholesky(np.zeros((3, 3)), np.full(3, 1e-4))[0]) == 0
    assert len(pivoted_cholesky(np.full((3, 3), np.nan), np.full(3, 1e-4))[0]) == 0


def test_fresh_vectors_are_orthonormal_and_outside() -> None:
    span = Span(SAMPLES)
    span.include(directions(np.abs(draws(5)), np.empty((0, SAMPLES)), np.empty((5, 0)), 1e-10)[0])
    first = span.fresh(draws(3, first=10))
    second = span.fresh(draws(2, first=20))
    whole = np.concatenate([span.rows.values[:5], first, second])
    np.testing.assert_allclose(whole @ whole.T / SAMPLES, np.eye(10), atol=1e-12)
    assert span.dimension == 10


def test_a_span_holds_nothing_twice() -> None:
    span = Span(SAMPLES)
    known = span.fresh(draws(4))
    span.include(known[:2])
    span.include((known[:1] + known[1:2]) / np.sqrt(2.0))
    assert span.dimension == 4
    with pytest.raises(NoRoom):
        span.fresh(draws(9 * SAMPLES // 10 - 3))


def test_the_process_has_the_covariance_of_the_features() -> None:
    """u = sum_k <d_k f> e_k with orthonormal e: the covariance over samples is exact up to what was rejected."""
    features = np.tanh(np.array([[1.0, 0.3], [0.9, 0.5], [-0.2, 1.0], [1.0, 0.31]]) @ draws(2))
    known, coefficients = Rows(SAMPLES), np.zeros((0, 0))
    for row in range(4):  # one after another, as in a march
        own = features[: row + 1] @ known.values.T / SAMPLES
        new, added = directions(features[row : row + 1], known.values, own[row:], 1e-6)
        known.append(new)
        coefficients = np.concatenate([own, np.zeros((row + 1, len(new)))], axis=1)
        coefficients[row, own.shape[1] :] = added[0]
    u = coefficients @ Span(SAMPLES).fresh(draws(known.count, first=50))
    np.testing.assert_allclose(u @ u.T / SAMPLES, features @ features.T / SAMPLES, atol=2e-6)
    assert known.count == 4


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(FloatingPointError):
        directions(np.full((1, SAMPLES), np.inf), np.empty((0, SAMPLES)), np.empty((1, 0)), 1e-4)


def test_normals_are_those_of_their_row_and_stream() -> None:
    np.testing.assert_array_equal(draws(4)[2:], draws(2, first=2))
    assert not np.any(draws(1) == draws(1, stream=1))
