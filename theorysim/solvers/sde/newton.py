"""Solve y = goal + h a(t, y) by damped Newton steps: the size of what is missing falls in each, or the step is halved.

Newton stops where the miss is of the size of rounding, or no halving lessens it any more and it is small; where it is
not, y becomes NaN, which `integrate` reports. Differences stand in for a Jacobian that is not given.
"""

from __future__ import annotations

import math
from typing import Any

from theorysim.backend.compile import body

STEPS = 50
_HALVINGS, _ROUNDING, _ENOUGH, _NUDGE = 30, 4e-16, 1e-10, 1.5e-8


def implicit_number(drift: Any, jacobian: Any) -> Any:
    """Return the body that returns y, for one component."""

    @body
    def difference(t: float, y: float, at: float, constants: Any) -> float:
        e = _NUDGE * (1.0 + math.fabs(y))
        return (drift(t, y + e, constants) - at) / e  # type: ignore[no-any-return]

    @body
    def given(t: float, y: float, at: float, constants: Any) -> float:
        return jacobian(t, y, constants)  # type: ignore[no-any-return]

    gradient = difference if jacobian is None else given

    @body
    def solve(t: float, h: float, goal: float, constants: Any) -> float:
        y, at = goal, drift(t, goal, constants)
        miss = -h * at
        for _ in range(STEPS):
            size = math.fabs(y) + math.fabs(goal) + math.fabs(h * at)
            if math.fabs(miss) <= _ROUNDING * size:
                return y
            move, share, least = miss / (1.0 - h * gradient(t, y, at, constants)), 1.0, math.fabs(miss)
            for _ in range(_HALVINGS):
                trial = y - share * move
                at = drift(t, trial, constants)
                miss = trial - goal - h * at
                if math.fabs(miss) < least:
                    break
                share *= 0.5
            if not math.fabs(miss) < least:  # NaN ends here too
                return y if least <= _ENOUGH * size else math.nan
            y = trial
        return math.nan

    return solve


def implicit_step(drift: Any, jacobian: Any) -> Any:
    """Return the body that overwrites the goal x with y, for several components; rows (6, d), matrix (d, d)."""

    @body
    def difference(t: float, y: Any, at: Any, constants: Any, spare: Any, out: Any) -> None:
        for j in range(y.shape[0]):
            kept, e = y[j], _NUDGE * (1.0 + math.fabs(y[j]))
            y[j] = kept + e
            drift(t, y, constants, spare)
            y[j] = kept
            for i in range(y.shape[0]):
                out[i, j] = (spare[i] - at[i]) / e

    @body
    def given(t: float, y: Any, at: Any, constants: Any, spare: Any, out: Any) -> None:
        jacobian(t, y, constants, out)

    gradient = difference if jacobian is None else given

    @body
    def solve(t: float, h: float, x: Any, constants: Any, rows: Any, matrix: Any) -> None:
        goal, at, move, trial, spare = rows[0], rows[1], rows[2], rows[3], rows[4]
        for k in range(x.shape[0]):
            goal[k] = x[k]
        drift(t, x, constants, at)
        least = _miss(x, goal, h, at)
        for _ in range(STEPS):
            size = _size(x, goal, h, at)
            if least <= _ROUNDING * size:
                return
            gradient(t, x, at, constants, spare, matrix)
            for i in range(x.shape[0]):
                move[i] = x[i] - goal[i] - h * at[i]
                for j in range(x.shape[0]):
                    matrix[i, j] = (1.0 if i == j else 0.0) - h * matrix[i, j]
            eliminate(matrix, move)
            share, now = 1.0, least
            for _ in range(_HALVINGS):
                for k in range(x.shape[0]):
                    trial[k] = x[k] - share * move[k]
                drift(t, trial, constants, at)
                now = _miss(trial, goal, h, at)
                if now < least:
                    break
                share *= 0.5
            if not now < least:
                if not least <= _ENOUGH * size:
                    x[0] = math.nan
                return
            least = now
            for k in range(x.shape[0]):
                x[k] = trial[k]
        x[0] = math.nan

    return solve


@body
def _miss(y: Any, goal: Any, h: float, at: Any) -> float:
    """Return the largest component of y - goal - h a(y); NaN if one is."""
    worst = 0.0
    for k in range(y.shape[0]):
        miss = math.fabs(y[k] - goal[k] - h * at[k])
        worst = worst if miss <= worst else miss
    return worst


@body
def _size(y: Any, goal: Any, h: float, at: Any) -> float:
    total = 0.0
    for k in range(y.shape[0]):
        total += math.fabs(y[k]) + math.fabs(goal[k]) + math.fabs(h * at[k])
    return total


@body
def eliminate(a: Any, b: Any) -> None:
    """Overwrite b with the solution of a y = b, and a with what is left of it: Gauss with partial pivoting."""
    n = b.shape[0]
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if math.fabs(a[i, k]) > math.fabs(a[best, k]):
                best = i
        for j in range(n):
            a[k, j], a[best, j] = a[best, j], a[k, j]
        b[k], b[best] = b[best], b[k]
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            for j in range(k, n):
                a[i, j] -= factor * a[k, j]
            b[i] -= factor * b[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            b[k] -= a[k, j] * b[j]
        b[k] /= a[k, k]
