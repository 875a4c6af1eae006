"""Equations of SGD and of optimizers without memory: the state is the parameters, a step takes the time eta.

    SGD, order 1     dX = -u grad f dt + u sqrt(eta s) S dW,       S = n^-1/2 (G - mean G)^T, s = 1/B (replacement)
    SGD, order 2     drift -u grad f - (eta/2) u^2 H grad f,       u(t) = schedule at t - eta/2
    hessian-aware    as for quadratics, with H(x) and Sigma(x) at the current point: no proof for general f
    local SGD        s = 1/(B K);    label noise: beside the batch's noise that of the labels
    SGLD             + sqrt(2 T) dW;    SPSA: Cov = (1/n) grad grad^T + (1 + 1/n) s C + (|grad|^2 + s tr C)/n
    SignSGD          drift -erf(z/sqrt 2), z = grad f/sqrt(s diag C);    heavy tails: + eta^(1-1/alpha) sigma dL^alpha

Limit    eta -> 0 at fixed time k eta.
Valid    SignSGD: Gaussian gradient noise; its covariance exactly where C is diagonal, else to first order in the
         correlations (error (2/pi)(arcsin rho - rho) between two components at z = 0).
Error    O(eta), SGD of order 2: O(eta^2).
Sources  [Li2019], [Li2024], SignSGD after [Compagnoni2025]; schedule, correlated signs and SPSA with batches ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD
from theorysim.sde.finite_sums import FiniteSum
from theorysim.sde.functions import Function
from theorysim.sde.motion import Motion, motion
from theorysim.sde.optimizers import SGLD, SPSA, HeavyTailedSGD, LabelNoiseSGD, LocalSGD, SignSGD
from theorysim.sde.oracles import Landscape

Array = NDArray[np.float64]
LARGEST_EIGENPROBLEM = 32
"""Parameters up to which the hessian-aware equation diagonalises at every step."""


def sgd(objective: Landscape, optimizer: SGD, order: Any, steps: int) -> Motion:
    """Return the equation of SGD, order 1 or 2; a schedule needs the number of steps."""
    eta = optimizer.learning_rate
    root = float(np.sqrt(eta * objective.strength(optimizer.batch, optimizer.sampling)))
    factor = schedule_factor(optimizer, steps)
    share = 0.5 * eta if order == 2 else 0.0

    def second(t: float, x: Array) -> Array:
        g = objective.gradient(x)
        return np.asarray(g + share * factor(t) * objective.hessian_product(x, g))

    def drift(t: float, x: Array) -> Array:
        return -factor(t) * (second(t, x) if share else objective.gradient(x))

    def product(t: float, x: Array, w: Array) -> Array:
        return factor(t) * root * objective.product(x, w)

    def step(t: float, x: Array, dt: float, w: Array) -> Array:
        return objective.drift_and_product(x, w, -factor(t) * dt, factor(t) * root)

    return motion(objective, drift, product, objective.noises, step=None if share else step)


def schedule_factor(optimizer: SGD, steps: int) -> Callable[[float], float]:
    """Return t -> u(t - eta/2), the schedule over the learning rate, linear between steps."""
    if optimizer.schedule is None:
        return lambda t: 1.0
    eta, places = optimizer.learning_rate, np.arange(steps)
    u = optimizer.step_sizes(steps) / eta
    return lambda t: float(np.interp(t / eta - 0.5, places, u))


def hessian_aware(objective: Landscape, optimizer: SGD) -> Motion:
    """Return the hessian-aware equation of SGD: drift and diffusion through the eigenvectors of H(x)."""
    d, eta = objective.dimension, optimizer.learning_rate
    if d > LARGEST_EIGENPROBLEM:
        raise ProblemError(
            f"sde: `objective` must have at most {LARGEST_EIGENPROBLEM} parameters for the hessian-aware equation, "
            f"got {d}"
        )
    strength = objective.strength(optimizer.batch, optimizer.sampling)

    def drift(t: float, x: Array) -> Array:
        a, basis = _modes(objective, eta, x)
        along = np.einsum("pji,pj->pi", basis, objective.gradient(x))
        small = np.abs(a) < 1e-12
        rate = np.where(small, -1.0, np.log1p(-a) / np.where(small, 1.0, a))
        return np.asarray(np.einsum("pij,pj->pi", basis, rate * along))

    def product(t: float, x: Array, w: Array) -> Array:
        a, basis = _modes(objective, eta, x)
        logs = np.log1p(-a)
        total = logs[:, :, None] + logs[:, None, :]
        small = np.abs(total) < 1e-12
        factor = np.where(small, 1.0, total / np.where(small, 1.0, np.expm1(total)))
        turned = basis.swapaxes(1, 2) @ covariance(objective, x) @ basis
        values, inner = np.linalg.eigh(eta * strength * factor * turned)
        size = np.sqrt(np.maximum(values, 0.0))  # the product of two matrices entry by entry may leave the cone
        return np.asarray(np.einsum("pij,pjk,pk->pi", basis, inner, size * w))

    return motion(objective, drift, product, d)


def _modes(objective: Landscape, eta: float, x: Array) -> tuple[Array, Array]:
    """Return eta times the eigenvalues of H(x), shape (paths, d), and its eigenvectors."""
    paths, d = x.shape
    units = np.tile(np.eye(d), (paths, 1))
    h = objective.hessian_product(np.repeat(x, d, axis=0), units).reshape(paths, d, d)
    values, basis = np.linalg.eigh(0.5 * (h + h.swapaxes(1, 2)))
    if eta * values.max() >= 1.0:
        raise FloatingPointError(
            "sde: the hessian-aware equation needs learning rate times curvature below 1 along the path, "
            f"got {eta * values.max():.3g}; use order 1 or 2"
        )
    return eta * values, basis


def covariance(objective: Landscape, x: Array) -> Array:
    """Return the covariance of one sample's gradient, shape (paths, d, d)."""
    paths, d = x.shape
    if isinstance(objective, Function):
        units = np.tile(np.eye(objective.noises), (paths, 1))
        g = objective.product(np.repeat(x, objective.noises, axis=0), units).reshape(paths, -1, d)
        return np.asarray(g.swapaxes(1, 2) @ g)
    rows = np.tile(np.arange(objective.noises), paths)[:, None]
    g = objective.batch_gradient(np.repeat(x, objective.noises, axis=0), rows).reshape(paths, -1, d)
    g -= g.mean(axis=1, keepdims=True)
    return np.asarray(g.swapaxes(1, 2) @ g / objective.noises)


def local(objective: Landscape, optimizer: LocalSGD) -> Motion:
    """Return the equation of the workers' mean: SGD at K times the batch."""
    eta = optimizer.learning_rate
    strength = objective.strength(optimizer.batch, optimizer.sampling) / optimizer.workers
    return _plain(objective, float(np.sqrt(eta * strength)))


def _plain(objective: Landscape, root: float) -> Motion:
    return motion(
        objective,
        lambda t, x: -objective.gradient(x),
        lambda t, x, w: root * objective.product(x, w),
        objective.noises,
        step=lambda t, x, dt, w: objective.drift_and_product(x, w, -dt, root),
    )


def langevin(objective: Landscape, optimizer: SGLD) -> Motion:
    """Return Langevin's equation with the noise of batches."""
    eta, heat = optimizer.learning_rate, float(np.sqrt(2.0 * optimizer.temperature))
    root, n = float(np.sqrt(eta * objective.strength(optimizer.batch, optimizer.sampling))), objective.noises

    def product(t: float, x: Array, w: Array) -> Array:
        return root * objective.product(x, w[:, :n]) + heat * w[:, n:]

    def step(t: float, x: Array, dt: float, w: Array) -> Array:
        return objective.drift_and_product(x, w[:, :n], -dt, root) + heat * w[:, n:]

    return motion(objective, lambda t, x: -objective.gradient(x), product, n + objective.dimension, step=step)


def label_noise(objective: Landscape, optimizer: LabelNoiseSGD) -> Motion:
    """Return SGD's equation with the noise of labels beside that of batches."""
    assert isinstance(objective, FiniteSum)
    finite, eta, n = objective, optimizer.learning_rate, objective.noises
    root = float(np.sqrt(eta * finite.strength(optimizer.batch, optimizer.sampling)))
    label = optimizer.delta * float(np.sqrt(eta / (optimizer.batch or n)))

    def product(t: float, x: Array, w: Array) -> Array:
        return root * finite.product(x, w[:, :n]) + label * finite.label_product(x, w[:, n:])

    return motion(finite, lambda t, x: -finite.gradient(x), product, n + finite.targets.size)


def zeroth_order(objective: Landscape, optimizer: SPSA) -> Motion:
    """Return SPSA's equation for smoothing -> 0."""
    eta, n, probes = optimizer.learning_rate, objective.noises, optimizer.probes
    strength = objective.strength(optimizer.batch, optimizer.sampling)

    def product(t: float, x: Array, w: Array) -> Array:
        g = objective.gradient(x)
        spread = (g * g).sum(axis=1)
        total = w[:, :1] * g / np.sqrt(probes)
        if strength:
            spread = spread + strength * objective.variance(x).sum(axis=1)
            total = total + np.sqrt((1.0 + 1.0 / probes) * strength) * objective.product(x, w[:, 1 : n + 1])
        return np.asarray(np.sqrt(eta) * (total + np.sqrt(spread / probes)[:, None] * w[:, n + 1 :]))

    return motion(objective, lambda t, x: -objective.gradient(x), product, 1 + n + objective.dimension)


def sign(objective: Landscape, optimizer: SignSGD) -> Motion:
    """Return SignSGD's equation: E sign g and, to first order in correlations, Cov sign g for Gaussian g."""
    eta, n = optimizer.learning_rate, objective.noises
    strength = objective.strength(optimizer.batch, optimizer.sampling)

    def scaled(x: Array) -> tuple[Array, Array]:
        """Return mean over standard deviation of the gradient, and the latter's inverse (0 where there is none)."""
        size, g = np.sqrt(strength * objective.variance(x)), objective.gradient(x)
        noisy = size > 1e-300
        inverse = np.where(noisy, 1.0 / np.where(noisy, size, 1.0), 0.0)
        return np.where(noisy, g * inverse, np.where(g == 0.0, 0.0, np.copysign(np.inf, g))), inverse

    def drift(t: float, x: Array) -> Array:
        return np.asarray(-scipy.special.erf(scaled(x)[0] / np.sqrt(2.0)))

    def product(t: float, x: Array, w: Array) -> Array:
        z, inverse = scaled(x)
        slope = np.sqrt(2.0 / np.pi) * np.exp(-0.5 * z * z)  # E sign(z + xi) xi
        shared = slope * inverse * np.sqrt(strength) * objective.product(x, w[:, :n])
        own = np.where(inverse > 0.0, 1.0 - scipy.special.erf(z / np.sqrt(2.0)) ** 2 - slope**2, 0.0)
        return np.asarray(np.sqrt(eta) * (shared + np.sqrt(np.maximum(own, 0.0)) * w[:, n:]))

    return motion(objective, drift, product, n + objective.dimension)


def heavy_tailed(objective: Landscape, optimizer: HeavyTailedSGD) -> Motion:
    """Return gradient flow driven by an alpha-stable process; alpha = 2 is Brownian of variance 2."""
    eta, alpha = optimizer.learning_rate, optimizer.alpha
    size = optimizer.scale * eta ** (1.0 - 1.0 / alpha) * (np.sqrt(2.0) if alpha == 2.0 else 1.0)
    return motion(
        objective,
        lambda t, x: -objective.gradient(x),
        lambda t, x, w: size * w,
        objective.dimension,
        alpha=None if alpha == 2.0 else alpha,
    )
