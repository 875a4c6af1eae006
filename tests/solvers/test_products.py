"""Products that read half of a symmetric matrix: right, blind to the other half, the same bits for any threads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from theorysim.solvers import products

Array = NDArray[np.float64]


def symmetric(n: int, seed: int = 0) -> Array:
    a = np.random.default_rng(seed).normal(size=(n, n))
    return a + a.T


def vectors(n: int, c: int) -> Array:
    return np.random.default_rng(1).normal(size=(n, c))


@dataclass
class Cut:
    """A matrix in blocks of 17; what lies beyond the edges, or above the diagonal, is NaN."""

    matrix: Array
    lower: bool = True
    block: int = 17

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape  # type: ignore[return-value]

    def read(self, i: int, j: int) -> Array:
        assert j <= i or not self.lower
        out = np.full((17, 17), np.nan)
        part = self.matrix[17 * i : 17 * i + 17, 17 * j : 17 * j + 17]
        out[: part.shape[0], : part.shape[1]] = part
        return out


@pytest.mark.parametrize("n", [1, 3, 4, 63, 130, 333])
@pytest.mark.parametrize("c", [1, 3])
def test_only_the_lower_half_is_read(n: int, c: int) -> None:
    a, v = symmetric(n), vectors(n, c)
    half = np.tril(a) + np.triu(np.full((n, n), np.nan), 1)
    np.testing.assert_allclose(products.symmetric_product(half)(v), a @ v, atol=1e-12)
    np.testing.assert_allclose(products.symmetric_product(np.asfortranarray(a))(v), a @ v, atol=1e-12)
    np.testing.assert_allclose(products.symmetric_product_of_blocks(Cut(a))(v), a @ v, atol=1e-12)


def test_rows_longer_than_a_segment() -> None:
    a, v = symmetric(2300), vectors(2300, 2)
    np.testing.assert_allclose(products.symmetric_product(a)(v), a @ v, atol=1e-11)


def test_single_precision_numbers_are_summed_in_double() -> None:
    a, v = symmetric(200).astype(np.float32), vectors(200, 2)
    np.testing.assert_allclose(products.symmetric_product(a)(v), a.astype(float) @ v, atol=1e-12)


def test_any_matrix() -> None:
    b, v = np.random.default_rng(0).normal(size=(600, 45)), vectors(45, 2)
    np.testing.assert_allclose(products.product_of(b)(v), b @ v, atol=1e-12)
    np.testing.assert_allclose(products.product_of(b.astype(np.float32))(v), b @ v, atol=1e-5)
    np.testing.assert_allclose(products.product_of_blocks(Cut(b, lower=False))(v), b @ v, atol=1e-12)


def test_same_bits_for_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    a, v = symmetric(700), vectors(700, 3)
    monkeypatch.setattr(products, "_WORTH_THREADS", 0)
    runs = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(products, "_threads", lambda threads=threads: threads)
        runs.append((products.symmetric_product(a)(v), products.symmetric_product_of_blocks(Cut(a))(v)))
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)


def test_asymmetry_finds_one_wrong_entry() -> None:
    a = symmetric(600)
    assert products.asymmetry(a) == 0.0
    a[3, 580] += 0.5
    assert products.asymmetry(a) == pytest.approx(0.5 / np.abs(a).max())
    a[580, 3] = np.nan
    assert math.isnan(products.asymmetry(a))
    assert products.asymmetry(np.zeros((2, 2))) == 0.0
