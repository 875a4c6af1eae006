"""Every block: infinite-width kernels against finite networks, and a planted error that is rejected.

Two pairs of correlated samples in many channels. The statistic is linear in the empirical kernels, so that its mean
differs from the limit by O(1/width) only, small beside its standard error. A mean over all positions of a network
fluctuates more than the positions do: such networks have more replicas.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import theorysim as ts
from theorysim import kernels
from theorysim.errors import ProblemError
from theorysim.problem import blocks as b

WIDTH = 256
ERF, GELU = b.activation("erf"), b.activation("gelu")
GAP, FLAT = b.global_average_pool(), b.flatten()
DENSE = b.dense(weight_std=1.2, bias_std=0.2)
CONV = b.conv(filter=3, weight_std=1.4, bias_std=0.2)
IMAGES, SEQUENCES, VECTORS = (4, 4, 8), (6, 12), (40,)

NETWORKS: dict[str, tuple[tuple[int, ...], int, b.Block]] = {
    "dense": (VECTORS, 320, b.chain(DENSE, ERF, DENSE, GELU, DENSE)),
    "same": (IMAGES, 112, b.chain(CONV, ERF, b.conv(filter=2, bias_std=0.3), GELU, FLAT, DENSE)),
    "valid": (
        SEQUENCES,
        160,
        b.chain(b.conv(filter=3, padding="valid", weight_std=1.4), ERF, b.conv(filter=2, stride=2), GELU, FLAT, DENSE),
    ),
    "circular": (
        IMAGES,
        112,
        b.chain(b.conv(filter=(4, 3), stride=2, padding="circular"), ERF, b.conv(filter=1), GELU, FLAT, DENSE),
    ),
    "global_average_pool": (SEQUENCES, 256, b.chain(CONV, ERF, CONV, GELU, GAP, DENSE)),
    "average_pool": (SEQUENCES, 192, b.chain(CONV, ERF, b.average_pool(3, stride=1), CONV, GELU, FLAT, DENSE)),
    "residual": (SEQUENCES, 96, b.chain(CONV, b.residual(b.chain(ERF, CONV, GELU, CONV)), FLAT, DENSE)),
    "add": (SEQUENCES, 96, b.chain(CONV, b.add(b.chain(ERF, CONV), b.chain(GELU, DENSE), ERF), FLAT, DENSE)),
    "concatenate": (
        SEQUENCES,
        176,
        b.chain(CONV, b.concatenate(ERF, b.chain(GELU, b.conv(filter=2, width=0.5))), CONV, GELU, FLAT, DENSE),
    ),
    "layer_norm": (
        SEQUENCES,
        64,
        b.chain(CONV, b.layer_norm(epsilon=0.1), ERF, CONV, b.layer_norm(), GELU, FLAT, DENSE),
    ),
    "dropout": (SEQUENCES, 160, b.chain(CONV, ERF, b.dropout(0.7), CONV, GELU, b.dropout(0.6), FLAT, DENSE)),
    "attention": (
        SEQUENCES,
        320,
        b.chain(DENSE, ERF, b.attention(query_std=1.3, value_std=1.2, bias_std=0.3), GELU, FLAT, DENSE),
    ),
    "attention_first": (SEQUENCES, 192, b.chain(b.attention(key_std=2.0), ERF, CONV, GELU, FLAT, DENSE)),
    "rates": (
        SEQUENCES,
        96,
        b.chain(
            b.conv(filter=3, weight_std=1.5, weight_rate=0.0), ERF,
            b.conv(filter=3, weight_std=1.5, weight_rate=9.0, bias_std=0.0, bias_rate=2.0), GELU, FLAT,
            b.dense(weight_rate=0.5),
        ),
    ),
}  # fmt: skip


def inputs(shape: tuple[int, ...]) -> np.ndarray:
    """Return x_1, y_1, x_2, y_2 with correlations of 0.6 between x_i and y_i."""
    x = np.random.default_rng(0).normal(size=(4, *shape))
    x[1::2] = 0.6 * x[::2] + 0.8 * x[1::2]
    return x


def statistic(kernel: np.ndarray) -> np.ndarray:
    """Return the sum of the entries of both pairs, diagonal and not."""
    return np.trace(kernel) + 2.0 * (kernel[0, 1] + kernel[2, 3])


def score(theory: np.ndarray, found: np.ndarray) -> float:
    """Return (mean - theory)/standard error."""
    values = statistic(found)
    return float((values.mean() - statistic(theory)) / (values.std(ddof=1) / np.sqrt(len(values))))


@pytest.mark.parametrize("name", NETWORKS)
def test_kernels_of_finite_networks(name: str) -> None:
    shape, replicas, network = NETWORKS[name]
    x = inputs(shape)
    found = kernels.monte_carlo(network, x, width=WIDTH, replicas=replicas, seed=3)
    for kind, kernel in (("nngp", kernels.nngp), ("ntk", kernels.ntk)):
        theory, networks = kernel(network, x).values, found[kind].values
        assert abs(score(theory, networks)) < 4.0
        assert abs(score(1.05 * theory, networks)) > 4.0
        assert abs(score(theory / 1.05, networks)) > 4.0


def test_every_block_is_among_them() -> None:
    text = "".join(b.to_json(network) for *_, network in NETWORKS.values())
    assert len(set(re.findall(r'"kind": "(\w+)"', text))) == 12


def test_two_sets_of_samples_and_replicas() -> None:
    network = NETWORKS["concatenate"][2]
    x = inputs(SEQUENCES)
    whole = kernels.monte_carlo(network, x, width=16, replicas=3, seed=1)
    assert whole.ntk.dims == ("sample", "sample_other", "replica") and whole.ntk.shape == (4, 4, 3)
    part = kernels.monte_carlo(network, x[:1], x[1:], width=16, replicas=2, seed=1)
    np.testing.assert_allclose(part.ntk, whole.ntk[:1, 1:, :2], rtol=1e-12)
    np.testing.assert_allclose(part.nngp, whole.nngp[:1, 1:, :2], rtol=1e-12)
    assert np.abs(whole.ntk[..., 0] - whole.ntk[..., 1]).max() > 1e-3


def test_networks_without_readout() -> None:
    """Then the covariance is a mean over channels, and the tangent kernel that of the first channels."""
    network = b.chain(CONV, ERF, CONV, GELU, FLAT)
    x = inputs(SEQUENCES)
    found = kernels.monte_carlo(network, x, width=WIDTH, replicas=96, seed=3)
    assert abs(score(kernels.nngp(network, x).values, found.nngp.values)) < 4.0
    assert kernels.monte_carlo(network, x, width=2, replicas=1, seed=3, outputs=99).ntk.shape == (4, 4, 1)


def test_perceptrons() -> None:
    network = ts.MLP(depth=2, width=(8, 4), activation="erf", bias_std=0.2)
    found = kernels.monte_carlo(network, inputs(VECTORS), width=128, replicas=160, seed=2)
    assert abs(score(kernels.ntk(network, inputs(VECTORS)).values, found.ntk.values)) < 4.0


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"width": 0}, "`width` must be a whole number from 1 to 65536, got 0"),
        ({"replicas": 1.5}, "`replicas` must be a whole number from 1 to 65536, got 1.5"),
        ({"outputs": True}, "`outputs` must be a whole number from 1 to 65536, got True"),
        ({"network": "relu"}, "`network` must be an MLP or a network of blocks"),
        ({"network": b.chain(DENSE, b.activation("sign"), DENSE)}, "the ntk must be finite"),
        ({"seed": -1}, "`seed` must be"),
    ],
)
def test_wrong_requests(given: dict[str, object], line: str) -> None:
    request = {"network": b.chain(DENSE, ERF, DENSE), "x1": inputs(VECTORS), "width": 8, "replicas": 2, "seed": 0}
    with pytest.raises(ProblemError, match=re.escape(line)):
        kernels.monte_carlo(**(request | given))
