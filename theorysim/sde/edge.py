"""The edge of stability: central flows of gradient descent, RMSprop and Adam, which average their oscillations away.

    step w <- w - P^-1 grad f;  stable where  c P - H >= 0,  c = 2, with momentum b: 2 (1 + b)/(1 - b)
    dw/dk = -P^-1 (grad f + (1/2) grad^3 f [S]),   S = U X U^T, U the critical eigenvectors of P^-1 H
    X >= 0,  U^T (c P - H) U >= 0 after the next moment, and one vanishes where the other does not
    RMSprop, Adam: P = (sqrt(v) + eps)/eta,  dv/dk = ((1 - b2)/b2) (grad f^2 + diag(H S H) - v)
    mean loss f + tr(H S)/2, at the edge of gradient descent f + tr S/eta

Limit    oscillations small and of period two, averaged; time in steps.
Valid    a few critical directions at a time; no minibatch noise; three derivatives of the loss.
Error    GD: exact for period-two orbits of products. On a small network the mean loss over half a run is within 1 %
         (RMSprop) and 7 % (GD, whose sharpness swings about the edge: over shorter times 20 % and more). The flow
         itself: first order in 1/substeps, with exponential steps along sharp directions. Momentum and Adam: only the
         threshold is known, these flows are ours and unproved: at b = 0.5 within 6 % there, at b = 0.9 wrong by up to
         a factor of 2 and more (Adam hovers at 36.5, not 38; measured, no claim).
Sources  [Cohen2021], [Damian2023], [Cohen2025]; momentum and Adam derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.problem.validation import shown
from theorysim.sde.edge_rules import FLOWS, Loss, Rule, adam, gradient_descent, heavy_ball, rmsprop, rule
from theorysim.solvers.semidefinite import complementarity

__all__ = [
    "FLOWS",
    "Loss",
    "Moment",
    "Rule",
    "adam",
    "finite",
    "gradient_descent",
    "heavy_ball",
    "limit",
    "moment",
    "rmsprop",
    "rule",
    "self_stabilization",
]

Array = NDArray[np.float64]
OBSERVABLES = ("loss", "mean_loss", "sharpness", "spread")
SOURCES = ("Cohen2021", "Damian2023", "Cohen2025")
DENSE = 200
"""Parameters up to which H is a dense matrix."""
CRITICAL = 0.975
"""Share of the threshold from which an eigenvalue counts as critical."""
MOST_CRITICAL, TRACKED = 8, 10
"""Directions at the edge at once, and those followed where there are many parameters."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A state of the flow and what holds there: position, squares v, critical directions U (p, k) and their X."""

    position: Array
    squares: Array
    sharpness: float
    directions: Array
    inner: Array
    slope: Array
    squares_slope: Array

    @property
    def covariance(self) -> Array:
        """S = U X U^T of the oscillation, shape (p, p)."""
        return np.asarray(self.directions @ self.inner @ self.directions.T)


def limit(
    loss: Loss, optimizer: Rule, start: ArrayLike, steps: int, *, squares: ArrayLike | None = None, substeps: int = 4,
    record: int = 1,
) -> xr.Dataset:  # fmt: skip
    """Return the central flow, over step (every `record`-th).

    Parameters
    ----------
    loss : Loss
    optimizer : Rule
    start : array_like, shape (p,)
    steps : int
    squares : array_like, shape (p,), optional
        v at the start; default: the squared gradient.
    substeps : int
        Steps of the flow in each step of the optimizer; exponential ones along the sharp directions.
    record : int

    Returns
    -------
    Dataset
        ``position``, ``covariance_diagonal`` (step, component), ``loss`` f at the centre, ``mean_loss`` f + tr(HS)/2,
        ``sharpness`` the largest eigenvalue of P^-1 H (the edge is ``attrs["threshold"]``), ``spread`` tr S.
    """
    w, v = _checked(loss, start, steps, squares, substeps, record)
    rows: list[tuple[object, ...]] = []
    with single_thread():
        for k in range(steps * substeps + 1):
            now = moment(loss, optimizer, w, v, 1.0 / substeps)
            if k % (substeps * record) == 0:
                rows.append(_row(loss, now))
            w = w + now.slope / substeps
            v = np.maximum(v + now.squares_slope / substeps, 0.0)
            if not np.all(np.isfinite(w)):
                raise FloatingPointError("edge: the flow is not finite; take more substeps or a smaller learning rate")
    return _labelled(rows, np.arange(0, steps + 1, record), optimizer)


def _row(loss: Loss, now: Moment) -> tuple[object, ...]:
    value, u, x = loss.value(now.position), now.directions, now.inner
    bent = [loss.times(now.position, u[:, i]) for i in range(u.shape[1])]
    extra = 0.5 * float(np.sum(x * (u.T @ np.array(bent).T))) if bent else 0.0
    diagonal = np.einsum("ia,ab,ib->i", u, x, u)
    return now.position, diagonal, value, value + extra, now.sharpness, float(diagonal.sum())


def _labelled(rows: list[tuple[object, ...]], steps: NDArray[np.int64], optimizer: Rule) -> xr.Dataset:
    names = ("position", "covariance_diagonal", "loss", "mean_loss", "sharpness", "spread")
    data = {}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        values = np.array(column)
        data[name] = (("step", "component") if values.ndim == 2 else ("step",), values)
    return xr.Dataset(data, coords={"step": steps}, attrs={"threshold": optimizer.threshold})


def moment(loss: Loss, optimizer: Rule, w: Array, v: Array, ahead: float) -> Moment:
    """Return the flow at a point: critical directions, their oscillation, and the rates of w and v.

    Parameters
    ----------
    w, v : ndarray, shape (p,)
    ahead : float
        Time, in steps, after which no direction may be beyond the edge.
    """
    p, g = optimizer.preconditioner(v), loss.gradient(w)
    values, tracked = _spectrum(loss, w, p)
    top, u = float(values[0]), tracked[:, values > CRITICAL * optimizer.threshold][:, :MOST_CRITICAL]
    rates = partial(_rates, optimizer, p, v, g, partial(_averaged, values * ahead, tracked, p))
    count = u.shape[1]
    if count == 0:
        return Moment(w, v, top, u, np.zeros((0, 0)), *rates(u, np.zeros((0, 0, len(w))), u, np.zeros((0, 0))))
    thirds, bent = np.empty((count, count, len(w))), np.empty_like(u)
    for a in range(count):
        bent[:, a] = loss.times(w, u[:, a])
        for b in range(a + 1):
            thirds[a, b] = thirds[b, a] = loss.third(w, u[:, a], u[:, b])
    now = optimizer.threshold * (u.T * p) @ u - u.T @ bent

    def later(x: Array) -> Array:
        """Return U^T (c P - H) U after the time ahead."""
        slope, squares_slope = rates(u, thirds, bent, x)
        change = -thirds @ slope
        if optimizer.memory is not None:
            faster = squares_slope / (2.0 * np.sqrt(np.maximum(v, 1e-300)) * optimizer.learning_rate)
            change = change + optimizer.threshold * (u.T * faster) @ u
        return np.asarray(now + ahead * change)

    constant = later(np.zeros((count, count)))
    x = complementarity(lambda one: later(one) - constant, 0.5 * (constant + constant.T))
    return Moment(w, v, top, u, x, *rates(u, thirds, bent, x))


def _averaged(decays: Array, tracked: Array, p: Array, slope: Array) -> Array:
    """Return the mean slope over the time ahead where it decays along tracked directions: any step is stable."""
    share = -np.expm1(-decays) / np.where(decays == 0.0, 1.0, decays)
    return np.asarray(slope + tracked @ (np.where(decays == 0.0, 0.0, share - 1.0) * ((p * slope) @ tracked)))


def _rates(
    optimizer: Rule, p: Array, v: Array, g: Array, averaged: Callable[[Array], Array], u: Array, thirds: Array,
    bent: Array, x: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Return dw/dk and dv/dk for an oscillation U X U^T; `bent` is H U."""
    slope = averaged(-(g + 0.5 * np.einsum("ab,abi->i", x, thirds)) / p)
    if optimizer.memory is None:
        return slope, np.zeros_like(v)
    squares = g * g + np.einsum("ia,ab,ib->i", bent, x, bent)
    return slope, (1.0 - optimizer.memory) / optimizer.memory * (squares - v)


def _spectrum(loss: Loss, w: Array, p: Array) -> tuple[Array, Array]:
    """Return eigenvalues of P^-1 H (descending) and eigenvectors U, U^T P U = 1: all of few, the largest of many."""
    size, root = len(w), 1.0 / np.sqrt(p)
    if size <= DENSE:
        columns = loss.hessian(w) if loss.hessian else np.array([loss.times(w, one) for one in np.eye(size)])
        matrix = root[:, None] * columns * root
        if not np.all(np.isfinite(matrix)):
            raise FloatingPointError("edge: the Hessian is not finite; the run diverges at this learning rate")
        values, basis = scipy.linalg.eigh(0.5 * (matrix + matrix.T))
        return values[::-1], root[:, None] * basis[:, ::-1]
    operator = scipy.sparse.linalg.LinearOperator(
        (size, size), matvec=lambda x: root * loss.times(w, root * np.ravel(x)), dtype=np.float64
    )
    values, basis = scipy.sparse.linalg.eigsh(operator, k=TRACKED, which="LA", v0=np.ones(size))
    order = np.argsort(values)[::-1]
    return values[order], root[:, None] * basis[:, order]


def finite(
    loss: Loss, optimizer: Rule, start: ArrayLike, steps: int, *, squares: ArrayLike | None = None, record: int = 1
) -> xr.Dataset:
    """Run the optimizer itself; return ``position``, ``loss`` and ``sharpness`` over step (every `record`-th)."""
    w, v = _checked(loss, start, steps, squares, 1, record)
    m, rows = np.zeros_like(w) if optimizer.momentum else loss.gradient(w), []
    with single_thread():
        for k in range(steps + 1):
            if k % record == 0:
                top = float(_spectrum(loss, w, optimizer.preconditioner(v))[0][0])
                rows.append((w, loss.value(w), top))
            g = loss.gradient(w)
            m = optimizer.momentum * m + (1.0 - optimizer.momentum) * g
            if optimizer.memory is not None:
                v = optimizer.memory * v + (1.0 - optimizer.memory) * g * g
            w = w - m / optimizer.preconditioner(v)
            if not np.all(np.isfinite(w)):
                raise FloatingPointError("edge: a run is not finite; the optimizer diverges at this learning rate")
    positions, losses, tops = (np.array(column) for column in zip(*rows, strict=True))
    return xr.Dataset(
        {"position": (("step", "component"), positions), "loss": ("step", losses), "sharpness": ("step", tops)},
        coords={"step": np.arange(0, steps + 1, record)}, attrs={"threshold": optimizer.threshold},
    )  # fmt: skip


def self_stabilization(
    start: tuple[float, float], steps: int, *, learning_rate: float, progressive: float, restoring: float
) -> Array:
    """Return (x, y) of the cubic model at the edge over steps, shape (steps + 1, 2).

    x' = -(1 + eta y) x along the critical direction, y' = y + eta (alpha - (beta/2) x^2), the sharpness beyond 2/eta.

    Parameters
    ----------
    start : (float, float)
    steps : int
    learning_rate : float
    progressive, restoring : float
        alpha = -grad f . grad S and beta = |grad S|^2 (outside the critical direction), S the sharpness.
    """
    found = np.empty((steps + 1, 2))
    found[0] = start
    for k in range(steps):
        x, y = found[k]
        found[k + 1] = -(1.0 + learning_rate * y) * x, y + learning_rate * (progressive - 0.5 * restoring * x * x)
    return found


def _checked(
    loss: Loss, start: ArrayLike, steps: int, squares: ArrayLike | None, substeps: int, record: int
) -> tuple[Array, Array]:
    w = np.array(start, float)
    if w.ndim != 1 or not np.all(np.isfinite(w)):
        raise ProblemError(f"edge: `start` must be finite numbers in one dimension, got shape {w.shape}")
    for name, value in (("steps", steps), ("substeps", substeps), ("record", record)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ProblemError(f"edge: `{name}` must be a whole number of at least 1, got {shown(value)}")
    g = np.asarray(loss.gradient(w), float)
    if g.shape != w.shape or not np.all(np.isfinite(g)):
        raise ProblemError(f"edge: `loss` must have a finite gradient of shape {w.shape}, got {g.shape}")
    v = g * g if squares is None else np.array(squares, float)
    if v.shape != w.shape or not np.all(np.isfinite(v)) or np.any(v < 0.0):
        raise ProblemError(f"edge: `squares` must be {w.size} numbers of at least 0, got shape {v.shape}")
    return w, v
