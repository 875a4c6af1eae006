"""Every built-in activation: infinite-width kernels against finite networks, and a planted error that is rejected.

Twelve pairs of inputs in 24 dimensions, orthogonal to each other: nearly independent, so that their average says as
much as twelve networks. All pairs have the same kernels in theory. The statistic is linear in the empirical kernels,
so its mean differs from the limit by O(1/width) only, small beside its standard error. Powers of a Gaussian variable
have heavy tails: there the first layer, whose fluctuations make that bias, is made far wider.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.activation_examples import ALL, PARAMETERS
from theorysim import kernels
from theorysim.finite.kernels import empirical_nngp, empirical_ntk
from theorysim.finite.network import Parameters, initialise
from theorysim.problem import MLP

PAIRS, COSINE = 12, 0.6
WIDTH, REPLICAS = 512, 64
HEAVY, HEAVY_WIDTHS, HEAVY_REPLICAS = ("quadratic", "monomial", "hermite", "rectified_monomial"), (4096, 320), 112
SAME = {"monomial": "quadratic"}  # of degree 2: one set of networks serves both
LIGHT = {"monomial": {"degree": 2}, "hermite": {"degree": 2}}  # moments of higher powers need far more networks
SMALLER = {"quadratic": 0.9, "monomial": 0.9, "exp": 0.9}


def inputs() -> np.ndarray:
    """Return 12 pairs (x_1, y_1, x_2, y_2, ...) of squared norm 24 and correlation 0.6, shape (24, 24)."""
    frame = np.sqrt(2 * PAIRS) * np.linalg.qr(np.random.default_rng(0).normal(size=(2 * PAIRS, 2 * PAIRS)))[0]
    frame[1::2] = COSINE * frame[::2] + np.sqrt(1.0 - COSINE**2) * frame[1::2]
    return frame


def network(name: str) -> MLP:
    table = {"name": name, **PARAMETERS.get(name, {}), **LIGHT.get(name, {})}
    width = HEAVY_WIDTHS if name in HEAVY else WIDTH
    return MLP(depth=2, width=width, activation=table, weight_std=SMALLER.get(name, 1.0), bias_std=0.1)


def score(theory: np.ndarray, found: np.ndarray) -> float:
    """Return (mean - theory)/standard error of the average over pairs of diagonal and off-diagonal entries."""
    i = 2 * np.arange(PAIRS)
    scale = theory[0, 0]
    statistic = found[i, i].mean(axis=0) + found[i + 1, i + 1].mean(axis=0) + 2.0 * found[i, i + 1].mean(axis=0)
    wanted = theory[0, 0] + theory[1, 1] + 2.0 * theory[0, 1]
    error = statistic.std(ddof=1) / np.sqrt(len(statistic))
    assert error > 1e-6 * scale
    return float((statistic.mean() - wanted) / error)


@cache
def weights_like(name: str) -> Parameters:
    layers = network(name).layers(inputs=2 * PAIRS, outputs=1)
    return initialise(layers, range(HEAVY_REPLICAS if name in HEAVY else REPLICAS), seed=5)


def weights_of(name: str) -> Parameters:
    """Return the weights of the networks: drawn twice in all, and scaled."""
    p = weights_like("quadratic" if name in HEAVY else "relu")
    scale = SMALLER.get(name, 1.0) / SMALLER.get("quadratic" if name in HEAVY else "relu", 1.0)
    return p if scale == 1.0 else Parameters([scale * w for w in p.weights], p.biases)


@cache
def measured(name: str) -> list[np.ndarray]:
    """Return the empirical NNGP and NTK, each of shape (24, 24, replicas)."""
    net, p = network(name), weights_of(name)
    return [empirical(net, p, inputs()).values for empirical in (empirical_nngp, empirical_ntk)]


@pytest.mark.parametrize("name", ALL)
def test_kernels_of_finite_networks(name: str) -> None:
    for kernel, found in zip((kernels.nngp, kernels.ntk), measured(SAME.get(name, name)), strict=True):
        theory = kernel(network(name), inputs())
        assert abs(score(theory.values, found)) < 4.0
        assert abs(score(1.05 * theory.values, found)) > 4.0
        assert abs(score(theory.values / 1.05, found)) > 4.0
        assert theory.attrs["error"] < 1e-6
