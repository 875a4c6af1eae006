"""The mean-field equations of a deep network, marched forward in steps of its training.

One neuron of each hidden layer, with S independent samples in place of infinitely many neurons:

    h^l = W^l(k) phi(h^{l-1}),   z^l = W^{l+1}(k)^T g^{l+1},   g^l = phi'(h^l) z^l,   f = <phi(h^L) z^L>/gamma0

At each step all layers are swept forward, then backward; each sweep extends the Gaussian noise, the responses and
the memory of the weights by what this step adds (`whitening`), so that causality makes one pass exact: nothing is
iterated and no history is kept. The first layer is kept in input space, the readout as it is.

Outputs count from their value at the start, whose sampling error they would otherwise carry along.

Derivation of the equations: derivations/march.py; sources [Bordelon2022].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.meanfield.deviation import Deviation, Rule, Start
from theorysim.meanfield.neurons import Fields, activated
from theorysim.meanfield.setting import Setting
from theorysim.meanfield.whitening import Coupling, Noise
from theorysim.solvers.gaussian_process import Span

Array = NDArray[np.float64]
_TOGETHER = 64  # inputs evaluated at once


@dataclass(frozen=True)
class Seen:
    """Inputs, some of them as the network sees them now and some as it saw them at the start.

    Attributes
    ----------
    x : ndarray, shape (n, r)
    start, learnt : ndarray, shape (n,)
        What is left of the initial parameters, and whether what was learnt counts.
    """

    x: Array
    start: Array
    learnt: Array


class March:
    """One replica of all populations.

    Parameters
    ----------
    setting : Setting
    noise : Noise
        Random numbers of this replica.
    """

    def __init__(self, setting: Setting, noise: Noise) -> None:
        self.setting, self.noise = setting, noise
        layers, depth, samples = setting.layers, setting.depth, setting.samples
        self.spans = self._spans()
        self.start = Start()
        self.inputs = layers.weight_std[0] * self._initial(0, 0, setting.x.shape[1])
        self.inputs_learnt = Deviation(self.inputs.shape)
        self.readout = layers.weight_std[-1] * self._initial(depth - 1, 1, setting.outputs)
        self.readout_learnt = Deviation(self.readout.shape)
        self.biases = [
            std * (self._initial(i, 2 * depth + i, 1) if std else np.zeros((1, samples)))
            for i, std in enumerate(layers.bias_std[:-1])
        ]
        self.biases_learnt = [Deviation((1, samples)) for _ in range(depth)]
        self.shift = Deviation((setting.outputs,))
        self.couplings = [self._coupling(i) for i in range(depth - 1)]
        self.initial, self.steps = np.full(setting.target.shape, np.nan), 0

    def _spans(self) -> list[Span]:
        """Return what is known of each hidden layer: nothing yet."""
        return [Span(self.setting.samples) for _ in range(self.setting.depth)]

    def _coupling(self, i: int) -> Coupling:
        """Return the weights above hidden layer i."""
        setting = self.setting
        return Coupling(self.spans[i], self.spans[i + 1], i + 1, std=float(setting.layers.weight_std[i + 1]),
                        ratio=setting.ratios[i], noise=self.noise, tolerance=setting.tolerance)  # fmt: skip

    def _initial(self, layer: int, place: int, rows: int) -> Array:
        return self.spans[layer].fresh(self.noise.draw(place, rows, self.setting.samples))

    @property
    def z(self) -> Array:
        """The fields z^L of all outputs, shape (C, S)."""
        return np.asarray(self.start.share * self.readout + self.readout_learnt.value)

    @property
    def rank(self) -> int:
        """Largest number of directions of any weights."""
        return max((coupling.rank for coupling in self.couplings), default=0)

    def now(self, x: Array) -> Seen:
        """Return inputs as the network sees them now."""
        return Seen(x, np.full(len(x), self.start.share), np.ones(len(x)))

    def _now_and_then(self, x: Array, then: Array) -> Seen:
        more = np.ones(len(then))
        now = self.now(x)
        return Seen(np.concatenate([x, then]), np.append(now.start, more), np.append(now.learnt, 0.0 * more))

    def first(self, inputs: Seen) -> Array:
        """Return h^1, shape (n, S)."""
        h = (inputs.start[:, None] * inputs.x) @ self.inputs
        h += (inputs.learnt[:, None] * inputs.x) @ self.inputs_learnt.value
        return self.biased(0, inputs, h)

    def biased(self, layer: int, inputs: Seen, h: Array) -> Array:
        """Add the biases of a layer to h, in place."""
        if self.setting.layers.has_bias:
            h += inputs.start[:, None] * self.biases[layer]
            h += inputs.learnt[:, None] * self.biases_learnt[layer].value
        return h

    def forward(self, inputs: Seen) -> list[Fields]:
        """Return the fields of all layers; features that are new extend the directions."""
        h = self.first(inputs)
        found: list[Fields] = []
        for i in range(self.setting.depth):
            phi, slope = activated(self.setting.activation, h)
            if i == self.setting.depth - 1:
                return [*found, Fields(phi, slope, None)]
            coupling = self.couplings[i]
            coefficients = coupling.of_features(phi)
            found.append(Fields(phi, slope, coefficients))
            h = self.biased(i + 1, inputs, coupling.up(coefficients, inputs.start, inputs.learnt))
        raise AssertionError("unreachable")

    def backward(self, fields: Sequence[Fields], top: Array) -> tuple[list[Array], list[Array]]:
        """Return gradients g^l, shapes (n, S), and their coefficients on the directions of the weights below.

        Parameters
        ----------
        top : ndarray, shape (n, S)
            z^L of each input, contracted with some direction of the outputs.
        """
        g = [np.empty(0)] * len(fields)
        coefficients = [np.empty(0)] * len(fields)
        z = top
        for i in range(len(fields) - 1, -1, -1):
            g[i] = fields[i].slope[: len(z)] * z
            if i:
                coefficients[i] = self.couplings[i - 1].of_gradients(g[i])
                z = self.couplings[i - 1].down(coefficients[i], self.start.share)
        return g, coefficients

    def outputs_of(self, fields: Fields, inputs: Seen) -> Array:
        """Return <phi z>/gamma0 and what the output bias learnt, shape (n, C)."""
        phi, learnt = fields.phi, inputs.learnt[:, None]
        f = inputs.start[:, None] * (phi @ self.readout.T) + learnt * (phi @ self.readout_learnt.value.T)
        return np.asarray(f / (self.setting.samples * self.setting.gamma0) + learnt * self.shift.value)

    def look(self, rows: NDArray[np.int64]) -> tuple[list[Fields], Array]:
        """Return the fields of a batch of different training samples and its outputs, shape (n, C)."""
        x = self.setting.x
        new = rows[np.isnan(self.initial[rows, 0])] if self.steps else rows[:0]
        inputs = self._now_and_then(x[rows], x[new])
        fields = self.forward(inputs)
        f = self.outputs_of(fields[-1], inputs)
        self.initial[new] = f[len(rows) :]
        if not self.steps:
            self.initial[rows] = f
        return fields, f[: len(rows)] - self.initial[rows]

    def descend(self, fields: Sequence[Fields], f: Array, rows: NDArray[np.int64], weights: Array, rule: Rule) -> None:
        """Take a step on a batch that was just looked at; `weights`: kappa P/B times how often each sample is in it."""
        self.learn(fields, self.setting.x[rows], weights[:, None] * errors(self.setting, f, rows), rule)

    def learn(self, fields: Sequence[Fields], x: Array, pull: Array, rule: Rule) -> list[Array]:
        """Change all parameters along the gradient; return sum_c pull_c dh/df_c of each layer, shape (n, S).

        Parameters
        ----------
        fields : sequence of Fields
            Of the inputs x, first; those of more inputs are ignored.
        pull : ndarray, shape (n, C)
            Minus dloss/df.
        """
        rates, bias_rates = (gamma * self.setting.gamma0 for gamma in self._rates)
        direction, size = split(pull)
        g, coefficients = self.backward(fields, direction @ self.z)
        n = len(x)
        self.inputs_learnt.advance(rates[0] * (size[:, None] * x).T @ g[0], rule)
        for i, coupling in enumerate(self.couplings):
            of_features = fields[i].coefficients
            assert of_features is not None
            coupling.learn(rates[i + 1] * size[:, None] * coefficients[i + 1], of_features[:n], rule)
        if self.setting.layers.has_bias:
            for i, learnt in enumerate(self.biases_learnt):
                learnt.advance(bias_rates[i] * size[None] @ g[i], rule)
            self.shift.advance(self._rates[1][-1] * pull.sum(axis=0), rule)
        self.readout_learnt.advance(rates[-1] * pull.T @ fields[-1].phi[:n], rule)
        self.start.advance(rule)
        self.steps += 1
        return [size[:, None] * each for each in g]

    @property
    def _rates(self) -> tuple[Array, Array]:
        return self.setting.layers.weight_rates, self.setting.layers.bias_rates

    @property
    def kernel_rates(self) -> tuple[Array, Array]:
        """How much weights and biases of each layer contribute to the tangent kernel, shapes (L + 1,)."""
        return self._rates

    def outputs(self, x: Array) -> Array:
        """Return the outputs on any inputs, shape (n, C), minus those at the start; nothing is kept.

        Each input is seen twice, now and at the start, with the same random numbers.
        """
        parts = [self._outputs(x[k : k + _TOGETHER]) for k in range(0, len(x), _TOGETHER)]
        return np.concatenate(parts) if parts else np.empty((0, self.setting.outputs))

    def _outputs(self, x: Array) -> Array:
        inputs = self._now_and_then(x, x)
        h = self.first(inputs)
        for i, coupling in enumerate(self.couplings):
            phi, _ = activated(self.setting.activation, h)
            h = self.biased(i + 1, inputs, coupling.of_pairs(phi, inputs.start, inputs.learnt))
        phi, slope = activated(self.setting.activation, h)
        f = self.outputs_of(Fields(phi, slope, None), inputs)
        return np.asarray(f[: len(x)] - f[len(x) :])


def errors(setting: Setting, f: Array, rows: NDArray[np.int64]) -> Array:
    """Return y - f, or y - softmax f for the cross-entropy, shape (n, C)."""
    y = setting.target[rows]
    if setting.loss == "mse":
        return np.asarray(y - f)
    odds = np.exp(f - f.max(axis=1, keepdims=True))
    return np.asarray(y - odds / odds.sum(axis=1, keepdims=True))


def split(pull: Array) -> tuple[Array, Array]:
    """Return pulls as unit directions of the outputs, shape (n, C), times sizes, shape (n,)."""
    if pull.shape[1] == 1:
        return np.ones_like(pull), pull[:, 0]
    size = np.sqrt(np.sum(pull**2, axis=1))
    even = np.full_like(pull, pull.shape[1] ** -0.5)
    return np.where(size[:, None] > 0.0, pull / np.where(size > 0.0, size, 1.0)[:, None], even), size
