"""Gittins indices of Bernoulli arms with Beta priors: what a sure reward per step must be to be as good as the arm.

    W(a, b) = max(l, m (1 - g + g W(a + 1, b)) + (1 - m) g W(a, b + 1)),   m = a/(a + b);  stopped after N pulls: W = l

W is (1 - g) times the best discounted sum when l per step may be taken for good at any time. The index is the l at
which the first pull and l are worth the same. The worth of that pull is convex and piecewise linear in l, so Newton's
steps from l = m rise to the zero in finitely many sweeps, without halving.

Valid    0 < g < 1; a, b > 0.
Error    stopping after N pulls leaves the index too low, by g^N/(1 - g) at most: N is chosen from the tolerance.
Sources  [Gittins1979]. Proof: derivations/bandits.py (`index_shortfall`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.equations.bandits import index_shortfall
from theorysim.errors import NotConverged, ProblemError
from theorysim.games.learning.arguments import positive
from theorysim.problem.validation import is_real, shown

Array = NDArray[np.float64]
MOST_DEPTH = 40_000
_SWEEPS = 100


@compiled
def _first_pull(a: float, b: float, discount: float, level: float, worth: Any, slope: Any) -> tuple[float, float]:
    """Return the worth of a first pull and its slope in `level`; work space of shape (depth + 1,)."""
    depth = worth.size - 1
    for s in range(depth + 1):
        worth[s] = level
        slope[s] = 1.0
    value, change = level, 1.0
    for n in range(depth - 1, -1, -1):
        for s in range(n + 1):
            m = (a + s) / (a + b + n)
            value = m * (1.0 - discount + discount * worth[s + 1]) + (1.0 - m) * discount * worth[s]
            change = discount * (m * slope[s + 1] + (1.0 - m) * slope[s])
            if n > 0 and value <= level:
                worth[s], slope[s] = level, 1.0
            else:
                worth[s], slope[s] = value, change
    return worth[0], slope[0]


def gittins_index(a: float = 1.0, b: float = 1.0, *, discount: float, tolerance: float = 1e-9) -> xr.DataArray:
    """Return the Gittins index of an arm with a Beta(a, b) posterior.

    Parameters
    ----------
    a, b : float
    discount : float
        g, the weight of the next reward relative to this one.
    tolerance : float
        Largest error of the index; it decides how many pulls are looked ahead.

    Returns
    -------
    DataArray
        A number; ``attrs``: ``pulls`` looked ahead, ``error`` (the index is in [value, value + error]), ``sweeps``.

    Raises
    ------
    ProblemError
        If an argument is out of range, or the tolerance would need more than 40 000 pulls.
    """
    where = "gittins_index"
    first, second = positive(a, "a", where=where), positive(b, "b", where=where)
    if not is_real(discount) or not 0.0 < discount < 1.0:
        raise ProblemError(f"{where}: `discount` must be in (0, 1), got {shown(discount)}")
    goal = positive(tolerance, "tolerance", where=where)
    depth = max(1, math.ceil(math.log(goal * (1.0 - discount)) / math.log(discount)))
    if depth > MOST_DEPTH:
        raise ProblemError(
            f"{where}: `tolerance` must allow at most {MOST_DEPTH} pulls at this discount, got {goal:g} ({depth} pulls)"
        )
    worth, slope = np.empty(depth + 1), np.empty(depth + 1)
    level = first / (first + second)
    for sweep in range(1, _SWEEPS + 1):
        value, change = _first_pull(first, second, discount, level, worth, slope)
        step = (value - level) / (1.0 - change)
        level += step
        if step <= 1e-15:
            attrs = {"units": "1", "long_name": "Gittins index", "symbol": "G", "discount": float(discount),
                     "pulls": depth, "sweeps": sweep, "error": float(index_shortfall(discount, depth))}  # fmt: skip
            return xr.DataArray(level, name="gittins_index", attrs=attrs)
    raise NotConverged("gittins_index", _SWEEPS, step, "a larger tolerance")
