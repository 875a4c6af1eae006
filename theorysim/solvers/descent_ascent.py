"""Particles of two sides that descend and ascend a payoff with noise: bodies of one replica, O(particles) per step.

    quadratic payoff   z_i' = O z_i + o g_i + (M - O) mean z + (m - o) mean g:  means move by M, m, differences by O, o
    torus              x_i' = x_i - h V'(x_i) + sqrt(2 h/beta) g_i,  V = phi . L mean phi(y);  y ascends

The noise of particle i at a step is a function of (seed, replica, step, purpose, i), and sums run in order: the bits do
not depend on threads or on how many replicas there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorysim.backend.compile import body
from theorysim.backend.random import normal_pair
from theorysim.backend.trigonometry import sincos

TURN = 6.283185307179586


@body
def _draw(g: Any, replica: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    """Fill g (particles, d) with normals in C order."""
    d = g.shape[1]
    i, a = 0, 0
    for pair in range((g.shape[0] * d + 1) // 2):
        first, second = normal_pair(np.uint64(pair), replica, step, purpose, k0, k1)
        g[i, a] = first
        a += 1
        if a == d:
            i, a = i + 1, 0
        if i < g.shape[0]:
            g[i, a] = second
        a += 1
        if a == d:
            i, a = i + 1, 0


@body
def _mean(values: Any, out: Any) -> None:
    count = values.shape[0]
    for a in range(values.shape[1]):
        total = 0.0
        for i in range(count):
            total += values[i, a]
        out[a] = total / count


@body(
    "float64[:,:,::1], float64[:,:,::1], float64[:,:,::1], float64[:,::1], float64[:,::1], float64[:,::1], "
    "float64[:,::1], int64, int64, int64, uint64, uint64, uint64"
)
def quadratic_steps(
    r: int, z: Any, g: Any, rows: Any, own: Any, own_noise: Any, shared: Any, shared_noise: Any, first: int, steps: int,
    replica: int, purpose: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Take steps first + 1, ..., first + steps of replica r.

    Parameters
    ----------
    z, g : shape (replicas, particles, d)
        States, and room for normals.
    rows : shape (replicas, 4, d)
        Room.
    own, own_noise, shared, shared_noise : shape (d, d)
        O, o, M - O, m - o.
    replica : int
        Number of the first replica.
    """
    count, d = z.shape[1], z.shape[2]
    for step in range(first + 1, first + steps + 1):
        _draw(g[r], np.uint64(replica + r), np.uint64(step), purpose, k0, k1)
        _mean(z[r], rows[r, 0])
        _mean(g[r], rows[r, 1])
        for a in range(d):
            total = 0.0
            for b in range(d):
                total += shared[a, b] * rows[r, 0, b] + shared_noise[a, b] * rows[r, 1, b]
            rows[r, 2, a] = total
        for i in range(count):
            for a in range(d):
                total = rows[r, 2, a]
                for b in range(d):
                    total += own[a, b] * z[r, i, b] + own_noise[a, b] * g[r, i, b]
                rows[r, 3, a] = total
            for a in range(d):
                z[r, i, a] = rows[r, 3, a]


@body
def _harmonics(angles: Any, bases: Any, side: int, out: Any) -> None:
    """Write the means of (1, cos x, sin x, cos 2x, ..) of a side, and keep (sin, cos) of each angle."""
    count, size = angles.shape[0], out.shape[0]
    for k in range(size):
        out[k] = 0.0
    for i in range(count):
        s, c = sincos(angles[i, side])
        bases[i, 2 * side], bases[i, 2 * side + 1] = s, c
        sk, ck = s, c
        for k in range(1, size, 2):
            out[k] += ck
            out[k + 1] += sk
            sk, ck = sk * c + ck * s, ck * c - sk * s
    out[0] = 1.0
    for k in range(1, size):
        out[k] /= count


@body
def _slope(s: float, c: float, weights: Any) -> float:
    """Return the derivative of sum_k weights_k phi_k at an angle with sine s and cosine c."""
    total, sk, ck = 0.0, s, c
    for k in range(1, weights.shape[0], 2):
        order = 0.5 * (k + 1)
        total += order * (weights[k + 1] * ck - weights[k] * sk)
        sk, ck = sk * c + ck * s, ck * c - sk * s
    return total


@body(
    "float64[:,:,::1], float64[:,:,::1], float64[:,:,::1], float64[:,:,::1], float64[:,::1], float64, float64, "
    "int64, int64, int64, uint64, uint64, uint64"
)
def torus_steps(
    r: int, z: Any, g: Any, bases: Any, rows: Any, payoff: Any, h: float, noise: float, first: int, steps: int,
    replica: int, purpose: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Take Euler steps first + 1, ..., first + steps of replica r; angles stay in [0, 2 pi).

    Parameters
    ----------
    z, g : shape (replicas, particles, 2)
    bases : shape (replicas, particles, 4)
    rows : shape (replicas, 4, features)
        The last three are room.
    payoff : shape (features, features)
        L.
    noise : float
        sqrt(2 h/beta).
    """
    count, size = z.shape[1], payoff.shape[0]
    for step in range(first + 1, first + steps + 1):
        _draw(g[r], np.uint64(replica + r), np.uint64(step), purpose, k0, k1)
        for side in range(2):
            _harmonics(z[r], bases[r], side, rows[r, side])
        for k in range(size):
            down, up = 0.0, 0.0
            for j in range(size):
                down += payoff[k, j] * rows[r, 1, j]
                up += payoff[j, k] * rows[r, 0, j]
            rows[r, 2, k], rows[r, 3, k] = down, up
        for i in range(count):
            for side in range(2):
                slope = _slope(bases[r, i, 2 * side], bases[r, i, 2 * side + 1], rows[r, 2 + side])
                moved = z[r, i, side] + h * (slope if side == 1 else -slope) + noise * g[r, i, side]
                turns = moved / TURN
                whole = float(int(turns))
                if whole > turns:
                    whole -= 1.0
                z[r, i, side] = moved - TURN * whole
