"""The polynomial coefficients of `theorysim.backend.mathfun`, computed again with 60 digits.

Each is the interpolant of one function in the Chebyshev nodes of one interval, as monomial coefficients, lowest first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as m
from mpmath import mpf

m.mp.dps = 60

EXP_REDUCED = m.log(2) / 2 * mpf("1.0001")
LOG_REDUCED = (3 - 2 * m.sqrt(2)) ** 2 * mpf("1.0001")
SINE_REDUCED = (m.pi / 4) ** 2 * mpf("1.0001")
ATAN_REDUCED = m.tan(m.pi / 8) ** 2 * mpf("1.0001")
ERFC_POLE = 3
ERFC_INTERVAL = (1 / mpf(28 + ERFC_POLE), 1 / (mpf("0.5") + ERFC_POLE))


def _with_limit(f: Callable[[Any], Any], at_zero: Any) -> Callable[[Any], Any]:
    return lambda x: f(x) if abs(x) > 1e-40 else at_zero


# name: (function, interval, degree). The variable of ERFC is w = 1 / (x + 3), mapped to t in [-1, 1].
FITS: dict[str, tuple[Callable[[Any], Any], tuple[Any, Any], int]] = {
    "EXP": (_with_limit(lambda r: (m.expm1(r) - r) / r**2, mpf(1) / 2), (-EXP_REDUCED, EXP_REDUCED), 10),
    "LOG": (
        _with_limit(lambda z: (2 * m.atanh(m.sqrt(z)) / m.sqrt(z) - 2) / z, mpf(2) / 3),
        (mpf(0), LOG_REDUCED),
        6,
    ),
    "SIN": (
        _with_limit(lambda z: (m.sin(m.sqrt(z)) / m.sqrt(z) - 1) / z, -mpf(1) / 6),
        (mpf(0), SINE_REDUCED),
        5,
    ),
    "COS": (
        _with_limit(lambda z: (m.cos(m.sqrt(z)) - 1 + z / 2) / z**2, mpf(1) / 24),
        (mpf(0), SINE_REDUCED),
        5,
    ),
    "ASIN": (
        _with_limit(lambda z: (m.asin(m.sqrt(z)) / m.sqrt(z) - 1) / z, mpf(1) / 6),
        (mpf(0), mpf(1) / 4),
        12,
    ),
    "ATAN": (
        _with_limit(lambda z: (m.atan(m.sqrt(z)) / m.sqrt(z) - 1) / z, -mpf(1) / 3),
        (mpf(0), ATAN_REDUCED),
        10,
    ),
    "ERF": (
        _with_limit(lambda z: m.erf(m.sqrt(z)) / m.sqrt(z) - 1, 2 / m.sqrt(m.pi) - 1),
        (mpf(0), mpf(1) / 4),
        8,
    ),
    "ERFC": (
        lambda t: _erfcx_over_w(ERFC_INTERVAL[0] + (ERFC_INTERVAL[1] - ERFC_INTERVAL[0]) * (t + 1) / 2),
        (mpf(-1), mpf(1)),
        20,
    ),
}


def _erfcx_over_w(w: Any) -> Any:
    x = 1 / w - ERFC_POLE
    return m.exp(x * x) * m.erfc(x) / w


def coefficients(name: str) -> tuple[float, ...]:
    """Return the coefficients of a fit, rounded to float64."""
    function, (low, high), degree = FITS[name]
    nodes = [m.cos(m.pi * (2 * k + 1) / (2 * degree + 2)) for k in range(degree + 1)]
    points = [(low + high) / 2 + (high - low) / 2 * x for x in nodes]
    # Newton's divided differences, then expansion: exact enough with 60 digits.
    table = [function(x) for x in points]
    for level in range(1, degree + 1):
        for k in range(degree, level - 1, -1):
            table[k] = (table[k] - table[k - 1]) / (points[k] - points[k - level])
    monomials = [mpf(0)] * (degree + 1)
    for k in range(degree, -1, -1):
        shifted = [mpf(0), *monomials[:-1]]
        monomials = [s - points[k] * c for s, c in zip(shifted, monomials, strict=True)]
        monomials[0] += table[k]
    return tuple(float(c) for c in monomials)
