"""Manifolds of minima: a model, the targets it fits, and what a flow along them needs.

    f = |F(w) - y|^2/(2n);  where F = y:  H = J^T J/n,  grad^3 f [M] along the manifold = (2/n) sum_i grad^2 F_i M J_i

Valid    J of full rank n on the manifold, n < p.
Error    third derivatives by differences of fourth order, about 1e-10; points of the manifold fit to 1e-10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.integrate
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged, ProblemError

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
FITTED = 1e-10
"""Largest residual on the manifold."""
FLAT = 1e-9
"""Eigenvalues of H below this share of the largest belong to the manifold."""


@dataclass(frozen=True, eq=False)
class Manifold:
    """A model and its targets; where they agree is the manifold.

    Parameters
    ----------
    outputs : callable
        F: shape (..., p) -> (..., n), on blocks of parameters.
    jacobian : callable
        Its derivative: shape (..., p) -> (..., n, p).
    targets : array_like, shape (n,)
    """

    outputs: Function
    jacobian: Function
    targets: ArrayLike

    def __post_init__(self) -> None:
        y = np.atleast_1d(np.asarray(self.targets, float))
        if y.ndim != 1 or y.size == 0 or not np.all(np.isfinite(y)):
            raise ProblemError("manifold: `targets` must be finite numbers in one dimension")
        object.__setattr__(self, "targets", y)

    def residual(self, w: Array) -> Array:
        """Return F - y, shape (..., n)."""
        return np.asarray(self.outputs(w) - np.asarray(self.targets), float)

    def curvature(self, w: Array) -> Array:
        """Return H = J^T J/n of the loss on the manifold, shape (p, p)."""
        j = self.jacobian(w)
        return np.asarray(j.T @ j / len(j))

    def force(self, w: Array, weights: Array) -> Array:
        """Return the third derivative of the loss on the manifold, contracted with `weights`, shape (p,).

        (2/n) sum_i grad^2 F_i M J_i along the manifold, by differences of fourth order of J.
        """
        j = np.asarray(self.jacobian(w))
        ways = j @ weights
        size = np.linalg.norm(ways, axis=1, keepdims=True)
        ways = ways / np.where(size > 0.0, size, 1.0)
        step = 1e-3 * (1.0 + float(np.linalg.norm(w)))
        total, each = np.zeros_like(w), np.arange(len(j))
        for shift, share in ((1.0, 8.0), (2.0, -1.0)):
            ahead, behind = (self.jacobian(w + sign * shift * step * ways)[each, each] for sign in (1.0, -1.0))
            total += share * (size * (ahead - behind)).sum(axis=0)
        return np.asarray(total / (6.0 * step * len(j)))


def fitted(manifold: Manifold, start: Array) -> Array:
    """Return where gradient flow from `start` meets the manifold, shape (p,).

    Raises
    ------
    NotConverged
        If the targets are not fitted after a long time.
    """
    w, span = np.array(start, float), 1.0

    def downhill(time: float, here: Array) -> Array:
        residual = manifold.residual(here)
        return np.asarray(-manifold.jacobian(here).T @ residual / len(residual))

    with single_thread():
        for _ in range(20):
            if np.abs(manifold.residual(w)).max() < 1e-7:
                return polished(manifold, w)
            w, span = solved(downhill, w, 0.0, span, "LSODA"), 2.0 * span
    worst = float(np.abs(manifold.residual(w)).max())
    raise NotConverged("gradient flow", 20, worst, "a start from which the targets can be fitted")


def solved(
    slope: Callable[[float, Array], Array],
    w: Array,
    now: float,
    then: float,
    method: Literal["DOP853", "LSODA"] = "DOP853",
) -> Array:
    found: Any = scipy.integrate.solve_ivp(slope, (now, then), w, method=method, rtol=1e-10, atol=1e-12)
    if not found.success or not np.all(np.isfinite(found.y[:, -1])):
        raise FloatingPointError("manifold: the flow is not finite")
    return np.asarray(found.y[:, -1])


def polished(manifold: Manifold, w: Array) -> Array:
    """Return the manifold's nearest point, to first order: Newton steps of least length."""
    for _ in range(20):
        residual = manifold.residual(w)
        if np.abs(residual).max() < FITTED:
            return w
        w = w - np.linalg.lstsq(manifold.jacobian(w), residual, rcond=1e-10)[0]
    raise NotConverged("manifold", 20, float(np.abs(manifold.residual(w)).max()), "a start with a regular Jacobian")


def tangent(manifold: Manifold, w: Array) -> Array:
    _, values, right = np.linalg.svd(manifold.jacobian(w), full_matrices=False)
    normal = right[values > np.sqrt(FLAT) * values[0]]
    return np.asarray(np.eye(w.size) - normal.T @ normal)
