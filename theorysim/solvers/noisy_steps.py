"""Noisy descent-ascent and extragradient steps on affine games: bodies of one replica.

    descent-ascent   z' = z - e (K (z - z*) + R g)
    extragradient    y  = z - e (K (z - z*) + R g),  z' = z - e (K (y - z*) + R g')

The normals g, g' of a step are functions of (seed, replica, step, purpose, component): the same for any number of
replicas and threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorysim.backend.compile import body
from theorysim.backend.random import normal_pair

_GRID = (
    "float64[:,::1], float64[:,:,::1], float64[:,::1], float64[:,::1], float64[::1], float64, int64, int64, int64, "
    "uint64, uint64, uint64"
)


@body
def _draw(g: Any, replica: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    """Fill a row of even length with normals."""
    for pair in range(g.shape[0] // 2):
        g[2 * pair], g[2 * pair + 1] = normal_pair(np.uint64(pair), replica, step, purpose, k0, k1)


@body
def _moved(z: Any, at: Any, g: Any, offset: int, matrix: Any, root: Any, centre: Any, e: float, out: Any) -> None:
    """Write z - e (K (at - z*) + R g)."""
    d = z.shape[0]
    for a in range(d):
        total = 0.0
        for b in range(d):
            total += matrix[a, b] * (at[b] - centre[b]) + root[a, b] * g[offset + b]
        out[a] = z[a] - e * total


@body(_GRID)
def descent_ascent_steps(
    r: int, z: Any, room: Any, matrix: Any, root: Any, centre: Any, e: float, first: int, steps: int, replica: int,
    purpose: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Take steps first + 1, ..., first + steps of replica r.

    Parameters
    ----------
    z : shape (replicas, d)
    room : shape (replicas, 3, 2 d)
    matrix, root : shape (d, d)
        K, R.
    centre : shape (d,)
        z*.
    """
    d = z.shape[1]
    for step in range(first + 1, first + steps + 1):
        _draw(room[r, 0], np.uint64(replica + r), np.uint64(step), purpose, k0, k1)
        _moved(z[r], z[r], room[r, 0], 0, matrix, root, centre, e, room[r, 1])
        for a in range(d):
            z[r, a] = room[r, 1, a]


@body(_GRID)
def extragradient_steps(
    r: int, z: Any, room: Any, matrix: Any, root: Any, centre: Any, e: float, first: int, steps: int, replica: int,
    purpose: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Take steps first + 1, ..., first + steps of replica r; arguments as of `descent_ascent_steps`."""
    d = z.shape[1]
    for step in range(first + 1, first + steps + 1):
        _draw(room[r, 0], np.uint64(replica + r), np.uint64(step), purpose, k0, k1)
        _moved(z[r], z[r], room[r, 0], 0, matrix, root, centre, e, room[r, 1])
        _moved(z[r], room[r, 1], room[r, 0], d, matrix, root, centre, e, room[r, 2])
        for a in range(d):
            z[r, a] = room[r, 2, a]
