"""Iteration matrices of the methods for variational inequalities, where everything is linear.

J = dF/dz at the solution, D the derivative of the proximal map of a f there. The spectral radius of a matrix is the
local rate; it is exact where F is affine and f is zero, or quadratic. The matrices are written down from the
algebra of the steps, not from their code: tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def spectral_radius(matrix: Array) -> float:
    """Return the largest modulus of an eigenvalue."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def _forward_backward(j: Array, d: Array, a: float, r: float) -> Array:
    return d @ (np.eye(len(j)) - a * j)


def _relaxed(j: Array, d: Array, a: float, r: float) -> Array:
    return (1.0 - r) * np.eye(len(j)) + r * _forward_backward(j, d, a, r)


def _extragradient(j: Array, d: Array, a: float, r: float) -> Array:
    one = np.eye(len(j))
    return d @ (one - a * j @ d @ (one - a * j))


def _optimistic(j: Array, d: Array, a: float, r: float) -> Array:
    """State (z, z-)."""
    one, zero = np.eye(len(j)), np.zeros_like(j)
    return np.block([[d @ (one - 2.0 * a * j), a * d @ j], [one, zero]])


def _popov(j: Array, d: Array, a: float, r: float) -> Array:
    """State (z, y-)."""
    one = np.eye(len(j))
    y = np.hstack([d, -a * d @ j])
    return np.vstack([d @ np.hstack([one, np.zeros_like(j)]) - a * d @ j @ y, y])


def _tseng(j: Array, d: Array, a: float, r: float) -> Array:
    one = np.eye(len(j))
    y = d @ (one - a * j)
    return np.asarray(y - a * j @ (y - one))


def _reflections(j: Array, d: Array, a: float) -> Array:
    one = np.eye(len(j))
    return np.asarray((2.0 * np.linalg.inv(one + a * j) - one) @ (2.0 * d - one))


def _peaceman_rachford(j: Array, d: Array, a: float, r: float) -> Array:
    return _reflections(j, d, a)


def _douglas_rachford(j: Array, d: Array, a: float, r: float) -> Array:
    return 0.5 * (np.eye(len(j)) + _reflections(j, d, a))


MATRICES: dict[str, Callable[[Array, Array, float, float], Array]] = {
    "forward-backward": _forward_backward,
    "krasnoselskii-mann": _relaxed,
    "extragradient": _extragradient,
    "optimistic": _optimistic,
    "projected-reflected": _optimistic,
    "popov": _popov,
    "tseng": _tseng,
    "peaceman-rachford": _peaceman_rachford,
    "douglas-rachford": _douglas_rachford,
}
"""(J, D, step, relaxation) -> iteration matrix, of every method with a constant step and no anchor."""


def in_turn(w: Array, players: Sequence[slice]) -> Array:
    """Return the matrix of one sweep in which players take their part of w z, one after another."""
    sweep = np.eye(len(w))
    for player in players:
        sweep[player] = w[player] @ sweep
    return sweep
