"""Averages over neurons that decide how networks of finite width fluctuate: covariances and responses.

With X one neuron's share of an observable (phi_x z/gamma0 of an output; phi phi and phi' phi' z.z/C of the kernels of
two samples),

    kappa = Cov(X) over neurons,      R_{X, x s} = d<X>/d delta_x(s)

are all that the leading fluctuations at width N need (`leading`). Outputs on the training samples are followed at
every step; what nothing else depends on (outputs on test samples, kernels) at the recorded steps only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.meanfield.points import Points
from theorysim.meanfield.tangents import Moment, Neurons, View

Array = NDArray[np.float64]
_CHUNK = 1 << 18  # numbers of an array over tangents, neurons and samples


class Responses:
    """The averages of one run.

    Parameters
    ----------
    neurons : Neurons
    recorded : sequence of int
    pairs : ndarray of int, shape (pairs, 2)
        Training samples whose kernels are followed.
    subtracted : bool
        Whether outputs count from their start.

    Attributes
    ----------
    trained : ndarray, shape ((T + 1) P C, (T + 1) P C)
        kappa of the outputs on the training samples at all steps.
    crossed, own : ndarray, shapes (K, X, (T + 1) P C) and (K, X, X)
        kappa of all else at the recorded steps, with those outputs and among each other: outputs on test samples,
        feature kernels and gradient kernels of the pairs.
    mean : ndarray, shape (K, X)
    response, response_own : ndarray, shapes (T + 1, P C, T P C) and (K, X, T P C)
        R of the first and of the others.
    """

    def __init__(
        self, neurons: Neurons, *, recorded: Sequence[int], pairs: NDArray[np.int64], subtracted: bool
    ) -> None:
        self.neurons, self.pairs, self.subtracted = neurons, pairs.T, subtracted
        self.recorded = list(recorded)
        steps, samples, outputs = neurons.errors.shape
        total, kept = (steps + 1) * samples * outputs, len(self.recorded)
        others = len(neurons.e_test) * outputs + 2 * len(pairs)
        self.trained, self.crossed = np.zeros((total, total)), np.zeros((kept, others, total))
        self.own, self.mean, self._mean = np.zeros((kept, others, others)), np.zeros((kept, others)), np.zeros(total)
        self.response = np.zeros((steps + 1, samples * outputs, neurons.tangents))
        self.response_own = np.zeros((kept, others, neurons.tangents))

    def average(self, points: Points) -> None:
        """Take the averages over the neurons at some points, in as many dimensions as a neuron has numbers."""
        size = max(1, _CHUNK // (max(self.neurons.tangents, 1) * max(points.values.shape[1], len(self.neurons.e))))
        for first in range(0, len(points.weights), size):
            rows = slice(first, first + size)
            self._visit(points.values[rows], points.weights[rows])
        self.trained -= np.outer(self._mean, self._mean)
        self.crossed -= self.mean[:, :, None] * self._mean
        self.own -= self.mean[:, :, None] * self.mean[:, None]

    def _visit(self, values: Array, weights: Array) -> None:
        """March some neurons and add what they are."""
        trained, others, start = [], [], np.zeros(())
        for m in self.neurons.march(values):
            z, known = m.state[:, self.neurons.features :], len(m.tangent)
            trained.append(self._shares(m.train.active, z))
            self.response[m.step, :, :known] += self._outputs(m, m.train, weights)
            if m.step == 0 and self.subtracted:
                start = np.concatenate([self._shares(view.active, z) for _, view in self._tests(m, 0)], axis=1)
            if m.step in self.recorded:
                others.append(self._others(m, weights, start))
        a = np.concatenate([part - trained[0] * self.subtracted for part in trained], axis=1)
        weighted = weights[:, None] * a
        self._mean += weighted.sum(axis=0)
        self.trained += a.T @ weighted
        for k, b in enumerate(others):
            self.mean[k] += weights @ b
            self.crossed[k] += b.T @ weighted
            self.own[k] += b.T @ (weights[:, None] * b)

    def _shares(self, active: Array, z: Array) -> Array:
        """Return phi_x z_c/gamma0 of each neuron, shape (S, B C)."""
        return np.asarray((active[:, :, None] * z[:, None] / self.neurons.gamma0).reshape(len(z), -1))

    def _tests(self, m: Moment, known: int) -> Iterator[tuple[slice, View]]:
        """Yield the outputs of some test samples after others, and what neurons make of these samples."""
        size, outputs = max(1, _CHUNK // (max(known, 1) * len(m.state))), self.neurons.errors.shape[2]
        for first in range(0, max(len(self.neurons.e_test), 1), size):
            rows = slice(first, min(first + size, len(self.neurons.e_test)))
            view = self.neurons.view(m.state, m.tangent[:known], self.neurons.e_test[rows])
            yield slice(rows.start * outputs, rows.stop * outputs), view

    def _others(self, m: Moment, weights: Array, start: Array) -> Array:
        """Add the responses of test outputs and kernels at a recorded step; return their shares, shape (S, X)."""
        z, known, place = m.state[:, self.neurons.features :], len(m.tangent), self.recorded.index(m.step)
        response, shares = self.response_own[place, :, :known], []
        for rows, view in self._tests(m, known):
            shares.append(self._shares(view.active, z))
            response[rows] += self._outputs(m, view, weights)
        tests = np.concatenate(shares, axis=1) - start
        if not self.pairs.size:
            return tests
        response[tests.shape[1] :] += self._kernels(m, weights)
        (one, other), size = self.pairs, np.mean(z**2, axis=1, keepdims=True)
        phi, slope = m.train.active, m.train.slope
        return np.concatenate([tests, phi[:, one] * phi[:, other], slope[:, one] * slope[:, other] * size], axis=1)

    def _outputs(self, m: Moment, view: View, weights: Array) -> Array:
        """Return the mean tangents of the shares of outputs, shape (B C, known)."""
        z, dz = (array[..., self.neurons.features :] for array in (m.state, m.tangent))
        own = weights[:, None]
        moved = (view.shift * (own * view.slope)).swapaxes(1, 2) @ z + view.active.T @ (own * dz)
        return np.asarray(moved.reshape(len(dz), moved.shape[1] * moved.shape[2]).T / self.neurons.gamma0)

    def _kernels(self, m: Moment, weights: Array) -> Array:
        """Return the mean tangents of phi phi and phi' phi' z.z/C of the pairs, shape (2 pairs, known)."""
        z, dz = (array[..., self.neurons.features :] for array in (m.state, m.tangent))
        own, seen, outputs = weights[:, None], m.train, z.shape[1]
        features = (seen.shift * (own * seen.slope)).swapaxes(1, 2) @ seen.active
        bent = seen.shift * (own * m.curvature * np.mean(z**2, axis=1, keepdims=True))
        sizes = weights * np.einsum("ksc,sc->ks", dz, z) / outputs  # half of d<z.z>/C
        gradients = bent.swapaxes(1, 2) @ seen.slope + (seen.slope.T * sizes[:, None]) @ seen.slope
        one, other = self.pairs
        both = [(part + part.swapaxes(1, 2))[:, one, other] for part in (features, gradients)]
        return np.concatenate(both, axis=1).T
