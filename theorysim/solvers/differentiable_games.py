"""Methods for differentiable games that are not descents of variational inequalities, and their iteration matrices.

    alternating         one player after another, F at the newest z, momentum b: z_p - a F_p + b (z_p - z_p-)
    proximal point      z+ = z - a F(z+), F affine
    consensus           z - a (F + r J^T F)
    symplectic          z - a (F + r A^T F),  A = (J - J^T)/2

J = dF/dz. The matrices are written down from the algebra of the steps, not from their code: tests compare the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.solvers.linearised import in_turn
from theorysim.solvers.variational_inequality import Inequality, Method, State

Array = NDArray[np.float64]


def alternating(players: Sequence[slice], momentum: float) -> Method:
    """Return the method in which players move one after another."""

    def step(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
        z, before = state
        new = z.copy()
        for player in players:
            force = problem.operator(new)[player]
            new[player] = z[player] - a * force + momentum * (z[player] - before[player])
        return new, z

    return Method(lambda problem, z, a: (z, z), step)


def _proximal_point(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    return (problem.resolvent(state[0], a),)


def _consensus(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    assert problem.jacobian is not None
    z = state[0]
    force = problem.operator(z)
    return (z - a * (force + r * problem.jacobian(z).T @ force),)


def _symplectic(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    assert problem.jacobian is not None
    z = state[0]
    force, j = problem.operator(z), problem.jacobian(z)
    return (z - a * (force + 0.5 * r * (j - j.T).T @ force),)


def _alone(problem: Inequality, z: Array, a: float) -> State:
    return (z,)


METHODS: dict[str, Method] = {
    "proximal-point": Method(_alone, _proximal_point),
    "consensus": Method(_alone, _consensus),
    "symplectic-gradient-adjustment": Method(_alone, _symplectic),
}
"""Methods that do not depend on the players."""


def iteration_matrix(method: str, j: Array, players: Sequence[slice], a: float, r: float) -> Array:
    """Return the matrix of a step where F z = J z; with momentum for (z, z-)."""
    one = np.eye(len(j))
    if method == "proximal-point":
        return np.asarray(np.linalg.inv(one + a * j))
    if method == "consensus":
        return np.asarray(one - a * (j + r * j.T @ j))
    if method == "symplectic-gradient-adjustment":
        return np.asarray(one - a * (j + 0.5 * r * (j.T - j) @ j))
    if method == "alternating-gradient-descent-ascent":
        return in_turn(one - a * j, players)
    if method == "negative-momentum":
        now, before = np.hstack([one, 0.0 * one]), np.hstack([0.0 * one, one])
        for player in players:
            now[player] = (1.0 + r) * now[player] - a * j[player] @ now - r * before[player]
        return np.vstack([now, np.hstack([one, 0.0 * one])])
    raise KeyError(method)
