"""Update rules of a group of paths: from states and random gradients to the next states (conventions, section 4).

A rule is a function of the step that advances all paths and returns their parameters, shape (paths, d).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import LANGEVIN, PROBES, STABLE
from theorysim.problem.optimizer import SGD, Adam
from theorysim.sde.draws import normal_rows, stable_rows
from theorysim.sde.optimizers import (
    SGLD,
    SPSA,
    HeavyTailedSGD,
    LabelNoiseSGD,
    LocalSGD,
    RMSprop,
    SignSGD,
)
from theorysim.sde.oracles import Oracle

Array = NDArray[np.float64]
Stochastic: TypeAlias = SGD | Adam | SPSA | RMSprop | SignSGD | SGLD | LocalSGD | LabelNoiseSGD | HeavyTailedSGD
Gradient: TypeAlias = Callable[[Array, int], Array]  # (states, step) -> random gradients
Rule: TypeAlias = Callable[[int], Array]


def initial_square(optimizer: RMSprop, oracle: Oracle, x: Array) -> Array:
    """Return v before the first step: as given, or E g^2 there."""
    if optimizer.initial_square is not None:
        return np.full_like(x, optimizer.initial_square)
    objective = oracle.objective
    strength = objective.strength(optimizer.batch, "subset" if optimizer.sampling == "epochs" else optimizer.sampling)
    return np.asarray(objective.gradient(x) ** 2 + oracle.spread * strength * objective.variance(x))


def descent(optimizer: SGD, etas: Array, gradient: Gradient, start: Array) -> Rule:
    """Return SGD, heavy ball or Nesterov in PyTorch's form."""
    x, buffer, beta = start.copy(), np.zeros_like(start), optimizer.momentum

    def step(k: int) -> Array:
        g = gradient(x, k)
        if beta:
            buffer[:] = beta * buffer + g
            g = g + beta * buffer if optimizer.nesterov else buffer
        x[:] -= etas[k] * g
        return x

    return step


def adam(optimizer: Adam, etas: Array, gradient: Gradient, start: Array) -> Rule:
    """Return Adam with bias correction and decoupled weight decay."""
    x, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    b1, b2 = optimizer.beta1, optimizer.beta2

    def step(k: int) -> Array:
        g = gradient(x, k)
        m[:] = b1 * m + (1.0 - b1) * g
        v[:] = b2 * v + (1.0 - b2) * g * g
        root = np.sqrt(v / (1.0 - b2 ** (k + 1))) + optimizer.epsilon
        x[:] = (1.0 - etas[k] * optimizer.weight_decay) * x - etas[k] * (m / (1.0 - b1 ** (k + 1))) / root
        return x

    return step


def rmsprop(optimizer: RMSprop, gradient: Gradient, start: Array, square: Array) -> Rule:
    """Return RMSprop, v updated after its use unless `v_first`."""
    x, v, b = start.copy(), square.copy(), optimizer.beta

    def step(k: int) -> Array:
        g = gradient(x, k)
        if optimizer.v_first:
            v[:] = b * v + (1.0 - b) * g * g
        x[:] -= optimizer.learning_rate * g / (np.sqrt(v) + optimizer.epsilon)
        if not optimizer.v_first:
            v[:] = b * v + (1.0 - b) * g * g
        return x

    return step


def sign(optimizer: SignSGD, gradient: Gradient, start: Array) -> Rule:
    """Return SignSGD."""
    x = start.copy()

    def step(k: int) -> Array:
        x[:] -= optimizer.learning_rate * np.sign(gradient(x, k))
        return x

    return step


def langevin(optimizer: SGLD, oracle: Oracle, start: Array) -> Rule:
    """Return SGLD."""
    x, kick = start.copy(), np.sqrt(2.0 * optimizer.learning_rate * optimizer.temperature)

    def step(k: int) -> Array:
        xi = normal_rows(oracle.first, *x.shape, seed=oracle.seed, step=k, purpose=LANGEVIN)
        x[:] += kick * xi - optimizer.learning_rate * oracle.gradient(x, k)
        return x

    return step


def local(optimizer: LocalSGD, oracle: Oracle, start: Array) -> Rule:
    """Return local SGD; worker w of path r has the stream r K + w."""
    paths, k_workers = len(start), optimizer.workers
    each = replace(oracle, first=oracle.first * k_workers, paths=paths * k_workers)
    x = np.repeat(start, k_workers, axis=0)

    def step(k: int) -> Array:
        x[:] -= optimizer.learning_rate * each.gradient(x, k)
        mean = x.reshape(paths, k_workers, -1).mean(axis=1)
        if (k + 1) % optimizer.local_steps == 0:
            x[:] = np.repeat(mean, k_workers, axis=0)
        return np.asarray(mean)

    return step


def zeroth_order(optimizer: SPSA, oracle: Oracle, start: Array) -> Rule:
    """Return SPSA; the same batch for all probes of a step and both sides."""
    x, mu = start.copy(), optimizer.smoothing

    def slope(z: Array, k: int, g: Array | None) -> Array:
        if g is not None:
            return np.asarray((g * z).sum(axis=1))
        assert mu is not None
        return (oracle.loss(x + mu * z, k) - oracle.loss(x - mu * z, k)) / (2.0 * mu)

    def step(k: int) -> Array:
        size, d = optimizer.probes * x.shape[1], x.shape[1]
        probes = normal_rows(oracle.first, len(x), size, seed=oracle.seed, step=k, purpose=PROBES).reshape(
            len(x), -1, d
        )
        g = oracle.gradient(x, k) if mu is None else None
        total = sum(slope(probes[:, i], k, g)[:, None] * probes[:, i] for i in range(optimizer.probes))
        x[:] -= optimizer.learning_rate / optimizer.probes * total
        return x

    return step


def heavy_tailed(optimizer: HeavyTailedSGD, oracle: Oracle, start: Array) -> Rule:
    """Return gradient descent with alpha-stable noise."""
    x = start.copy()

    def step(k: int) -> Array:
        xi = stable_rows(optimizer.alpha, oracle.first, *x.shape, seed=oracle.seed, step=k, purpose=STABLE)
        x[:] -= optimizer.learning_rate * (oracle.gradient(x, k) + optimizer.scale * xi)
        return x

    return step


def update_rule(optimizer: Stochastic, oracle: Oracle, start: Array, steps: int, gradient: Gradient) -> Rule:
    """Return the rule of an optimizer from a start, shape (paths, d); `gradient` is the oracle's or made of it."""
    match optimizer:
        case SGD():
            return descent(optimizer, optimizer.step_sizes(steps), gradient, start)
        case Adam():
            return adam(optimizer, optimizer.step_sizes(steps), gradient, start)
        case RMSprop():
            return rmsprop(optimizer, gradient, start, initial_square(optimizer, oracle, start))
        case SignSGD():
            return sign(optimizer, gradient, start)
        case LabelNoiseSGD():
            plain = SGD(learning_rate=optimizer.learning_rate)
            return descent(plain, plain.step_sizes(steps), gradient, start)
        case SGLD():
            return langevin(optimizer, oracle, start)
        case LocalSGD():
            return local(optimizer, oracle, start)
        case SPSA():
            return zeroth_order(optimizer, oracle, start)
        case HeavyTailedSGD():
            return heavy_tailed(optimizer, oracle, start)
