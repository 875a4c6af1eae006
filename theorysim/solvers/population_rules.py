"""Velocities of populations x with payoffs f, for many members at once: x' of each rule of revision.

    replicator      x_i (f_i - x.f)
    best-response   e_(first best) - x
    logit           softmax(f/eta) - x
    projection      the nearest direction to f that leaves no face of the simplex: sum 0, at least 0 where x_i = 0
    bnn             k_i - x_i sum_j k_j,  k_i = max(f_i - x.f, 0)
    smith           sum_j x_j max(f_i - f_j, 0) - x_i sum_j max(f_j - f_i, 0)

A body gets an array of rows (`population_rows`), their lanes, and one population: its first share, its first payoff,
the first row for its velocity, how many strategies, the first of two spare rows, and eta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from theorysim.backend.bits import fma
from theorysim.backend.compile import body
from theorysim.backend.exponential import exp
from theorysim.backend.order import larger
from theorysim.solvers.population_rows import copy, dot, fill, shift


@body
def growth(x: float, f: float, mean: float) -> float:
    """Return x (f - mean): how a share of the replicator grows."""
    return x * (f - mean)


@body
def replicator(m: Any, lanes: int, x: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Shares grow with how much better than the mean they do."""
    dot(m, lanes, spare, x, f, count)
    mean = m[spare * lanes : (spare + 1) * lanes]
    for i in range(count):
        out, one = m[(v + i) * lanes : (v + i + 1) * lanes], m[(x + i) * lanes : (x + i + 1) * lanes]
        pay = m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            out[p] = growth(one[p], pay[p], mean[p])


@body
def softmax(m: Any, lanes: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Write softmax(f/eta) into rows from v, which may be those from f."""
    most = m[spare * lanes : (spare + 1) * lanes]
    total = m[(spare + 1) * lanes : (spare + 2) * lanes]
    copy(m, lanes, spare, f)
    fill(m, lanes, spare + 1, 0.0)
    for i in range(1, count):
        pay = m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            most[p] = larger(most[p], pay[p])
    for i in range(count):
        out, pay = m[(v + i) * lanes : (v + i + 1) * lanes], m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            out[p] = exp((pay[p] - most[p]) / eta)
        for p in range(lanes):
            total[p] += out[p]
    for i in range(count):
        out = m[(v + i) * lanes : (v + i + 1) * lanes]
        for p in range(lanes):
            out[p] /= total[p]


@body
def first_best(m: Any, lanes: int, f: int, v: int, count: int, spare: int) -> None:
    """Write 1 for the first strategy with the highest payoff into rows from v, 0 for the others."""
    best, place = m[spare * lanes : (spare + 1) * lanes], m[(spare + 1) * lanes : (spare + 2) * lanes]
    copy(m, lanes, spare, f)
    fill(m, lanes, spare + 1, 0.0)
    for i in range(1, count):
        pay = m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            place[p] = float(i) if pay[p] > best[p] else place[p]
            best[p] = larger(best[p], pay[p])
    for i in range(count):
        out = m[(v + i) * lanes : (v + i + 1) * lanes]
        for p in range(lanes):
            out[p] = 1.0 if place[p] == float(i) else 0.0


@body
def logit(m: Any, lanes: int, x: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Shares move towards the logit response."""
    softmax(m, lanes, f, v, count, spare, eta)
    for i in range(count):
        shift(m, lanes, v + i, -1.0, x + i)


@body
def best_response(m: Any, lanes: int, x: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Shares move towards the first best strategy."""
    first_best(m, lanes, f, v, count, spare)
    for i in range(count):
        shift(m, lanes, v + i, -1.0, x + i)


@body
def bnn(m: Any, lanes: int, x: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Agents move to what does better than the mean (Brown, von Neumann, Nash)."""
    dot(m, lanes, spare, x, f, count)
    fill(m, lanes, spare + 1, 0.0)
    mean, total = m[spare * lanes : (spare + 1) * lanes], m[(spare + 1) * lanes : (spare + 2) * lanes]
    for i in range(count):
        out, pay = m[(v + i) * lanes : (v + i + 1) * lanes], m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            out[p] = larger(pay[p] - mean[p], 0.0)
            total[p] += out[p]
    for i in range(count):
        out, one = m[(v + i) * lanes : (v + i + 1) * lanes], m[(x + i) * lanes : (x + i + 1) * lanes]
        for p in range(lanes):
            out[p] = fma(-one[p], total[p], out[p])


@body
def smith(m: Any, lanes: int, x: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Agents compare their strategy with another one and move in proportion to what they gain."""
    for i in range(count):
        fill(m, lanes, v + i, 0.0)
        out, one = m[(v + i) * lanes : (v + i + 1) * lanes], m[(x + i) * lanes : (x + i + 1) * lanes]
        pay = m[(f + i) * lanes : (f + i + 1) * lanes]
        for j in range(count):
            other, theirs = m[(x + j) * lanes : (x + j + 1) * lanes], m[(f + j) * lanes : (f + j + 1) * lanes]
            for p in range(lanes):
                gain = pay[p] - theirs[p]
                out[p] = fma(gain, other[p] if gain > 0.0 else one[p], out[p])


@body
def projection(m: Any, lanes: int, x: int, f: int, v: int, count: int, spare: int, eta: float) -> None:
    """Shares move along the payoffs as far as the faces allow.

    The multiplier c starts as the mean of all payoffs and rises while strategies without a share do worse than it.
    """
    for p in range(lanes):
        c = 0.0
        for turn in range(count + 1):
            total, kept = 0.0, 0.0
            for i in range(count):
                pay = m[(f + i) * lanes + p]
                inside = 1.0 if turn == 0 or m[(x + i) * lanes + p] > 0.0 or pay > c else 0.0
                total += inside * pay
                kept += inside
            c = total / kept
        for i in range(count):
            gain = m[(f + i) * lanes + p] - c
            m[(v + i) * lanes + p] = gain if m[(x + i) * lanes + p] > 0.0 else larger(gain, 0.0)


RULES: dict[str, Callable[..., Any]] = {
    "replicator": replicator,
    "best-response": best_response,
    "logit": logit,
    "projection": projection,
    "bnn": bnn,
    "smith": smith,
}
"""Every rule by name."""
