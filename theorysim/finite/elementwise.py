"""Fused elementwise loops of a network: one pass over memory for bias, activation and slope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from theorysim.backend.compile import compiled
from theorysim.equations.activations import Activation


@dataclass(frozen=True)
class Loops:
    """Compiled loops of one activation; h has shape (R, B, n), bias (R, n).

    They compute in double precision whatever that of the arrays is (1.0 * h is a double).

    Attributes
    ----------
    value : h <- phi(h + bias)
    value_and_slope : out <- phi(h + bias), h <- phi'(h + bias)
    """

    value: Any
    value_and_slope: Any


@lru_cache(maxsize=64)
def loops(activation: Activation) -> Loops:
    """Return the compiled loops of an activation."""
    phi, dphi = activation.function, activation.derivative

    @compiled
    def value(h: Any, bias: Any) -> None:
        for r in range(h.shape[0]):
            for i in range(h.shape[1]):
                for j in range(h.shape[2]):
                    h[r, i, j] = phi(1.0 * h[r, i, j] + bias[r, j])

    @compiled
    def value_and_slope(h: Any, bias: Any, out: Any) -> None:
        for r in range(h.shape[0]):
            for i in range(h.shape[1]):
                for j in range(h.shape[2]):
                    u = 1.0 * h[r, i, j] + bias[r, j]
                    out[r, i, j] = phi(u)
                    h[r, i, j] = dphi(u)

    return Loops(value, value_and_slope)


@compiled
def add_bias(h: Any, bias: Any, scale: Any) -> None:
    """h <- scale (h + bias); shapes (R, B, n), (R, n)."""
    for r in range(h.shape[0]):
        for i in range(h.shape[1]):
            for j in range(h.shape[2]):
                h[r, i, j] = scale * (h[r, i, j] + bias[r, j])


@compiled
def sum_samples(delta: Any, out: Any) -> None:
    """out[r, j] = sum_i delta[r, i, j], always in the same order."""
    for r in range(delta.shape[0]):
        out[r] = 0.0
        for i in range(delta.shape[1]):
            for j in range(delta.shape[2]):
                out[r, j] += delta[r, i, j]


@compiled
def backpropagate(slope: Any, above: Any, out: Any) -> None:
    """slope <- slope * above, and out[r, j] its sum over samples (the gradient of the bias)."""
    for r in range(slope.shape[0]):
        out[r] = 0.0
        for i in range(slope.shape[1]):
            for j in range(slope.shape[2]):
                delta = slope[r, i, j] * above[r, i, j]
                slope[r, i, j] = delta
                out[r, j] += delta
