"""A network of blocks with finitely many channels: its parameters, its values and its tangent kernel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from math import sqrt

import numpy as np

from theorysim.backend.random import BIASES, NOISE, WEIGHTS, normals, uniforms
from theorysim.finite.blocks import layers
from theorysim.finite.blocks.layers import Array, Passed
from theorysim.problem import blocks
from theorysim.problem.features import Node, activation_of, per_axis


def parameters(node: Node, channels: int, width: int, *, seed: int, replica: int) -> list[Array]:
    """Draw the effective parameters of a network, block by block.

    Parameters
    ----------
    node : Node
        The network in its place.
    channels : int
        Of its input.
    width : int
        Channels of a layer of relative width 1.
    seed, replica : int
        Key and stream of the generator.

    Returns
    -------
    list of ndarray
        W, shape (fan_in, channels), and b, shape (channels,), of each layer; of attention the matrix of queries and
        keys (normal, variance 1/channels), then values, output, biases.
    """
    found: list[Array] = []
    steps = count()

    def normal(shape: tuple[int, ...], purpose: int, std: float) -> None:
        found.append(std * normals(shape, seed=seed, stream=replica, purpose=purpose, step=next(steps)))

    def visit(node: Node, n: int) -> int:
        block = node.block
        if isinstance(block, blocks.Chain):
            for part in node.parts:
                n = visit(part, n)
            return n
        if isinstance(block, blocks.Add | blocks.Concatenate):
            ends = [visit(part, n) for part in node.parts]
            return ends[0] if isinstance(block, blocks.Add) else sum(ends)
        if isinstance(block, blocks.Flatten):
            return n * node.inn.count
        if isinstance(block, blocks.Dense | blocks.Conv):
            taps = int(np.prod(per_axis(block, "filter", node.inn))) if isinstance(block, blocks.Conv) else 1
            out = channels_of(block.width, width)
            normal((taps * n, out), WEIGHTS, block.weight_std / sqrt(taps * n))
            normal((out,), BIASES, block.bias)
            return out
        if isinstance(block, blocks.Attention):
            out = channels_of(block.width, width)
            normal((n, width), WEIGHTS, 1.0 / sqrt(n))
            normal((n, width), WEIGHTS, block.value_std / sqrt(n))
            normal((width, out), WEIGHTS, block.output_std / sqrt(width))
            normal((out,), BIASES, block.bias)
            return out
        return n

    visit(node, channels)
    return found


def channels_of(relative: float, width: int) -> int:
    """Return the channels of a layer of the given relative width."""
    return max(1, round(relative * width))


def passed(node: Node, x: Array, weights: Iterator[Array], masks: Iterator[tuple[int, int, int]]) -> Passed:
    """Return the values of a network, shape (B, P, n), and its pullback.

    Parameters
    ----------
    node : Node
    x : ndarray, shape (B, positions, channels)
    weights : iterator of ndarray
        Those of `parameters`; taken in order.
    masks : iterator of (seed, replica, step)
        Where the numbers of each dropout come from.
    """
    block = node.block
    if isinstance(block, blocks.Chain):
        pulls = []
        for part in node.parts:
            x, pull = passed(part, x, weights, masks)
            pulls.append(pull)
        return x, lambda g, theta: _through(pulls, g, theta)
    if isinstance(block, blocks.Add | blocks.Concatenate):
        ends = [passed(part, x, weights, masks) for part in node.parts]
        return _joined(isinstance(block, blocks.Add), ends)
    if isinstance(block, blocks.Dense):
        return layers.weighted(x, next(weights), next(weights), block.rates)
    if isinstance(block, blocks.Conv):
        return layers.convolved(node, block, x, next(weights), next(weights))
    if isinstance(block, blocks.Attention):
        return layers.attended(block, x, weights)
    if isinstance(block, blocks.Nonlinearity):
        return layers.activated(activation_of(block), x)
    if isinstance(block, blocks.LayerNorm):
        return layers.normalised(block, x)
    if isinstance(block, blocks.Dropout):
        seed, replica, step = next(masks)
        return layers.dropped(block, x, uniforms(x.shape, seed=seed, stream=replica, purpose=NOISE, step=step))
    if isinstance(block, blocks.AveragePool):
        return layers.pooled(node, block, x)
    return layers.averaged(x) if isinstance(block, blocks.GlobalAveragePool) else layers.flattened(x)


def _through(pulls: list[layers.Pullback], g: Array, theta: Array) -> Array:
    for pull in reversed(pulls):
        g = pull(g, theta)
    return g


def _joined(add: bool, ends: list[Passed]) -> Passed:
    values = [value for value, _ in ends]
    cuts = np.cumsum([value.shape[-1] for value in values])[:-1]

    def pull(g: Array, theta: Array) -> Array:
        parts = [g] * len(ends) if add else np.split(g, cuts, axis=-1)
        return np.asarray(sum(back(part, theta) for (_, back), part in zip(ends, parts, strict=True)))

    return np.asarray(sum(values)) if add else np.concatenate(values, axis=-1), pull
