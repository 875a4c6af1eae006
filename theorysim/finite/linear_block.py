"""Training of networks linearised in their parameters: f_lin(x) = f(x; theta_0) + J(x) (theta - theta_0).

Steps are taken in the parameters with the update rules of `finite.updates`: whatever batches, momentum, schedules,
penalties or Adam do to a network, they do here. No kernel is formed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.finite.block import Block
from theorysim.finite.network import Parameters, Pass, activation_of
from theorysim.finite.tangent import Tangent, tangents
from theorysim.problem import Layers, Training

Array = NDArray[np.float64]

_KEPT = 1 << 26  # numbers of activations and slopes kept from step to step: half a gigabyte


class LinearPass(Pass):
    """Forward and backward pass of R networks linearised at `start`; activations of the last inputs are kept."""

    def __init__(self, layers: Layers, activation: Activation, start: Parameters) -> None:
        self.layers, self.activation, self.start = layers, activation, start
        self.inputs, self.parts = np.empty((0, 0)), list[Tangent]()

    def forward(self, p: Parameters, x: Array) -> Array:
        """Return f(x; theta_0) + J(x) (theta - theta_0), shape (R, B, C); x as in `Pass.forward`."""
        step = Parameters(
            [(w - v)[:, None] for w, v in zip(p.weights, self.start.weights, strict=True)],
            [(b - v)[:, None] for b, v in zip(p.biases, self.start.biases, strict=True)],
        )
        none = np.empty((p.replicas, 0, self.layers.widths[-1]))  # there may be no test samples
        self.output = np.concatenate([none, *(t.output + t.along(step)[:, 0] for t in self._parts(x))], axis=1)
        return self.output

    def backward(self, p: Parameters, x: Array, cotangent: Array, out: Parameters) -> None:
        """Write J^T dloss/df into `out`; `cotangent` has shape (R, B, C)."""
        for array in out.arrays:
            array[:] = 0.0
        start = 0
        for part in self._parts(x):
            stop = start + part.output.shape[1]
            found = part.back(cotangent[:, None, start:stop])
            for total, array in zip(out.arrays, found.arrays, strict=True):
                total += array[:, 0]
            start = stop

    def _parts(self, x: Array) -> Iterable[Tangent]:
        """Return the linearised networks on the inputs: those of the last inputs are kept where they are small."""
        if x is self.inputs:
            return self.parts
        if 2 * self.start.replicas * x.shape[-2] * sum(self.layers.widths) > _KEPT:
            return tangents(self.start, self.layers, self.activation, x)
        self.inputs, self.parts = x, list(tangents(self.start, self.layers, self.activation, x))
        return self.parts


class LinearBlock(Block):
    """Some replicas of a run, linearised at their initial parameters and trained together; arguments as `Block`."""

    def __init__(
        self,
        training: Training,
        replicas: Sequence[int],
        *,
        seed: int,
        p: Parameters,
        batches: Sequence[NDArray[np.int64]] | None = None,
    ) -> None:
        function, start = activation_of(training.network), p.copy()
        self.linear = {name: LinearPass(training.layers, function, start) for name in ("step", "train", "test")}
        super().__init__(training, replicas, seed=seed, p=p, batches=batches)

    def _pass(self, samples: int) -> Pass:
        return self.linear["step" if self.order is not None else "train"]

    def _evaluate(self) -> tuple[Array, Array]:
        train = self.linear["train"].forward(self.p, self.x)
        # a copy: the loss overwrites what the forward pass returns
        return train.copy(), self.linear["test"].forward(self.p, self.x_test)
