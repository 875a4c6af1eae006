"""How far parameters are from what is left of their start, step by step: theta_k = start_k theta_0 + deviation_k.

    p = gradient + penalty,  buffer <- momentum buffer + p,  theta <- theta - eta_k buffer    (torch's SGD)

is linear, so that start_k, one number for the whole network, takes the penalties on theta_0, and the deviations,
which begin at zero, take the gradients. Nothing else of the past is kept.

Proof: derivations/march.py (`decay`, `deviation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body, compiled
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """One step: theta <- theta - on_buffer buffer - on_gradient p, p = gradient + weight_decay theta + ridge change."""

    momentum: float
    weight_decay: float
    ridge: float
    on_buffer: float
    on_gradient: float


def rule_of(optimizer: SGD, eta: float, kappa: float) -> Rule:
    """Return the rule of a step of size eta; the ridge counts as ``kappa * ridge``."""
    ahead = (eta * optimizer.momentum, eta) if optimizer.nesterov else (eta, 0.0)
    return Rule(optimizer.momentum, optimizer.weight_decay, kappa * optimizer.ridge, *ahead)


class Start:
    """What is left of the initial parameters."""

    def __init__(self) -> None:
        self.share, self.buffer = 1.0, 0.0

    def advance(self, rule: Rule) -> None:
        """Take one step."""
        p = rule.weight_decay * self.share + rule.ridge * (self.share - 1.0)
        self.buffer = rule.momentum * self.buffer + p
        self.share -= rule.on_buffer * self.buffer + rule.on_gradient * p


class Deviation:
    """The rest of some parameters."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.value, self.buffer = np.zeros(shape), np.zeros(shape)

    def advance(self, ascent: Array, rule: Rule) -> None:
        """Take one step; `ascent` is minus the gradient, step size left out."""
        if self.value.shape != ascent.shape:
            self._grow(ascent.shape)
        flat = (self.value.reshape(-1), self.buffer.reshape(-1), np.ascontiguousarray(ascent).reshape(-1))
        penalty = rule.weight_decay + rule.ridge
        _advance_all(*flat, rule.momentum, penalty, rule.on_buffer, rule.on_gradient)

    def grown(self, shape: tuple[int, ...]) -> Array:
        """Return the value at a shape at least as large; new entries are zero."""
        if self.value.shape != shape:
            self._grow(shape)
        return self.value

    def shrink(self, shape: tuple[int, ...]) -> None:
        """Drop the entries beyond a shape."""
        part = tuple(slice(0, n) for n in shape)
        self.value, self.buffer = self.value[part].copy(), self.buffer[part].copy()

    def _grow(self, shape: tuple[int, ...]) -> None:
        for name in ("value", "buffer"):
            old, new = getattr(self, name), np.zeros(shape)
            new[tuple(slice(0, n) for n in old.shape)] = old
            setattr(self, name, new)


@body("float64[::1], float64[::1], float64[::1], float64, float64, float64, float64")
def advance_one(
    i: int, value: Any, buffer: Any, ascent: Any, momentum: float, penalty: float, on_buffer: float, on_gradient: float
) -> None:
    """Take one step of entry i."""
    p = penalty * value[i] - ascent[i]
    buffer[i] = momentum * buffer[i] + p
    value[i] -= on_buffer * buffer[i] + on_gradient * p


@compiled
def _advance_all(
    value: Any, buffer: Any, ascent: Any, momentum: float, penalty: float, on_buffer: float, on_gradient: float
) -> None:
    for i in range(value.size):
        advance_one(i, value, buffer, ascent, momentum, penalty, on_buffer, on_gradient)
