"""Equations of optimizers with memory: heavy ball, Nesterov, RMSprop, Adam.

    momentum   state (V, X), a step takes sqrt eta: h = sqrt eta, m = (1 - beta)/h held fixed; order 2 as for quadratics
    RMSprop    state (X, U), a step takes eta^2:  dX = -P^-1 (grad f dt + s0 S dW),  dU = c2 (diag C - U) dt
    Adam       state (X, M, U), bias-corrected:   dX = -P^-1 M dt,  dM = (c1/g1)((grad f - M) dt + s0 S dW),
               dU = (c2/g2)(diag C - U) dt,  g_i = 1 - exp(-c_i (t + eta^2))

with P = s0 sqrt U + e0, s0 = eta sqrt s, e0 = eta epsilon, c_i = (1 - beta_i)/eta^2 held fixed, s S S^T the covariance
of a batch's gradient, C that of one sample. M and U of Adam are m/g1 and u/g2 of the published form; one step is added
to its time, which removes the singularity at t = 0 and is below the order of the equation.

Limit    eta -> 0 at fixed m (momentum), at fixed s0, e0, c1, c2 (adaptive methods).
Valid    adaptive methods: noise of the batch above its signal in the components that move.
Error    momentum O(sqrt eta), order 2 O(eta); adaptive methods O(eta^2), one step. Of Adam from nothing it falls by
         about 3 for each halving of eta (measured): its first squares scatter, which U does not.
Sources  [Malladi2022]; momentum derived here. Proof of the orders of momentum: exact moments in tests/sde.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD, Adam
from theorysim.sde.motion import Motion, motion
from theorysim.sde.optimizers import RMSprop
from theorysim.sde.oracles import Landscape

Array = NDArray[np.float64]


def momentum(objective: Landscape, optimizer: SGD, order: Any) -> Motion:
    """Return the equation of heavy ball or Nesterov; Nesterov's parameters are X + beta h V."""
    eta, beta, d = optimizer.learning_rate, optimizer.momentum, objective.dimension
    h = float(np.sqrt(eta))
    m, share = (1.0 - beta) / h, 0.5 * h if order == 2 else 0.0
    root = float(np.sqrt(h * objective.strength(optimizer.batch, optimizer.sampling)))
    in_v, in_x = 1.0 + share * m, share  # how -grad f and its noise enter

    def pushed(v: Array, x: Array, dt: float, push: Array) -> Array:
        """Return the change of (V, X) where `push` is -(grad f dt + its noise)."""
        damping = m * (1.0 + share * m) * v
        if share:
            damping += (share if optimizer.nesterov else -share) * objective.hessian_product(x, v)
        return np.hstack([in_v * push - dt * damping, in_x * push + (1.0 - share * m) * dt * v])

    def drift(t: float, z: Array) -> Array:
        return pushed(z[:, :d], z[:, d:], 1.0, -objective.gradient(z[:, d:]))

    def product(t: float, z: Array, w: Array) -> Array:
        push = root * objective.product(z[:, d:], w)
        return np.hstack([in_v * push, in_x * push])

    def step(t: float, z: Array, dt: float, w: Array) -> Array:
        return pushed(z[:, :d], z[:, d:], dt, objective.drift_and_product(z[:, d:], w, -dt, root))

    ahead = beta * h if optimizer.nesterov else 0.0
    return motion(
        objective, drift, product, objective.noises, step=step, copies=2,
        begin=lambda x: np.hstack([np.zeros_like(x), x]), show=lambda z: z[:, d:] + ahead * z[:, :d],
    )  # fmt: skip


def adaptive_constants(objective: Landscape, optimizer: RMSprop | Adam) -> dict[str, float]:
    """Return what is held fixed: sigma0, epsilon0, c1 (Adam), c2.

    Raises
    ------
    ProblemError
        If there is no gradient noise: the equation is for noise that dominates.
    """
    eta = optimizer.learning_rate
    strength = objective.strength(optimizer.batch, optimizer.sampling)
    if strength == 0.0:
        raise ProblemError("sde: `batch` must be given for the equation of RMSprop or Adam: noise must dominate")
    found = {"sigma0": eta * float(np.sqrt(strength)), "epsilon0": eta * optimizer.epsilon}
    if isinstance(optimizer, Adam):
        found["c1"] = (1.0 - optimizer.beta1) / eta**2
    found["c2"] = (1.0 - (optimizer.beta2 if isinstance(optimizer, Adam) else optimizer.beta)) / eta**2
    return found


def _preconditioner(constants: dict[str, float], u: Array) -> Array:
    """Return P, at least the smallest positive number: components without noise have no gradient either."""
    floor = np.finfo(float).tiny
    return np.asarray(np.maximum(constants["sigma0"] * np.sqrt(np.maximum(u, 0.0)) + constants["epsilon0"], floor))


def rmsprop(objective: Landscape, optimizer: RMSprop) -> Motion:
    """Return the equation of RMSprop."""
    d, c = objective.dimension, adaptive_constants(objective, optimizer)
    strength = objective.strength(optimizer.batch, optimizer.sampling)

    def square(x: Array) -> Array:
        if optimizer.initial_square is not None:
            return np.full_like(x, optimizer.initial_square / strength)
        return np.asarray(objective.variance(x) + objective.gradient(x) ** 2 / strength)

    def joined(x: Array, u: Array, push: Array, dt: float) -> Array:
        return np.hstack([push / _preconditioner(c, u), c["c2"] * dt * (objective.variance(x) - u)])

    def drift(t: float, z: Array) -> Array:
        return joined(z[:, :d], z[:, d:], -objective.gradient(z[:, :d]), 1.0)

    def product(t: float, z: Array, w: Array) -> Array:
        push = c["sigma0"] * objective.product(z[:, :d], w) / _preconditioner(c, z[:, d:])
        return np.hstack([push, np.zeros_like(push)])

    def step(t: float, z: Array, dt: float, w: Array) -> Array:
        x = z[:, :d]
        return joined(x, z[:, d:], objective.drift_and_product(x, w, -dt, c["sigma0"]), dt)

    return motion(
        objective, drift, product, objective.noises, step=step, copies=2,
        begin=lambda x: np.hstack([x, square(x)]), show=lambda z: z[:, :d],
    )  # fmt: skip


def adam(objective: Landscape, optimizer: Adam) -> Motion:
    """Return the equation of Adam with decoupled weight decay."""
    d, c, eta = objective.dimension, adaptive_constants(objective, optimizer), optimizer.learning_rate
    decay = optimizer.weight_decay / eta

    def corrected(rate: float, t: float) -> float:
        return rate / -float(np.expm1(-rate * (t + eta**2)))

    def joined(t: float, z: Array, dt: float, pull: Array) -> Array:
        """Return the change of (X, M, U) where `pull` is grad f dt + s0 S dW."""
        x, m, u = z[:, :d], z[:, d : 2 * d], z[:, 2 * d :]
        change = -dt * (m / _preconditioner(c, u) + decay * x)
        return np.hstack([
            change, corrected(c["c1"], t) * (pull - dt * m), corrected(c["c2"], t) * dt * (objective.variance(x) - u)
        ])  # fmt: skip

    def drift(t: float, z: Array) -> Array:
        return joined(t, z, 1.0, objective.gradient(z[:, :d]))

    def product(t: float, z: Array, w: Array) -> Array:
        push = corrected(c["c1"], t) * c["sigma0"] * objective.product(z[:, :d], w)
        return np.hstack([np.zeros_like(push), push, np.zeros_like(push)])

    def step(t: float, z: Array, dt: float, w: Array) -> Array:
        return joined(t, z, dt, objective.drift_and_product(z[:, :d], w, dt, c["sigma0"]))

    begin: Callable[[Array], Array] = lambda x: np.hstack([x, np.zeros_like(x), objective.variance(x)])  # noqa: E731
    return motion(
        objective, drift, product, objective.noises, step=step, copies=3, begin=begin, show=lambda z: z[:, :d]
    )
