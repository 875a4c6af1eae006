"""Diagonal linear networks w = u^2 - v^2: which interpolator gradient flow and SGD find, by the initial scale.

    u(0) = v(0) = alpha:  argmin sum_i alpha_i^2 q(w_i/alpha_i^2) with X w = y,   w_i = 2 alpha_i^2 sinh((X^T nu)_i)
    q(z) = 2 - sqrt(4 + z^2) + z asinh(z/2);  alpha -> 0 least l1 norm (slowly: 1/log alpha), alpha -> inf least l2 norm
    SGD, one sample a step: the same with alpha exp(-2 gamma diag(X^T X/n) int L dt),  L = |X w - y|^2/(4n), t = gamma k

Limit    t -> inf (gradient flow); gamma -> 0 as well (SGD).
Valid    targets that some w fits; any shape of X. SGD: small steps.
Error    gradient flow: 1e-12. SGD: below 10 % of log(effective/alpha) at gamma <= 0.02, for it takes squared
         residuals for independent of squared inputs (measured in tests/sde).
Sources  [Woodworth2020], [Pesme2021]. Proof: derivations/flows.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.optimize
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend import random
from theorysim.backend.linalg import single_thread
from theorysim.equations.flows import hyperbolic_potential
from theorysim.errors import NotConverged, ProblemError
from theorysim.problem.validation import is_real, shown

Array = NDArray[np.float64]
OBSERVABLES = ("weights",)
SOURCES = ("Woodworth2020", "Pesme2021")
MOST_STEPS = 500


def limit(x: ArrayLike, y: ArrayLike, alpha: ArrayLike) -> Array:
    """Return the weights that gradient flow finds, shape (d,).

    Newton's method on the dual, with steps damped as its third derivative asks (it is at most the second one, in
    units of the largest change of X^T nu): monotone from nu = 0 at any alpha.

    Parameters
    ----------
    x : array_like, shape (n, d)
    y : array_like, shape (n,)
    alpha : float or array_like, shape (d,)
        Initial u = v, positive.

    Raises
    ------
    ProblemError
        If no w fits the targets, or the input is wrong.
    """
    data, target, scale = _checked(x, y, alpha)
    with single_thread():
        rows, wanted = _independent(data, target)
        return _dual_newton(rows, wanted, 2.0 * scale**2)


def _independent(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the same constraints with orthonormal rows, shape (rank, d)."""
    left, values, right = np.linalg.svd(x, full_matrices=False)
    kept = values > max(x.shape) * np.finfo(float).eps * values[0]
    inside = left[:, kept]
    if np.abs(y - inside @ (inside.T @ y)).max() > 1e-9 * max(float(np.abs(y).max()), 1e-300):
        raise ProblemError("diagonal: `y` must be fitted by some weights; these targets contradict each other")
    return right[kept], (inside.T @ y) / values[kept]


def _dual_newton(rows: Array, target: Array, size: Array) -> Array:
    """Return w = size sinh(rows^T nu) with rows w = target."""
    nu, norm = np.zeros(len(target)), float(np.linalg.norm(target))
    if norm == 0.0:
        return np.zeros(rows.shape[1])
    best, stalled = np.inf, 0
    for _ in range(MOST_STEPS):
        c = rows.T @ nu
        residual = target - rows @ (size * np.sinh(c))
        error = float(np.linalg.norm(residual)) / norm
        best, stalled = (error, 0) if error < 0.5 * best else (best, stalled + 1)
        if error < 1e-15 or (error < 1e-11 and stalled > 2):
            return np.asarray(size * np.sinh(c))
        # the Hessian is A A^T, A = rows sqrt(cosh); QR of A^T keeps its digits where cosh spans many decades
        root = np.sqrt(size * np.cosh(c))
        q, r = scipy.linalg.qr(root[:, None] * rows.T, mode="economic")
        half = scipy.linalg.solve_triangular(r, residual, trans="T")
        longest = float(np.abs(q @ half / root).max())
        damping = np.log1p(longest) / longest if longest > 0.1 else 1.0
        nu = nu + damping * scipy.linalg.solve_triangular(r, half)
    raise NotConverged("dual of q_alpha", MOST_STEPS, error, "a larger alpha")


def potential(w: ArrayLike, alpha: ArrayLike) -> float:
    """Return Q_alpha(w) = sum_i alpha_i^2 q(w_i/alpha_i^2)."""
    weights = np.atleast_1d(np.asarray(w, float))
    squares = np.broadcast_to(np.asarray(alpha, float), weights.shape) ** 2
    return sum(float(a) * hyperbolic_potential(float(one / a)) for one, a in zip(weights, squares, strict=True))


def least_norm(x: ArrayLike, y: ArrayLike, norm: int) -> Array:
    """Return the interpolator of least l1 (`norm` 1, alpha -> 0) or l2 norm (2, alpha -> inf), shape (d,)."""
    data, target, _ = _checked(x, y, 1.0)
    rows, wanted = _independent(data, target)
    if norm == 2:
        return np.asarray(rows.T @ wanted)
    if norm != 1:
        raise ProblemError(f"diagonal: `norm` must be 1 or 2, got {shown(norm)}")
    d = rows.shape[1]
    found: Any = scipy.optimize.linprog(np.ones(2 * d), A_eq=np.hstack([rows, -rows]), b_eq=wanted, bounds=(0, None))
    if not found.success:
        raise NotConverged("linear programme", int(found.nit), float("nan"), "rescaled data")
    return np.asarray(found.x[:d] - found.x[d:])


def effective_alpha(x: ArrayLike, alpha: ArrayLike, *, learning_rate: float, loss_integral: float) -> Array:
    """Return the initial scale at which gradient flow would find what SGD finds, shape (d,).

    Parameters
    ----------
    x : array_like, shape (n, d)
    alpha : float or array_like, shape (d,)
    learning_rate : float
        gamma.
    loss_integral : float
        int L dt = gamma sum_k L_k, L = |X w - y|^2/(4n).
    """
    data = np.asarray(x, float)
    data, _, scale = _checked(data, np.zeros(len(np.atleast_1d(data))), alpha)
    _check_positive(learning_rate=learning_rate)
    if not is_real(loss_integral) or loss_integral < 0.0:
        raise ProblemError(f"diagonal: `loss_integral` must be a number of at least 0, got {shown(loss_integral)}")
    return np.asarray(scale * np.exp(-2.0 * learning_rate * (data**2).mean(axis=0) * loss_integral))


def finite(x: ArrayLike, y: ArrayLike, alpha: ArrayLike, *, tolerance: float = 1e-12) -> Array:
    """Integrate gradient flow of u and v itself on L until it fits, and return u^2 - v^2, shape (d,).

    Raises
    ------
    NotConverged
        If the residual is not below 1e-10 of the targets after a very long time.
    """
    data, target, scale = _checked(x, y, alpha)
    n, d = data.shape

    def slope(time: float, state: Array) -> Array:
        u, v = state[:d], state[d:]
        push = data.T @ (data @ (u * u - v * v) - target) / n
        return np.concatenate([-u * push, v * push])

    state = np.concatenate([scale, scale])
    strongest = float(np.linalg.norm(data, 2) ** 2 / n * (scale.max() ** 2 + np.abs(target).max()))
    span, worst = 1.0 / strongest, np.inf
    with single_thread():
        for _ in range(60):
            found: Any = scipy.integrate.solve_ivp(
                slope, (0.0, span), state, method="LSODA", rtol=tolerance, atol=1e-3 * tolerance * scale.min()
            )
            state, span = found.y[:, -1], 2.0 * span
            w = state[:d] ** 2 - state[d:] ** 2
            worst = float(np.abs(data @ w - target).max())
            if worst < 1e-10 * max(float(np.abs(target).max()), 1e-300):
                return np.asarray(w)
    raise NotConverged("gradient flow", 60, worst, "a larger alpha")


def sgd(
    x: ArrayLike, y: ArrayLike, alpha: ArrayLike, *, learning_rate: float, steps: int, replicas: int, seed: int
) -> xr.Dataset:
    """Run SGD on L, one sample a step; return ``weights`` and ``scale`` (component, replica), ``loss_integral``.

    ``scale`` is sqrt(u v), the scale at which gradient flow would start now.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    data, target, scale = _checked(x, y, alpha)
    _check_positive(learning_rate=learning_rate)
    for name, value in (("steps", steps), ("replicas", replicas)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ProblemError(f"diagonal: `{name}` must be a whole number of at least 1, got {shown(value)}")
    n = len(data)
    u = np.tile(scale, (replicas, 1))
    v, integral, shrink = u.copy(), np.zeros(replicas), np.zeros_like(u)
    with np.errstate(over="ignore", invalid="ignore"), single_thread():
        for k in range(steps):
            residual = (u * u - v * v) @ data.T - target
            integral += learning_rate * (residual**2).sum(axis=1) / (4 * n)
            rows = random.integers(n, replicas, seed=seed, stream=0, step=k, purpose=random.DIAGONAL)
            push = learning_rate * data[rows] * residual[np.arange(replicas), rows][:, None]
            u, v = u * (1.0 - push), v * (1.0 + push)
            shrink += np.log1p(-push * push)
    w = u * u - v * v
    if not np.all(np.isfinite(w)):
        raise FloatingPointError("diagonal: a run is not finite; SGD diverges at this learning rate")
    dims = ("component", "replica")
    return xr.Dataset({
        "weights": (dims, w.T),
        "scale": (dims, scale[:, None] * np.exp(0.5 * shrink.T)),
        "loss_integral": ("replica", integral),
    })  # fmt: skip


def _checked(x: ArrayLike, y: ArrayLike, alpha: ArrayLike) -> tuple[Array, Array, Array]:
    data, target = np.asarray(x, float), np.atleast_1d(np.asarray(y, float))
    data = data[None] if data.ndim == 1 else data
    if data.ndim != 2 or data.size == 0 or target.shape != (len(data),):
        raise ProblemError(f"diagonal: `x`, `y` must have shapes (n, d), (n,), got {data.shape} and {target.shape}")
    if not (np.all(np.isfinite(data)) and np.all(np.isfinite(target))):
        raise ProblemError("diagonal: `x` and `y` must be finite, got NaN or infinity")
    if not np.any(data):
        raise ProblemError("diagonal: `x` must not be zero")
    scale = np.asarray(alpha, float)
    scale = np.full(data.shape[1], float(scale)) if scale.ndim == 0 else scale
    if scale.shape != (data.shape[1],) or not np.all(np.isfinite(scale)) or np.any(scale <= 0.0):
        raise ProblemError(f"diagonal: `alpha` must be positive, one number or {data.shape[1]}, got {shown(alpha)}")
    return data, target, scale


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not is_real(value) or value <= 0.0:
            raise ProblemError(f"diagonal: `{name}` must be a positive number, got {shown(value)}")
