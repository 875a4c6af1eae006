"""The critical line of an activation, and the point on it where both slopes are 1.

    chi_perp = sw^2 E phi'(u)^2 = 1 and q = sw^2 E phi(u)^2 + sb^2: one network for each variance q = E u^2
    chi_parallel = sw^2 d/dq E phi(u)^2 = 1 as well: the variance K* of a universality class

    scale-invariant  phi(t u) = t phi(u) for t > 0: every variance is K*
    K*=0             phi(0) = 0, phi'(0) != 0, and the variance falls to 0 by a power of the depth (tanh, sin)
    half-stable      K* > 0, reached from one side only (gelu, swish)
    none             no such point

Limit    Width -> infinity.
Valid    Activations without jumps; K* up to 1e6.
Error    Rounding.
Sources  [Roberts2022] for the classes; [Poole2016] for the line. Proof: derivations/criticality.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.equations.activations import Activation
from theorysim.infinite.moments import moments
from theorysim.infinite.variance_table import Table, table_of
from theorysim.kernels.arguments import checked_activation, checked_numbers
from theorysim.kernels.criticality import labels
from theorysim.solvers.brackets import bracketed_roots

Array = NDArray[np.float64]

_HIGHEST = 1e6
_NOISE = 1e-9  # of the difference of both slopes, relative: that of relu-like tails is smaller


@dataclass(frozen=True, kw_only=True)
class Universality:
    """The class of an activation.

    Attributes
    ----------
    name : str
        "scale-invariant", "K*=0", "half-stable" or "none".
    variance : float or None
        K*; None where every variance is one, or none.
    weight_variance, bias_variance : float or None
        sw^2 and sb^2 there; None without a class.
    attracts : str
        The side from which K* is reached: "all", "above" or "below"; "" without a class.
    """

    name: str
    variance: float | None = None
    weight_variance: float | None = None
    bias_variance: float | None = None
    attracts: str = ""


def critical_line(activation: str | Activation, q: ArrayLike) -> xr.Dataset:
    """Return the networks at the edge of chaos, by the variance at which they settle.

        sw^2 = 1/E phi'(u)^2,   sb^2 = q - sw^2 E phi(u)^2,   u ~ N(0, q)

    Parameters
    ----------
    activation : str or Activation
    q : array_like, shape (N,)
        Fixed points of the variance, positive.

    Returns
    -------
    Dataset
        weight_variance, bias_variance and chi_parallel along ``q``. Where bias_variance is negative no network has
        this fixed point, and ``exists`` is False; where |chi_parallel| > 1 it exists and is not reached.

    Raises
    ------
    ProblemError
        For wrong arguments, an activation that jumps, or one that is constant where q lies.
    """
    where = "kernels.critical_line"
    phi = checked_activation(where, activation)
    variances = checked_numbers(where, "q", q, positive=True)
    weights, biases, parallel = critical_point(phi, variances)
    values = {
        "weight_variance": weights,
        "bias_variance": biases,
        "exists": biases >= 0.0,
        "chi_parallel": parallel,
    }
    data = {name: ("q", array, labels(name)) for name, array in values.items()}
    return xr.Dataset(data, coords={"q": ("q", variances, labels("q"))}, attrs={"activation": phi.name})


def critical_point(phi: Activation, q: Array) -> tuple[Array, Array, Array]:
    """Return sw^2, sb^2 and chi_parallel of the networks with chi_perp = 1 at the fixed points `q`.

    Bias variances below rounding (of q) are 0.
    """
    means = moments(phi, q)
    weights = 1.0 / means.slope
    biases = q - weights * means.square
    return weights, np.where(np.abs(biases) <= 4e-15 * q, 0.0, biases), weights * means.growth


def universality(activation: str | Activation) -> Universality:
    """Return the universality class of an activation.

    Where there are several half-stable points, the one of smallest variance.

    Raises
    ------
    ProblemError
        For an activation that jumps.
    """
    phi = checked_activation("kernels.universality", activation)
    table = table_of(phi, _HIGHEST)
    slope = table.start_slope
    if table.homogeneous:
        return Universality(name="scale-invariant", weight_variance=1.0 / slope, bias_variance=0.0, attracts="all")
    if table.start == 0.0 and slope > 0.0 and _decays(table):
        return Universality(name="K*=0", variance=0.0, weight_variance=1.0 / slope, bias_variance=0.0, attracts="above")
    for q in _equal_slopes(phi, table):
        weight, bias, _ = (float(value[0]) for value in critical_point(phi, np.array([q])))
        if bias >= 0.0:
            return Universality(
                name="half-stable", variance=q, weight_variance=weight, bias_variance=bias,
                attracts=_side(phi, q),
            )  # fmt: skip
    return Universality(name="none")


def _decays(table: Table) -> bool:
    """Return whether the variance falls from small values where sw^2 E phi'(0)^2 = 1, sb = 0."""
    excess = table.means.square / (table.start_slope * table.q) - 1.0
    seen = excess[np.abs(excess) > 1e-12]
    return bool(len(seen)) and bool(seen[0] < 0.0)


def _equal_slopes(phi: Activation, table: Table) -> list[float]:
    """Return the variances at which both slopes are equal, increasing."""

    def difference(q: Array, _: NDArray[np.intp]) -> Array:
        means = moments(phi, q)
        return np.asarray(means.growth / means.slope - 1.0)

    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.nan_to_num(table.means.growth / table.means.slope - 1.0)
    at = np.flatnonzero((np.abs(seen) > _NOISE) & (table.q <= _HIGHEST) & (table.means.slope > 0.0))
    turns = np.flatnonzero(np.diff(np.sign(seen[at])))
    if not len(turns):
        return []
    return [float(q) for q in bracketed_roots(difference, table.q[at[turns]], table.q[at[turns + 1]])]


def _side(phi: Activation, q: float) -> str:
    """Return the side from which V(q) = q is reached: above where V bends down there."""
    around = moments(phi, q * np.array([0.99, 1.01])).growth
    return "above" if around[1] < around[0] else "below"
