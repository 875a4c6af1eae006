"""Affine variational inequalities on a box, compiled: the hot loop of networks of relu and hard tanh.

    F(z) = M z + q,  low <= z <= high

The same steps as in `variational_inequality`, one pass over memory for each product with M, no allocation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.bits import wide_vectors
from theorysim.backend.compile import body, compiled
from theorysim.backend.order import larger, smaller

Array = NDArray[np.float64]
CODES = {"forward-backward": 0, "extragradient": 1, "tseng": 2, "optimistic": 3}
"""Methods that are compiled."""


@compiled(reassociate=True)
def _product(matrix: Any, shift: Any, z: Any, out: Any) -> None:
    """out <- M z + q, four rows at once: four independent sums, and z is read once for them."""
    wide_vectors()
    n = z.shape[0]
    whole = n - n % 4
    for i in range(0, whole, 4):
        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
        for j in range(n):
            s0 += matrix[i, j] * z[j]
            s1 += matrix[i + 1, j] * z[j]
            s2 += matrix[i + 2, j] * z[j]
            s3 += matrix[i + 3, j] * z[j]
        out[i] = s0 + shift[i]
        out[i + 1] = s1 + shift[i + 1]
        out[i + 2] = s2 + shift[i + 2]
        out[i + 3] = s3 + shift[i + 3]
    for i in range(whole, n):
        total = 0.0
        for j in range(n):
            total += matrix[i, j] * z[j]
        out[i] = total + shift[i]


@body
def _inside(v: float, low: float, high: float) -> float:
    return smaller(larger(v, low), high)


@compiled(reassociate=True)
def _gap(z: Any, now: Any, low: Any, high: Any) -> Any:
    """Return the squares of the natural residual and of z."""
    gap, size = 0.0, 0.0
    for i in range(z.shape[0]):
        miss = z[i] - _inside(z[i] - now[i], low[i], high[i])
        gap += miss * miss
        size += z[i] * z[i]
    return gap, size


@compiled
def _moved(z: Any, a: float, slope: Any, low: Any, high: Any, out: Any) -> None:
    """out <- the projection of z - a slope."""
    for i in range(z.shape[0]):
        out[i] = _inside(z[i] - a * slope[i], low[i], high[i])


@compiled
def _march(
    code: int, matrix: Any, shift: Any, low: Any, high: Any, a: float, steps: int, tolerance: float, most: float,
    z: Any, work: Any, residual: Any, path: Any,
) -> int:  # fmt: skip
    """Write natural residuals, and iterates where `path` has rows; return the number of steps done."""
    n = z.shape[0]
    now, before, y, there = work[0], work[1], work[2], work[3]
    for k in range(steps + 1):
        _product(matrix, shift, z, now)
        gap, size = _gap(z, now, low, high)
        residual[k] = gap**0.5
        if k < path.shape[0]:
            path[k] = z
        if k == steps or residual[k] <= tolerance or not size <= most * most:
            return k
        if code == 3:
            for i in range(n):
                there[i] = now[i] if k == 0 else 2.0 * now[i] - before[i]
                before[i] = now[i]
        elif code != 0:
            _moved(z, a, now, low, high, y)
            _product(matrix, shift, y, there)
        if code == 2:
            for i in range(n):
                z[i] = y[i] - a * (there[i] - now[i])
        else:
            _moved(z, a, now if code == 0 else there, low, high, z)
    return steps


def march_in_box(
    method: str, affine: tuple[Array, Array], box: tuple[Array, Array], start: Array, *, step: float, steps: int,
    tolerance: float, keep: bool, most: float = 1e12,
) -> tuple[Array, Array]:  # fmt: skip
    """Return the iterates, shape (steps + 1, n) or (1, n) (the last) without `keep`, and the natural residuals.

    Parameters
    ----------
    method : str
        One of `CODES`.
    affine, box : pairs of ndarray
        M, q; low, high.
    """
    z = np.array(start, float)
    n = len(z)
    residual = np.empty(steps + 1)
    path = np.empty((steps + 1 if keep else 0, n))
    matrix, shift, low, high = (np.ascontiguousarray(part, dtype=float) for part in (*affine, *box))
    most = most * (1.0 + float(np.linalg.norm(z)))
    done = _march(
        CODES[method], matrix, shift, low, high, float(step), int(steps), float(tolerance), most, z,
        np.empty((4, n)), residual, path,
    )  # fmt: skip
    return (path[: done + 1] if keep else z[None]), residual[: done + 1]
