"""Two-layer networks at infinite width: a population of neurons that meet only through the error.

    h_x = v . e_x + b,   f_x = <phi(h_x) z>/gamma0 + o,      e_x: `inputs`
    v <- v + eta gamma0 kappa alpha_1 sum_x phi'(h_x) (z . delta_x) e_x,     z <- z + eta gamma0 kappa alpha_2 ...

started at the points of a quadrature. How they move: `population_march`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.elementwise import loops
from theorysim.finite.losses import targets
from theorysim.finite.network import Parameters, activation_of
from theorysim.meanfield.domain import effective_gamma0
from theorysim.meanfield.inputs import Inputs
from theorysim.meanfield.points import Points
from theorysim.problem.training import Training

Array = NDArray[np.float64]
_CHUNK = 1 << 22  # numbers of an array over points and samples


def dimensions(training: Training, inputs: Inputs) -> int:
    """Return how many Gaussian numbers a neuron starts with: inputs, bias, beyond the span, readout."""
    biased, beyond = training.layers.bias_std[0] > 0.0, bool(np.any(inputs.beyond))
    return inputs.rank + int(biased) + int(beyond) + training.outputs


class Population:
    """Neurons at the points of a quadrature, and what they compute.

    Parameters
    ----------
    training : Training
        Two layers, `mup`.
    inputs : Inputs
    points : Points
        In `dimensions(training, inputs)` dimensions.
    """

    def __init__(self, training: Training, inputs: Inputs, points: Points) -> None:
        layers, rank = training.layers, inputs.rank
        self.training, self.inputs, self.weights = training, inputs, points.weights
        self.gamma0, self.loops = effective_gamma0(training), loops(activation_of(training.network))
        self.target = targets(training)[0]
        columns = list(points.values.T)
        v = layers.weight_std[0] * np.stack(columns[:rank], axis=1)
        rest = iter(columns[rank:])
        count = len(self.weights)
        b = layers.bias_std[0] * next(rest) if layers.bias_std[0] > 0.0 else np.zeros(count)
        beyond = layers.weight_std[0] * next(rest) if np.any(inputs.beyond) else np.zeros(count)
        z = layers.weight_std[1] * np.stack(list(rest), axis=1)
        self.p = Parameters([v, z, beyond], [b, np.zeros(training.outputs)])
        self.rates = [*map(float, layers.weight_rates), 0.0, *map(float, layers.bias_rates)]

    def activations(self, e: Array, beyond: Array) -> tuple[Array, Array]:
        """Return phi(h), phi'(h) of samples with coordinates (B, r), shapes (S, B)."""
        v, _, xi = self.p.weights
        slope = v @ e.T + self.p.biases[0][:, None]
        if np.any(beyond):
            slope += xi[:, None] * beyond
        active = np.empty_like(slope)
        self.loops.value_and_slope(slope[None], np.zeros((1, len(e))), active[None])
        return active, slope

    def outputs(self, active: Array) -> Array:
        """Return f, shape (B, C)."""
        readout = self.weights[:, None] * self.p.weights[1]
        f: Array = active.T @ readout / self.gamma0 + self.p.biases[1]
        return f

    def evaluate(self) -> tuple[Array, Array]:
        """Return f on training and test samples, shapes (P, C) and (M, C)."""
        size = max(1, _CHUNK // len(self.weights))
        sides, inside = [], np.zeros(len(self.inputs.train))
        for e, beyond in ((self.inputs.train, inside), (self.inputs.test, self.inputs.beyond)):
            parts = [self.outputs(self.activations(e[i : i + size], beyond[i : i + size])[0])
                     for i in range(0, len(e), size)]  # fmt: skip
            sides.append(np.concatenate(parts) if parts else np.zeros((0, self.training.outputs)))
        return sides[0], sides[1]

    def errors(self, f: Array, y: Array) -> Array:
        """Return minus the derivative of the loss of each sample, y - f or y - softmax f, shape (B, C)."""
        if self.training.loss == "cross-entropy":
            f = np.exp(f - f.max(axis=1, keepdims=True))
            f = f / f.sum(axis=1, keepdims=True)
        return np.asarray(y - f)

    def gradients(self, e: Array, active: Array, slope: Array, delta: Array, out: Parameters) -> None:
        """Write the gradients of the loss at errors delta, (B, C), that already count 1/B; in units of kappa P."""
        scale = self.gamma0 * self.training.kappa * len(self.target)
        z = self.p.weights[1]
        np.matmul(-scale * active, delta, out=out.weights[1])
        back = slope * (z @ (-scale * delta.T))
        np.matmul(back, e, out=out.weights[0])
        back.sum(axis=1, out=out.biases[0])
        out.biases[1][:] = -scale / self.gamma0 * delta.sum(axis=0)

    def along(self, change: Parameters, active: Array, slope: Array, e: Array) -> Array:
        """Return the change of f on samples to first order in a change of the neurons, shape (B, C)."""
        (v, z, _), (b, o) = change.weights, change.biases
        moved = slope * (v @ e.T + b[:, None])
        own = self.weights[:, None]
        f: Array = (active.T @ (own * z) + moved.T @ (own * self.p.weights[1])) / self.gamma0 + o
        return f

    def step(self, rows: NDArray[np.int64] | None, out: Parameters) -> tuple[Array, Array]:
        """Write the gradients on some training samples (None: all); return phi, phi' there."""
        e, y = (a if rows is None else a[rows] for a in (self.inputs.train, self.target))
        active, slope = self.activations(e, np.zeros(len(e)))
        delta = self.errors(self.outputs(active), y) / len(e)
        self.gradients(e, active, slope, delta, out)
        return active, slope
