"""The multilayer perceptrons of `finite` as objectives: a state is a network.

    x = (W^1/sqrt a_1, b^1/sqrt a'_1, W^2/sqrt a_2, ...),  a the rates of the parameterization

In these coordinates SGD at rate eta is SGD of `ts.train` with the same batches (`standard`: a = 1, x the weights).

Limit    none: the finite network itself.
Valid    MLPs with a positive rate in every layer; loss "mse" or "cross-entropy".
Error    rounding; Hessian products by central differences (relative 1e-9 where f is smooth).
Sources  conventions of `finite`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.finite.losses import targets
from theorysim.finite.network import Parameters, Pass, activation_of, initialise
from theorysim.problem import SGD, Layers, Training
from theorysim.problem.data import Data
from theorysim.problem.network import MLP
from theorysim.problem.validation import shown
from theorysim.sde.finite_sums import FiniteSum, Rows
from theorysim.sde.linear_models import checked_decay
from theorysim.sde.pointwise import POINTWISE

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Outputs of an MLP for a block of states.

    Attributes
    ----------
    layers : Layers
    activation : Activation
    inputs : ndarray, shape (n, d_in)
    passes : dict
        Buffers by thread and shape.
    """

    layers: Layers
    activation: Activation
    inputs: Array
    passes: dict[tuple[int, int, int], Pass] = field(default_factory=dict, repr=False)

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return sum(int(np.prod(shape)) for shape, _ in self.parts)

    @property
    def parts(self) -> list[tuple[tuple[int, ...], float]]:
        """Shape of each array of a state and the root of its rate: W^1, b^1, W^2, ..."""
        n, found = self.layers.widths, list[tuple[tuple[int, ...], float]]()
        for i, (weight, bias) in enumerate(zip(self.layers.weight_steps, self.layers.bias_steps, strict=True)):
            found.append(((n[i + 1], n[i]), float(np.sqrt(weight))))
            if self.layers.has_bias:
                found.append(((n[i + 1],), float(np.sqrt(bias))))
        return found

    def _split(self, x: Array) -> list[Array]:
        arrays, start = [], 0
        for shape, root in self.parts:
            stop = start + int(np.prod(shape))
            arrays.append(root * x[:, start:stop].reshape(len(x), *shape))
            start = stop
        return arrays

    def parameters(self, x: Array) -> Parameters:
        """Return the networks of a block of states."""
        arrays = self._split(x)
        if self.layers.has_bias:
            return Parameters(arrays[::2], arrays[1::2])
        return Parameters(arrays, [np.zeros((len(x), n)) for n in self.layers.widths[1:]])

    def state(self, p: Parameters, power: float = -1.0) -> Array:
        """Return the states of networks, shape (paths, d); with power 1, gradients to gradients, 2, their squares."""
        pairs = zip(p.weights, p.biases, strict=True) if self.layers.has_bias else ((w,) for w in p.weights)
        arrays = [array for pair in pairs for array in pair]
        rows = zip(arrays, self.parts, strict=True)
        return np.concatenate([a.reshape(len(a), -1) * root**power for a, (_, root) in rows], axis=1)

    def _pass(self, paths: int, samples: int) -> Pass:
        key = (threading.get_ident(), paths, samples)
        if key not in self.passes:
            self.passes[key] = Pass(self.layers, self.activation, paths, samples)
        return self.passes[key]

    def forward(self, x: Array, rows: Rows | None) -> tuple[Array, Any]:
        """Return outputs (paths, B, C); the tape holds networks, inputs and buffers."""
        p, inputs = self.parameters(x), self.inputs if rows is None else self.inputs[rows]
        through = self._pass(len(x), inputs.shape[-2])
        return through.forward(p, inputs), (p, inputs, through)

    def backward(self, tape: Any, d: Array) -> Array:
        """Return the gradient of sum d F, shape (paths, d)."""
        p, inputs, through = tape
        gradients = p.zeros()
        through.backward(p, inputs, np.array(d, order="C"), gradients)
        return self.state(gradients, 1.0)

    def squares(self, tape: Any, d: Array) -> Array:
        """Return sums over samples of squared gradients: each is a product of a delta and an activation."""
        p, inputs, through = tape
        active = [inputs, *(a.copy() for a in through.active)]
        last = np.array(d, order="C")
        through.backward(p, inputs, last, p.zeros())
        deltas = [*through.slope, last]
        weights = [(delta**2).swapaxes(1, 2) @ below**2 for delta, below in zip(deltas, active, strict=True)]
        return self.state(Parameters(weights, [(delta**2).sum(axis=1) for delta in deltas]), 2.0)

    def initial(self, replicas: Sequence[int], seed: int) -> Array:
        """Return the initial states of replicas of `ts.train`, shape (replicas, d)."""
        return self.state(initialise(self.layers, replicas, seed=seed))


def network(
    data: Data, network: MLP, loss: Literal["mse", "cross-entropy"] = "mse", *, weight_decay: float = 0.0
) -> FiniteSum:
    """Return the training loss of a multilayer perceptron as a function of its parameters.

    Parameters
    ----------
    data : Data
        Made by `data.digits`, `data.arrays`, ...
    network : MLP
        Small: equations hold n numbers for each path and pass all samples.
    loss : "mse" or "cross-entropy"
    weight_decay : float
        Of the state's coordinates.

    Raises
    ------
    ProblemError
        If a layer does not train, or data, network and loss do not fit.
    """
    if not isinstance(network, MLP):
        raise ProblemError(f"sde: `network` must be made by MLP(...), got {shown(network)}")
    if loss not in ("mse", "cross-entropy"):
        raise ProblemError(f'sde: `loss` must be "mse" or "cross-entropy" for a network, got {shown(loss)}')
    if network.initial_output != "random":
        raise ProblemError('sde: `initial_output` must be "random" here, got "subtracted"')
    training = Training(data=data, network=network, optimizer=SGD(learning_rate=1.0), steps=1, loss=loss)
    layers = training.layers
    if np.any(layers.weight_steps == 0.0) or (layers.has_bias and np.any(layers.bias_steps == 0.0)):
        raise ProblemError("sde: `network` must train every layer: one of its rates is 0")
    predictor = Perceptron(layers, activation_of(network), np.array(training.samples.x_train, float))
    return FiniteSum(predictor, POINTWISE[loss], targets(training)[0], checked_decay(weight_decay), f"network, {loss}")


def initial_states(objective: FiniteSum, *, seed: int, paths: int = 1) -> Array:
    """Return the initial parameters of networks, shape (paths, d): replicas 0, 1, ... of `ts.train` with that seed.

    Raises
    ------
    ProblemError
        If the objective is no network.
    """
    if not isinstance(objective.predictor, Perceptron):
        raise ProblemError("sde: `objective` must be made by network(...) to have initial parameters")
    return objective.predictor.initial(range(paths), seed)
