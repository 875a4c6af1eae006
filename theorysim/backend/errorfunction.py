"""erf and erfc without branches (see `mathfun`).

Below 1/2: ``erf x = x + x ERF(x**2)``. Above: ``erfc x = exp(-x**2) w ERFC(t)`` with w = 1 / (x + 3) and t the linear
map of w from its range for x in [1/2, 28] to [-1, 1]; erfc(28) is zero in float64.
"""

from __future__ import annotations

import math

from theorysim.backend.bits import fma, polynomial
from theorysim.backend.compile import body
from theorysim.backend.exponential import exp

# Polynomials: Chebyshev interpolants, computed again in tests/backend/chebyshev_fits.py.
ERF = (
    0.12837916709551256, -0.37612638903183476, 0.11283791670925353, -0.026866170632887928,
    0.00522397737302147, -0.0008548297753674966, 0.00012053335124353741, -1.4845849259707869e-05,
    1.4725865480556744e-06,
)  # fmt: skip
ERFC = (
    1.0345210668277636, 0.6318110831484357, 0.3172963900417516, 0.12705145822385414, 0.03787874633125231,
    0.006870243502911666, -5.188318522147098e-05, -0.000413232935450984, -7.289361195752386e-05,
    1.9035410107040063e-05, 7.778154210357651e-06, -9.849875517368805e-07, -7.373114292522105e-07,
    7.835202439836585e-08, 7.20678840902843e-08, -1.0119848792073031e-08, -7.133456703660922e-09,
    1.4276093366180172e-09, 6.404841418831384e-10, -1.2979180151550684e-10, -3.8339441957214336e-11,
)  # fmt: skip

_SLOPE, _OFFSET = 7.890909090909091, 1.2545454545454546


@body
def _erfc_above_half(a: float) -> float:
    d = a + 3.0
    w = 1.0 / d
    w_lost = fma(-d, w, 1.0) - (a - (d - 3.0)) * w  # 1 / (a + 3) = w (1 + w_lost)
    square = a * a
    square_lost = fma(a, a, -square)
    t = fma(w * w_lost, _SLOPE, fma(w, _SLOPE, -_OFFSET))
    y = exp(-square) * (w * polynomial(t, ERFC))
    return fma(y, w_lost - square_lost, y)


@body
def erf(x: float) -> float:
    """Return the error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    a = math.fabs(x)
    a = 28.0 if a > 28.0 else a
    small = fma(a, polynomial(a * a, ERF), a)
    return math.copysign(1.0 - _erfc_above_half(a) if a > 0.5 else small, x)


@body
def erfc(x: float) -> float:
    """Return 1 - erf(x), accurate for large x."""
    a = math.fabs(x)
    a = 28.0 if a > 28.0 else a
    large = _erfc_above_half(a)
    small = 1.0 - fma(x, polynomial(x * x, ERF), x)
    y = large if x > 0.0 else 2.0 - large
    return y if a > 0.5 else small
