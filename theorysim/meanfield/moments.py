"""Two-layer linear networks of any width: second moments of the neurons' numbers close on themselves.

With s one neuron's input weights, readout weights and what the optimizer remembers of them, a step is linear given
the errors, and the errors follow from second moments alone:

    s <- L(delta) s,   Q = <s s^T> <- L(delta) Q L(delta)^T,   f = Q_vz/gamma0,   delta = y - f

This is exact at every width N: Q(0) is a Wishart matrix over N, its mean is the limit, and its fluctuations, of
covariance (S_ik S_jl + S_il S_jk)/N, give by first and second derivatives of the map Q(0) -> f

    N Cov f = sum_k f'_k f'_k^T,      N (E f - f_limit) = sum_k f''_k/2,      k: directions of the fluctuations.

Derivatives are carried along as jets: coefficients of 1, e, e^2 for every direction at once.

Proof: derivations/two_layer.py (`moments`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.losses import targets
from theorysim.meanfield.domain import effective_gamma0
from theorysim.meanfield.inputs import Inputs, joint_inputs_of
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training

Array = NDArray[np.float64]
MOST_BYTES, MOST_OPERATIONS = 2**30, 5e10
"""Of the fluctuations of a run."""
Jet = list[Array]  # coefficients of 1, e, e^2, ...; leading axis: directions (1 where they agree)


def product(a: Jet, b: Jet) -> Jet:
    """Return the matrix product of two jets."""
    return [sum((a[i] @ b[n - i] for i in range(1, n + 1)), a[0] @ b[n]) for n in range(len(a))]


def transposed(a: Jet) -> Jet:
    """Return the transposes of a jet."""
    return [part.swapaxes(-1, -2) for part in a]


@dataclass(frozen=True, eq=False)
class Start:
    """Moments and output biases at initialisation, as jets.

    Attributes
    ----------
    moments : jet of shapes (K, D, D)
        <s s^T> over inputs, a constant for the bias, outputs.
    bias : jet of shapes (K, 1, C)
        Output biases, in units of the output.
    """

    moments: Jet
    bias: Jet


def affordable(training: Training) -> bool:
    """Return whether the fluctuations of a run fit memory and time: their directions grow as (inputs + outputs)^2."""
    optimizer = training.optimizer
    kept = 1 + (getattr(optimizer, "momentum", 0.0) > 0.0) + (getattr(optimizer, "ridge", 0.0) > 0.0)
    size = joint_inputs_of(training).rank + 1 + training.outputs
    directions, numbers = size * (size + 1) / 2, float(kept * size)
    operations = 12.0 * directions * numbers**3 * training.recorded[-1]
    return 48.0 * directions * numbers**2 <= MOST_BYTES and operations <= MOST_OPERATIONS


class Moments:
    """The recursion of a run.

    Parameters
    ----------
    training : Training
        One hidden layer, activation linear, SGD.
    inputs : Inputs
        Nothing beyond the span.
    """

    def __init__(self, training: Training, inputs: Inputs) -> None:
        layers, optimizer = training.layers, training.optimizer
        assert isinstance(optimizer, SGD)
        self.training, self.optimizer = training, optimizer
        self.gamma0, self.target = effective_gamma0(training), targets(training)[0]
        self.train, self.test = (np.hstack([e, np.ones((len(e), 1))]) for e in (inputs.train, inputs.test))
        self.features, self.outputs = self.train.shape[1], training.outputs
        self.size = self.features + self.outputs
        inward = np.append(np.full(inputs.rank, layers.weight_rates[0]), layers.bias_rates[0])
        self.rates = np.concatenate([inward, np.full(self.outputs, layers.weight_rates[1])])
        self.bias_rate = float(layers.bias_rates[1])
        spread = np.append(np.full(inputs.rank, layers.weight_std[0] ** 2), layers.bias_std[0] ** 2)
        self.variance = np.concatenate([spread, np.full(self.outputs, layers.weight_std[1] ** 2)])
        self.bias_std = float(layers.bias_std[1]) / self.gamma0
        self.etas = optimizer.step_sizes(training.steps or 0)
        kept = [0] + [1] * (optimizer.momentum > 0.0) + [2] * (optimizer.ridge > 0.0)
        self.remembered = np.array(kept)  # of (parameter, buffer, start)
        self.subtracted = training.network.initial_output == "subtracted"

    def limit_start(self) -> Start:
        """Return the start at infinite width."""
        return Start([np.diag(self.variance)[None]], [np.zeros((1, 1, self.outputs))])

    def fluctuating_start(self) -> Start:
        """Return the start with its fluctuations over sqrt N as directions, to second order."""
        std, pairs = np.sqrt(self.variance), list(zip(*np.triu_indices(self.size), strict=True))
        kept = [(i, j) for i, j in pairs if std[i] * std[j] > 0.0]
        biases = self.outputs if self.bias_std > 0.0 else 0
        first = np.zeros((len(kept) + biases, self.size, self.size))
        for k, (i, j) in enumerate(kept):
            first[k, i, j] = first[k, j, i] = std[i] * std[j] * (np.sqrt(2.0) if i == j else 1.0)
        bias = np.zeros((len(first), 1, self.outputs))
        for c in range(biases):
            bias[len(kept) + c, 0, c] = self.bias_std
        start = self.limit_start()
        return Start([*start.moments, first, np.zeros_like(first)], [*start.bias, bias, np.zeros_like(bias)])

    def march(self, start: Start, weights: Array) -> Iterator[Jet]:
        """Yield the outputs on all samples, training first, before each step and after the last: (K, P + M, C).

        Parameters
        ----------
        start : Start
        weights : ndarray, shape (steps, P)
            Of the samples at each step (`batches.sample_weights`).

        Raises
        ------
        FloatingPointError
            If they are not finite.
        """
        q, o = self._with_memory(start)
        first: Jet | None = None
        everything = np.concatenate([self.train, self.test])
        for k in range(len(weights) + 1):
            f = self._outputs(q, o)
            first = f if first is None else first
            seen = [everything @ (a - b) if self.subtracted else everything @ a for a, b in zip(f, first, strict=True)]
            if not all(np.all(np.isfinite(part)) for part in seen):
                raise FloatingPointError(f"the outputs are not finite at step {k}")
            yield seen
            if k < len(weights):
                delta = self._errors([part[:, : len(self.train)] for part in seen])
                self._learn(k, [self.train.T @ (weights[k][:, None] * part) for part in delta], q, o)

    def _with_memory(self, start: Start) -> tuple[Jet, Jet]:
        """Return moments of all that is remembered of a neuron, and the same of the biases, (K, remembered, C)."""
        copies = self.remembered != 1  # parameters and their start; the buffer begins at 0
        block = np.outer(copies, copies).astype(float)
        return [np.kron(block, part) for part in start.moments], [copies[:, None] * part for part in start.bias]

    def _outputs(self, q: Jet, o: Jet) -> Jet:
        """Return f on the coordinates of the inputs, the constant last, shape (K, r + 1, C)."""
        n = self.features
        f = [part[:, :n, n : self.size] / self.gamma0 for part in q]
        for part, bias in zip(f, o, strict=True):
            part[:, -1] += bias[:, 0]
        return f

    def _errors(self, f: Jet) -> Jet:
        """Return y - f, or y - softmax f, shape (K, P, C)."""
        if self.training.loss == "mse":
            return [self.target - f[0], *(-part for part in f[1:])]
        p = np.exp(f[0] - f[0].max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        jet = [p]
        if len(f) > 1:
            one, two = (part - (p * part).sum(axis=-1, keepdims=True) for part in f[1:])
            square = one**2 - (p * one**2).sum(axis=-1, keepdims=True)
            jet += [p * one, p * (two + 0.5 * square)]
        return [self.target - jet[0], *(-part for part in jet[1:])]

    def _learn(self, k: int, delta: Jet, q: Jet, o: Jet) -> None:
        """Move the moments and the output biases by step k, in place; `delta` on coordinates, (K, r + 1, C)."""
        kappa, n, eye = self.training.kappa, self.features, np.eye(self.size)
        old, new = self._optimizer(k)
        step = []
        for order, part in enumerate(delta):
            gradient = np.zeros((len(part), self.size, self.size))
            gradient[:, :n, n:], gradient[:, n:, :n] = part, part.swapaxes(1, 2)
            gradient *= -self.gamma0 * kappa * self.rates[:, None]
            step.append(np.kron(new, gradient) + (np.kron(old, eye) if order == 0 else 0.0))
            o[order] = old @ o[order] + new[:, :1] * (-kappa * self.bias_rate * part[:, -1:])
        q[:] = product(product(step, q), transposed(step))

    def _optimizer(self, k: int) -> tuple[Array, Array]:
        """Return what step k makes of (parameter, buffer, start), and what the gradient adds, as matrices."""
        optimizer, eta = self.optimizer, float(self.etas[k])
        momentum, ridge = optimizer.momentum, self.training.kappa * optimizer.ridge
        ahead = momentum if optimizer.nesterov else 0.0
        gain, kept, penalty = eta * (1.0 + ahead), eta * momentum * (ahead or 1.0), optimizer.weight_decay + ridge
        old = np.array([[1.0 - gain * penalty, -kept, gain * ridge], [penalty, momentum, -ridge], [0.0, 0.0, 1.0]])
        new = np.array([[-gain, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        places = np.ix_(self.remembered, self.remembered)
        return old[places], new[places]
