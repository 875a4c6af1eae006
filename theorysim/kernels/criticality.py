"""Edge of chaos: where signals and gradients of wide, deep networks at initialisation live, die or explode.

    q*  = sw^2 E phi(u)^2 + sb^2, u ~ N(0, q*)     chi_perp = chi_1 = sw^2 E phi'(u)^2     chi_parallel = dq'/dq at q*
    c*  the correlation that two inputs end with    chi_c   = sw^2 E phi'(u) phi'(v) at c*
    xi  = 1/|ln chi|: a deviation changes e-fold in xi layers
        (xi_c by chi_c, xi_q by chi_parallel, xi_gradient by chi_perp)

Limit    Width -> infinity, then depth -> infinity.
Valid    Any activation without jumps; independent weights and biases, two inputs of equal length.
Error    Rounding, but c* and xi_c of kinked activations close to the critical line: see `c_star_error`.
Sources  [Poole2016], [Schoenholz2017], [Roberts2022]. Proof: derivations/criticality.py.

Phases ("phase" in every answer):

    ordered    chi_perp < 1: all inputs become alike, gradients vanish       (c* = 1)
    critical   chi_perp = 1 within 1e-10: both neither grow nor shrink exponentially
    chaotic    chi_perp > 1: close inputs part, gradients explode            (c* < 1)
    vanishing  q* = 0 and chi_perp < 1: signals die out
    exploding  q* infinite (beyond 1e12): signals grow for ever

Where q* is 0 or infinite the correlation tends to no value of its own: c* is then 1 by convention, and chi_perp,
chi_parallel are their limits (infinite where phi grows faster than linearly).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.equations.activations import Activation
from theorysim.equations.criticality import correlation_length
from theorysim.infinite.correlation_map import parted
from theorysim.infinite.moments import moments
from theorysim.infinite.variance_map import CRITICAL, Points, reached
from theorysim.kernels.arguments import checked_activation, checked_number, checked_numbers

Array = NDArray[np.float64]
Variables = dict[str, NDArray[Any]]

SURVIVAL = 6.0
"""Depth limit in units of xi_c: e^-6 = 0.25 % of a difference is left there. Networks were found to train to about that
depth [Schoenholz2017]."""

_ATTRIBUTES = {
    "phase": ("", "phase", ""),
    "q_star": ("1", "variance of pre-activations at large depth", "q^*"),
    "chi_perp": ("1", "growth of small differences and of gradients per layer (chi_1)", r"\chi_\perp"),
    "chi_parallel": ("1", "growth of deviations from q* per layer", r"\chi_\parallel"),
    "c_star": ("1", "correlation of two inputs at large depth", "c^*"),
    "c_star_error": ("1", "error bound of c* and of its slope", r"\epsilon[c^*]"),
    "chi_c": ("1", "growth of deviations from c* per layer", r"\chi_{c^*}"),
    "xi_c": ("layers", "correlation length", r"\xi_c"),
    "xi_q": ("layers", "length over which the variance settles", r"\xi_q"),
    "xi_gradient": ("layers", "length over which gradients change e-fold", r"\xi_\nabla"),
    "depth_limit": ("layers", f"depth at which signals survive, {SURVIVAL:g} xi_c", "L_c"),
    "q": ("1", "variance of pre-activations", "q"),
    "weight_variance": ("1", "weight variance on the critical line", r"\sigma_w^2"),
    "bias_variance": ("1", "bias variance on the critical line", r"\sigma_b^2"),
    "exists": ("", "whether the bias variance is not negative", ""),
    "weight_std": ("1", "standard deviation of weights", r"\sigma_w"),
    "bias_std": ("1", "standard deviation of biases", r"\sigma_b"),
    "fixed_point_q": ("1", "variance that a layer leaves as it is", "q"),
    "fixed_point_chi_perp": ("1", "growth of small differences there", r"\chi_\perp"),
    "fixed_point_chi_parallel": ("1", "growth of deviations from the fixed point", r"\chi_\parallel"),
    "fixed_point_stability": ("", "stability of the fixed point", ""),
}


def phase(
    activation: str | Activation, weight_std: float, bias_std: float, *, input_variance: float = 1.0
) -> xr.Dataset:
    """Return the phase of one network, and all fixed points of its variance.

    Parameters
    ----------
    activation : str or Activation
        A name, or made by ``ts.activation(f, df, name=...)``.
    weight_std, bias_std : float
        sw, sb of every layer.
    input_variance : float
        |x|^2/d of the inputs: of several fixed points, the one reached from there counts.

    Returns
    -------
    Dataset
        The variables named on top of this module, ``phase`` among them; along ``fixed_point``, increasing:
        ``fixed_point_q``, the slopes there and ``fixed_point_stability`` ("stable", "unstable", "half-stable",
        "neutral").

    Raises
    ------
    ProblemError
        For wrong arguments, or an activation that jumps.
    NotConverged
        If the activation varies too fast to be resolved where the variance goes.
    """
    where = "kernels.phase"
    phi = checked_activation(where, activation)
    stds = [checked_number(where, name, v) for name, v in (("weight_std", weight_std), ("bias_std", bias_std))]
    start = checked_number(where, "input_variance", input_variance, positive=True)
    found, points = _phases(phi, np.array(stds[:1]), np.array(stds[1:]), start)
    scalars = {name: ((), values[0], labels(name)) for name, values in found.items()}
    along = _fixed_points(phi, stds[0] ** 2, points)
    data = scalars | {name: ("fixed_point", values, labels(name)) for name, values in along.items()}
    return xr.Dataset(data, attrs=_provenance(phi, start) | {"weight_std": stds[0], "bias_std": stds[1]})


def phase_diagram(
    activation: str | Activation, weight_stds: ArrayLike, bias_stds: ArrayLike, *, input_variance: float = 1.0
) -> xr.Dataset:
    """Return the phases of networks with every pair of standard deviations.

    Parameters
    ----------
    activation, input_variance
        As `phase`.
    weight_stds, bias_stds : array_like, shapes (N,) and (M,)

    Returns
    -------
    Dataset
        The variables of `phase`, dimensions (weight_std, bias_std).
    """
    where = "kernels.phase_diagram"
    phi = checked_activation(where, activation)
    weights = checked_numbers(where, "weight_stds", weight_stds)
    biases = checked_numbers(where, "bias_stds", bias_stds)
    start = checked_number(where, "input_variance", input_variance, positive=True)
    w, b = (axis.ravel() for axis in np.meshgrid(weights, biases, indexing="ij"))
    found, _ = _phases(phi, w, b, start)
    shape, dims = (len(weights), len(biases)), ("weight_std", "bias_std")
    data = {name: (dims, values.reshape(shape), labels(name)) for name, values in found.items()}
    axes = zip(dims, (weights, biases), strict=True)
    coords = {name: (name, values, labels(name)) for name, values in axes}
    return xr.Dataset(data, coords=coords, attrs=_provenance(phi, start))


def _phases(phi: Activation, weight_std: Array, bias_std: Array, start: float) -> tuple[Variables, Points]:
    w, v = weight_std**2, bias_std**2
    ends = reached(phi, w, v, w * start + v)
    chaotic = np.flatnonzero((ends.chi_perp > 1.0 + CRITICAL) & np.isfinite(ends.q) & (ends.q > 0.0))
    c, chi_c, error = np.ones_like(w), ends.chi_perp.copy(), np.zeros_like(w)
    if len(chaotic):
        apart = parted(phi, w[chaotic], ends.q[chaotic])
        c[chaotic], chi_c[chaotic], error[chaotic] = 1.0 - apart.gap, apart.slope, apart.error
    found: Variables = {
        "phase": _names(ends.q, ends.chi_perp),
        "q_star": ends.q,
        "chi_perp": ends.chi_perp,
        "chi_parallel": ends.chi_parallel,
        "c_star": c,
        "c_star_error": error,
        "chi_c": chi_c,
        "xi_c": _lengths(chi_c),
        "xi_q": _lengths(ends.chi_parallel),
        "xi_gradient": _lengths(ends.chi_perp),
    }
    return found | {"depth_limit": SURVIVAL * found["xi_c"]}, ends.points


def _names(q: Array, chi: Array) -> NDArray[Any]:
    names = np.where(chi > 1.0, "chaotic", np.where(q > 0.0, "ordered", "vanishing"))
    names = np.where(np.abs(chi - 1.0) <= CRITICAL, "critical", names)
    return np.where(np.isinf(q), "exploding", names)


def _lengths(chi: Array) -> Array:
    """Return 1/|ln |chi||: infinite where |chi| is 1 within rounding of what is critical, 0 for 0 and infinity."""
    size = np.abs(chi)
    out = np.zeros_like(size)
    out[np.abs(size - 1.0) <= CRITICAL] = np.inf
    for i in np.flatnonzero((np.abs(size - 1.0) > CRITICAL) & (size > 0.0) & np.isfinite(size)):
        out[i] = correlation_length(float(size[i]))
    return out


def _fixed_points(phi: Activation, weight: float, points: Points) -> Variables:
    q = np.array([point.q for point in points[0]])
    means = moments(phi, q)
    return {
        "fixed_point_q": q,
        "fixed_point_chi_perp": weight * means.slope,
        "fixed_point_chi_parallel": weight * means.growth,
        "fixed_point_stability": np.array([point.stability for point in points[0]], dtype=str),
    }


def labels(name: str) -> dict[str, str]:
    """Return units, long_name and symbol of a variable of this theory."""
    return dict(zip(("units", "long_name", "symbol"), _ATTRIBUTES[name], strict=True))


def _provenance(phi: Activation, start: float) -> dict[str, Any]:
    return {"activation": phi.name, "input_variance": start, "theory": "kernels.criticality"}
