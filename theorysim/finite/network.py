"""An ensemble of multilayer perceptrons: parameters, initialisation, outputs and hand-written gradients.

    h^1 = W^1 x + b^1,  h^{l+1} = W^{l+1} phi(h^l) + b^{l+1},  f = s h^{L+1},

with *effective* parameters: W^l ~ N(0, weight_std^2 / n_{l-1}), b^l ~ N(0, bias_std^2) at the start.
All replicas of a block are computed together; each one gets the bits it would get alone, because matrix
products run slice by slice and everything else is elementwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import BIASES, WEIGHTS, normals
from theorysim.equations.activations import Activation
from theorysim.finite.elementwise import add_bias, backpropagate, loops, sum_samples
from theorysim.problem import Layers
from theorysim.problem.network import activation_of as activation_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Parameters:
    """Effective parameters of R networks of the same shape.

    Attributes
    ----------
    weights : list of ndarray, shapes (R, n_l, n_{l-1}), l = 1..L+1
    biases : list of ndarray, shapes (R, n_l); zeros where the network has none
    """

    weights: list[Array]
    biases: list[Array]

    @property
    def replicas(self) -> int:
        """Number of networks."""
        return len(self.weights[0])

    @property
    def arrays(self) -> list[Array]:
        """All arrays, weights first."""
        return [*self.weights, *self.biases]

    def zeros(self) -> Parameters:
        """Return zeros of the same shapes."""
        return Parameters([np.zeros_like(w) for w in self.weights], [np.zeros_like(b) for b in self.biases])

    def part(self, rows: slice) -> Parameters:
        """Return a copy of some replicas."""
        return Parameters([w[rows].copy() for w in self.weights], [b[rows].copy() for b in self.biases])

    def copy(self) -> Parameters:
        """Return a copy."""
        return Parameters([w.copy() for w in self.weights], [b.copy() for b in self.biases])

    def cast(self, kind: Any) -> Parameters:
        """Return the numbers in another precision: these arrays themselves where it is their own."""
        cast = [[a.astype(kind, copy=False) for a in arrays] for arrays in (self.weights, self.biases)]
        return Parameters(*cast)


_FILLING = Lock()  # the generator fills arrays on all threads itself: one caller at a time


def initialise(layers: Layers, replicas: Sequence[int], *, seed: int) -> Parameters:
    """Draw the initial parameters of the replicas with the given numbers.

    Parameters
    ----------
    layers : Layers
        Widths and standard deviations.
    replicas : sequence of int
        Replica numbers: the stream of the generator, so that replica 3 is the same network alone or among 100.
    seed : int
        Key of the generator.
    """
    n = layers.widths
    weights = [np.empty((len(replicas), n[i + 1], n[i])) for i in range(len(n) - 1)]
    biases = [np.zeros((len(replicas), n[i + 1])) for i in range(len(n) - 1)]
    for row, stream in enumerate(replicas):
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            with _FILLING:
                w[row] = normals(w.shape[1:], seed=seed, stream=stream, purpose=WEIGHTS, step=i)
                if layers.bias_std[i] > 0.0:
                    b[row] = normals(b.shape[1:], seed=seed, stream=stream, purpose=BIASES, step=i)
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        w *= layers.weight_std[i] / np.sqrt(n[i])
        b *= layers.bias_std[i]
    return Parameters(weights, biases)


class Pass:
    """Buffers and code of one forward and backward pass of R networks over B samples.

    Two arrays a hidden layer, (R, B, n_l): the activations, overwritten by what comes back from the layer
    above, and the slopes phi'(h), overwritten by the gradients dloss/dh.
    """

    def __init__(
        self, layers: Layers, activation: Activation, replicas: int, samples: int, kind: Any = np.float64
    ) -> None:
        self.layers = layers
        self.loops = loops(activation)
        shapes = [(replicas, samples, n) for n in layers.widths[1:]]
        self.active = [np.empty(shape, kind) for shape in shapes[:-1]]
        self.slope = [np.empty(shape, kind) for shape in shapes[:-1]]
        self.output = np.empty(shapes[-1], kind)
        self.lowest = lowest_trained(layers)

    def forward(self, p: Parameters, x: Array) -> Array:
        """Return the outputs f, shape (R, B, C): a buffer, overwritten by the next call.

        Parameters
        ----------
        x : ndarray, shape (B, d) or (R, B, d)
            Inputs.
        """
        below = x
        for i, (active, slope) in enumerate(zip(self.active, self.slope, strict=True)):
            np.matmul(below, p.weights[i].swapaxes(1, 2), out=slope)
            self.loops.value_and_slope(slope, p.biases[i], active)
            below = active
        np.matmul(below, p.weights[-1].swapaxes(1, 2), out=self.output)
        add_bias(self.output, p.biases[-1], self.layers.output_scale)
        return self.output

    def backward(self, p: Parameters, x: Array, cotangent: Array, out: Parameters) -> None:
        """Write the gradients of the loss with respect to the effective parameters into `out`.

        Layers whose rates are zero, and those below the lowest trained one, are left untouched. Must follow
        `forward` with the same arguments; spends its buffers.

        Parameters
        ----------
        cotangent : ndarray, shape (R, B, C)
            dloss/df; overwritten.
        """
        delta = cotangent
        if self.layers.output_scale != 1.0:
            delta *= self.layers.output_scale
        sum_samples(delta, out.biases[-1])
        for i in range(len(self.active), -1, -1):
            below = self.active[i - 1] if i else x
            if self.layers.weight_steps[i]:
                np.matmul(delta.swapaxes(1, 2), below, out=out.weights[i])
            if i <= self.lowest:
                return
            np.matmul(delta, p.weights[i], out=below)
            delta = self.slope[i - 1]
            backpropagate(delta, below, out.biases[i - 1])


def lowest_trained(layers: Layers) -> int:
    """Return the index of the lowest layer with a nonzero rate; the number of layers if nothing trains."""
    rates = zip(layers.weight_steps, layers.bias_steps, strict=True)
    return next((i for i, pair in enumerate(rates) if any(pair)), len(layers.widths) - 1)


_CHUNK = 1 << 16  # numbers per buffer of an evaluation: half a megabyte stays in the cache of one core
_FEWEST_ROWS = 128  # wide layers need as many for fast matrix products


def outputs(p: Parameters, layers: Layers, activation: Activation, x: Array) -> Array:
    """Return what the networks compute, shape (R, B, C), without keeping anything for gradients.

    Parameters
    ----------
    x : ndarray, shape (B, d)
        Inputs, taken in chunks whose size depends on the widths only.
    """
    kind = p.weights[0].dtype
    result = np.empty((p.replicas, x.shape[0], layers.widths[-1]), kind)
    size = max(_FEWEST_ROWS, _CHUNK // max(layers.widths))
    buffers = [np.empty((1, min(size, len(x)), n), kind) for n in layers.widths[1:-1]]
    value = loops(activation).value
    for r in range(p.replicas):
        weights, biases = [w[r : r + 1] for w in p.weights], [b[r : r + 1] for b in p.biases]
        for start in range(0, len(x), size):
            below = x[start : start + size]
            for w, b, buffer in zip(weights, biases, buffers, strict=False):
                above = buffer[:, : len(x) - start]
                np.matmul(below, w.swapaxes(1, 2), out=above)
                value(above, b)
                below = above
            np.matmul(below, weights[-1].swapaxes(1, 2), out=result[r : r + 1, start : start + size])
    add_bias(result, p.biases[-1], layers.output_scale)
    return result
