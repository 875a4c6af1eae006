"""What an optimizer remembers: parameters as a linear function of their start and of all gradients.

    theta_k = start_k theta_0 - sum_{s<k} weight_{k,s} a g_s

for SGD with any step sizes, heavy ball, Nesterov, weight decay and the ridge about the initialisation. The numbers
are the same for every parameter of the network, which is why mean-field equations close for all of them.

Proof: derivations/march.py (`decay`), derivations/deep_linear.py (`nesterov`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Memory:
    """The linear memory of an optimizer over T steps.

    Attributes
    ----------
    start : ndarray, shape (T + 1,)
        What is left of the initial parameters before step k.
    weight : ndarray, shape (T + 1, T)
        How much the gradient of step s counts before step k, learning rates included; 0 for s >= k.
    """

    start: Array
    weight: Array


def memory(optimizer: SGD, steps: int, kappa: float, total: int | None = None) -> Memory:
    """Return the memory of the first steps of a run of `total`; the ridge counts as ``kappa * ridge``."""
    theta, buffer = np.zeros(steps + 1), np.zeros(steps + 1)  # coordinates: theta_0, a g_0, a g_1, ...
    theta[0] = 1.0
    etas, ridge = optimizer.step_sizes(steps if total is None else total), kappa * optimizer.ridge
    rows = np.empty((steps + 1, steps + 1))
    for k in range(steps):
        rows[k] = theta
        push = (optimizer.weight_decay + ridge) * theta
        push[0] -= ridge
        push[1 + k] += 1.0
        buffer = optimizer.momentum * buffer + push
        theta = theta - etas[k] * (push + optimizer.momentum * buffer if optimizer.nesterov else buffer)
    rows[steps] = theta
    return Memory(rows[:, 0].copy(), -rows[:, 1:])
