"""Leading fluctuations of a two-layer run about its limit: mean outputs and N times their covariance.

    df(t) = xi(t) - sum_{s<t} R(t, s) J(s) df(s),      xi of covariance kappa/N

on the training samples, and alike for all else with the same df on the right. R and kappa come from single neurons
(`neuron_responses`); linear networks are exact (`moments`). J is the derivative of the loss's gradient: 1, or
diag p - p p^T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.finite.losses import targets
from theorysim.meanfield.batches import Given, order_of, sample_weights
from theorysim.meanfield.domain import effective_gamma0
from theorysim.meanfield.inputs import Inputs, joint_inputs_of
from theorysim.meanfield.loss_expansion import softmax, softmax_jacobian
from theorysim.meanfield.memory import Memory, memory
from theorysim.meanfield.moments import Moments, affordable
from theorysim.meanfield.neuron_responses import Responses
from theorysim.meanfield.points import Points, gauss_hermite, sobol_points
from theorysim.meanfield.population import Population, dimensions
from theorysim.meanfield.population_march import descend
from theorysim.meanfield.tangents import Neurons
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of

Array = NDArray[np.float64]
SCRAMBLINGS, EXPONENT, MOST_OPERATIONS = 8, 9, 2e10
"""Points are 2^9 or more for each scrambling; operations of a march of all."""
FINER = 3
"""The errors along which neurons are marched come from 2^3 times as many points: they need no tangents."""
GRIDS = {1: (32, 64, 128), 2: (16, 24, 48), 3: (10, 16, 24)}
"""Dimensions in which Gauss-Hermite grids are tried first, with the nodes of finer and finer ones."""


@dataclass(frozen=True, eq=False)
class Leading:
    """Mean and N times covariance at the recorded steps.

    Attributes
    ----------
    runs : ndarray, shape (R, K, P + M, C)
        Outputs at infinite width, of R scramblings.
    coarse : ndarray, shape (K, P + M, C)
        The same of fewer points, where there is one run.
    covariance, error : ndarray, shape (K, P + M, C, P + M, C)
    shift : ndarray, shape (K, P + M, C), or None
        N times the shift of the mean.
    kernels : ndarray, shape (K, 2, pairs)
        <phi phi> and <phi' phi' z.z>/C.
    kernel_covariance : ndarray, shape (K, 2, 2, pairs)
        Of the two kernels of a pair.
    """

    runs: Array
    coarse: Array
    covariance: Array
    error: Array
    shift: Array | None
    kernels: Array
    kernel_covariance: Array


def bytes_of(training: Training) -> int:
    """Return the memory that the covariances of a sampled run fill, about."""
    outputs, steps, kept = training.outputs, training.recorded[-1], len(training.recorded)
    trained = (steps + 1) * len(training.samples.x_train) * outputs
    tested = len(training.samples.x_test) * outputs
    together = len(training.samples.x_train) * outputs + tested
    return 8 * (6 * trained**2 + kept * (2 * tested * trained + tested**2 + (SCRAMBLINGS + 2) * together**2))


def leading(
    training: Training, *, seed: int, tolerance: float, batches: Given, pairs: NDArray[np.int64] | None
) -> Leading:
    """Return the leading fluctuations: exact for linear networks unless kernels are asked for, else by scramblings.

    Parameters
    ----------
    training : Training
        One hidden layer, SGD.
    tolerance : float
        Relative error of the covariance that is aimed at.
    batches : list of ndarray, optional
        Row indices of each step.
    pairs : ndarray of int, shape (pairs, 2), optional
        Training samples whose kernels are followed too.
    """
    steps, samples = training.recorded[-1], len(training.samples.x_train)
    weights = sample_weights(order_of(training, seed=seed, stream=0, batches=batches), steps, samples)
    with single_thread(), np.errstate(over="ignore", invalid="ignore"):
        if training.network.activation_name == "linear" and pairs is None and affordable(training):
            return _linear(training, weights)
        followed = np.zeros((0, 2), dtype=np.int64) if pairs is None else pairs
        return Sampled(training, seed=seed, batches=batches, weights=weights, pairs=followed).leading(tolerance)


def _linear(training: Training, weights: Array) -> Leading:
    moments = Moments(training, joint_inputs_of(training))
    jets = [jet for k, jet in enumerate(moments.march(moments.fluctuating_start(), weights)) if k in training.recorded]
    f = np.stack([jet[0][0] for jet in jets])
    covariance = np.stack([np.tensordot(jet[1], jet[1], axes=(0, 0)) for jet in jets])
    shift = np.stack([jet[2].sum(axis=0) for jet in jets])
    none = np.zeros((len(jets), 2, 0))
    return Leading(f[None], f, covariance, np.zeros_like(covariance), shift, none, none[:, None])


class Sampled:
    """The leading fluctuations of one run by scrambled points."""

    def __init__(
        self, training: Training, *, seed: int, batches: Given, weights: Array, pairs: NDArray[np.int64]
    ) -> None:
        self.training, self.seed, self.weights, self.pairs = training, seed, weights, pairs
        self.order = order_of(training, seed=seed, stream=0, batches=batches)
        self.inputs = joint_inputs_of(training)
        self.dimensions = dimensions(training, self.inputs)
        self.subtracted = training.network.initial_output == "subtracted"
        assert isinstance(training.optimizer, SGD)
        whole, steps = memory(training.optimizer, training.steps or 0, training.kappa), len(weights)
        self.memory = Memory(whole.start[: steps + 1], whole.weight[: steps + 1, :steps])  # schedules know the end

    def leading(self, tolerance: float) -> Leading:
        """Return the fluctuations on a grid where dimensions are few, else what all scramblings give together.

        Points are added until the covariance changes by less than the tolerance.
        """
        grid = self._on_grids(tolerance)
        if grid is not None:
            return grid
        exponent = EXPONENT
        while True:
            parts = [self._one(*self._points(exponent, stream)) for stream in range(SCRAMBLINGS)]
            f, covariances, kernels, both = (np.stack(column) for column in zip(*parts, strict=True))
            covariance, error = covariances.mean(axis=0), covariances.std(axis=0, ddof=1) / np.sqrt(SCRAMBLINGS)
            if _relative(error, covariance) <= tolerance or not self._affordable(exponent + 1):
                return Leading(f, f.mean(axis=0), covariance, error, None, kernels.mean(axis=0), both.mean(axis=0))
            exponent += 1

    def _on_grids(self, tolerance: float) -> Leading | None:
        """Return the fluctuations on the first Gauss-Hermite grid that agrees with the one before it."""
        before: tuple[Array, Array] | None = None
        for nodes in GRIDS.get(self.dimensions, ()):
            points = gauss_hermite(self.dimensions, nodes)
            f, covariance, kernels, both = self._one(points, points)
            if before is not None:
                coarse, error = before[0], np.abs(covariance - before[1])
                if _relative(error, covariance) <= tolerance:
                    return Leading(f[None], coarse, covariance, error, None, kernels, both)
            before = f, covariance
        return None

    def _points(self, exponent: int, scrambling: int) -> tuple[Points, Points]:
        """Return the points of one scrambling for neurons with tangents, and more of them for the outputs."""
        few, many = (
            sobol_points(self.dimensions, each, self.training.outputs, seed=self.seed, scrambling=scrambling)
            for each in (exponent, exponent + FINER)
        )
        return few, many

    def _affordable(self, exponent: int) -> bool:
        """Return whether 2^exponent points fit the time."""
        tangents, outputs = self.weights.size * self.training.outputs, self.training.outputs
        samples = len(self.inputs.train) + len(self.inputs.test)
        numbers = samples * (self.inputs.rank + 4.0 * outputs + 8.0) * 2.0**exponent
        return SCRAMBLINGS * len(self.weights) * tangents * numbers <= MOST_OPERATIONS

    def _one(self, points: Points, of_outputs: Points) -> tuple[Array, Array, Array, Array]:
        """Return mean outputs, N times covariance, kernels and N times their covariances, by some points."""
        f, count = self._outputs(of_outputs), len(self.inputs.train)
        p = softmax(f[:, :count]) if self.training.loss == "cross-entropy" else f[:, :count]
        neurons = Neurons(self.training, self.inputs, (targets(self.training)[0] - p)[:-1], self.weights)
        found = Responses(neurons, recorded=self.training.recorded, pairs=self.pairs, subtracted=self.subtracted)
        found.average(_with_bias(points, self.training, self.inputs))
        self._add_output_bias(found)
        covariance, kernels = self._propagated(found, p)
        recorded = list(self.training.recorded)
        pairs = len(self.pairs)
        means = found.mean[:, found.mean.shape[1] - 2 * pairs :].reshape(len(recorded), 2, pairs)
        shape = (len(recorded), f.shape[1], f.shape[2])
        return f[recorded], covariance.reshape(*shape, *shape[1:]), means, kernels

    def _outputs(self, points: Points) -> Array:
        """Return f on all samples at all steps, training first, shape (T + 1, P + M, C)."""
        everywhere = {"record": tuple(range(len(self.weights) + 1))}
        training = Training(**{**fields_of(self.training), **everywhere})
        population, optimizer = Population(training, self.inputs, points), training.optimizer
        assert isinstance(optimizer, SGD)
        march = descend(population, optimizer, self.order, temperature=0.0, seed=self.seed, stream=0)
        return np.stack([np.concatenate(population.evaluate()) for _ in march])

    def _add_output_bias(self, found: Responses) -> None:
        """Add what the output bias, one number for each output, does to covariances and responses."""
        layers, outputs, recorded = self.training.layers, self.training.outputs, list(self.training.recorded)
        std, rate = float(layers.bias_std[1]) / effective_gamma0(self.training), float(layers.bias_rates[1])
        left = std * (self.memory.start - float(self.subtracted))
        learnt = self.training.kappa * rate * self.memory.weight[..., None] * self.weights  # step, step, sample
        learnt = learnt.reshape(*learnt.shape[:1], learnt.shape[1] * learnt.shape[2])
        tests = len(self.inputs.test) * outputs
        for c in range(outputs):
            found.response[:, c::outputs, c::outputs] += learnt[:, None]
            found.response_own[:, c:tests:outputs, c::outputs] += learnt[recorded, None]
            of_train = np.zeros((len(left), found.response.shape[1]))
            of_train[:, c::outputs] = left[:, None]
            of_others = np.zeros_like(found.mean)
            of_others[:, c:tests:outputs] = left[recorded, None]
            found.trained += np.outer(of_train, of_train)
            found.crossed += of_others[:, :, None] * of_train.ravel()
            found.own += of_others[:, :, None] * of_others[:, None]

    def _propagated(self, found: Responses, p: Array) -> tuple[Array, Array]:
        """Return N times the covariance of all outputs at the recorded steps, and of the two kernels of each pair."""
        each = found.response.shape[1]
        closed = self._closed(found.response, p).reshape(found.trained.shape)
        xi = _solved(closed, found.trained)
        trained = _solved(closed, xi.T)  # Cov df
        rows, kernels = [], []
        for k, step in enumerate(self.training.recorded):
            on = self._closed(found.response_own[k][None], p)[0]
            crossed = _solved(closed, found.crossed[k].T).T  # Cov of xi and df
            own = found.own[k] - on @ crossed.T - crossed @ on.T + on @ trained @ on.T
            now = slice(step * each, (step + 1) * each)
            mixed = (crossed - on @ trained)[:, now]
            tests = len(self.inputs.test) * self.training.outputs
            rows.append(np.block([[trained[now, now], mixed[:tests].T], [mixed[:tests], own[:tests, :tests]]]))
            first, second = np.split(np.arange(tests, len(own)), 2)
            kernels.append([[own[a, b] for b in (first, second)] for a in (first, second)])
        return np.stack(rows), np.array(kernels)

    def _closed(self, response: Array, p: Array) -> Array:
        """Return R J on the outputs of training samples at all steps, the last among them, shape (.., X, all)."""
        steps, each = len(self.weights), p[0].size
        parts = response.reshape(*response.shape[:2], steps, each)
        out = np.zeros((*response.shape[:2], steps + 1, each))
        for s in range(steps):
            jacobian = softmax_jacobian(p[s]) if self.training.loss == "cross-entropy" else np.eye(each)
            out[:, :, s] = parts[:, :, s] @ jacobian
        return out.reshape(*response.shape[:2], (steps + 1) * each)


def _relative(error: Array, covariance: Array) -> float:
    """Return the largest error of the covariance of a step over its size, root mean squares of their entries."""
    of_error, size = (np.sqrt(np.sum(part**2, axis=(1, 2, 3, 4))) for part in (error, covariance))
    return float(np.max(of_error / np.maximum(size, 1e-300)))


def _solved(closed: Array, right: Array) -> Array:
    """Return (1 + closed)^-1 right for a strictly lower triangular matrix."""
    unit: Array = scipy.linalg.solve_triangular(closed, right, lower=True, unit_diagonal=True, check_finite=False)
    return unit


def _with_bias(points: Points, training: Training, inputs: Inputs) -> Points:
    """Return the points with a coordinate for the bias, which is not drawn where it starts at 0."""
    if training.layers.bias_std[0] > 0.0:
        return points
    return Points(np.insert(points.values, inputs.rank, 0.0, axis=1), points.weights)
