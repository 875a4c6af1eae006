"""Loops over arrays for one activation rho: values, slopes, and the proximal map of a f where rho = prox_f.

    prox_{a f}(v) = rho(s),  g(s) = (1 - a) rho(s) + a s - v = 0,  min(1, a) <= g' <= max(1, a)

so the root lies between v/max(1,a) and v/min(1,a) of the residual: Newton inside that bracket, bisection where a step
leaves it. One code for every activation, without the inverse of rho.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from theorysim.backend.compile import body, compiled
from theorysim.equations.activations import Activation

_NEWTON = 200


@dataclass(frozen=True)
class Loops:
    """Compiled loops over arrays of shape (n,).

    Attributes
    ----------
    value, slope : out <- rho(v), out <- rho'(v)
    prox : out <- prox_{a f}(v), slope of it into a second array
    """

    value: Any
    slope: Any
    prox: Any


@lru_cache(maxsize=64)
def loops(activation: Activation) -> Loops:
    """Return the compiled loops of an activation; `prox` means something only for slopes in [0, 1]."""
    rho, derivative = activation.function, activation.derivative

    @compiled
    def value(v: Any, out: Any) -> None:
        for i in range(v.shape[0]):
            out[i] = rho(v[i])

    @compiled
    def slope(v: Any, out: Any) -> None:
        for i in range(v.shape[0]):
            out[i] = derivative(v[i])

    @body
    def argument(v: float, a: float) -> float:
        """Return s, by safeguarded Newton steps."""
        s = v
        miss = (1.0 - a) * rho(s) + a * s - v
        least = a if a < 1.0 else 1.0
        reach = 1.0000001 * miss / least  # the root is between s and s - reach
        low = s - reach if reach > 0.0 else s
        high = s if reach > 0.0 else s - reach
        for _ in range(_NEWTON):
            if miss == 0.0 or not high > low:
                break
            steep = (1.0 - a) * derivative(s) + a
            new = s - miss / steep
            if not (low < new < high):
                new = 0.5 * (low + high)
            if new in (s, low, high):
                s = new
                break
            done = abs(new - s) <= 2e-16 * abs(new)
            s = new
            miss = (1.0 - a) * rho(s) + a * s - v
            if done:
                break
            if miss > 0.0:
                high = s
            else:
                low = s
        return s

    @compiled
    def prox(v: Any, a: float, out: Any, steep: Any) -> None:
        for i in range(v.shape[0]):
            s = v[i] if a == 1.0 else argument(v[i], a)
            out[i] = rho(s)
            steep[i] = derivative(s) / ((1.0 - a) * derivative(s) + a)

    return Loops(value, slope, prox)
