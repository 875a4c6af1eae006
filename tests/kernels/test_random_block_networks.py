"""Finite random networks of blocks against the kernels of infinitely many channels."""

from __future__ import annotations

import numpy as np
import pytest

from theorysim import kernels
from theorysim.problem import blocks as b

IMAGES, VECTORS = (4, 4, 2), (6,)
CONV, GAP = b.conv(filter=3, weight_std=1.4, bias_std=0.2), b.global_average_pool()
RELU, ERF, READOUT = b.activation("relu"), b.activation("erf"), b.dense()
NETWORKS = {
    "conv same, global pool": (IMAGES, b.chain(CONV, RELU, CONV, RELU, GAP, READOUT)),
    "conv valid and strided, flatten": (
        IMAGES, b.chain(b.conv(filter=2, padding="valid"), ERF, b.conv(filter=3, stride=2), RELU, b.flatten(), READOUT)
    ),
    "conv circular, average pool": (
        IMAGES, b.chain(b.conv(filter=3, padding="circular"), RELU, b.average_pool(2), CONV, ERF, b.flatten(), READOUT)
    ),
    "residual, layer norm": (
        VECTORS, b.chain(b.dense(), b.residual(b.chain(RELU, b.dense(weight_std=1.2))), b.layer_norm(), RELU, READOUT)
    ),
    "branches": (
        VECTORS,
        b.chain(b.concatenate(b.chain(b.dense(width=2.0), ERF), b.chain(b.dense(), RELU)), b.dense(), ERF, READOUT),
    ),
    "sum": (VECTORS, b.chain(b.add(b.dense(), b.chain(b.dense(), ERF, b.dense())), RELU, READOUT)),
    "dropout": (VECTORS, b.chain(b.dense(weight_std=1.4), RELU, b.dropout(0.7), READOUT)),
    "frozen": (VECTORS, b.chain(b.dense(weight_rate=0.0), RELU, b.dense(bias_std=0.3, bias_rate=2.0), ERF, READOUT)),
}  # fmt: skip
WIDTH, REPLICAS = 256, 48


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_of_finite_networks(name: str) -> None:
    shape, network = NETWORKS[name]
    x = np.random.default_rng(3).normal(size=(2, *shape))
    runs = kernels.monte_carlo(network, x, width=WIDTH, replicas=REPLICAS, seed=4)
    for kind, kernel in (("nngp", kernels.nngp), ("ntk", kernels.ntk)):
        theory, found = kernel(network, x).values, runs[kind].values
        error = found.std(axis=-1, ddof=1) / np.sqrt(REPLICAS)
        z = (found.mean(axis=-1) - theory) / error
        assert np.abs(z).max() < 4.0
        assert np.abs((found.mean(axis=-1) - 1.1 * theory) / error).max() > 4.0
