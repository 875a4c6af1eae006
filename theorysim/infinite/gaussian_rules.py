"""Means over a few jointly Gaussian pre-activations, of functions with a kink at zero of each.

    E g(u_1, .., u_m) = sum_s weight_s g(u_s),   u ~ N(0, K)

One input     Gauss-Legendre panels with a boundary at 0.
Two inputs    Polar coordinates: kinks are rays, so panels in the angle end there; 1e-9 or better.
More          Sobol points, shifted at random: unbiased, in `SHIFTS` independent blocks that measure the error, which
              falls almost as 1/points for smooth integrands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend import random
from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import eigh, single_thread
from theorysim.infinite.hermite import nodes

Array = NDArray[np.float64]
Rule = tuple[Array, Array]

SHIFTS = 8
_POINTS = 2**13  # of each block
_NODES = 6  # per panel: 1e-9 for tanh, 1e-12 for relu, of any mean of products
_GRADING = 0.5


def blocks(m: int) -> int:
    """Return the number of independent blocks of the rule for m inputs."""
    return 1 if m <= 2 else SHIFTS


def gaussian_rule(covariance: Array) -> Iterator[Rule]:
    """Yield rules, each on its own an (unbiased) estimate of the mean.

    Parameters
    ----------
    covariance : ndarray, shape (m, m)
        K, positive semi-definite with a positive diagonal.

    Yields
    ------
    points, weights : ndarray, shapes (m, S) and (S,)
        `blocks(m)` times.
    """
    if len(covariance) == 1:
        z, weight = nodes(covariance[0], 10)
        yield np.sqrt(covariance[0, 0]) * z[None], weight
    elif len(covariance) == 2:
        yield _polar(covariance)
    else:
        yield from _sobol(covariance)


def evaluated(function: Any, points: Array) -> Array:
    """Return a compiled scalar function at every point, same shape (m, S)."""
    values = np.empty_like(points)
    foreach(_row_of(function), len(points), points, values)
    return values


@cache
def _row_of(function: Any) -> Any:
    @body
    def row(i: int, points: NDArray[Any], values: NDArray[Any]) -> None:
        for s in range(points.shape[1]):
            values[i, s] = function(points[i, s])

    return row


def _polar(covariance: Array) -> Rule:
    """Return a rule in z = r (cos t, sin t), u_1 = sqrt(q_1) r cos t, u_2 = sqrt(q_2) r cos(t - angle)."""
    q = np.diagonal(covariance)
    root = np.sqrt(q)
    angle = math.acos(max(-1.0, min(1.0, covariance[0, 1] / (root[0] * root[1]))))
    z, weight = nodes(q, _NODES)
    half = len(z) // 2
    radius, radial = z[half:], weight[half:] * z[half:] / math.sqrt(2.0 * math.pi)  # weight holds exp(-r^2/2)
    turns, angular = _angles(angle, 3 + math.ceil(math.log2(max(1.0, float(root.max())))))
    directions = root[:, None] * np.stack([np.cos(turns), np.cos(turns - angle)])
    return (directions[:, :, None] * radius).reshape(2, -1), (angular[:, None] * radial).ravel()


def _angles(angle: float, grades: int) -> Rule:
    """Return nodes and weights over the circle; panels shrink towards the four rays on which an input is zero."""
    rays = np.sort(np.mod([0.5 * math.pi, 1.5 * math.pi, angle + 0.5 * math.pi, angle + 1.5 * math.pi], 2 * math.pi))
    inner = 0.5 * _GRADING ** np.arange(grades, -1.0, -1.0)  # 1/2 last
    edges = np.concatenate(([0.0], inner, 1.0 - inner[-2::-1], [1.0]))
    lengths = np.diff(rays, append=rays[0] + 2 * math.pi)
    x, w = np.polynomial.legendre.leggauss(_NODES)
    left = (rays[:, None] + lengths[:, None] * edges[:-1]).ravel()
    width = (lengths[:, None] * np.diff(edges)).ravel()
    return (left[:, None] + 0.5 * width[:, None] * (1.0 + x)).ravel(), (0.5 * width[:, None] * w).ravel()


def _sobol(covariance: Array) -> Iterator[Rule]:
    from scipy.special import ndtri  # scipy.stats takes a second to load: paid only by three inputs and more
    from scipy.stats import qmc

    m = len(covariance)
    values, vectors = eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]  # the best dimensions for the largest directions
    points = qmc.Sobol(m, scramble=False).random(_POINTS)
    weight = np.full(_POINTS, 1.0 / _POINTS)
    for block in range(SHIFTS):
        shift = random.uniforms((m,), seed=0, stream=block, purpose=random.SOBOL_SHIFT)
        inside = np.clip(np.mod(points + shift, 1.0), 1e-16, 1.0 - 1e-16)
        with single_thread():
            yield root @ ndtri(inside).T, weight
