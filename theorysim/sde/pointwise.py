"""Losses of one sample as functions of its outputs: value, slope, curvature.

    mse            (1/2C) sum_c (f_c - y_c)^2
    logistic       log(1 + exp(-y f)),  y = -1 or 1, C = 1
    cross-entropy  -log softmax(f)_y,  y one-hot

Arrays end with (samples, outputs); labels broadcast against outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.exponential import exp
from theorysim.backend.order import larger

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pointwise:
    """A loss of one sample.

    Attributes
    ----------
    value : (f, y) -> losses, shape (..., samples)
    slope : (f, y) -> dloss/df, shape (..., samples, C)
    bend : (f, y, df) -> (d^2 loss/df^2) df, shape (..., samples, C)
    """

    value: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    bend: Callable[[Array, Array, Array], Array]


def _squared(f: Array, y: Array) -> Array:
    return np.asarray(0.5 * ((f - y) ** 2).mean(axis=-1))


def _squared_slope(f: Array, y: Array) -> Array:
    d: Array = f - y
    if f.shape[-1] > 1:
        d /= f.shape[-1]
    return d


def _squared_bend(f: Array, y: Array, df: Array) -> Array:
    return np.asarray(df / f.shape[-1])


def _logistic(f: Array, y: Array) -> Array:
    return np.asarray(np.logaddexp(0.0, -y * f)[..., 0])


def _logistic_slope(f: Array, y: Array) -> Array:
    return np.asarray(-0.5 * y * (1.0 - np.tanh(0.5 * y * f)))  # -y/(1 + exp(y f)) without overflow


def _logistic_bend(f: Array, y: Array, df: Array) -> Array:
    return np.asarray(0.25 * (1.0 - np.tanh(0.5 * f) ** 2) * df)


@compiled
def _shift(f: Any, top: Any) -> None:
    """f <- f - max_c f and top <- that maximum; f of shape (paths, C, n), whose last loops vectorise."""
    for p in range(f.shape[0]):
        for i in range(f.shape[2]):
            top[p, i] = f[p, 0, i]
        for c in range(1, f.shape[1]):
            for i in range(f.shape[2]):
                top[p, i] = larger(top[p, i], f[p, c, i])
        for c in range(f.shape[1]):
            for i in range(f.shape[2]):
                f[p, c, i] -= top[p, i]


@compiled
def _exponentiate(f: Any, total: Any) -> None:
    """f <- exp f and total <- sum_c of it."""
    for p in range(f.shape[0]):
        for i in range(f.shape[2]):
            total[p, i] = 0.0
        for c in range(f.shape[1]):
            for i in range(f.shape[2]):
                f[p, c, i] = exp(f[p, c, i])
                total[p, i] += f[p, c, i]


@compiled
def _divide(f: Any, total: Any) -> None:
    for p in range(f.shape[0]):
        for c in range(f.shape[1]):
            for i in range(f.shape[2]):
                f[p, c, i] /= total[p, i]


def _exponentials(f: Array) -> tuple[Array, Array, Array]:
    """Return exp(f - top), shape (paths, samples, C), its sum and the top, shape (paths, samples)."""
    turned = np.array(f.swapaxes(1, 2), order="C")  # no copy is saved: it becomes the result
    total, top = np.empty((len(f), f.shape[1])), np.empty((len(f), f.shape[1]))
    _shift(turned, top)
    _exponentiate(turned, total)
    return turned.swapaxes(1, 2), total, top


def _softmax(f: Array) -> Array:
    p, total, _ = _exponentials(f)
    _divide(p.swapaxes(1, 2), total)
    return p


def _entropy(f: Array, y: Array) -> Array:
    _, total, top = _exponentials(f)
    return np.asarray(np.log(total) + top - np.einsum("...ic,...ic->...i", y, f))


def _entropy_slope(f: Array, y: Array) -> Array:
    p = _softmax(f)
    p -= y
    return p


def _entropy_bend(f: Array, y: Array, df: Array) -> Array:
    p = _softmax(f)
    return np.asarray(p * (df - np.einsum("...c,...c->...", p, df)[..., None]))


POINTWISE: Mapping[str, Pointwise] = {
    "mse": Pointwise(_squared, _squared_slope, _squared_bend),
    "logistic": Pointwise(_logistic, _logistic_slope, _logistic_bend),
    "cross-entropy": Pointwise(_entropy, _entropy_slope, _entropy_bend),
}
