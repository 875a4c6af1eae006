"""A deep linear training run at infinite width: its constants, its errors, its outputs step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.losses import targets
from theorysim.meanfield.domain import effective_gamma0
from theorysim.meanfield.inputs import inputs_of
from theorysim.meanfield.linear_march import Constants, March
from theorysim.meanfield.memory import memory
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training

Array = NDArray[np.float64]
MOST_BYTES = 2**32


class Solution:
    """The march of one run at fixed batches.

    Parameters
    ----------
    training : Training
    optimizer : SGD
        What is marched: the optimizer of the run, or the GD that stands for gradient flow.
    places : sequence of int
        Steps whose outputs are kept, the last one ends the march.
    weights : ndarray, shape (steps, P)
        Of the samples at each step (`batches.sample_weights`).
    euler_step : float, optional
        Step of flow-Euler: outputs move by their tangent kernel.
    """

    def __init__(
        self,
        training: Training,
        optimizer: SGD,
        places: Sequence[int],
        weights: Array,
        euler_step: float | None = None,
    ) -> None:
        self.training, self.places, self.weights, self.euler_step = training, list(places), weights, euler_step
        inputs, self.target = inputs_of(training), targets(training)[0]
        constants = _constants(training, inputs.rank)
        self.steps = self.places[-1]
        _check_memory(constants, self.steps)
        ones = [np.ones((len(e), 1)) for e in (inputs.train, inputs.test)] if constants.constant else [None, None]
        self.rows, self.test_rows = (
            e if one is None else np.hstack([e, one]) for e, one in zip((inputs.train, inputs.test), ones, strict=True)
        )
        total = training.steps if optimizer is training.optimizer else self.steps
        self.march = March(constants, memory(optimizer, self.steps, training.kappa, total), self.steps)

    def run(self) -> tuple[Array, Array]:
        """Return the outputs at the places, shapes (K, P, C) and (K, M, C).

        Raises
        ------
        FloatingPointError
            If they are not finite at some step.
        """
        kept, f = {}, np.zeros((self.march.c.size, self.march.c.outputs))
        for k in range(self.steps + 1):
            with np.errstate(over="ignore", invalid="ignore"):
                exact = self.march.advance(k)
                f = exact if self.euler_step is None else f
                finite = np.isfinite(exact.sum() + f.sum())
            if not finite:
                raise FloatingPointError(f"the outputs are not finite at step {k}")
            kept[k] = f
            if k < self.steps:
                delta = self._errors(k, f)
                self.march.learn(k, delta)
                if self.euler_step is not None:
                    f = f + self.euler_step * self.march.tangent_step(k, delta)
        outputs = np.stack([kept[k] for k in self.places])
        return self.rows @ outputs, self.test_rows @ outputs

    def _errors(self, k: int, f: Array) -> Array:
        """Return the weighted errors of step k in coordinates, shape (r, C)."""
        outputs = self.rows @ f
        if self.training.loss == "cross-entropy":
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs /= outputs.sum(axis=1, keepdims=True)
        delta: Array = self.rows.T @ (self.weights[k][:, None] * (self.target - outputs))
        return delta


def _constants(training: Training, rank: int) -> Constants:
    layers = training.layers
    widths = np.array(layers.widths[1:-1], dtype=float)
    biases = bool(np.any(layers.bias_std[:-1] > 0.0) or np.any(layers.bias_rates > 0.0))
    return Constants(
        weight_std=layers.weight_std, bias_std=layers.bias_std,
        weight_rates=layers.weight_rates, bias_rates=layers.bias_rates,
        widening=np.append(widths[1:] / widths[:-1], 1.0), share=np.append(widths / widths[-1], 1.0),
        gamma0=effective_gamma0(training), kappa=training.kappa,
        rank=rank, outputs=training.outputs, constant=biases,
    )  # fmt: skip


def _check_memory(c: Constants, steps: int) -> None:
    h, g = (steps + 1) * c.size, (steps + 1) * c.outputs
    needed = 8 * c.depth * (h * h + 3 * h * g + 3 * g * g)
    if needed > MOST_BYTES:
        most = int(steps * (MOST_BYTES / needed) ** 0.5)
        raise ProblemError(
            f"meanfield.linear: `steps` must be at most about {most} for {c.size} coordinates of the inputs, "
            f"{c.outputs} outputs and {c.depth} hidden layers (its kernels fill {MOST_BYTES >> 30} GiB), got {steps}"
        )
