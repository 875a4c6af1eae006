"""Training of infinitely wide networks, one network at a time, in function space.

    f(k) = f(0) + Theta a(k),   gradient of the dual coordinates a: kappa (error on the batch) + kappa ridge a

with error f - y (squared loss) or softmax f - y (cross-entropy). Exact for any loss, batch order, momentum and
schedule; the average over initial outputs and batch orders is a Monte Carlo over networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]
Order = Callable[[int], NDArray[np.int64]]  # step -> batches of R networks, (R, B); (1, B) where shared


def squared_error(outputs: Array, target: Array) -> Array:
    """Return f - y, shapes (samples, outputs, networks) and (samples, outputs)."""
    return outputs - target[:, :, None]


def softmax_error(outputs: Array, target: Array) -> Array:
    """Return softmax f - y, shapes (samples, outputs, networks) and (samples, outputs)."""
    return softmax(outputs) - target[:, :, None]


def softmax(outputs: Array) -> Array:
    """Return the softmax over axis 1, shape (samples, outputs, networks)."""
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted  # type: ignore[no-any-return]


def cross_entropy(outputs: Array, target: Array) -> Array:
    """Return the cross-entropy of each network, shape (networks,), outputs (samples, outputs, networks)."""
    top = outputs.max(axis=1, keepdims=True)
    logits = outputs - top
    logs = np.log(np.exp(logits).sum(axis=1)) - np.einsum("sor,so->sr", logits, target)
    return logs.mean(axis=0)  # type: ignore[no-any-return]


def half_squared(outputs: Array, target: Array) -> Array:
    """Return half the mean squared error of each network, shape (networks,)."""
    return 0.5 * np.mean((outputs - target[:, :, None]) ** 2, axis=(0, 1))  # type: ignore[no-any-return]


def dual_steps(
    theta: Array,
    start: Array,
    target: Array,
    optimizer: SGD,
    kappa: float,
    recorded: NDArray[np.int64],
    total: int,
    error: Callable[[Array, Array], Array] = squared_error,
    order: Order | None = None,
) -> Iterator[Array]:
    """Yield the dual coordinates at each recorded step, shape (P, C, R).

    Parameters
    ----------
    theta : ndarray, shape (P, P)
        Tangent kernel on the training samples.
    start : ndarray, shape (P, C, R)
        Initial outputs of R networks.
    target : ndarray, shape (P, C)
    optimizer : SGD
    kappa : float
        1/(P C) or 1/P (conventions, section 2).
    recorded : ndarray of int, ascending
    total : int
        Steps of the whole run.
    error : callable
        `squared_error` or `softmax_error`.
    order : callable, optional
        Batches of each network at a step, shape (R, B); None means full batches.
    """
    dual, buffer = np.zeros_like(start), np.zeros_like(start)
    sizes = np.asarray(optimizer.step_sizes(total), float)
    position = 0
    for k in range(int(recorded[-1]) + 1):
        while position < len(recorded) and int(recorded[position]) == k:
            yield dual.copy()
            position += 1
        if k == int(recorded[-1]):
            return
        push = _batch_push(theta, start, target, dual, error, order(k) if order else None)
        push *= kappa
        push += kappa * optimizer.ridge * dual
        buffer = optimizer.momentum * buffer + push
        dual -= sizes[k] * (push + optimizer.momentum * buffer if optimizer.nesterov else buffer)


def _batch_push(
    theta: Array,
    start: Array,
    target: Array,
    dual: Array,
    error: Callable[[Array, Array], Array],
    batches: NDArray[np.int64] | None,
) -> Array:
    """Return the error of the batch, spread to all samples with weight P/B."""
    samples, _, count = start.shape
    if batches is None:
        with single_thread():
            moved = (theta @ dual.reshape(samples, -1)).reshape(start.shape)
        return error(start + moved, target)
    push = np.zeros_like(start)
    for r in range(count):
        batch = batches[r if len(batches) > 1 else 0]
        with single_thread():
            outputs = start[batch, :, r] + theta[batch] @ dual[:, :, r]
        wrong = error(outputs[:, :, None], target[batch])[:, :, 0]
        np.add.at(push[:, :, r], batch, wrong * (samples / len(batch)))
    return push
