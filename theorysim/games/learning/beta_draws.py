"""Beta variables as a pure function of counters: two gamma variables by rejection, each trial a counter of its own.

    gamma(a):  d = a - 1/3,  v = (1 + z/sqrt(9 d))^3,  d v is kept if log u < z^2/2 + d - d v + d log v   (a >= 1)
    beta(a, b) = X/(X + Y),  X ~ gamma(a), Y ~ gamma(b)

Trial j of both variables takes the blocks ``first + 2 j`` (two normals) and, rarely, the next one: each uniform of a
normal leaves 12 random bits, the leading bits of u; the rest of u is drawn only where they do not decide (one trial in
ten). Same numbers for any order of runs and any number of threads. More than 95 % of the trials are kept.

Sources  [Marsaglia2000].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body
from theorysim.backend.exponential import log
from theorysim.backend.foreach import foreach
from theorysim.backend.random import counters, philox, uniform_pair, unit_interval
from theorysim.backend.trigonometry import sincos_turns

_ONE, _TWO, _LEFT = np.uint64(1), np.uint64(2), np.uint64(4095)
BLOCKS = 1 << 12
"""Blocks set apart for one variable: 2048 trials."""


@body
def gamma_trial(d: float, z: float, u: float) -> float:
    """Return a gamma(d + 1/3) variable from a normal and a uniform, or -1 where the trial is rejected."""
    root = 1.0 + z / math.sqrt(9.0 * d)
    if root <= 0.0:
        return -1.0
    v = root * root * root
    square = z * z
    if u < 1.0 - 0.0331 * square * square:  # below the exact bound
        return d * v
    return d * v if log(u) < 0.5 * square + d * (1.0 - v + log(v)) else -1.0


@body
def gamma_at_once(d: float, z: float, leading: float) -> float:
    """Return the variable where every u in [leading, leading + 1]/4096 keeps it, else -1."""
    root = 1.0 + z / math.sqrt(9.0 * d)
    square = z * z
    if root > 0.0 and leading + 1.0 <= 4096.0 * (1.0 - 0.0331 * square * square):
        return d * root * root * root
    return -1.0


@body
def beta_draw(a: float, b: float, first: Any, stream: Any, step: Any, purpose: Any, k0: Any, k1: Any) -> float:
    """Return a Beta(a, b) variable, a, b >= 1; `first` and all after it uint64 holding 32-bit words."""
    d, e, x, y, block = a - 1.0 / 3.0, b - 1.0 / 3.0, -1.0, -1.0, first
    while x < 0.0 or y < 0.0:
        r0, r1, r2, r3 = philox(block, stream, step, purpose, k0, k1)
        r = math.sqrt(-2.0 * log(unit_interval(r0, r1)))
        sine, cosine = sincos_turns(unit_interval(r2, r3))
        one, two = float(r1 & _LEFT), float(r3 & _LEFT)
        if x < 0.0:
            x = gamma_at_once(d, r * cosine, one)
        if y < 0.0:
            y = gamma_at_once(e, r * sine, two)
        if x < 0.0 or y < 0.0:
            u1, u2 = uniform_pair(block + _ONE, stream, step, purpose, k0, k1)
            if x < 0.0:
                x = gamma_trial(d, r * cosine, (one + u1) / 4096.0)
            if y < 0.0:
                y = gamma_trial(e, r * sine, (two + u2) / 4096.0)
        block += _TWO
    return x / (x + y)


@body("int64[:,::1], uint64, uint64, uint64, float64[:,::1]")
def _draw_row(i: int, prior: Any, purpose: Any, k0: Any, k1: Any, out: Any) -> None:
    for arm in range(prior.shape[0]):
        first = np.uint64(arm * BLOCKS)
        out[i, arm] = beta_draw(prior[arm, 0], prior[arm, 1], first, np.uint64(i), np.uint64(0), purpose, k0, k1)


def betas(prior: NDArray[np.int64], runs: int, *, seed: int, purpose: int, device: str = "cpu") -> NDArray[np.float64]:
    """Return independent Beta variables, shape (runs, arms); row r is a function of (seed, purpose, r) alone."""
    _, _, word, k0, k1 = counters(seed, max(runs - 1, 0), 0, purpose)
    out = np.empty((runs, len(prior)))
    foreach(_draw_row, runs, prior, word, k0, k1, out, device=device)
    return out
