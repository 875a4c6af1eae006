"""Learning in rounds: what each rule makes of the payoffs f of a round, for all members of a block at once.

    fictitious-play                 x + (e_(first best) - x)/(w + k + 1): x is the mean of what was played
    smoothed-fictitious-play        x + (softmax(f/eta) - x)/(w + k + 1)
    stochastic-fictitious-play      x + (e_a - x)/(w + k + 1), a drawn from softmax(f/eta)
    discrete-logit                  softmax(f/eta)
    multiplicative-weights          x_i e^(h f_i)/sum: entropic mirror descent, and FTRL with entropy
    optimistic-multiplicative-weights   the same with 2 f_k - f_(k-1) for f
    projected-gradient              P(x + h f), P the projection onto the simplex: Euclidean mirror descent
    dual-averaging                  P(x_0 + h sum of all f): FTRL with squares
    regret-matching (-plus)         max(r, 0)/sum, r += f - x.f (and r = max(r, 0)); all alike where nothing is positive
    synchronous-best-response       e_(first best)
    asynchronous-best-response      the same for one population drawn at random, the others stay
    delayed-best-response           the same to the payoffs of d rounds before

Rows of a state, n strategies: shares, payoffs, the mean of the shares of all rounds, then the memory of a rule, then
`SPARE` rows: two for work, a uniform, and the first strategy of the population whose turn it is. A body gets the rows,
their lanes, a population (its first strategy and how many), n, the first spare row, the round k, h, eta, w and d.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from theorysim.backend.bits import fma
from theorysim.backend.compile import body, compiled
from theorysim.backend.exponential import exp
from theorysim.backend.order import larger
from theorysim.backend.random import uniform_pair
from theorysim.solvers.population_rows import blas_products, copy, dot, fill, products, shift
from theorysim.solvers.population_rules import first_best, softmax

SPARE = 4
DRAWING = ("stochastic-fictitious-play", "asynchronous-best-response")
"""Rules that draw random numbers."""
_SIGNATURE = (
    "int64, int64, int64, uint64, uint64, uint64, float64[:,::1], float64[:,::1], int64[::1], float64, float64, "
    "float64, int64"
)


@body
def _towards(m: Any, lanes: int, a: int, goal: int, count: int, share: float) -> None:
    """Move rows from a that part of the way to rows from `goal`."""
    for i in range(count):
        x, y = m[(a + i) * lanes : (a + i + 1) * lanes], m[(goal + i) * lanes : (goal + i + 1) * lanes]
        for p in range(lanes):
            x[p] = fma(share, y[p] - x[p], x[p])


@body
def fictitious_play(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Move to the first best strategy, ever less."""
    first_best(m, lanes, n + a, 3 * n + a, count, spare)
    _towards(m, lanes, a, 3 * n + a, count, 1.0 / (weight + k + 1.0))


@body
def smoothed_fictitious_play(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Move to the logit response, ever less."""
    softmax(m, lanes, n + a, 3 * n + a, count, spare, eta)
    _towards(m, lanes, a, 3 * n + a, count, 1.0 / (weight + k + 1.0))


@body
def stochastic_fictitious_play(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Move to a strategy drawn from the logit response, ever less."""
    softmax(m, lanes, n + a, 3 * n + a, count, spare, eta)
    for p in range(lanes):
        total, u, drawn = 0.0, m[(spare + 2) * lanes + p], 0.0
        for i in range(count):
            total += m[(3 * n + a + i) * lanes + p]
            here = 1.0 if drawn == 0.0 and (u < total or i == count - 1) else 0.0
            drawn += here
            m[(3 * n + a + i) * lanes + p] = here
    _towards(m, lanes, a, 3 * n + a, count, 1.0 / (weight + k + 1.0))


@body
def discrete_logit(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Jump to the logit response."""
    softmax(m, lanes, n + a, a, count, spare, eta)


@body
def _reweigh(m: Any, lanes: int, a: int, f: int, count: int, spare: int, h: float) -> None:
    """Multiply shares by e^(h f) and divide by their sum."""
    most, total = m[spare * lanes : (spare + 1) * lanes], m[(spare + 1) * lanes : (spare + 2) * lanes]
    copy(m, lanes, spare, f)
    fill(m, lanes, spare + 1, 0.0)
    for i in range(1, count):
        pay = m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            most[p] = larger(most[p], pay[p])
    for i in range(count):
        x, pay = m[(a + i) * lanes : (a + i + 1) * lanes], m[(f + i) * lanes : (f + i + 1) * lanes]
        for p in range(lanes):
            x[p] *= exp(h * (pay[p] - most[p]))
        for p in range(lanes):
            total[p] += x[p]
    for i in range(count):
        x = m[(a + i) * lanes : (a + i + 1) * lanes]
        for p in range(lanes):
            x[p] /= total[p]


@body
def multiplicative_weights(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Multiply shares by e^(h f)."""
    _reweigh(m, lanes, a, n + a, count, spare, h)


@body
def optimistic_multiplicative_weights(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Multiply shares by e^(h (2 f - f of the last round))."""
    for i in range(count):
        now, last = m[(n + a + i) * lanes : (n + a + i + 1) * lanes], m[(3 * n + a + i) * lanes :]
        for p in range(lanes):
            pay = now[p]
            now[p] = pay + (pay - last[p] if k > 0 else 0.0)
            last[p] = pay
    _reweigh(m, lanes, a, n + a, count, spare, h)


@body
def _project(m: Any, lanes: int, y: int, a: int, count: int) -> None:
    """Write the nearest point of the simplex to rows from y into rows from a: the level c rises to its place."""
    for p in range(lanes):
        c = 0.0
        for turn in range(count + 1):
            total, kept = 0.0, 0.0
            for i in range(count):
                value = m[(y + i) * lanes + p]
                inside = 1.0 if turn == 0 or value > c else 0.0
                total += inside * value
                kept += inside
            c = (total - 1.0) / kept
        for i in range(count):
            m[(a + i) * lanes + p] = larger(m[(y + i) * lanes + p] - c, 0.0)


@body
def projected_gradient(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Step along the payoffs, back to the nearest point of the simplex."""
    for i in range(count):
        shift(m, lanes, a + i, h, n + a + i)
    _project(m, lanes, a, a, count)


@body
def dual_averaging(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Project the start and the sum of all payoffs."""
    for i in range(count):
        if k == 0:
            copy(m, lanes, 3 * n + a + i, a + i)
        shift(m, lanes, 3 * n + a + i, h, n + a + i)
    _project(m, lanes, 3 * n + a, a, count)


@body
def _match(m: Any, lanes: int, a: int, count: int, n: int, spare: int, floor: float) -> None:
    """Add regrets to the memory, none below `floor`, and play in proportion to the positive ones."""
    dot(m, lanes, spare, a, n + a, count)
    fill(m, lanes, spare + 1, 0.0)
    mean, total = m[spare * lanes : (spare + 1) * lanes], m[(spare + 1) * lanes : (spare + 2) * lanes]
    for i in range(count):
        regret, pay = m[(3 * n + a + i) * lanes : (3 * n + a + i + 1) * lanes], m[(n + a + i) * lanes :]
        for p in range(lanes):
            regret[p] = larger(regret[p] + pay[p] - mean[p], floor)
            total[p] += larger(regret[p], 0.0)
    for i in range(count):
        regret, x = m[(3 * n + a + i) * lanes : (3 * n + a + i + 1) * lanes], m[(a + i) * lanes :]
        for p in range(lanes):
            x[p] = larger(regret[p], 0.0) / total[p] if total[p] > 0.0 else 1.0 / count


@body
def regret_matching(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Play in proportion to positive regrets."""
    _match(m, lanes, a, count, n, spare, -np.inf)


@body
def regret_matching_plus(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Play in proportion to regrets that never fall below 0."""
    _match(m, lanes, a, count, n, spare, 0.0)


@body
def synchronous_best_response(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Jump to the first best strategy."""
    first_best(m, lanes, n + a, a, count, spare)


@body
def asynchronous_best_response(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Jump to the first best strategy where it is this population's turn."""
    first_best(m, lanes, n + a, 3 * n + a, count, spare)
    for p in range(lanes):
        if m[(spare + 3) * lanes + p] == a:
            for i in range(count):
                m[(a + i) * lanes + p] = m[(3 * n + a + i) * lanes + p]


@body
def delayed_best_response(
    m: Any, lanes: int, a: int, count: int, n: int, spare: int, k: int, h: float, eta: float, weight: float, delay: int
) -> None:
    """Jump to what was best `delay` rounds ago, in the first rounds to what was best at the start."""
    slot, seen = 3 + k % (delay + 1), 3 + (k - delay if k > delay else 0) % (delay + 1)
    for i in range(count):
        copy(m, lanes, slot * n + a + i, n + a + i)
    first_best(m, lanes, seen * n + a, a, count, spare)


PLAYS: dict[str, Callable[..., Any]] = {
    "fictitious-play": fictitious_play,
    "smoothed-fictitious-play": smoothed_fictitious_play,
    "stochastic-fictitious-play": stochastic_fictitious_play,
    "discrete-logit": discrete_logit,
    "multiplicative-weights": multiplicative_weights,
    "optimistic-multiplicative-weights": optimistic_multiplicative_weights,
    "projected-gradient": projected_gradient,
    "dual-averaging": dual_averaging,
    "regret-matching": regret_matching,
    "regret-matching-plus": regret_matching_plus,
    "synchronous-best-response": synchronous_best_response,
    "asynchronous-best-response": asynchronous_best_response,
    "delayed-best-response": delayed_best_response,
}
"""Every rule by name."""


@body
def _draw(
    m: Any, lanes: int, spare: int, ends: Any, j: int, first: int, k: int, purpose: Any, k0: Any, k1: Any
) -> None:
    """Write each member's uniform for population j and, with the first, the population whose turn it is."""
    for p in range(lanes):
        one, two = uniform_pair(np.uint64(j), np.uint64(first + p), np.uint64(k), purpose, k0, k1)
        m[(spare + 2) * lanes + p] = one
        if j == 0:
            m[(spare + 3) * lanes + p] = float(ends[int(two * (ends.size - 1))])


@cache
def _round(rule: str) -> Callable[..., Any]:
    """Return one round of all populations, payoffs known."""
    play, random = PLAYS[rule], rule in DRAWING

    @body
    def one_round(
        m: Any, lanes: int, first: int, k: int, purpose: Any, k0: Any, k1: Any, ends: Any, h: float, eta: float,
        weight: float, delay: int,
    ) -> None:  # fmt: skip
        n, spare = ends[ends.size - 1], m.size // lanes - SPARE
        for j in range(ends.size - 1):
            if random:
                _draw(m, lanes, spare, ends, j, first, k, purpose, k0, k1)
            play(m, lanes, ends[j], ends[j + 1] - ends[j], n, spare, k, h, eta, weight, delay)
        _towards(m, lanes, 2 * n, 0, n, 1.0 / (k + 2.0))

    return one_round


@cache
def march(rule: str, blas: bool) -> Callable[..., Any]:
    """Return the compiled march of blocks, some rounds of a rule.

    Its arguments: first block and the one after the last; lanes; the number of the first round, how many; purpose and
    key of the generator; z, matrix and ends as of `population_flows.march`; h, eta, weight and delay. A matrix without
    entries leaves the payoffs in their rows as they are.
    """
    one_round, payoffs = _round(rule), blas_products if blas else products

    @compiled
    def advance(
        begin: int, end: int, lanes: int, first: int, rounds: int, purpose: Any, k0: Any, k1: Any, z: Any, matrix: Any,
        ends: Any, h: float, eta: float, weight: float, delay: int,
    ) -> None:  # fmt: skip
        for block in range(begin, end):
            m = z[block]
            for k in range(first, first + rounds):
                payoffs(m, lanes, matrix, 0, matrix.shape[0])
                one_round(m, lanes, block * lanes, k, purpose, k0, k1, ends, h, eta, weight, delay)

    return advance


@cache
def grid(rule: str) -> Callable[..., Any]:
    """Return the march of one member, for CUDA."""
    advance = march(rule, False)

    @body(_SIGNATURE)
    def member(
        i: int, lanes: int, first: int, rounds: int, purpose: Any, k0: Any, k1: Any, z: Any, matrix: Any, ends: Any,
        h: float, eta: float, weight: float, delay: int,
    ) -> None:  # fmt: skip
        g = np.int64(i)
        advance(g, g + 1, lanes, first, rounds, purpose, k0, k1, z, matrix, ends, h, eta, weight, delay)

    return member
