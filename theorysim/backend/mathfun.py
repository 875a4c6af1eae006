"""Elementary functions without branches, for float64: loops over them vectorise, and CUDA kernels can call them.

The functions of `math` are scalar library calls; these are 3 to 15 times faster in a loop over an array, as fast as
numpy's. NaN gives NaN, overflow infinity, underflow zero. Largest errors seen, in units in the last place
(tests/backend/test_mathfun.py holds them): 1 for exp, log, log1p, sin, cos, acos, atan; 2 for expm1, asin; 3 for tanh,
erf; 5 for erfc. sin and cos need |x| <= 1.6e6 and give NaN beyond.
"""

from __future__ import annotations

from theorysim.backend.errorfunction import erf, erfc
from theorysim.backend.exponential import exp, expm1, log, log1p, tanh
from theorysim.backend.trigonometry import acos, asin, atan, cos, sin, sincos

__all__ = [
    "acos", "asin", "atan", "cos", "erf", "erfc", "exp", "expm1", "log", "log1p", "sin", "sincos", "tanh",
]  # fmt: skip
