"""Complementarity of small semidefinite matrices: X >= 0, S = M[X] + Q >= 0, tr X S = 0, M linear and monotone.

An interior iteration: Newton on M[X] + Q = S, (X S + S X)/2 = mu, for falling mu; both sides stay positive definite.
For k x k matrices a step costs O(k^6): meant for k <= 10.

Source  F. Alizadeh, J.-P. Haeberly, M. Overton, Primal-dual interior-point methods for semidefinite programming,
SIAM J. Optim. 8, 746 (1998): the symmetrised direction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged

Array = NDArray[np.float64]
MOST_STEPS = 100
RIDGE = 1e-11
"""Added to M, relative to it: makes the solution unique where directions respond alike."""
_CLOSER, _CENTRE, _INSIDE = 0.1, 0.8, 0.99


def complementarity(linear: Callable[[Array], Array], constant: Array, tolerance: float = 1e-12) -> Array:
    """Return X, shape (k, k).

    Parameters
    ----------
    linear : callable
        M: symmetric (k, k) -> symmetric (k, k), with tr X M[X] >= 0.
    constant : ndarray, shape (k, k)
        Q, symmetric.
    tolerance : float
        Largest eigenvalue of X S and residual of S, relative to their sizes.

    Raises
    ------
    NotConverged
        If there is no solution, or M is not monotone.
    """
    k = len(constant)
    matrix = _matrix(linear, k)
    if k == 1:
        return np.maximum(-constant / matrix, 0.0) if constant[0, 0] < 0.0 < matrix[0, 0] else _none(constant)
    if np.linalg.eigvalsh(constant)[0] >= 0.0:
        return np.zeros_like(constant)
    size = max(float(np.abs(constant).max()), 1e-300)
    gain = max(float(np.abs(matrix).max()), 1e-300)
    matrix += RIDGE * gain * np.eye(len(matrix))
    whole = _all_active(matrix, constant)
    if whole is not None:
        return whole
    x, s = size / gain * np.eye(k), size * np.eye(k)  # in units where both are of order 1
    unit = size * size / gain
    residual, share = np.inf, _CLOSER
    for _ in range(MOST_STEPS):
        off = linear(x) + constant - s
        gap = float(np.sum(x * s)) / k
        residual = max(gap / unit, float(np.abs(off).max()) / size)
        if residual < tolerance:
            return x
        dx, ds = _direction(matrix, x, s, off, share * gap)
        length = min(1.0, _INSIDE * _reach(x, dx), _INSIDE * _reach(s, ds))
        x, s = x + length * dx, s + length * ds
        share = _CLOSER if length > 0.3 else _CENTRE
    raise NotConverged("semidefinite complementarity", MOST_STEPS, residual, "fewer or better separated directions")


def _none(constant: Array) -> Array:
    if constant[0, 0] < 0.0:
        raise NotConverged("semidefinite complementarity", 0, float(-constant[0, 0]), "another problem: none solves it")
    return np.zeros_like(constant)


def _all_active(matrix: Array, constant: Array) -> Array | None:
    """Return X with M[X] + Q = 0 if it is positive semidefinite: the common case, without iteration."""
    basis = _basis(len(constant))
    x = np.einsum("a,aij->ij", np.linalg.solve(matrix, -np.einsum("aij,ij->a", basis, constant)), basis)
    if not np.all(np.isfinite(x)) or np.linalg.eigvalsh(x)[0] < 0.0:
        return None
    return np.asarray(x)


@cache
def _basis(k: int) -> Array:
    """Return symmetric matrices, orthonormal in the trace product, shape (k (k + 1)/2, k, k)."""
    found = []
    for i in range(k):
        for j in range(i, k):
            one = np.zeros((k, k))
            one[i, j] = one[j, i] = 1.0 if i == j else np.sqrt(0.5)
            found.append(one)
    return np.array(found)


def _matrix(linear: Callable[[Array], Array], k: int) -> Array:
    """Return M on the basis."""
    basis = _basis(k)
    return np.array([[float(np.sum(row * linear(column))) for column in basis] for row in basis])


def _direction(matrix: Array, x: Array, s: Array, off: Array, target: float) -> tuple[Array, Array]:
    """Return the Newton direction: dS = M[dX] + off, S dX + dX S + X dS + dS X = 2 target - X S - S X."""
    basis = _basis(len(x))

    def around(a: Array) -> Array:
        products = a @ basis
        both = products + np.swapaxes(products, 1, 2)
        return np.asarray(np.einsum("aij,bij->ab", basis, both))

    product = x @ s
    wanted = 2.0 * target * np.eye(len(x)) - product - product.T - (x @ off + off @ x)
    dx = np.linalg.solve(around(s) + around(x) @ matrix, np.einsum("aij,ij->a", basis, wanted))
    return np.einsum("a,aij->ij", dx, basis), np.einsum("a,aij->ij", matrix @ dx, basis) + off


def _reach(x: Array, change: Array) -> float:
    """Return the largest t at which x + t change is positive semidefinite, for x positive definite."""
    values, basis = np.linalg.eigh(x)
    root = basis / np.sqrt(np.maximum(values, 1e-15 * values[-1]))  # rounding may leave an eigenvalue below 0
    least = float(np.linalg.eigvalsh(root.T @ change @ root)[0])
    return -1.0 / least if least < 0.0 else np.inf
