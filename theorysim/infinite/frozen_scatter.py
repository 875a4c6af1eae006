"""Predictions of lazy networks whose tangent kernel, fixed during training, is that of one random finite network.

    f_c' = -eta kappa sum_c' (Theta_cc' Pi (f_c' - y_c')),   Theta_cc' = delta_cc' Theta + dTheta_cc',   f(0) = 0

Pi projects on the training samples. To second order in dTheta, whose covariance is that of `fluctuations`,

    f = f_0 + L[dTheta] + Z,    Cov f = L Cov(dTheta) L^T,    E f - f_0 = L[E dTheta] + E Z.

SGD without batches is stepped: f, L and E Z obey linear recursions. Gradient flow is summed over the modes of Theta Pi,
with divided differences of e^{-w t} in place of the time integrals.

Valid    Squared loss, initial output subtracted. Cov f is complete at O(1/width): the kernel's own motion is O(1/width)
         and its correlation with dTheta odd in the readout. The mean is not: learning moves E Theta by O(1/width) too
         (PDLT's ddNTK), which is left out here.
Cost     m = P + M samples: m^4 numbers a step, m^5 for a flow.
Sources  [Lee2019] for the linear dynamics. Proof: derivations/frozen_kernel.py (divided differences).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import eigh, single_thread
from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]
_SERIES = 22  # terms of a divided difference of nearly equal nodes
_CONDITION = 1e-11


@dataclass(frozen=True, eq=False)
class Scatter:
    """What kernel fluctuations do to predictions, over recorded steps.

    Attributes
    ----------
    mean : ndarray, shape (steps, m, C)
        f_0: predictions at infinite width.
    covariance : ndarray, shape (steps, C, m, m)
        Over initialisations, of one output.
    shift : ndarray, shape (steps, m, C)
        E f - f_0 of frozen kernels.
    """

    mean: Array
    covariance: Array
    shift: Array


@dataclass(frozen=True, eq=False)
class Kernel:
    """A tangent kernel with fluctuations on m samples, training samples first.

    Attributes
    ----------
    mean, shift : ndarray, shape (m, m)
        Theta and E dTheta.
    own, between : ndarray, shape (m, m, m, m)
        Cov(Theta_cc(a, b), Theta_cc(d, e)), and the same of Theta_cc' for c' != c.
    """

    mean: Array
    shift: Array
    own: Array
    between: Array

    def second(self, outputs: int) -> Array:
        """Return sum_c' E dTheta_cc'(x, a) dTheta_c'c(d, e), shape (m, m, m, m)."""
        return np.asarray(self.own + (outputs - 1) * np.swapaxes(self.between, 2, 3))


def stepped(kernel: Kernel, target: Array, optimizer: SGD, kappa: float, steps: Array, total: int) -> Scatter:
    """Return the scatter under SGD without batches: momentum, Nesterov, ridge, schedules.

    Parameters
    ----------
    kernel : Kernel
    target : ndarray, shape (P, C)
    optimizer : SGD
    kappa : float
        1/(P C).
    steps : ndarray of int
        Recorded steps, ascending.
    total : int
        Steps of the whole run (schedules).
    """
    m, (train, outputs) = len(kernel.mean), target.shape
    theta, second = kernel.mean[:, :train], kernel.second(outputs)[:, :train]
    sizes = optimizer.step_sizes(total) * kappa
    # rows of the state: f, Z (one column an output) and L (columns: output, training sample, other sample of dTheta)
    state, buffer = _zeros(m, train, outputs), _zeros(m, train, outputs)
    found, wanted = [], set(steps.tolist())
    for k in range(int(steps[-1]) + 1):
        if k in wanted:
            found.append(_recorded(state, kernel, train, outputs))
        if k < int(steps[-1]):
            push = _push(state, kernel, theta, second, target, optimizer.ridge)
            buffer = [optimizer.momentum * b + p for b, p in zip(buffer, push, strict=True)]
            ahead = optimizer.momentum if optimizer.nesterov else 1.0
            lead = 1.0 if optimizer.nesterov else 0.0
            state = [s - sizes[k] * (ahead * b + lead * p) for s, b, p in zip(state, buffer, push, strict=True)]
    return _joined(found)


def _zeros(m: int, train: int, outputs: int) -> list[Array]:
    return [np.zeros((m, outputs)), np.zeros((m, outputs)), np.zeros((m, outputs, m, train))]


def _push(state: list[Array], kernel: Kernel, theta: Array, second: Array, target: Array, ridge: float) -> list[Array]:
    """Return the gradients of f, Z and L: L[x, c, a, b] = df_c(x)/dTheta(a, b) as driven by the targets of output c."""
    f, z, response = state
    train = len(target)
    residual = f[:train] - target
    with single_thread():
        push = [theta @ residual + ridge * f, theta @ z[:train] + ridge * z, np.tensordot(theta, response[:train], 1)]
        push[1] += kernel.shift[:, :train] @ residual
        push[1] += np.tensordot(second[..., :train], response[:train].transpose(0, 2, 3, 1), 3)
    push[2] += ridge * response
    every = np.arange(len(theta))
    push[2][every, :, every] += residual.T
    return push


def _recorded(state: list[Array], kernel: Kernel, train: int, outputs: int) -> tuple[Array, Array, Array]:
    f, z, response = state
    own, between = (_spread(response, c[:, :train, :, :train]) for c in (kernel.own, kernel.between))
    return f, own + between.sum(axis=0) - between, z


def _spread(response: Array, covariance: Array) -> Array:
    """Return L Cov L^T of each output, shape (C, m, m)."""
    m, outputs, a, b = response.shape
    flat = response.transpose(1, 0, 2, 3).reshape(outputs, m, a * b)
    with single_thread():
        return np.asarray(flat @ covariance.reshape(a * b, a * b) @ flat.transpose(0, 2, 1))


def _joined(found: list[tuple[Array, Array, Array]]) -> Scatter:
    mean, covariance, shift = (np.stack(parts) for parts in zip(*found, strict=True))
    return Scatter(mean, covariance, shift)


def flowing(kernel: Kernel, target: Array, kappa: float, times: Array) -> Scatter:
    """Return the scatter under gradient flow.

    Parameters
    ----------
    kernel, target, kappa
        As in `stepped`.
    times : ndarray

    Raises
    ------
    ProblemError
        If the kernel on the training samples is singular to working precision.
    """
    train, outputs = target.shape
    modes = _modes(kernel, train)
    seconds = _in_modes(kernel.second(outputs), modes, train)
    return _joined([_flowed(modes, seconds, kernel, target, kappa * float(t)) for t in times])


@dataclass(frozen=True, eq=False)
class _Modes:
    """Modes of Theta Pi: rates w (zero for test samples), right vectors, left vectors, and those of Theta_XX."""

    rates: Array
    right: Array
    left: Array
    train: Array


def _modes(kernel: Kernel, train: int) -> _Modes:
    m = len(kernel.mean)
    values, vectors = eigh(kernel.mean[:train, :train])
    if values[0] <= _CONDITION * values[-1]:
        raise ProblemError(
            f"kernels: the training samples must be independent under the kernel, got eigenvalues from {values[0]:.3g} "
            f"to {values[-1]:.3g}"
        )
    right, left = np.eye(m), np.eye(m)
    right[:train, :train], left[:train, :train] = vectors, vectors.T
    cross = kernel.mean[train:, :train] @ (vectors / values)
    right[train:, :train], left[train:, :train] = cross, -cross @ vectors.T
    return _Modes(np.concatenate([values, np.zeros(m - train)]), right, left, vectors)


def _in_modes(second: Array, modes: _Modes, train: int) -> Array:
    """Return E (dTheta Pi)_ij (dTheta Pi)_jk in the modes, shape (m, P, P): j and k are training modes."""
    with single_thread():
        one = np.einsum("ia,abde->ibde", modes.left, second[:, :train, :, :train], optimize=True)
        two = np.einsum("bj,jd,ibde->ije", modes.train, modes.left[:train], one, optimize=True)
        return np.asarray(two @ modes.train)


def _flowed(modes: _Modes, seconds: Array, kernel: Kernel, target: Array, time: float) -> tuple[Array, Array, Array]:
    train = len(target)
    rates, start = modes.rates * time, modes.train.T @ target
    once = time * _once(rates[:, None], rates[None, :train])
    twice = time**2 * _twice(rates[:, None, None], rates[None, :train, None], rates[None, None, :train])
    mean = modes.right[:, :train] @ (-np.expm1(-rates[:train])[:, None] * start)
    response = np.einsum(
        "xi,ia,ij,bj,jc->xcab", modes.right, modes.left, once, modes.train, start, optimize=True
    )  # fmt: skip
    shift = np.einsum("xcab,ab->xc", response, kernel.shift[:, :train])
    shift -= modes.right @ np.einsum("ijk,ijk,kc->ic", twice, seconds, start, optimize=True)
    return _recorded([mean, shift, response], kernel, train, target.shape[1])


def _once(a: Array, b: Array) -> Array:
    """Return int_0^1 e^{-a (1 - s)} e^{-b s} ds = (e^{-a} - e^{-b})/(b - a)."""
    low, gap = np.minimum(a, b), np.abs(a - b)
    safe = np.maximum(gap, 1e-8)
    return np.asarray(np.exp(-low) * np.where(gap > 1e-8, -np.expm1(-safe) / safe, 1.0 - 0.5 * gap))


def _twice(a: Array, b: Array, c: Array) -> Array:
    """Return the integral of e^{-a s - b t - c u} over s + t + u = 1: a divided difference with three nodes."""
    low, middle, high = np.sort(np.stack(np.broadcast_arrays(a, b, c)), axis=0)
    gap = np.maximum(high - low, 1.0)
    apart = (_once(low, middle) - _once(middle, high)) / gap
    return np.asarray(np.where(high - low > 1.0, apart, np.exp(-low) * _near(middle - low, high - low)))


def _near(p: Array, q: Array) -> Array:
    """Return the divided difference of e^{-x} at 0, p, q <= 1: sum_n (-1)^n h_{n-2}/n!, h_k = sum_i p^i q^{k-i}."""
    p, q = np.minimum(p, 1.0), np.minimum(q, 1.0)
    total, h, power = np.zeros_like(p), np.ones_like(p), np.ones_like(p)
    for n in range(2, _SERIES):
        total += (-1.0) ** n * h / math.factorial(n)
        power = power * p
        h = q * h + power
    return total
