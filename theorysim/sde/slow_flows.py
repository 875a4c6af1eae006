"""Flows along a manifold of minima: what label noise and local SGD do after the loss has been fitted.

    f = |F(w) - y|^2/(2n) = 0 on the manifold;   tau = eta^2 k;   P projects on its tangent space
    dw/dtau = -(1/2) P grad^3 f [M],   M_ij = (c/B) H_ij/(lam_i + lam_j) (1 + (K - 1) psi(T (lam_i + lam_j)))
    labels y +- delta: c = delta^2, M = delta^2/(2B) without local steps:  dw/dtau = -(delta^2/4B) P grad tr H
    local SGD: K workers, T = eta x steps between averages, B the batch of all of them together

Limit    eta -> 0 at fixed tau (and fixed T).
Valid    label noise: its covariance delta^2 H/B leaves no diffusion along the manifold; smooth manifolds of minima.
Error    O(eta) (measured in tests/sde); the flow itself: 1e-9.
Sources  [Li2022], [Blanc2020], [Damian2021], [Gu2023]. Proof: derivations/flows.py (psi, the regularizer).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend import random
from theorysim.backend.linalg import eigh, single_thread
from theorysim.equations.flows import label_regularizer, local_spread
from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, shown
from theorysim.sde.manifold import FLAT, Manifold, fitted, polished, solved, tangent

__all__ = [
    "Manifold",
    "finite",
    "fitted",
    "limit",
    "local_sgd",
    "regularizer",
    "regularizer_strength",
    "slow_spread",
    "worker_variance",
]

Array = NDArray[np.float64]
OBSERVABLES = ("position",)
SOURCES = ("Li2022", "Blanc2020", "Damian2021", "Gu2023")


def slow_spread(hessian: Array, covariance: Array, *, batch: int, workers: int = 1, local_time: float = 0.0) -> Array:
    """Return M, the covariance about the manifold that drives the slow drift -(1/2) grad^3 f [M], shape (p, p).

    Parameters
    ----------
    hessian, covariance : ndarray, shape (p, p)
        H and the covariance of one sample's gradient, at a point of the manifold.
    batch : int
        B of all workers together.
    workers : int
        K.
    local_time : float
        T: learning rate times steps between averages.
    """
    values, basis = eigh(np.asarray(hessian, float))
    values = np.where(values > FLAT * values[-1], values, 0.0)
    sums = values[:, None] + values
    apart = [[local_spread(local_time * float(one)) for one in row] for row in sums]
    inside = np.where(sums > 0.0, (1.0 + (workers - 1) * np.array(apart)) / np.where(sums > 0.0, sums, 1.0), 0.0)
    return np.asarray(basis @ (inside * (basis.T @ covariance @ basis)) @ basis.T / batch)


def local_sgd(
    manifold: Manifold, w: ArrayLike, covariance: ArrayLike, *, batch: int, workers: int, local_time: float
) -> tuple[Array, Array]:
    """Return drift (p,) and diffusion (p, p), per unit of tau, of the slow equation of local SGD at a point.

    Parameters
    ----------
    manifold : Manifold
    w : array_like, shape (p,)
        On the manifold.
    covariance : array_like, shape (p, p)
        Of one sample's gradient there.
    batch, workers : int
        B of all workers together, K.
    local_time : float
        Learning rate times steps between averages.
    """
    point, noise = np.asarray(w, float), np.asarray(covariance, float)
    _check_workers(batch, workers, local_time)
    if noise.shape != (point.size, point.size):
        raise ProblemError(f"slow_flows: `covariance` must have shape {(point.size,) * 2}, got {noise.shape}")
    along = tangent(manifold, point)
    spread = slow_spread(manifold.curvature(point), noise, batch=batch, workers=workers, local_time=local_time)
    return -0.5 * along @ manifold.force(point, spread), along @ noise @ along / batch


def limit(
    manifold: Manifold, start: ArrayLike, times: ArrayLike, *, noise: float, batch: int = 1, workers: int = 1,
    local_time: float = 0.0,
) -> xr.DataArray:  # fmt: skip
    """Return the parameters under label noise at the times tau = eta^2 k.

    Parameters
    ----------
    manifold : Manifold
    start : array_like, shape (p,)
        Taken to the manifold by gradient flow first.
    times : array_like, shape (times,)
        Ascending, at least 0.
    noise : float
        delta: labels are y +- delta, afresh at each use.
    batch, workers : int
        B of all workers together, K.
    local_time : float
        Learning rate times steps between averages of the workers.

    Returns
    -------
    DataArray
        ``position`` over time, component.

    Raises
    ------
    NotConverged
        If gradient flow from `start` does not fit the targets.
    """
    moments, point = _checked(times, start, noise)
    _check_workers(batch, workers, local_time)
    w = fitted(manifold, point)

    def slope(time: float, here: Array) -> Array:
        h = manifold.curvature(here)
        spread = slow_spread(h, noise**2 * h, batch=batch, workers=workers, local_time=local_time)
        return np.asarray(-0.5 * tangent(manifold, here) @ manifold.force(here, spread))

    found, now = [], 0.0
    with single_thread():
        for then in moments:
            if then > now:
                w, now = polished(manifold, solved(slope, w, now, float(then))), float(then)
            found.append(w)
    return _labelled(moments, np.array(found), ("time", "component"))


def finite(
    manifold: Manifold, start: ArrayLike, times: ArrayLike, *, learning_rate: float, noise: float, batch: int = 1,
    replicas: int, seed: int, workers: int = 1, local_steps: int = 1,
) -> xr.DataArray:  # fmt: skip
    """Run SGD with noisy labels (local SGD with several workers); replica r is the same however many there are.

    Returns
    -------
    DataArray
        ``position`` over time, component, replica, at the last average before each time.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    moments, point = _checked(times, start, noise)
    _check_workers(batch, workers, 0.0)
    if not is_real(learning_rate) or learning_rate <= 0.0:
        raise ProblemError(f"slow_flows: `learning_rate` must be a positive number, got {shown(learning_rate)}")
    for name, value in (("replicas", replicas), ("local_steps", local_steps)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ProblemError(f"slow_flows: `{name}` must be a whole number of at least 1, got {shown(value)}")
    w, own = np.tile(point, (replicas * workers, 1)), batch // workers
    found, done = [], 0
    with np.errstate(over="ignore", invalid="ignore"):
        for time in moments:
            rounds = round(float(time) / learning_rate**2 / local_steps)
            for k in range(done, rounds * local_steps):
                w = w - learning_rate * _gradient(manifold, w, noise, own, seed, k)
                if (k + 1) % local_steps == 0:
                    w = np.repeat(w.reshape(replicas, workers, -1).mean(axis=1), workers, axis=0)
            done = max(done, rounds * local_steps)
            found.append(w[::workers].T)
    if not np.all(np.isfinite(found)):
        raise FloatingPointError("slow_flows: a run is not finite; SGD diverges at this learning rate")
    return _labelled(moments, np.array(found), ("time", "component", "replica"))


def _gradient(manifold: Manifold, w: Array, noise: float, batch: int, seed: int, step: int) -> Array:
    """Return the gradients of all rows of w, each on its own samples with its own labels."""
    shape = (len(w), batch)
    residual, jacobian = manifold.residual(w), np.asarray(manifold.jacobian(w))
    n = residual.shape[1]
    rows = random.integers(n, len(w) * batch, seed=seed, stream=0, step=step, purpose=random.SLOW_SAMPLES).reshape(
        shape
    )
    coins = random.uniforms(shape, seed=seed, stream=0, step=step, purpose=random.SLOW_SIGNS)
    wrong = np.take_along_axis(residual, rows, axis=1) + noise * np.where(coins < 0.5, 1.0, -1.0)
    return np.asarray(np.einsum("rb,rbp->rp", wrong, np.take_along_axis(jacobian, rows[:, :, None], axis=1)) / batch)


def worker_variance(
    curvature: float, covariance: float, *, learning_rate: float, workers: int, batch: int, local_steps: int
) -> tuple[float, float]:
    """Return a worker's stationary variance on h w^2/2, mean over the steps of a round: the theory, and exactly.

    Theory: eta C/(2 B h) (1 + (K - 1) psi(2 eta h steps)), to first order in eta h.
    """
    _check_workers(batch, workers, 0.0)
    step = learning_rate * curvature
    if not 0.0 < step < 2.0:
        raise ProblemError(f"slow_flows: `learning_rate` must be below 2/curvature, got {shown(learning_rate)}")
    theory = learning_rate * covariance / (2.0 * batch * curvature)
    theory *= 1.0 + (workers - 1) * local_spread(2.0 * step * local_steps)
    kept = (1.0 - step) ** 2
    together = learning_rate**2 * covariance / (batch * (1.0 - kept))
    mean = (1.0 - kept**local_steps) / (local_steps * (1.0 - kept))
    return theory, together * (1.0 + (workers - 1) * (1.0 - mean))


def regularizer(eigenvalues: ArrayLike, *, learning_rate: float, momentum: float = 0.0) -> float:
    """Return R = -((1 + beta)/(2 eta)) tr log(1 - eta H/(2 (1 + beta))): label noise ends where f + lambda R is least.

    lambda = `regularizer_strength`. R = tr H/4 for small learning rates.
    """
    values = np.atleast_1d(np.asarray(eigenvalues, float))
    edge = 2.0 * (1.0 + momentum) / learning_rate
    if values.max() >= edge:
        raise ProblemError(f"slow_flows: `eigenvalues` must be below 2(1 + beta)/eta = {edge:.6g}, got {values.max()}")
    return sum(label_regularizer(learning_rate * float(h), momentum) for h in values) / learning_rate


def regularizer_strength(*, learning_rate: float, noise: float, batch: int, momentum: float = 0.0) -> float:
    """Return lambda = eta delta^2/(B (1 - beta))."""
    return learning_rate * noise**2 / (batch * (1.0 - momentum))


def _labelled(times: Array, values: Array, dims: tuple[str, ...]) -> xr.DataArray:
    attrs = {"units": "1", "long_name": "parameters", "symbol": "w"}
    return xr.DataArray(values, dims=dims, coords={"time": times}, name="position", attrs=attrs)


def _checked(times: ArrayLike, start: ArrayLike, noise: float) -> tuple[Array, Array]:
    found, point = np.atleast_1d(np.asarray(times, float)), np.asarray(start, float)
    if found.ndim != 1 or not np.all(np.isfinite(found)) or np.any(np.diff(found) <= 0.0) or found[0] < 0.0:
        raise ProblemError("slow_flows: `times` must be ascending numbers of at least 0")
    if point.ndim != 1 or not np.all(np.isfinite(point)):
        raise ProblemError(f"slow_flows: `start` must be finite numbers in one dimension, got shape {point.shape}")
    if not is_real(noise) or noise < 0.0:
        raise ProblemError(f"slow_flows: `noise` must be a number of at least 0, got {shown(noise)}")
    return found, point


def _check_workers(batch: int, workers: int, local_time: float) -> None:
    for name, value in (("batch", batch), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ProblemError(f"slow_flows: `{name}` must be a whole number of at least 1, got {shown(value)}")
    if batch % workers:
        raise ProblemError(f"slow_flows: `batch` must be a multiple of the {workers} workers, got {batch}")
    if not is_real(local_time) or local_time < 0.0:
        raise ProblemError(f"slow_flows: `local_time` must be a number of at least 0, got {shown(local_time)}")
