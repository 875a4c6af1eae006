"""Factorisations against their definitions, and the number of BLAS threads."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from theorysim.backend import linalg, random

X = random.normals((40, 60), seed=1, stream=0, purpose=random.DATA)


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_gram_is_the_matrix_of_inner_products() -> None:
    k = linalg.gram(X)
    np.testing.assert_allclose(k, np.einsum("ik,jk->ij", X, X), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(k, k.T)
    np.testing.assert_allclose(linalg.gram(X, X[:7]), k[:, :7], rtol=1e-12, atol=1e-12)


def test_eigh_gives_ascending_eigenvalues_and_orthonormal_columns() -> None:
    k = linalg.gram(X)
    w, u = linalg.eigh(k)
    assert np.all(np.diff(w) >= 0)
    np.testing.assert_allclose(u.T @ u, np.eye(40), atol=1e-13)
    np.testing.assert_allclose((u * w) @ u.T, k, atol=1e-11)


def test_cholesky_is_lower_triangular() -> None:
    k = linalg.gram(X)
    lower = linalg.cholesky(k)
    np.testing.assert_array_equal(np.triu(lower, 1), 0)
    np.testing.assert_allclose(lower @ lower.T, k, atol=1e-11)


def test_cholesky_refuses_an_indefinite_matrix() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        linalg.cholesky(np.diag([1.0, -1.0]))


def test_blas_runs_on_one_thread_inside_and_as_before_outside() -> None:
    before = blas_threads()
    with linalg.single_thread():
        assert set(blas_threads()) == {1}
        linalg.gram(X)  # nests
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_threads_are_restored_after_an_error() -> None:
    before = blas_threads()
    with pytest.raises(np.linalg.LinAlgError):
        linalg.cholesky(-np.eye(2))
    assert blas_threads() == before


@pytest.mark.parametrize(("kind", "near"), [(np.float64, 1e-13), (np.float32, 2e-5)])
def test_products_with_half_of_a_symmetric_matrix(kind: type, near: float) -> None:
    draws = random.normals((3, 90, 90), seed=1, stream=0, purpose=0)
    s, u, b = (draws[0] + draws[0].T).astype(kind), draws[1].astype(kind), draws[2][:, :40].astype(kind)
    scale = np.abs(s).sum()
    np.testing.assert_allclose(linalg.turned_diagonal(u, s), np.diag(u @ s @ u.T), atol=near * scale)
    half = b.T @ linalg.half_product(s, b)
    np.testing.assert_allclose(half + half.T, b.T @ s @ b, atol=near * scale)
    assert linalg.half_product(s, b).dtype == kind and linalg.turned_diagonal(u, s).dtype == kind


@pytest.mark.parametrize("size", [1, 31, 64, 100])
def test_the_lower_triangle_is_mirrored(size: int) -> None:
    lower = np.tril(random.normals((size, size), seed=2, stream=0, purpose=0))
    junk = np.triu(np.full((size, size), np.nan), 1)
    mended = linalg.mirrored(lower + junk)
    np.testing.assert_array_equal(mended, lower + np.tril(lower, -1).T)
