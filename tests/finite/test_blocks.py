"""Tangent kernels of finite networks of blocks: the pullbacks against differences in every single parameter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from theorysim.finite.blocks.kernels import kernels_at_initialisation, split, tangent_kernel
from theorysim.finite.blocks.network import parameters, passed
from theorysim.problem import blocks as b
from theorysim.problem.features import Node, inputs, placed

TANH = b.activation("tanh")
CONV = b.conv(filter=2, weight_std=1.3, bias_std=0.4)
FLAT, GAP = b.flatten(), b.global_average_pool()
IMAGES, SEQUENCES = (3, 4, 2), (5, 2)
NETWORKS: dict[str, tuple[tuple[int, ...], b.Block]] = {
    "dense": ((4,), b.chain(b.dense(bias_std=0.3), TANH, b.dense(weight_rate=3.0, bias_std=0.0, bias_rate=2.0))),
    "same": (IMAGES, b.chain(b.conv(filter=(2, 3), stride=(1, 2)), TANH, CONV, FLAT)),
    "valid": (IMAGES, b.chain(b.conv(filter=2, padding="valid"), TANH, b.conv(filter=1, stride=2), GAP)),
    "circular": (IMAGES, b.chain(b.conv(filter=3, padding="circular", stride=2, bias_std=0.2), TANH, CONV, FLAT)),
    "pools": (IMAGES, b.chain(CONV, TANH, b.average_pool((2, 3), stride=1), CONV, b.average_pool(2), GAP)),
    "joined": (SEQUENCES, b.chain(b.concatenate(CONV, b.dense(width=2.0)), b.add(CONV, b.chain(b.dense(), TANH)), GAP)),
    "layer_norm": (SEQUENCES, b.chain(CONV, b.layer_norm(epsilon=0.1), TANH, CONV, b.layer_norm(), FLAT)),
    "dropout": (SEQUENCES, b.chain(CONV, b.dropout(0.6), CONV, b.residual(b.chain(b.dropout(0.5), b.dense())), FLAT)),
    "attention": (
        SEQUENCES,
        b.chain(CONV, b.attention(query_std=3.0, key_std=2.0, value_std=1.1, output_std=0.8, bias_std=0.2), FLAT),
    ),
}
WIDTH, SEED, REPLICA, STEP = 3, 4, 1, 1e-5


def rates_of(node: Node, channels: int) -> Iterator[float]:
    """Yield the rate of each array of parameters, in the order of `parameters`; effective weights: alpha/fan_in."""
    block = node.block
    if isinstance(block, b.Dense | b.Conv):
        weights = parameters(node, channels, WIDTH, seed=0, replica=0)[0]
        yield from (block.rates[0] / len(weights), block.rates[1])
    if isinstance(block, b.Attention):
        yield from (
            1.0 / channels,
            block.value_std**2 / channels,
            block.output_std**2 / WIDTH,
            (block.bias_std or 0) ** 2,
        )
    for part in node.parts:
        yield from rates_of(part, part.inn.channels or round(WIDTH * part.inn.width))


@pytest.mark.parametrize("name", NETWORKS)
def test_tangent_kernels_are_sums_over_all_parameters(name: str) -> None:
    shape, block = NETWORKS[name]
    node = placed(block, inputs(shape))
    x = np.random.default_rng(1).normal(size=(3, node.inn.count, shape[-1]))
    weights = parameters(node, shape[-1], WIDTH, seed=SEED, replica=REPLICA)

    def values() -> np.ndarray:
        masks = ((SEED, REPLICA, step) for step in count())
        return passed(node, x, iter(weights), masks)[0][:, 0]

    through = passed(node, x, iter(weights), ((SEED, REPLICA, step) for step in count()))
    outputs, wanted = values().shape[1], np.zeros((3, 3))
    for array, rate in zip(weights, rates_of(node, shape[-1]), strict=True):
        for k in np.ndindex(array.shape):
            kept = array[k]
            array[k] = kept + STEP
            up = values()
            array[k] = kept - STEP
            slope = (up - values()) / (2.0 * STEP)
            array[k] = kept
            wanted += rate * slope @ slope.T / outputs
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(tangent_kernel(through, outputs), wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_readouts_of_one_network(name: str) -> None:
    """With many outputs the readout is averaged over: the covariance and its share of the kernel are what remains."""
    shape, body = NETWORKS[name]
    x = np.random.default_rng(1).normal(size=(3, *shape))
    node, readout = split(b.chain(body, b.dense(weight_std=1.5, bias_std=0.5)), shape)
    bare = kernels_at_initialisation(node, None, x, width=WIDTH, outputs=99, seed=SEED, replica=REPLICA)
    found = kernels_at_initialisation(node, readout, x, width=WIDTH, outputs=500, seed=SEED, replica=REPLICA)
    np.testing.assert_allclose(found[0], 2.25 * bare[0] + 0.25, rtol=1e-12)
    rest = found[1] - found[0]  # what the layers below contribute, W Theta W^T over the outputs
    assert rest.shape == (3, 3) and np.linalg.eigvalsh(rest)[0] > -1e-12 * np.abs(rest).max()
    frozen, frozen_readout = split(b.chain(body, b.dense(weight_rate=0.0)), shape)
    below = kernels_at_initialisation(frozen, frozen_readout, x, width=WIDTH, outputs=500, seed=SEED, replica=REPLICA)
    np.testing.assert_allclose(2.25 * below[1], rest, rtol=1e-9, atol=1e-9 * np.abs(rest).max())
