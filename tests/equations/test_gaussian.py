"""Observables of a Gaussian residual against samples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.equations import gaussian


def test_mean_and_variance_of_a_squared_residual():
    generator = np.random.default_rng(0)
    root = generator.standard_normal((3, 3))
    covariance, mean = root @ root.T, np.array([0.5, -1.0, 2.0])
    r = generator.multivariate_normal(mean, covariance, size=400_000)
    squares = (r**2).sum(axis=1)
    total = sum(gaussian.square_mean(mean[i], covariance[i, i]) for i in range(3))
    variance = sum(gaussian.square_covariance(mean[i], mean[j], covariance[i, j]) for i in range(3) for j in range(3))
    assert variance == pytest.approx(2 * np.sum(covariance**2) + 4 * mean @ covariance @ mean, rel=1e-13)
    assert abs(squares.mean() - total) < 5 * math.sqrt(variance / len(squares))
    assert squares.var() == pytest.approx(variance, rel=0.02)


def test_accuracy_at_zero_deviation():
    assert [gaussian.binary_accuracy(m, 0.0) for m in (-1.0, 0.0, 1.0)] == [0.0, 0.5, 1.0]


def test_accuracy_against_samples():
    f = np.random.default_rng(1).normal(0.3, 0.8, size=200_000)
    expected = gaussian.binary_accuracy(0.3, 0.8)
    assert abs(np.mean(f > 0) - expected) < 5 * math.sqrt(expected * (1 - expected) / len(f))
