"""Gradient descent with momentum on a quadratic form, by one product per step; no eigenvectors.

    minimise  1/2 x^T (A + ridge) x - y^T x,     g = (A + ridge) x - y,     x_0 = 0, buf_0 = 0
    buf <- momentum buf + g
    x   <- x - s_k (gradient_share g + buffer_share buf)

Heavy ball is (gradient_share, buffer_share) = (0, 1), Nesterov (1, momentum).

Error    The image A x is carried along, one product a step. Afresh from x it differs by the rounding that all products
         have left (the drift); the errors of the carried image are damped by the iteration, those in the drift are
         not: twice the drift bounds them in practice (measured in tests/solvers).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged
from theorysim.solvers.products import Product

Array = NDArray[np.float64]

_LARGEST = 1e100  # beyond, squares would soon overflow


@dataclass(frozen=True, eq=False)
class State:
    """The iteration after `step` steps.

    Attributes
    ----------
    step : int
    x, image : ndarray, shape (n, c)
        x and A x.
    drift : ndarray, shape (c,), or None
        Largest |A x afresh - image| of each column, where it was asked for.
    """

    step: int
    x: Array
    image: Array
    drift: Array | None


def momentum_descent(
    product: Product,
    target: Array,
    sizes: Array,
    *,
    recorded: Collection[int],
    checked: Collection[int],
    momentum: float = 0.0,
    gradient_share: float = 0.0,
    buffer_share: float = 1.0,
    ridge: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> Iterator[State]:
    """Yield the states of the recorded steps.

    Parameters
    ----------
    product : callable
        v -> A v, shape (n, c).
    target : ndarray, shape (n, c)
        y.
    sizes : ndarray, shape (steps,)
        s_k.
    recorded, checked : collections of int
        Steps to yield (0 is the start), and those among them where the drift is measured, one more product each.
    progress : callable, optional
        Called with the fraction done after each step.

    Raises
    ------
    NotConverged
        If the iteration diverges.
    """
    x, image, buffer = np.zeros_like(target), np.zeros_like(target), np.zeros_like(target)
    for step in range(len(sizes) + 1):
        if step in recorded:
            yield State(step, x.copy(), image.copy(), _drift(product, x, image) if step in checked else None)
        if step == len(sizes):
            return
        gradient = image - target + ridge * x
        buffer = momentum * buffer + gradient
        move = sizes[step] * (gradient_share * gradient + buffer_share * buffer)
        x -= move
        image -= product(move)
        _still_finite(step + 1, image)
        if progress is not None:
            progress((step + 1) / len(sizes))


def _drift(product: Product, x: Array, image: Array) -> Array:
    return np.asarray(np.max(np.abs(product(x) - image), axis=0))


def _still_finite(step: int, image: Array) -> None:
    largest = float(np.max(np.abs(image), initial=0.0))
    if not largest < _LARGEST:
        raise NotConverged("gradient descent by products", step, largest, "a smaller step size")
