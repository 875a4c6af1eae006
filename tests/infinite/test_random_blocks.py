"""Kernels of random networks of blocks, every block among them, against the definitions on whole arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.infinite import block_reference
from theorysim.errors import ProblemError
from theorysim.infinite.blocks.recursion import kernels_of_blocks
from theorysim.problem import blocks as b

NETWORKS = 120
ERF, GELU = b.activation("erf"), b.activation("gelu")


class Draw:
    """Random blocks for inputs with so many axes of positions."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.axes = int(self.rng.integers(1, 3))
        self.plain = bool(self.rng.integers(2))  # nothing that mixes shifts p' - p but the mean over all positions
        self.padding = "same" if self.plain else self.one("same", "circular")

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def windows(self, largest: int) -> int | tuple[int, ...]:
        several = tuple(int(n) for n in self.rng.integers(1, largest + 1, size=self.axes))
        return self.one(several[0], several)

    def numbers(self) -> dict[str, float | None]:
        given = {"weight_std": float(self.rng.uniform(0.5, 1.6)), "weight_rate": self.one(None, None, 0.0, 2.5)}
        return given | self.one({}, {"bias_std": 0.3}, {"bias_std": 0.4, "bias_rate": 1.5})

    def conv(self, **fields: Any) -> b.Conv:
        return b.conv(filter=self.windows(3), padding=self.padding, **self.numbers(), **fields)

    def layer(self, depth: int = 0) -> b.Block:
        kinds = ["dense", "conv", "conv", "moved", "activation", "layer_norm", "dropout"]
        kinds += ([] if depth else ["residual", "add", "concatenate"]) + ([] if self.plain else ["pool", "attention"])
        kind = self.one(*kinds)
        if kind == "dense":
            return b.dense(**self.numbers())
        if kind == "conv":
            return self.conv()
        if kind == "moved":
            padding = self.one("same", "valid", self.padding)
            return b.conv(filter=self.windows(4), stride=self.windows(2), padding=padding, **self.numbers())
        if kind == "activation":
            return b.chain(*self.one([], [b.dense()]), self.one(ERF, GELU))
        if kind == "layer_norm":
            return b.chain(*self.one([], [b.dense()]), b.layer_norm(epsilon=self.one(1e-12, 0.1)))
        if kind == "dropout":
            return b.dropout(self.one(0.5, 0.8, 1.0))
        if kind == "pool":
            return b.average_pool(self.windows(2), stride=self.one(None, self.windows(2)))
        if kind == "attention":
            return b.attention(query_std=1.1, value_std=0.8, output_std=1.2, bias_std=self.one(None, 0.4))
        if kind == "residual":
            return b.residual(b.chain(*self.layers(2, 1), self.conv()))
        if kind == "add":
            return b.add(*(b.chain(*self.layers(2, 1), self.conv()) for _ in range(2)))
        return b.concatenate(*(b.chain(*self.layers(2, 1), self.conv(width=self.one(0.7, 2.0))) for _ in range(3)))

    def layers(self, most: int, depth: int = 0) -> list[b.Block]:
        return [self.layer(depth) for _ in range(self.rng.integers(0, most + 1))]

    def end(self) -> b.Block:
        return b.chain(*self.layers(2, 1), self.one(b.flatten(), b.global_average_pool()), b.dense(**self.numbers()))

    def network(self) -> b.Block:
        """Return a network whose first activations are erf, then gelu: one compiled machine serves all."""
        first = self.one([], [self.conv()], *([] if self.plain else [[b.average_pool(1)], [b.attention()]]))
        start = b.chain(*first, self.conv(), ERF, self.conv(), GELU, *self.layers(3))
        one, two = self.end(), self.end()
        return b.chain(start, self.one(one, one, b.add(one, two), b.concatenate(one, two)), b.dense())

    def inputs(self) -> tuple[np.ndarray, np.ndarray | None]:
        shape = (*self.rng.integers(1, 6, size=self.axes), 2)
        both = [self.rng.normal(size=(self.one(1, 2, 4), *shape)) for _ in range(2)]
        return both[0], self.one(None, both[1])


def found_at(seed: int) -> tuple[set[str], float] | None:
    """Return the kinds of blocks of a random network and the largest relative error; None if it is none."""
    draw = Draw(seed)
    network, (x1, x2) = draw.network(), draw.inputs()
    try:
        kernels = kernels_of_blocks(network, x1, x2)
    except ProblemError as refusal:
        assert str(refusal).startswith("blocks: `")
        return None
    wanted = block_reference.kernels(network, x1, x2)
    errors = [np.abs(a - w).max() / np.abs(w).max() for a, w in zip((kernels.nngp, kernels.ntk), wanted, strict=True)]
    return set(re.findall(r'"kind": "(\w+)"', b.to_json(network))), max(errors)


def test_random_networks() -> None:
    kinds: set[str] = set()
    compared = seed = 0
    while compared < NETWORKS:
        found, seed = found_at(seed), seed + 1
        if found is not None:
            assert found[1] < 1e-13, f"seed {seed - 1}"
            kinds |= found[0]
            compared += 1
    assert len(kinds) == 12  # every block there is
    assert seed < 3 * NETWORKS  # few are refused


@pytest.mark.parametrize("lanes", [33, 70])
def test_many_samples_side_by_side(lanes: int) -> None:
    """Short sequences run in groups of samples; the last group is not full."""
    draw = Draw(1)
    x = draw.rng.normal(size=(lanes, 3, 2))
    network = b.chain(b.conv(filter=2), ERF, b.attention(), GELU, b.dropout(0.5), b.global_average_pool(), b.dense())
    kernels = kernels_of_blocks(network, x)
    for found, wanted in zip((kernels.nngp, kernels.ntk), block_reference.kernels(network, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())
        assert np.array_equal(found, found.T)
