"""Tangents of single neurons of a two-layer run: how each answers to every past error of the training samples.

A neuron sees the others through the errors delta(s) alone. Along errors that are known, neurons are marched with one
tangent d(neuron)/d delta_x(s) for every step s, sample x and output; what networks make of them: `neuron_responses`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.elementwise import loops
from theorysim.finite.network import activation_of
from theorysim.meanfield.domain import effective_gamma0
from theorysim.meanfield.inputs import Inputs
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training

Array = NDArray[np.float64]
SMOOTH, KINKED = 1e-3, 0.1
"""Half width of the difference that stands for phi'', over the spread of h: smooth activations, and those with kinks,
whose phi'' is a sum of delta functions that only the average over neurons knows."""


@dataclass(frozen=True, eq=False)
class View:
    """What neurons make of some inputs at a step, and what the tangents make of it.

    Attributes
    ----------
    active, slope : ndarray, shape (S, B)
        phi(h) and phi'(h).
    shift : ndarray, shape (K, S, B)
        dh, of the errors of all earlier steps.
    """

    active: Array
    slope: Array
    shift: Array


@dataclass(frozen=True, eq=False)
class Moment:
    """Neurons before a step.

    Attributes
    ----------
    step : int
    state : ndarray, shape (S, D)
        Weights and bias of the inputs, then readout weights.
    tangent : ndarray, shape (K, S, D)
        Their derivatives with respect to the errors of all earlier steps.
    train : View
        Of the training samples.
    curvature : ndarray, shape (S, P)
        phi''(h) there.
    """

    step: int
    state: Array
    tangent: Array
    train: View
    curvature: Array


class Neurons:
    """The law by which neurons of a run move along known errors.

    Parameters
    ----------
    training : Training
    inputs : Inputs
        Nothing beyond the span.
    errors : ndarray, shape (T, P, C)
        y - f, or y - softmax f, at each step.
    weights : ndarray, shape (T, P)
        Of the samples at each step (`batches.sample_weights`).
    """

    def __init__(self, training: Training, inputs: Inputs, errors: Array, weights: Array) -> None:
        layers, optimizer = training.layers, training.optimizer
        assert isinstance(optimizer, SGD)
        self.optimizer, self.weights = optimizer, weights
        self.errors = weights[..., None] * errors
        self.e, self.e_test = (np.hstack([e, np.ones((len(e), 1))]) for e in (inputs.train, inputs.test))
        std = [np.full(inputs.rank, layers.weight_std[0]), layers.bias_std[:1]]
        self.std = np.concatenate([*std, np.full(training.outputs, layers.weight_std[1])])
        rates = [np.full(inputs.rank, layers.weight_rates[0]), layers.bias_rates[:1]]
        self.gamma0 = effective_gamma0(training)
        self.inward = self.gamma0 * training.kappa * np.concatenate(rates)
        self.outward = self.gamma0 * training.kappa * float(layers.weight_rates[1])
        self.etas = optimizer.step_sizes(training.steps or 0)
        self.decay, self.ridge = optimizer.weight_decay, training.kappa * optimizer.ridge
        self.function = activation_of(training.network)
        self.width = self._difference()

    @property
    def features(self) -> int:
        """Numbers of a neuron below its readout weights."""
        return int(self.e.shape[1])

    @property
    def tangents(self) -> int:
        """Tangents at the last step, T P C."""
        return int(self.errors.size)

    def _difference(self) -> float:
        """Return the half width of the difference that stands for phi''."""
        spread = float(np.sqrt((self.e**2 @ self.std[: self.features] ** 2).mean()))
        fine = 1e-6 * spread
        x = np.linspace(-2.0 * spread, 2.0 * spread, 4001)
        jumps = np.abs(self._slopes(x + fine) - self._slopes(x - fine))
        return spread * (KINKED if jumps.max() > 1e-2 * (1e-12 + np.abs(self._slopes(x)).max()) else SMOOTH)

    def _slopes(self, x: Array) -> Array:
        return self._activations(x.reshape(1, -1))[1].reshape(x.shape)

    def _activations(self, h: Array) -> tuple[Array, Array]:
        """Return phi(h), phi'(h) of an array (S, B)."""
        active, slope = np.empty((1, *h.shape)), h[None].copy()
        loops(self.function).value_and_slope(slope, np.zeros((1, h.shape[1])), active)
        return active[0], slope[0]

    def view(self, state: Array, tangent: Array, e: Array) -> View:
        """Return what neurons make of inputs with coordinates e, shape (B, features)."""
        n = self.features
        return View(*self._activations(state[:, :n] @ e.T), tangent[..., :n] @ e.T)

    def march(self, values: Array) -> Iterator[Moment]:
        """Yield neurons that start at standard normal values, shape (S, D), before each step and after the last."""
        steps, each = len(self.errors), self.errors[0].size if len(self.errors) else 0
        state = values * self.std
        tangent = np.zeros((self.tangents, *state.shape))
        base, moved = _Update(self, state), _Update(self, tangent)
        for k in range(steps + 1):
            known = tangent[: k * each]
            seen = self.view(state, known, self.e)
            moment = Moment(k, state, known, seen, self._curvature(state))
            yield moment
            if k < steps:
                push = self._tangent_gradients(moment)
                base(k, self._gradients(moment))
                moved(k, push)

    def _curvature(self, state: Array) -> Array:
        h = state[:, : self.features] @ self.e.T
        above, below = (self._activations(h + side * self.width)[1] for side in (1.0, -1.0))
        return np.asarray((above - below) / (2.0 * self.width))

    def _gradients(self, m: Moment) -> Array:
        """Return the gradients of each neuron's numbers, shape (S, D)."""
        errors, z = self.errors[m.step], m.state[:, self.features :]
        back = (m.train.slope * (z @ errors.T)) @ self.e
        return -np.concatenate([self.inward * back, self.outward * (m.train.active @ errors)], axis=1)

    def _tangent_gradients(self, m: Moment) -> Array:
        """Return the tangents of these gradients, of the errors before this step and of this step, shape (K, S, D)."""
        errors, z, seen, dz = (
            self.errors[m.step], m.state[:, self.features :], m.train, m.tangent[..., self.features :],
        )  # fmt: skip
        bent = m.curvature * (z @ errors.T)
        back = (bent * seen.shift + seen.slope * (dz @ errors.T)) @ self.e
        old = np.concatenate([self.inward * back, self.outward * ((seen.slope * seen.shift) @ errors)], axis=2)
        new = self._newest(m, z)
        return -np.concatenate([old, new])

    def _newest(self, m: Moment, z: Array) -> Array:
        """Return minus the derivatives of the gradients with respect to the errors of this step, shape (P C, S, D)."""
        weight = self.weights[m.step]
        inward = (weight[:, None] * self.inward * self.e)[:, None, None] * (m.train.slope.T[:, None] * z.T)[..., None]
        outward = np.zeros((*inward.shape[:3], z.shape[1]))
        for c in range(z.shape[1]):
            outward[:, c, :, c] = self.outward * weight[:, None] * m.train.active.T
        new = np.concatenate([inward, outward], axis=3)
        return new.reshape(-1, *new.shape[2:])


class _Update:
    """The optimizer of a run on an array, of which ever more leading rows take part."""

    def __init__(self, neurons: Neurons, state: Array) -> None:
        self.neurons, self.state = neurons, state
        self.start = state.copy() if neurons.ridge else state
        self.buffer = np.zeros_like(state) if neurons.optimizer.momentum else state

    def __call__(self, k: int, gradient: Array) -> None:
        """Move the first rows, as many as the gradient has, by step k."""
        n, state, optimizer = self.neurons, self.state[: len(gradient)], self.neurons.optimizer
        push = gradient + n.decay * state + n.ridge * (state - self.start[: len(gradient)])
        if optimizer.momentum:
            buffer = self.buffer[: len(gradient)]
            buffer *= optimizer.momentum
            buffer += push
            push = push + optimizer.momentum * buffer if optimizer.nesterov else buffer
        state -= n.etas[k] * push
