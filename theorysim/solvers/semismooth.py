"""Newton's method for fixed points z = T(z) of maps with kinks, and the path of a fixed point as a gain grows.

    G(z) = z - T(z),  z+ = z - s (I - T'(z))^{-1} G(z),  s halved until |G| falls

T' is any element of the generalised derivative: where the fixed point is regular the last steps double the digits, and
for piecewise linear maps they end exactly.

Sources  [Qi1993].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged

Array = NDArray[np.float64]
Map = Callable[[Array], Array]
_HALVINGS = 30


def newton_path(map_: Map, derivative: Map, start: Array, *, steps: int, tolerance: float) -> Array:
    """Return the iterates, shape (steps + 1, n): until |z - T z| <= `tolerance`, or no step is better than the last.

    Parameters
    ----------
    map_, derivative : callable
        T, shape (n,) to (n,), and T', shape (n,) to (n, n).
    """
    z = np.array(start, float)
    path, gap = [z], z - map_(z)
    for _ in range(steps):
        size = float(np.linalg.norm(gap))
        if size <= tolerance:
            break
        found = _better(map_, z, size, _direction(derivative, z, gap)) or _better(map_, z, size, -gap)
        if found is None:
            break
        z, gap = found
        path.append(z)
    return np.array(path)


def _direction(derivative: Map, z: Array, gap: Array) -> Array:
    matrix = np.eye(len(z)) - derivative(z)
    try:
        return np.asarray(-np.linalg.solve(matrix, gap))
    except np.linalg.LinAlgError:
        return np.asarray(-np.linalg.lstsq(matrix, gap)[0])


def _better(map_: Map, z: Array, size: float, direction: Array) -> tuple[Array, Array] | None:
    share = 1.0
    for _ in range(_HALVINGS):
        new = z + share * direction
        gap = new - map_(new)
        if float(np.linalg.norm(gap)) < (1.0 - 1e-4 * share) * size:
            return new, gap
        share *= 0.5
    return None


def continued(
    map_of: Callable[[float], tuple[Map, Map]], start: Array, gains: Array, *, tolerance: float = 1e-12
) -> Array:
    """Return the fixed points at ascending gains, each found from the one before, shape (gains, n).

    Parameters
    ----------
    map_of : callable
        gain -> (T, T').

    Raises
    ------
    NotConverged
        Where the path ends (a fold) before the last gain.
    """
    z, found = np.array(start, float), []
    for gain in gains:
        map_, derivative = map_of(float(gain))
        z = newton_path(map_, derivative, z, steps=100, tolerance=tolerance)[-1]
        gap = float(np.linalg.norm(z - map_(z)))
        if gap > max(tolerance, 1e-13 * (1.0 + float(np.linalg.norm(z)))) * 10.0:
            raise NotConverged(f"continuation at gain {gain:.6g}", 100, gap, "smaller steps of the gain, another start")
        found.append(z)
    return np.array(found)
