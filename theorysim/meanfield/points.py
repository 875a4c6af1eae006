"""Points at which Gaussian averages over neurons are taken: scrambled Sobol points, or a Gauss-Hermite grid.

Source  [Owen1997] for scrambling: independent scramblings are independent estimates without bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MOST_DIMENSIONS = 21201
"""Dimensions for which scipy has Sobol points."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a quadrature of the standard normal distribution.

    Attributes
    ----------
    values : ndarray, shape (S, dimensions)
    weights : ndarray, shape (S,)
        Positive, of sum 1.
    """

    values: Array
    weights: Array


def sobol_points(dimensions: int, exponent: int, mirrored: int, *, seed: int, scrambling: int) -> Points:
    """Return 2^exponent scrambled Sobol points: half of them, and these with the last coordinates negated.

    Parameters
    ----------
    dimensions, exponent : int
    mirrored : int
        How many of the last coordinates are negated in the second half: readout weights, so that the initial output
        is zero exactly.
    seed, scrambling : int
        Together they fix the scrambling; different ones are independent.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    generator: Any = np.random.default_rng([seed, scrambling])
    uniform = qmc.Sobol(dimensions, scramble=True, rng=generator).random_base2(exponent - 1)
    half = ndtri(uniform + 2.0**-31)  # multiples of 2^-30, moved off 0
    other = half.copy()
    other[:, dimensions - mirrored :] *= -1.0
    values = np.concatenate([half, other])
    return Points(values, np.full(len(values), 1.0 / len(values)))


def gauss_hermite(dimensions: int, nodes: int) -> Points:
    """Return a tensor grid of Gauss-Hermite points, `nodes` in each dimension; weights below 1e-40 are left out."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    grids = np.meshgrid(*[x] * dimensions, indexing="ij")
    weights = np.prod(np.meshgrid(*[w] * dimensions, indexing="ij"), axis=0).ravel()
    kept = weights > 1e-40
    return Points(np.stack([grid.ravel()[kept] for grid in grids], axis=1), weights[kept] / weights[kept].sum())
