"""Roots of many functions of one number at once, each inside a bracket.

    f_n(x_n) = 0,  low_n <= x_n <= high_n,  f_n(low_n) f_n(high_n) <= 0

Method   Bisection, with inverse quadratic interpolation where three values suggest it: never slower than bisection, and
         as a rule ten evaluations to full precision.
Sources  T. R. Chandrupatla, Advances in Engineering Software 28 (1997) 145, for when to interpolate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

_STEPS = 200
_ROUNDING = 4.0 * np.finfo(np.float64).eps


def bracketed_roots(function: Callable[[Array, Rows], Array], low: Array, high: Array) -> Array:
    """Return roots x, shape (N,), to rounding relative to |x|.

    Parameters
    ----------
    function : callable
        (x, rows) -> f_rows(x), both of shape (M,): only those not yet found are asked for.
    low, high : ndarray, shape (N,)
        The values there must differ in sign, or be 0.

    Raises
    ------
    NotConverged
        If a value is not a number.
    """
    n = len(low)
    a, b, share = np.array(high, dtype=float), np.array(low, dtype=float), np.full(n, 0.5)
    open_ = np.arange(n)
    fa, fb = function(a, open_), function(b, open_)
    c, fc = a.copy(), fa.copy()
    for _ in range(_STEPS):
        small = np.where(np.abs(fa) < np.abs(fb), a, b)
        done = (np.abs(b - a) <= _ROUNDING * np.abs(small)) | (fa == 0.0) | (fb == 0.0)
        open_ = np.flatnonzero(~done)
        if not len(open_):
            return np.asarray(np.where(fa == 0.0, a, np.where(fb == 0.0, b, small)))
        x = a[open_] + share[open_] * (b - a)[open_]
        fx = function(x, open_)
        if np.isnan(fx).any():
            break
        _tighten(open_, x, fx, a, b, c, fa, fb, fc)
        share[open_] = _next_share(a, b, c, fa, fb, fc)[open_]
    raise NotConverged("bracketed roots", _STEPS, float(np.abs(b - a).max()), "a narrower bracket")


def _tighten(rows: Rows, x: Array, fx: Array, a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array) -> None:
    """Let the new point take the place of a; of the old ends, b is the one across the root and c the other."""
    same = np.sign(fx) == np.sign(fa[rows])
    kept, crossed = rows[same], rows[~same]
    c[kept], fc[kept] = a[kept], fa[kept]
    c[crossed], fc[crossed] = b[crossed], fb[crossed]
    b[crossed], fb[crossed] = a[crossed], fa[crossed]
    a[rows], fa[rows] = x, fx


def _next_share(a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array) -> Array:
    """Return where between a and b to look next: interpolated where the three values allow it, else the middle."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        wise = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
        share = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        least = 0.5 * _ROUNDING * np.abs(a) / np.abs(b - a)
    share = np.where(wise & np.isfinite(share), share, 0.5)
    least = np.where(np.isfinite(least), np.minimum(least, 0.5), 0.5)
    return np.asarray(np.clip(share, least, 1.0 - least))
