"""What theory promises for a run: a bound on distance or residual at every step, where constants are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.equations import inequality_rates as rates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """A bound over steps.

    Attributes
    ----------
    of : str
        "distance" (to the solution), "residual" (natural) or "none".
    factor : float
        Factor per step of a linear bound; NaN for others.
    values : ndarray or None, shape (steps + 1,)
    """

    of: str
    factor: float
    values: Array | None


NONE = Bound("none", math.nan, None)


def bound_of(
    method: str, *, step: float, relaxation: float, monotone: float, lipschitz: float, response: float, distance: float,
    steps: int, free: bool,
) -> Bound:  # fmt: skip
    """Return the bound of a method.

    Parameters
    ----------
    monotone, lipschitz : float
        m and L of F; NaN where unknown.
    response : float
        Lipschitz constant of T z = prox(z - step F z), where known.
    distance : float
        |z_0 - z*|, for splitting methods in their own variable.
    free : bool
        Whether f is zero.
    """
    k = np.arange(steps + 1, dtype=float)
    q = _factor(method, step, relaxation, monotone, lipschitz, response)
    if q < 1.0:
        return Bound("distance", q, distance * q**k)
    unit = max(1.0, 1.0 / step)  # |z - T_1 z| <= |z - T_a z| max(1, 1/a)
    if method == "halpern" and response <= 1.0 + 1e-12:
        return Bound("residual", math.nan, unit * 2.0 * distance / (k + 1.0))
    if method == "krasnoselskii-mann" and response <= 1.0 + 1e-12 and 0.0 < relaxation < 1.0:
        spread = np.maximum(k, 1.0) * relaxation * (1.0 - relaxation)
        return Bound("residual", math.nan, unit * distance / np.sqrt(spread))
    size = step * lipschitz
    if free and monotone >= -1e-12:
        if method == "extragradient" and size <= math.sqrt(0.5):
            return Bound("residual", math.nan, distance / (step * np.sqrt((1.0 - size**2) * (k + 1.0))))
        if method == "anchored" and size <= 0.125 * (1.0 + 1e-12):
            return Bound("residual", math.nan, math.sqrt(260.0) * lipschitz * distance / (k + 1.0))
    return NONE


def _factor(method: str, a: float, r: float, m: float, size: float, response: float) -> float:
    """Return the factor of a linear bound, NaN where there is none."""
    if method == "best-response":
        return response
    if method in ("forward-backward", "krasnoselskii-mann"):
        own = rates.forward_backward(a, m, size) if m > 0.0 else math.nan
        q = np.fmin(own, response)
        return float(q if method == "forward-backward" else abs(1.0 - r) + r * q if q < 1.0 else math.nan)
    if not m > 0.0:
        return math.nan
    if method in ("extragradient", "tseng") and a * size < 1.0:
        return rates.extragradient(a, m, size)
    if method == "peaceman-rachford":
        return rates.reflected_resolvent(a, m, size)
    if method == "douglas-rachford":
        return 0.5 * (1.0 + rates.reflected_resolvent(a, m, size))
    return math.nan
