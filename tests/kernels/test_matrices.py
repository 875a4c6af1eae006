"""Labelled kernel matrices: values, labels, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import theorysim as ts

X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_one_hidden_layer_of_relu_by_hand() -> None:
    """Depth 1, weight_std sqrt 2, no biases: orthogonal inputs give Sigma = 2 * sqrt(q q)/(2 pi), q = 1."""
    network = ts.MLP(depth=1, width=8, activation="relu")
    sigma, theta = ts.kernels.nngp(network, X), ts.kernels.ntk(network, X)
    assert sigma.dims == ("sample", "sample_other")
    assert sigma.attrs["units"] == "1"
    np.testing.assert_allclose(sigma[0, 1], 1 / np.pi, rtol=1e-14)
    np.testing.assert_allclose(np.diagonal(sigma), [1.0, 1.0, 2.0], rtol=1e-14)
    np.testing.assert_allclose(np.diagonal(theta), [2.0, 2.0, 4.0], rtol=1e-14)


def test_cross_kernel_is_the_block_of_the_whole() -> None:
    network = ts.MLP(depth=2, width=8, activation="erf", bias_std=0.2)
    whole = ts.kernels.ntk(network, X)
    np.testing.assert_allclose(ts.kernels.ntk(network, X[:1], X[1:]), whole[:1, 1:], rtol=1e-13)


@pytest.mark.parametrize(
    "x, message",
    [
        (np.array([1.0, 2.0]), "shape"),
        (np.array([[np.nan, 1.0]]), "finite"),
        (np.empty((0, 3)), "shape"),
        ([["a", "b"]], "numbers"),
    ],
)
def test_bad_inputs_are_named(x: object, message: str) -> None:
    with pytest.raises(ts.ProblemError, match=f"`x1`.*{message}"):
        ts.kernels.nngp(ts.MLP(depth=1, width=8), x)
