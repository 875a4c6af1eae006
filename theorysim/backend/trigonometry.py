"""sin, cos, sincos, acos, asin and atan without branches (see `mathfun`).

sin, cos: x = k pi/2 + r with pi/2 in three parts of 33, 33 and 53 bits (Cody and Waite), r as a sum of two float64.
asin, acos: ``asin s = s + s**3 ASIN(s**2)`` with s = |x| below 1/2 and s = sqrt((1 - |x|) / 2) above.
atan: ``atan t = t + t**3 ATAN(t**2)`` with |t| <= tan(pi/8), reached by (x - 1) / (x + 1) or -1 / x.
"""

from __future__ import annotations

import math

import numpy as np

from theorysim.backend.bits import bits_from_float, float_from_bits, fma, polynomial
from theorysim.backend.compile import body

# Polynomials: Chebyshev interpolants, computed again in tests/backend/chebyshev_fits.py.
SIN = (
    -0.16666666666666666, 0.008333333333330948, -0.00019841269836756774, 2.7557316101617874e-06,
    -2.505113165023518e-08, 1.5918115263265974e-10,
)  # fmt: skip
COS = (
    0.041666666666666664, -0.0013888888888887398, 2.480158729876456e-05, -2.7557317271145144e-07,
    2.087614614655861e-09, -1.1382623647474604e-11,
)  # fmt: skip
ASIN = (
    0.16666666666666669, 0.07499999999998433, 0.04464285714635543, 0.030381944138531247,
    0.02237217294214989, 0.017352392720869973, 0.013971212973552933, 0.011479177415184906,
    0.01032281435018578, 0.005457506718640358, 0.01740087944269402, -0.014851887071247204,
    0.028757851367421566,
)  # fmt: skip
ATAN = (
    -0.3333333333333333, 0.19999999999995516, -0.14285714284665682, 0.11111111015187018,
    -0.0909090457530649, 0.07692183125376892, -0.06664510525508936, 0.05858140904866328,
    -0.050854078345894844, 0.03923044778479309, -0.019175404711104935,
)  # fmt: skip

_TWO_OVER_PI = 0.6366197723675814
_PI_2_HIGH, _PI_2_MIDDLE, _PI_2_LOW = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21
_PI_2, _PI_2_REST = 1.5707963267948966, 6.123233995736766e-17
_PI_4, _PI_4_REST = 0.7853981633974483, 3.061616997868383e-17
_SHIFT = 6755399441055744.0  # 1.5 * 2**52: adding it leaves an integer in the low bits
_1, _2, _62 = np.uint64(1), np.uint64(2), np.uint64(62)
_TAN_PI_8, _TAN_3PI_8 = 0.41421356237309503, 2.414213562373095

# Beyond it k has more than 20 bits, and k * _PI_2_HIGH is no longer exact.
LARGEST_ANGLE = 1.6e6


@body
def sincos_reduced(high: float, low: float) -> tuple[float, float]:
    """Return the sine and cosine of high + low, |high| <= pi/4, |low| <= ulp(high)."""
    z = high * high
    s = high + fma(high * z, polynomial(z, SIN), low * fma(-0.5, z, 1.0))
    half = 0.5 * z
    w = 1.0 - half
    c = w + ((1.0 - w - half) + fma(z * z, polynomial(z, COS), -high * low))
    return s, c


@body
def quadrant(k: float, s: float, c: float) -> tuple[float, float]:
    """Return the sine and cosine of an angle plus k pi/2, for an integer k held in a float64."""
    q = bits_from_float(k + _SHIFT)
    odd = (q & _1) == _1
    sine, cosine = c if odd else s, s if odd else c
    sine = float_from_bits(bits_from_float(sine) ^ ((q & _2) << _62))
    cosine = float_from_bits(bits_from_float(cosine) ^ (((q + _1) & _2) << _62))
    return sine, cosine


@body
def sincos(x: float) -> tuple[float, float]:
    """Return (sin x, cos x) for |x| <= `LARGEST_ANGLE`; NaN beyond, where the reduction would lose digits."""
    k = fma(x, _TWO_OVER_PI, _SHIFT) - _SHIFT
    first = fma(-k, _PI_2_HIGH, x)
    second = fma(-k, _PI_2_MIDDLE, first)
    rest = fma(-k, _PI_2_LOW, fma(-k, _PI_2_MIDDLE, first - second))
    high = second + rest
    s, c = sincos_reduced(high, second - high + rest)
    s, c = quadrant(k, s, c)
    inside = math.fabs(x) <= LARGEST_ANGLE
    return s if inside else math.nan, c if inside else math.nan


@body
def sin(x: float) -> float:
    """Return the sine, for |x| <= `LARGEST_ANGLE` (NaN beyond)."""
    return sincos(x)[0]


@body
def cos(x: float) -> float:
    """Return the cosine, for |x| <= `LARGEST_ANGLE` (NaN beyond)."""
    return sincos(x)[1]


@body
def sincos_turns(u: float) -> tuple[float, float]:
    """Return (sin 2 pi u, cos 2 pi u) for 0 <= u <= 1: the reduction is exact."""
    k = (4.0 * u + _SHIFT) - _SHIFT
    s, c = sincos_reduced(fma(-0.25, k, u) * 6.283185307179586, 0.0)
    return quadrant(k, s, c)


@body
def asin(x: float) -> float:
    """Return the arc sine; NaN outside [-1, 1]."""
    a = math.fabs(x)
    big = a > 0.5
    z = 0.5 * (1.0 - a) if big else x * x
    s = math.sqrt(z) if big else a
    p = s * z * polynomial(z, ASIN)
    y = _PI_2 - (2.0 * (s + p) - _PI_2_REST) if big else s + p
    return math.copysign(y, x)


@body
def acos(x: float) -> float:
    """Return the arc cosine, accurate near 1; NaN outside [-1, 1]."""
    a = math.fabs(x)
    big = a > 0.5
    z = 0.5 * (1.0 - a) if big else x * x
    s = math.sqrt(z) if big else a
    p = s * z * polynomial(z, ASIN)
    signed_s, signed_p = math.copysign(s, x), math.copysign(p, x)
    middle = _PI_2 - (signed_s - (_PI_2_REST - signed_p))
    edge = 2.0 * (signed_s + signed_p)  # acos(|x|), or its negative for x < 0
    edge = edge if x > 0.0 else 2.0 * _PI_2 + (edge + 2.0 * _PI_2_REST)
    return edge if big else middle


@body
def atan(x: float) -> float:
    """Return the arc tangent."""
    a = math.fabs(x)
    middle, big = a > _TAN_PI_8, a > _TAN_3PI_8
    numerator = -1.0 if big else (a - 1.0 if middle else a)
    denominator = a if big else (a + 1.0 if middle else 1.0)
    start = _PI_2 if big else (_PI_4 if middle else 0.0)
    rest = _PI_2_REST if big else (_PI_4_REST if middle else 0.0)
    t = numerator / denominator
    z = t * t
    return math.copysign(start + (t + fma(t * z, polynomial(z, ATAN), rest)), x)
