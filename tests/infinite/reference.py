"""The layer recursions at 50 digits, straight from the definitions: nothing here comes from the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 50
Dual = Callable[[Any, Any, Any], tuple[Any, Any]]


def relu(q1: Any, q2: Any, q12: Any, slope: float = 0.0) -> tuple[Any, Any]:
    """Return E phi(u) phi(v), E phi'(u) phi'(v) of the (leaky) relu; [Cho & Saul 2009] for slope 0."""
    a = mp.mpf(slope)
    c = q12 / mp.sqrt(q1 * q2)
    theta = mp.acos(min(c, mp.mpf(1)))
    f = (1 - a) ** 2 / (2 * mp.pi)
    derivative = (1 + a * a) / 2 - f * theta
    return f * mp.sqrt(q1 * q2) * mp.sin(theta) + q12 * derivative, derivative


def erf(q1: Any, q2: Any, q12: Any) -> tuple[Any, Any]:
    """Return the dual maps of erf, [Williams 1997]."""
    p = (1 + 2 * q1) * (1 + 2 * q2)
    return 2 / mp.pi * mp.asin(2 * q12 / mp.sqrt(p)), 4 / mp.pi / mp.sqrt(p - 4 * q12**2)


def quadrature(function: Callable[[Any], Any], derivative: Callable[[Any], Any], nodes: int = 400) -> Dual:
    """Return dual maps by a double trapezoidal sum, exponentially accurate for analytic functions."""

    def maps(q1: Any, q2: Any, q12: Any) -> tuple[float, float]:
        z = np.linspace(-12.0, 12.0, nodes)
        weight = np.exp(-(z**2) / 2) * (z[1] - z[0]) / np.sqrt(2 * np.pi)
        low = float(q12 / mp.sqrt(q1))
        rest = float(mp.sqrt(max(q2 - q12**2 / q1, mp.mpf(0))))
        u, v = float(mp.sqrt(q1)) * z[:, None], low * z[:, None] + rest * z[None]
        both = weight[:, None] * weight[None]
        return float((both * function(u) * function(v)).sum()), float((both * derivative(u) * derivative(v)).sum())

    return maps


def kernels(
    dual: Dual, layers: Any, x: Sequence[float], y: Sequence[float], dimension: int | None = None
) -> tuple[Any, Any]:
    """Return Sigma^{L+1}(x, y), Theta^{L+1}(x, y)."""
    d = dimension or len(x)
    xs, ys = [mp.mpf(float(v)) for v in x], [mp.mpf(float(v)) for v in y]
    w, v = [mp.mpf(float(s)) ** 2 for s in layers.weight_std], [mp.mpf(float(s)) ** 2 for s in layers.bias_std]
    rate, bias = ([mp.mpf(float(r)) for r in rates] for rates in (layers.weight_rates, layers.bias_rates))
    k11, k22, k12 = mp.fdot(xs, xs) / d, mp.fdot(ys, ys) / d, mp.fdot(xs, ys) / d
    q1, q2, s = w[0] * k11 + v[0], w[0] * k22 + v[0], w[0] * k12 + v[0]
    theta = rate[0] * k12 + bias[0]
    for layer in range(1, len(w)):
        value, slope = dual(q1, q2, s)
        q1, q2 = (w[layer] * dual(q, q, q)[0] + v[layer] for q in (q1, q2))
        theta = rate[layer] * value + bias[layer] + w[layer] * slope * theta
        s = w[layer] * value + v[layer]
    return s, theta
