"""Implicit regularisation: flows that follow gradient descent, momentum, epochs of SGD and Adam one order further.

    GD, heavy ball   dw/dt = -(1/(1 - b)) grad (f + eta (1 + b)/(4 (1 - b)^2) |grad f|^2)
    epochs of SGD    dw/dt = -grad (f + (eta/4m) sum_k |grad f_k|^2), m batches in random order without replacement
    Adam             dw/dt = -s - eta c * (H s)/scale,  s = grad f/scale, scale = sqrt(g^2 + e) or |g| + e
    t = eta k for all of them; g * H s from gradients and Hessian-vector products

Limit    eta -> 0 at fixed betas and epsilon.
Valid    smooth losses, no noise beyond the order of the epoch; momentum and Adam after their memory has filled.
Error    O(eta^2) at fixed t (residuals fall by 4 per halving; epochs: 8 per epoch, measured in tests/sde); the flow
         alone, without the correction, O(eta).
Sources  [Barrett2021], [Smith2021], [Ghosh2023], [Cattaneo2024].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import scipy.integrate
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, one_of, shown

Array = NDArray[np.float64]
Gradient = Callable[[Array], Array]
Product = Callable[[Array, Array], Array]
Drift = Callable[[Array], Array]
SOURCES = ("Barrett2021", "Smith2021", "Ghosh2023", "Cattaneo2024")


def descent(gradient: Gradient, product: Product, *, learning_rate: float, momentum: float = 0.0) -> Drift:
    """Return the drift of gradient descent or heavy ball (v <- b v - eta g, w <- w + v).

    Parameters
    ----------
    gradient : callable
        w -> grad f(w), shapes (p,).
    product : callable
        (w, x) -> H(w) x.
    learning_rate, momentum : float
        eta, b.
    """
    _check("learning_rate", learning_rate, momentum)
    share = 0.5 * learning_rate * (1.0 + momentum) / (1.0 - momentum) ** 2

    def drift(w: Array) -> Array:
        g = gradient(w)
        return np.asarray(-(g + share * product(w, g)) / (1.0 - momentum))

    return drift


def epochs(gradients: Gradient, products: Product, *, learning_rate: float) -> Drift:
    """Return the drift of SGD, averaged over the orders of the batches of an epoch; one epoch takes eta m.

    Parameters
    ----------
    gradients : callable
        w -> gradients of the m batches' losses, shape (m, p); f is their mean.
    products : callable
        (w, x) -> each batch's Hessian times its row of x, shape (m, p).
    learning_rate : float
    """
    _check("learning_rate", learning_rate, 0.0)

    def drift(w: Array) -> Array:
        g = gradients(w)
        return np.asarray(-(g + 0.5 * learning_rate * products(w, g)).mean(axis=0))

    return drift


def adam(
    gradient: Gradient, product: Product, *, learning_rate: float, beta1: float, beta2: float, epsilon: float,
    placement: Literal["outside", "inside"] = "outside",
) -> Drift:  # fmt: skip
    """Return the drift of Adam after its memories have filled; beta1 = 0 is RMSprop (v updated first).

    Parameters
    ----------
    gradient, product : callable
        As in `descent`.
    learning_rate, beta1, beta2, epsilon : float
    placement : "outside" or "inside"
        w <- w - eta m/(sqrt v + epsilon), as in PyTorch, or w <- w - eta m/sqrt(v + epsilon).
    """
    _check("learning_rate", learning_rate, 0.0)
    for name, value in (("beta1", beta1), ("beta2", beta2)):
        if not is_real(value) or not 0.0 <= value < 1.0:
            raise ProblemError(f"implicit: `{name}` must be in [0, 1), got {shown(value)}")
    if not is_real(epsilon) or epsilon <= 0.0:
        raise ProblemError(f"implicit: `epsilon` must be a positive number, got {shown(epsilon)}")
    if placement not in _ADAM:
        raise ProblemError(f"implicit: `placement` {one_of(placement, _ADAM)}")
    coefficient = _ADAM[placement]

    def drift(w: Array) -> Array:
        g = gradient(w)
        scale, share = coefficient(g, beta1 / (1.0 - beta1), beta2 / (1.0 - beta2), epsilon)
        s = g / scale
        return np.asarray(-s - learning_rate * share * product(w, s) / scale)

    return drift


def _outside(g: Array, first: float, second: float, epsilon: float) -> tuple[Array, Array]:
    """Return |g| + e and the coefficient of H s; first, second = b/(1 - b) of the memories."""
    scale = np.abs(g) + epsilon
    return scale, first - second * np.abs(g) / scale + 0.5 * epsilon / scale


def _inside(g: Array, first: float, second: float, epsilon: float) -> tuple[Array, Array]:
    """Return sqrt(g^2 + e) and the coefficient; (1 + b)/(1 - b) = 1 + 2 b/(1 - b)."""
    square = g * g + epsilon
    return np.sqrt(square), first - second + 0.5 * (1.0 + 2.0 * second) * epsilon / square


_ADAM = {"outside": _outside, "inside": _inside}
FLOWS: Mapping[str, Callable[..., Drift]] = {"descent": descent, "epochs": epochs, "adam": adam}
"""The flows by name; a user's own drift works everywhere theirs do."""


def integrate(drift: Drift, start: ArrayLike, times: ArrayLike, tolerance: float = 1e-10) -> Array:
    """Return the flow at the times t = eta k, shape (times, p).

    Raises
    ------
    FloatingPointError
        If it blows up.
    """
    w, moments = np.array(start, float), np.atleast_1d(np.asarray(times, float))
    if w.ndim != 1 or not np.all(np.isfinite(w)):
        raise ProblemError(f"implicit: `start` must be finite numbers in one dimension, got shape {w.shape}")
    if not np.all(np.isfinite(moments)) or np.any(np.diff(moments) <= 0.0) or moments[0] < 0.0:
        raise ProblemError("implicit: `times` must be ascending numbers of at least 0")
    if moments[-1] == 0.0:
        return w[None]
    with np.errstate(over="ignore", invalid="ignore"):
        found: Any = scipy.integrate.solve_ivp(
            lambda t, x: drift(x), (0.0, moments[-1]), w, method="DOP853", t_eval=moments, rtol=tolerance,
            atol=tolerance * max(float(np.abs(w).max()), 1e-30),
        )  # fmt: skip
    if not found.success or not np.all(np.isfinite(found.y)):
        raise FloatingPointError("implicit: the flow is not finite; the loss is unbounded below or not smooth")
    return np.asarray(found.y.T)


def descent_steps(
    gradient: Gradient, start: ArrayLike, steps: int, *, learning_rate: float, momentum: float = 0.0
) -> Array:
    """Return gradient descent or heavy ball itself, shape (steps + 1, p)."""
    w = np.array(start, float)
    v, found = np.zeros_like(w), [w]
    for _ in range(steps):
        v = momentum * v - learning_rate * gradient(w)
        w = w + v
        found.append(w)
    return np.array(found)


def adam_steps(
    gradient: Gradient, start: ArrayLike, steps: int, *, learning_rate: float, beta1: float, beta2: float,
    epsilon: float, placement: Literal["outside", "inside"] = "outside",
) -> Array:  # fmt: skip
    """Return Adam itself, with bias correction, shape (steps + 1, p)."""
    w = np.array(start, float)
    m, v, found = np.zeros_like(w), np.zeros_like(w), [w]
    for k in range(1, steps + 1):
        g = gradient(w)
        m, v = beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g
        first, second = m / (1.0 - beta1**k), v / (1.0 - beta2**k)
        scale = np.sqrt(second) + epsilon if placement == "outside" else np.sqrt(second + epsilon)
        w = w - learning_rate * first / scale
        found.append(w)
    return np.array(found)


def _check(name: str, learning_rate: float, momentum: float) -> None:
    if not is_real(learning_rate) or learning_rate <= 0.0:
        raise ProblemError(f"implicit: `{name}` must be a positive number, got {shown(learning_rate)}")
    if not is_real(momentum) or not 0.0 <= momentum < 1.0:
        raise ProblemError(f"implicit: `momentum` must be in [0, 1), got {shown(momentum)}")
