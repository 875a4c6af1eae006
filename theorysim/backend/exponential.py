"""exp, expm1, log, log1p and tanh without branches (see `mathfun`).

exp: x = k log 2 + r with |r| <= log(2)/2 and log 2 in two parts (Cody and Waite), then ``1 + r + r**2 EXP(r)`` times
2**k.
log: x = 2**k m with m in [sqrt(1/2), sqrt 2], ``s = f / (2 + f)`` for f = m - 1, then the series of ``2 atanh s``; the
arrangement of the sum is that of fdlibm's e_log.c.
Integers are made by adding 1.5 * 2**52, which puts them in the low bits: that vectorises where conversions do not.
"""

from __future__ import annotations

import math

import numpy as np

from theorysim.backend.bits import bits_from_float, float_from_bits, fma, polynomial
from theorysim.backend.compile import body

# Polynomials: Chebyshev interpolants, computed again in tests/backend/chebyshev_fits.py.
EXP = (
    0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326136, 0.0013888888888883748,
    0.00019841269874820627, 2.4801587325547743e-05, 2.7557255400206422e-06, 2.75572736431103e-07,
    2.5105217004720745e-08, 2.0914686968086876e-09,
)  # fmt: skip
LOG = (
    0.666666666666667, 0.39999999999899444, 0.2857142862600327, 0.22222211130259878, 0.18182889455674947,
    0.15331710618210773, 0.14616585424888623,
)  # fmt: skip

_INV_LOG2 = 1.4426950408889634
_LOG2_HIGH, _LOG2_LOW = 0.6931471806019545, -4.200915072681085e-11  # 33 bits: k * _LOG2_HIGH is exact
_SHIFT = 6755399441055744.0  # 1.5 * 2**52
_52 = np.uint64(52)
_ONE = np.uint64(0x3FF0000000000000)
_ROOT_HALF = np.uint64(0x3FE6A09E667F3BCD)
_ONE_MINUS_ROOT_HALF = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
_BITS_2P52 = np.uint64(0x4330000000000000)
_2P52_PLUS_BIAS = 4503599627370496.0 + 1023.0


@body
def power_of_two(k: float) -> float:
    """Return 2**k for a float64 k that holds an integer in [-1022, 1023]."""
    return float_from_bits((bits_from_float(k + _SHIFT) << _52) + _ONE)


@body
def exp_reduced(x: float) -> tuple[float, float]:
    """Return (k, exp(r) - 1) with x = k log 2 + r, |r| <= log(2) / 2."""
    k = fma(x, _INV_LOG2, _SHIFT) - _SHIFT
    r = fma(-k, _LOG2_LOW, fma(-k, _LOG2_HIGH, x))
    return k, fma(r * r, polynomial(r, EXP), r)


@body
def exp(x: float) -> float:
    """Return e**x."""
    x = 710.0 if x > 710.0 else x
    x = -746.0 if x < -746.0 else x
    k, p = exp_reduced(x)
    half = (0.5 * k + _SHIFT) - _SHIFT  # 2**k in two factors reaches overflow and the subnormal numbers
    return (1.0 + p) * power_of_two(half) * power_of_two(k - half)


@body
def expm1(x: float) -> float:
    """Return e**x - 1, accurate near 0."""
    x = 710.0 if x > 710.0 else x
    clipped = -40.0 if x < -40.0 else x
    k, p = exp_reduced(clipped)
    half = (0.5 * k + _SHIFT) - _SHIFT
    a = power_of_two(half)
    y = fma(a, p, a - power_of_two(half - k)) * power_of_two(k - half)
    return x if x == 0.0 else y  # keeps the sign of zero


@body
def tanh(x: float) -> float:
    """Return the hyperbolic tangent."""
    a = math.fabs(x)
    a = 20.0 if a > 20.0 else a
    k, p = exp_reduced(2.0 * a)
    scale = power_of_two(k)
    t = fma(scale, p, scale - 1.0)  # exp(2a) - 1
    return math.copysign(t / (t + 2.0), x)


@body
def log_reduced(x: float) -> tuple[float, float]:
    """Return (k, f) with x = 2**k (1 + f), 1 + f in [sqrt(1/2), sqrt 2), for a positive normal x."""
    e = bits_from_float(x) + _ONE_MINUS_ROOT_HALF
    k = float_from_bits((e >> _52) | _BITS_2P52) - _2P52_PLUS_BIAS
    return k, float_from_bits((e & _MANTISSA) + _ROOT_HALF) - 1.0


@body
def log_sum(k: float, f: float) -> float:
    """Return k log 2 + log(1 + f) for 1 + f in [sqrt(1/2), sqrt 2)."""
    s = f / (2.0 + f)
    z = s * s
    half_square = 0.5 * f * f
    tail = fma(s, fma(z, polynomial(z, LOG), half_square), k * _LOG2_LOW)
    return fma(k, _LOG2_HIGH, f - (half_square - tail))


@body
def log_positive(x: float) -> float:
    """Return the natural logarithm of a positive normal number, the bits of `log` without its special cases."""
    k, f = log_reduced(x)
    return log_sum(k, f)


@body
def log(x: float) -> float:
    """Return the natural logarithm: -inf at 0, NaN below."""
    tiny = x < 2.2250738585072014e-308
    k, f = log_reduced(x * 18014398509481984.0 if tiny else x)
    y = log_sum(k - 54.0 if tiny else k, f)
    y = y if x < math.inf else x
    return y if x > 0.0 else (-math.inf if x == 0.0 else math.nan)


@body
def log1p(x: float) -> float:
    """Return log(1 + x), accurate near 0: -inf at -1, NaN below."""
    u = 1.0 + x
    rounded = u - 1.0
    lost = (1.0 - (u - rounded)) + (x - rounded)  # u + lost = 1 + x exactly
    k, f = log_reduced(u)
    k = 1022.0 if k > 1022.0 else k
    scaled = f + lost * power_of_two(-1022.0 if k > 1022.0 else -k)
    y = log_sum(k, scaled) if x != 0.0 else x
    y = y if x < math.inf else x
    return y if x > -1.0 else (-math.inf if x == -1.0 else math.nan)
