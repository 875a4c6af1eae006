"""NNGP and tangent kernels of finite networks of blocks at initialisation."""

from __future__ import annotations

from itertools import count

import numpy as np

from theorysim.backend.linalg import single_thread
from theorysim.backend.random import WEIGHTS, normals
from theorysim.finite.blocks.layers import Array, Passed, weighted
from theorysim.finite.blocks.network import parameters, passed
from theorysim.problem import blocks
from theorysim.problem.features import Node, inputs, network, placed

_READOUT = 1 << 20  # step of the generator that no other layer reaches


def split(block: blocks.Block, shape: tuple[int, ...]) -> tuple[Node, blocks.Dense | None]:
    """Return a network, for samples of the given shape, without its readout, and the readout if it ends with one.

    Raises
    ------
    ProblemError
        Where a block does not fit its input.
    """
    whole = network(block, shape)
    steps = block.blocks if isinstance(block, blocks.Chain) else (block,)
    if steps and isinstance(steps[-1], blocks.Dense):
        return placed(blocks.Chain(blocks=steps[:-1]), inputs(shape)), steps[-1]
    return whole, None


def kernels_at_initialisation(
    node: Node, readout: blocks.Dense | None, x: Array, *, width: int, outputs: int, seed: int, replica: int
) -> tuple[Array, Array]:
    """Return the NNGP and the tangent kernel of one network, each of shape (B, B).

    Parameters
    ----------
    node, readout : Node, Dense or None
        From `split`.
    x : ndarray, shape (B, ..., channels)
    width : int
        Channels of a layer of relative width 1.
    outputs : int
        Outputs over which the tangent kernel is averaged: those of the readout, or the first channels without one.
    seed, replica : int
        Key and stream of the generator.

    Returns
    -------
    nngp, ntk : ndarray
        The covariance of the outputs over the readout, given all other layers (without readout: the mean of f f' over
        channels); (1/C) sum_c Theta_cc.
    """
    flat = np.ascontiguousarray(x, dtype=float).reshape(len(x), node.inn.count, node.inn.channels)
    with single_thread():
        weights = parameters(node, node.inn.channels, width, seed=seed, replica=replica)
        features = passed(node, flat, iter(weights), ((seed, replica, step) for step in count()))
        n = features[0].shape[-1]
        nngp = features[0][:, 0] @ features[0][:, 0].T / n
        if readout is None:
            return nngp, tangent_kernel(features, min(outputs, n))
        weight = readout.weight_std / np.sqrt(n)
        weight *= normals((n, outputs), seed=seed, stream=replica, purpose=WEIGHTS, step=_READOUT)
        values, pull = weighted(features[0], weight, np.zeros(outputs), readout.rates)
        through: Passed = values, lambda g, theta: features[1](pull(g, theta), theta)
        return readout.weight_std**2 * nngp + readout.bias**2, tangent_kernel(through, outputs)


def tangent_kernel(through: Passed, outputs: int) -> Array:
    """Return (1/C) sum_c Theta_cc over the first C = `outputs` channels of the last position, shape (B, B)."""
    values, pull = through
    g, theta = np.zeros((outputs, *values.shape)), np.zeros((len(values), len(values)))
    for c in range(outputs):
        g[c, :, 0, c] = 1.0
    pull(g, theta)
    return theta
