"""Finite residual networks, trained by SGD: the same observables, random numbers and updates as `finite.training`.

    h^0 = W^in x,   h^{l+1} = h^l + b W^l phi(h^l),   f = s W^out phi(h^L),      b = branch_scale/sqrt(L)

Gradients written by hand: with g^l = df/dh^l, g^L = s phi'(h^L) W^out, g^l = g^{l+1} + b phi'(h^l) W^l^T g^{l+1}.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite.batches import Order, batch_order, fixed
from theorysim.finite.block import Record
from theorysim.finite.elementwise import loops
from theorysim.finite.losses import LOSSES, subtract_rows, targets
from theorysim.finite.network import Parameters, activation_of, initialise
from theorysim.finite.updates import Descent, step_factors
from theorysim.problem import SGD, Layers, Training
from theorysim.problem.residual import ResidualMLP

Array = NDArray[np.float64]
_BLOCK = 1 << 20  # weights that are trained together: what stays in the caches of one core
_LARGEST_BLOCK = 64


class Passes:
    """Forward and backward passes of R residual networks.

    Parameters
    ----------
    network : ResidualMLP
    layers : Layers
        Its `matrices`.
    """

    def __init__(self, network: ResidualMLP, layers: Layers) -> None:
        self.branch, self.scale = network.branch, layers.output_scale
        self.loops = loops(activation_of(network))

    def _activated(self, h: Array) -> tuple[Array, Array]:
        slope, active = h.copy(), np.empty_like(h)
        self.loops.value_and_slope(slope, np.zeros((len(h), h.shape[2])), active)
        return active, slope

    def forward(self, p: Parameters, x: Array) -> Array:
        """Return the outputs, shape (R, B, C); keeps what `backward` needs. x: (B, d) or (R, B, d)."""
        first, *blocks, last = p.weights
        h = np.matmul(x, first.swapaxes(1, 2))
        self.kept = [self._activated(h)]
        for w in blocks:
            h = h + self.branch * np.matmul(self.kept[-1][0], w.swapaxes(1, 2))
            self.kept.append(self._activated(h))
        return np.asarray(self.scale * np.matmul(self.kept[-1][0], last.swapaxes(1, 2)))

    def backward(self, p: Parameters, x: Array, cotangent: Array, out: Parameters) -> None:
        """Write the gradients with respect to the weights into `out`; cotangent: dloss/df, shape (R, B, C)."""
        delta = self.scale * cotangent
        active, slope = self.kept[-1]
        np.matmul(delta.swapaxes(1, 2), active, out=out.weights[-1])
        g = slope * np.matmul(delta, p.weights[-1])
        for i in range(len(p.weights) - 2, 0, -1):
            active, slope = self.kept[i - 1]
            inward = self.branch * g
            np.matmul(inward.swapaxes(1, 2), active, out=out.weights[i])
            g = g + slope * np.matmul(inward, p.weights[i])
        np.matmul(g.swapaxes(1, 2), x, out=out.weights[0])


def run(
    training: Training,
    *,
    replicas: int,
    seed: int,
    batches: Sequence[NDArray[np.int64]] | None = None,
    threads: int | None = None,
    first: int = 0,
) -> Record:
    """Train the residual networks with the numbers `first`, `first` + 1, ...

    Raises
    ------
    ProblemError
        If the optimizer is not SGD.
    FloatingPointError
        If a run diverges.
    """
    if not isinstance(training.optimizer, SGD):
        raise ProblemError("train: `optimizer` must be SGD or GD for a residual network, got gradient flow")
    network = training.network
    assert isinstance(network, ResidualMLP)
    layers = network.matrices(inputs=training.samples.x_train.shape[1], outputs=training.outputs)
    size = int(np.clip(_BLOCK // sum(n * m for n, m in pairwise(layers.widths)), 1, _LARGEST_BLOCK))
    parts = [range(first + i, first + min(i + size, replicas)) for i in range(0, replicas, size)]

    def one(numbers: range) -> Record:
        with np.errstate(all="ignore"):  # divergence is found by looking at the outputs, once a step
            return _trained(training, Passes(network, layers), layers, numbers, seed, batches)

    with single_thread(), ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        records = list(pool.map(one, parts))
    return Record(*(np.concatenate(side, axis=1) for side in zip(*((r.train, r.test) for r in records), strict=True)))


def _trained(
    training: Training,
    passes: Passes,
    layers: Layers,
    numbers: Sequence[int],
    seed: int,
    batches: Sequence[NDArray[np.int64]] | None,
) -> Record:
    """Train one block of replicas."""
    optimizer, samples, loss = training.optimizer, training.samples, LOSSES[training.loss]
    assert isinstance(optimizer, SGD)
    x, x_test, y = np.array(samples.x_train), np.array(samples.x_test), targets(training)[0]
    order = _order(training, optimizer, numbers, seed, batches)
    p = initialise(layers, numbers, seed=seed)
    gradients = p.zeros()
    etas = optimizer.step_sizes(training.steps or 0)
    update = Descent(optimizer, step_factors(layers), p, training.kappa, etas)
    start = [passes.forward(p, each) for each in (x, x_test)]
    if training.network.initial_output == "random":
        start = [np.zeros_like(each) for each in start]
    recorded, kept = set(training.recorded), list[list[Array]]()
    for step in range(training.recorded[-1] + 1):
        if step in recorded:
            kept.append([passes.forward(p, each) - own for each, own in zip((x, x_test), start, strict=True)])
        if step == training.recorded[-1]:
            break
        rows = np.arange(len(x))[None] if order is None else order(step)
        inputs = x if order is None else x[rows]
        f = passes.forward(p, inputs)
        if not np.isfinite(f.sum()):
            raise FloatingPointError(f"train: the outputs are not finite at step {step}; try a smaller learning rate")
        subtract_rows(f, start[0], rows)
        loss.gradient(f, y, rows)
        passes.backward(p, inputs, f, gradients)
        update(step, gradients)
    return Record(*(np.stack(side) for side in zip(*kept, strict=True)))


def _order(
    training: Training,
    optimizer: SGD,
    numbers: Sequence[int],
    seed: int,
    batches: Sequence[NDArray[np.int64]] | None,
) -> Order | None:
    samples = len(training.samples.x_train)
    if batches is not None:
        return fixed(batches, samples=samples, steps=training.steps or 0).__getitem__
    if optimizer.batch is None:
        return None
    return batch_order(optimizer.sampling, optimizer.batch, samples=samples, replicas=numbers, seed=seed)
