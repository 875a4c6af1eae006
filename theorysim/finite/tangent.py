"""The derivative of networks with respect to their parameters, applied without being formed.

    J t    = change of the outputs along a change t of the effective parameters,
    J^T v  = change of the parameters that the outputs v pull back,

so that J A J^T v, with the rates A of the network, is its tangent kernel times v: two passes over the network
instead of a matrix of (samples x outputs)^2 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.finite.network import Parameters, Pass, activation_of
from theorysim.finite.updates import step_factors
from theorysim.problem import MLP, Layers

Array = NDArray[np.float64]

_CHUNK = 1 << 22  # numbers held for one chunk of samples: 32 MB


@dataclass(frozen=True, eq=False)
class Tangent:
    """R networks on B inputs, to first order in their parameters; K directions are carried together.

    Attributes
    ----------
    p : Parameters
        Where the networks are expanded.
    scale : float
        s in f = s h^{L+1}.
    output : ndarray, shape (R, B, C)
    active : list of ndarray, shapes (R, B, n_{l-1}); the first (B, d) or (R, B, d)
        phi^{l-1}: what each layer sees.
    slope : list of ndarray, shapes (R, B, n_l)
        phi'(h^l) of the hidden layers.
    """

    p: Parameters
    scale: float
    output: Array
    active: list[Array]
    slope: list[Array]

    def along(self, tangent: Parameters) -> Array:
        """Return J t, shape (R, K, B, C), for changes of the weights, (R, K, n_l, n_{l-1}), and of the biases."""
        change: Array | None = None
        for i, (w, b) in enumerate(zip(tangent.weights, tangent.biases, strict=True)):
            total = self.active[i][..., None, :, :] @ w.swapaxes(-1, -2) + b[..., None, :]
            if change is not None:
                total += change @ self.p.weights[i][:, None].swapaxes(-1, -2)
            change = total * self.slope[i][:, None] if i < len(self.slope) else total
        assert change is not None
        return self.scale * change

    def back(self, vectors: Array) -> Parameters:
        """Return J^T v, shapes (R, K, n_l, n_{l-1}) and (R, K, n_l), for outputs v, shape (R, K, B, C)."""
        delta, weights, biases = self.scale * vectors, [], []
        for i in range(len(self.slope), -1, -1):
            weights.append(delta.swapaxes(-1, -2) @ self.active[i][..., None, :, :])
            biases.append(delta.sum(axis=-2))
            if i:
                delta = delta @ self.p.weights[i][:, None] * self.slope[i - 1][:, None]
        return Parameters(weights[::-1], biases[::-1])


def tangent_of(p: Parameters, layers: Layers, function: Activation, x: Array) -> Tangent:
    """Return R networks to first order on inputs of shape (B, d), or (R, B, d) for inputs of their own."""
    through = Pass(layers, function, p.replicas, x.shape[-2])
    output = through.forward(p, x)
    return Tangent(p, layers.output_scale, output, [x, *through.active], through.slope)


def tangents(p: Parameters, layers: Layers, function: Activation, x: Array, directions: int = 1) -> Iterator[Tangent]:
    """Yield the networks to first order on the inputs, in chunks of samples (axis -2)."""
    size = max(1, _CHUNK // (p.replicas * (2 + directions) * sum(layers.widths)))
    for start in range(0, x.shape[-2], size):
        yield tangent_of(p, layers, function, np.ascontiguousarray(x[..., start : start + size, :]))


def jacobian_product(p: Parameters, layers: Layers, network: MLP, x: Array, tangent: Parameters) -> Array:
    """Return J t of each network, shape (R, B, C); `tangent` has the shapes of `p`."""
    one = Parameters([w[:, None] for w in tangent.weights], [b[:, None] for b in tangent.biases])
    with single_thread():
        parts = [part.along(one) for part in tangents(p, layers, activation_of(network), x)]
    return np.concatenate(parts, axis=2)[:, 0]


def transposed_product(p: Parameters, layers: Layers, network: MLP, x: Array, vectors: Array) -> Parameters:
    """Return J^T v of each network, K vectors v of shape (K, B, C); shapes (R, K, n_l, n_{l-1}) and (R, K, n_l)."""
    total, start = None, 0
    with single_thread():
        for part in tangents(p, layers, activation_of(network), x, len(vectors)):
            stop = start + part.output.shape[1]
            found = part.back(np.broadcast_to(vectors[:, start:stop], (p.replicas, *vectors[:, start:stop].shape)))
            total, start = found if total is None else added(total, found), stop
    assert total is not None
    return total


def ntk_product(p: Parameters, layers: Layers, network: MLP, x1: Array, x2: Array | None, vectors: Array) -> Array:
    """Return Theta(x1, x2) v of each network for K vectors, (K, B2, C) to (R, K, B1, C), all outputs coupled."""
    rates, rows = step_factors(layers), []
    group = max(1, _CHUNK // sum(array[0].size for array in p.arrays))  # vectors whose gradients are held at once
    for r in range(p.replicas):
        one, blocks = p.part(slice(r, r + 1)), []
        for start in range(0, len(vectors), group):
            pulled = transposed_product(one, layers, network, x1 if x2 is None else x2, vectors[start : start + group])
            for array, rate in zip(pulled.arrays, rates, strict=True):
                array *= rate
            with single_thread():
                parts = [t.along(pulled) for t in tangents(one, layers, activation_of(network), x1, group)]
            blocks.append(np.concatenate(parts, axis=2)[0])
        rows.append(np.concatenate(blocks))
    return np.stack(rows)


def added(one: Parameters, other: Parameters) -> Parameters:
    """Add `other` to `one`, in place, and return it."""
    for array, more in zip(one.arrays, other.arrays, strict=True):
        array += more
    return one
