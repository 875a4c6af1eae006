"""Neurons of one hidden layer as independent samples: their fields, one vector over samples for each input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body, compiled
from theorysim.equations.activations import Activation

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fields:
    """What inputs make of one layer.

    Attributes
    ----------
    phi, slope : ndarray, shape (n, S)
        phi(h) and phi'(h).
    coefficients : ndarray, shape (n, rank), or None
        Of phi on the directions of the weights above; None in the last layer.
    """

    phi: Array
    slope: Array
    coefficients: Array | None


def activated(activation: Activation, h: Array) -> tuple[Array, Array]:
    """Return phi(h) and phi'(h); spends h, contiguous, shape (n, S)."""
    out = np.empty_like(h)
    _activate_all(activation)(h.reshape(-1), out.reshape(-1))
    return out, h


@lru_cache(maxsize=64)
def activate_one(activation: Activation) -> Any:
    """Return the body of one neuron and input: out[i] <- phi(h[i]), h[i] <- phi'(h[i])."""
    phi, dphi = activation.function, activation.derivative

    @body("float64[::1], float64[::1]")
    def one(i: int, h: Any, out: Any) -> None:
        u = h[i]
        out[i] = phi(u)
        h[i] = dphi(u)

    return one


@lru_cache(maxsize=64)
def _activate_all(activation: Activation) -> Any:
    one = activate_one(activation)

    @compiled
    def loop(h: Any, out: Any) -> None:
        for i in range(h.size):
            one(i, h, out)

    return loop
