"""Deep linear networks at infinite width: closed equations for the kernels, solved by growing the horizon.

With S = (step, feature) for pre-activations and T = (step, output) for gradients, every layer is linear Gaussian,

    h = a u + C g,    u ~ GP(sw^2 H_below + sb^2),    C = a A_below + gamma0 kappa m (alpha H_below + alpha') delta
    g = a r + D h,    r ~ GP(sw^2 G_above),           D = a B_above + gamma0 kappa m alpha G_above delta

with C, D strictly causal, so that row k of g = Ug u + Rg r follows from the rows before it and nothing is inverted.
Kernels and responses (times the sw^2 of the weights between two layers):

    H = <h h^T>,  G = <g g^T>,  A = dh/dr = C Rg,  B = dg/du = Ug,  f_k = <h^L_k g^L_k>/gamma0 + output bias.

`m`, `a` are the memory of the optimizer (`memory`), `delta` the errors of the samples in coordinates of the inputs
(`inputs`), with a constant as the last coordinate where there are biases. K steps cost O(C r^2 K^3) a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.meanfield.memory import Memory

Array = NDArray[np.float64]
Errors = Callable[[int, Array], Array]  # (step, outputs on the coordinates (r, C)) -> weighted errors (r, C)


@dataclass(frozen=True, eq=False, kw_only=True)
class Constants:
    """The numbers of a deep linear network, one for each layer 1 .. L + 1 where not said otherwise.

    Attributes
    ----------
    weight_std, bias_std, weight_rates, bias_rates : ndarray, shape (L + 1,)
    widening : ndarray, shape (L,)
        n_{l+1}/n_l of hidden layers l = 1 .. L; the last is 1.
    share : ndarray, shape (L + 1,)
        n_l/n_L of hidden layers, 1 for the readout: what a layer's kernel counts in the tangent kernel.
    gamma0, kappa : float
    rank, outputs : int
        r coordinates of the inputs, C outputs.
    constant : bool
        Whether one more coordinate, the constant, is carried for biases.
    """

    weight_std: Array
    bias_std: Array
    weight_rates: Array
    bias_rates: Array
    widening: Array
    share: Array
    gamma0: float
    kappa: float
    rank: int
    outputs: int
    constant: bool

    @property
    def depth(self) -> int:
        """Hidden layers, L."""
        return len(self.widening)

    @property
    def size(self) -> int:
        """Coordinates of a pre-activation."""
        return self.rank + int(self.constant)

    def with_bias(self, kernel: Array, weight: float, bias: float) -> Array:
        """Return ``weight * kernel + bias`` on the constant coordinate, kernel of shape (r, K r)."""
        result = weight * kernel
        if self.constant:
            result[-1, self.size - 1 :: self.size] += bias
        return result


class Layer:
    """One hidden layer over a horizon of `steps`: C, g = Ug u + Rg r, and the covariances met so far.

    Rows and columns are (step, coordinate) of h and u, and (step, output) of g and r, so that what is known at
    step k is a leading block. F = <g u>.
    """

    def __init__(self, steps: int, size: int, outputs: int) -> None:
        n, m = steps * size, steps * outputs
        self.C, self.Ug, self.F = np.zeros((n, m)), np.zeros((m, n)), np.zeros((m, n))
        self.Rg, self.G, self.H = np.zeros((m, m)), np.zeros((m, m)), np.zeros((n, n))


class March:
    """Kernels of all layers, grown step by step.

    Parameters
    ----------
    constants : Constants
    memory : Memory
        Of the optimizer, over at least `steps` steps.
    steps : int
        Pre-activations are found at 0, ..., steps.
    """

    def __init__(self, constants: Constants, memory: Memory, steps: int) -> None:
        self.c, self.memory, self.steps = constants, memory, steps
        count, r, o = steps + 1, constants.size, constants.outputs
        self.layers = [Layer(count, r, o) for _ in range(constants.depth)]
        self.inputs = np.diag(np.concatenate([np.ones(constants.rank), np.zeros(r - constants.rank)]))
        self.delta = np.zeros((count, r, o))  # weighted errors of each step
        self.damping = np.repeat(memory.start[:count], r)

    def feature_kernel(self, layer: int, k: int) -> Array:
        """Return H of layer 1 .. L at step k, shape (r, r)."""
        return self.layers[layer - 1].H[self._h(k), self._h(k)]

    def gradient_kernel(self, layer: int, k: int) -> Array:
        """Return G of layer 1 .. L + 1, the readout last, at step k, shape (C, C)."""
        return self._above(layer, k)[:, self._g(k)]

    def advance(self, k: int) -> Array:
        """Find all kernels at step k, given the errors of the steps before it; return f, shape (r, C)."""
        for layer in range(1, self.c.depth + 1):
            self._forward(layer, k)
        for layer in range(self.c.depth, 0, -1):
            self._backward(layer, k)
        return self._output(k)

    def learn(self, k: int, delta: Array) -> None:
        """Set the weighted errors of step k, shape (r, C)."""
        self.delta[k] = delta

    def tangent_step(self, k: int, delta: Array) -> Array:
        """Return kappa Theta(k) delta, the speed of f in gradient flow, shape (r, C)."""
        c, speed = self.c, np.zeros_like(delta)
        for layer in range(1, c.depth + 2):
            forward = self._below(layer - 1, k)[:, self._h(k)]
            features = c.with_bias(forward, c.weight_rates[layer - 1], c.bias_rates[layer - 1])
            speed += c.share[layer - 1] * features @ delta @ self.gradient_kernel(layer, k).T
        return np.asarray(c.kappa * speed)

    def _h(self, k: int) -> slice:
        return slice(k * self.c.size, (k + 1) * self.c.size)

    def _g(self, k: int) -> slice:
        return slice(k * self.c.outputs, (k + 1) * self.c.outputs)

    def _below(self, layer: int, k: int) -> Array:
        """Return H of layer 0 .. L between step k and all up to it, shape (r, (k + 1) r)."""
        if layer == 0:
            return np.tile(self.inputs, (1, k + 1))
        return self.layers[layer - 1].H[self._h(k), : (k + 1) * self.c.size]

    def _above(self, layer: int, k: int) -> Array:
        """Return G of layer 1 .. L + 1 between step k and all up to it, shape (C, (k + 1) C)."""
        if layer == self.c.depth + 1:
            return np.tile(np.eye(self.c.outputs), (1, k + 1))
        return self.layers[layer - 1].G[self._g(k), : (k + 1) * self.c.outputs]

    def _learnt(self, kernel: Array, delta: Array, k: int) -> Array:
        """Return gamma0 kappa sum_j m_{k,s} kernel[i, (s, j)] delta_{jc}(s) for s < k, shape (i, k c)."""
        before = kernel[:, : k * delta.shape[1]].reshape(len(kernel), k, delta.shape[1])
        weighted = (self.c.gamma0 * self.c.kappa * self.memory.weight[k, :k])[:, None, None] * delta[:k]
        return np.asarray(np.einsum("isj,sjc->isc", before, weighted).reshape(len(kernel), -1))

    def _forward(self, layer: int, k: int) -> None:
        """Add row k of C, column k of F, row and column k of H."""
        c, own, a = self.c, self.layers[layer - 1], self.memory.start[k]
        below, h, m = self._below(layer - 1, k), self._h(k), k * c.outputs
        features = c.with_bias(below, c.weight_rates[layer - 1], c.bias_rates[layer - 1])
        row = own.C[h, :m]
        row[:] = self._learnt(features, self.delta, k)
        if layer > 1:
            under = self.layers[layer - 2]
            row += a * c.weight_std[layer - 1] ** 2 * (under.C[h, :m] @ under.Rg[:m, :m])
        noise = c.with_bias(below, c.weight_std[layer - 1] ** 2, c.bias_std[layer - 1] ** 2)  # <u(k) u(s)>
        own.F[:m, h] = own.Ug[:m, : h.start] @ noise[:, : h.start].T
        values = (a * own.F[:m, h].T + row @ own.G[:m, :m]) @ own.C[: h.stop, :m].T
        values += self.damping[: h.stop] * (row @ own.F[:m, : h.stop] + a * noise)
        own.H[h, : h.stop], own.H[: h.stop, h] = values, values.T

    def _backward(self, layer: int, k: int) -> None:
        """Add row k of g = Ug u + Rg r and of F, row and column k of G."""
        c, own, a = self.c, self.layers[layer - 1], self.memory.start[k]
        n, m, g = k * c.size, k * c.outputs, self._g(k)
        above = c.widening[layer - 1] * self._above(layer + 1, k)
        d = c.weight_rates[layer] * self._learnt(above, self.delta.swapaxes(1, 2), k)
        if layer < c.depth:
            d += a * c.weight_std[layer] ** 2 * c.widening[layer - 1] * self.layers[layer].Ug[g, :n]
        damped, e = d * self.damping[:n], d @ own.C[:n, :m]  # e: through g before k
        own.Ug[g, :n] = damped + e @ own.Ug[:m, :n]
        own.Rg[g, :m], own.Rg[g, g] = e @ own.Rg[:m, :m], a * np.eye(c.outputs)
        own.F[g, : n + c.size] = self._with_noise(own.Ug[g, : n + c.size], layer, k)
        row = a * c.weight_std[layer] ** 2 * (above @ own.Rg[: g.stop, : g.stop].T)  # <r(k) g(s)>
        row += damped @ own.F[: g.stop, :n].T
        row[:, :m] += e @ own.G[:m, :m]
        own.G[g, :m], own.G[:m, g] = row[:, :m], row[:, :m].T
        own.G[g, g] = row[:, m:] + e @ own.G[:m, g]

    def _with_noise(self, rows: Array, layer: int, k: int) -> Array:
        """Return rows times <u u^T> of a layer up to step k, shape (C, (k + 1) r)."""
        c, weight, bias = self.c, self.c.weight_std[layer - 1] ** 2, self.c.bias_std[layer - 1] ** 2
        if layer == 1:  # the same at all steps
            total = rows.reshape(len(rows), k + 1, c.size).sum(axis=1)
            return np.tile(total @ c.with_bias(self.inputs, weight, bias), (1, k + 1))
        stop = (k + 1) * c.size
        result = weight * (rows @ self.layers[layer - 2].H[:stop, :stop])
        if c.constant:
            last = slice(c.size - 1, None, c.size)
            result[:, last] += bias * rows[:, last].sum(axis=1, keepdims=True)
        return np.asarray(result)

    def _output(self, k: int) -> Array:
        """Return <h^L g^L>/gamma0 and the output bias at step k, shape (r, C)."""
        c, own, h, g, m = self.c, self.layers[-1], self._h(k), self._g(k), k * self.c.outputs
        f = (self.memory.start[k] * own.F[g, h].T + own.C[h, :m] @ own.G[:m, g]) / c.gamma0
        if c.constant:
            f[-1] += c.kappa * c.bias_rates[-1] * (self.memory.weight[k, :k] @ self.delta[:k, -1])
        return np.asarray(f)
