"""N agents who revise their strategies one at a time: random numbers that depend on (seed, replica, event) alone.

an agent drawn at random plays a and may change to b
logit       b drawn from softmax(F/noise)
imitation   b is played by another agent drawn at random; a change has the probability rate max(F_b - F_a, 0)
smith       b drawn from all strategies alike; rate max(F_b - F_a, 0)
bnn         b drawn from all strategies alike; rate max(F_b - x.F, 0)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theorysim.backend.compile import body
from theorysim.backend.exponential import exp
from theorysim.backend.order import larger
from theorysim.backend.random import uniform_pair

PROTOCOLS = ("logit", "imitation", "smith", "bnn")
"""Names; a compiled body gets the number."""
_LOW, _HIGH = 0xFFFFFFFF, 32


@body
def _of_place(counts: Any, i: int, place: int) -> int:
    """Return the strategy of the agent with this number, agents sorted by strategy."""
    a, seen = 0, counts[i, 0]
    while place >= seen and a < counts.shape[1] - 1:
        a += 1
        seen += counts[i, a]
    return a


@body
def _logit(payoffs: Any, i: int, noise: float, u: float) -> int:
    """Return a strategy drawn from softmax(F/noise)."""
    most = payoffs[i, 0]
    for j in range(1, payoffs.shape[1]):
        most = larger(most, payoffs[i, j])
    total = 0.0
    for j in range(payoffs.shape[1]):
        total += exp((payoffs[i, j] - most) / noise)
    b, seen = 0, exp((payoffs[i, 0] - most) / noise)
    while u * total >= seen and b < payoffs.shape[1] - 1:
        b += 1
        seen += exp((payoffs[i, b] - most) / noise)
    return b


@body(
    "int64[:,::1], float64[:,::1], float64[:,::1], int64, float64, float64, int64, int64, int64, uint64, uint64, uint64"
)
def revise(
    i: int, counts: Any, payoffs: Any, matrix: Any, protocol: int, noise: float, rate: float, agents: int, first: int,
    events: int, purpose: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Let agents of replica i revise, events `first` to `first` + `events`; counts of shape (replicas, n)."""
    n = matrix.shape[0]
    for e in range(first, first + events):
        u, w = uniform_pair(np.uint64(e & _LOW), np.uint64(i), np.uint64(e >> _HIGH), purpose, k0, k1)
        a, mean = _of_place(counts, i, int(u * agents)), 0.0
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += matrix[j, k] * counts[i, k]
            payoffs[i, j] = total / agents
            mean += payoffs[i, j] * counts[i, j] / agents
        if protocol == 0:
            b, taken = _logit(payoffs, i, noise, w), True
        else:
            scaled = w * (agents if protocol == 1 else n)
            place = int(scaled)
            b = _of_place(counts, i, place) if protocol == 1 else place
            taken = scaled - place < rate * (payoffs[i, b] - (mean if protocol == 3 else payoffs[i, a]))
        if taken:
            counts[i, a] -= 1
            counts[i, b] += 1
