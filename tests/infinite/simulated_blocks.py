"""Run by test_blocks in a process of its own: kernels of blocks on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import numpy as np

from theorysim.infinite.blocks.recursion import Kernels, kernels_of_blocks
from theorysim.problem import blocks

conv, activation = blocks.conv, blocks.activation
NETWORKS = {
    "pools, series behind them": blocks.chain(
        conv(filter=3, bias_std=0.1), activation("relu"), blocks.average_pool((1, 2)),
        conv(filter=(2, 1), stride=(2, 1)), blocks.layer_norm(), activation("tanh"),
        blocks.global_average_pool(), blocks.dense(),
    ),
    "flatten, dropout, circles": blocks.chain(
        conv(filter=(2, 3), padding="circular"), activation("erf"), blocks.dropout(0.5), conv(filter=3),
        activation("relu"), blocks.flatten(), blocks.dense(bias_std=0.2),
    ),
    "attention, sums": blocks.chain(
        conv(filter=1), blocks.residual(blocks.chain(activation("relu"), blocks.attention(bias_std=0.1))),
        blocks.concatenate(activation("relu"), blocks.dense(width=0.5)), blocks.global_average_pool(), blocks.dense(),
    ),
}  # fmt: skip


def found(device: str) -> Iterator[Kernels]:
    """Yield small kernels of every network: of samples with themselves, two of which are equal, and with others."""
    x = np.random.default_rng(0).normal(size=(4, 2, 4, 2))
    x[3] = x[0]
    for network in NETWORKS.values():
        for other in (None, x[1:3]):
            yield kernels_of_blocks(network, x, other, device=device)


if __name__ == "__main__":
    json.dump([[kernels.nngp.tolist(), kernels.ntk.tolist()] for kernels in found("cuda")], sys.stdout)
