"""Bodies of CUDA grids over all of the backend's arithmetic, for the tests of `foreach` and of PTX."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorysim.backend import mathfun
from theorysim.backend.compile import body
from theorysim.backend.random import integer_below, normal_pair, philox

LAST = np.uint64(3)


@body("float64[:], float64[:,:]")
def functions(i: int, x: Any, out: Any) -> None:
    v = x[i]
    out[i, 0] = mathfun.exp(v)
    out[i, 1] = mathfun.expm1(v)
    out[i, 2] = mathfun.log(v)
    out[i, 3] = mathfun.log1p(v)
    out[i, 4] = mathfun.tanh(v)
    out[i, 5] = mathfun.erf(v)
    out[i, 6] = mathfun.erfc(v)
    out[i, 7], out[i, 8] = mathfun.sincos(v)
    out[i, 9] = mathfun.acos(v)
    out[i, 10] = mathfun.asin(v)
    out[i, 11] = mathfun.atan(v)


@body("float64[:,:], uint64[:,:], int64, uint64, uint64, uint64, uint64, uint64")
def numbers(i: int, normals: Any, words: Any, n: int, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> None:
    block = np.uint64(i)
    normals[i, 0], normals[i, 1] = normal_pair(block, stream, step, purpose, k0, k1)
    words[i, 0], words[i, 1], words[i, 2], words[i, 3] = philox(block, stream, step, purpose, k0, k1)
    words[i, 4] = np.uint64(integer_below(n, block, stream, step, purpose, k0, k1))
