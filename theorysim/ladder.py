"""Which twins to train: widths and replicas chosen by their cost and by what they should reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np

from theorysim.interpolate import expected_error
from theorysim.problem import Adam, Training

REPLICAS = (8, 12, 16, 24, 32, 48, 64, 96)
SCATTER, SCATTER_QUIET = 0.1, 0.05
"""Relative scatter of a loss between twins, and without most of what f_0 does; used to plan only."""
LARGEST_RATIO = 0.15
"""depth/width above which a twin says nothing about wider networks."""
FLOW_STEPS = 2000
FLOPS, NEURONS, UPDATES, PER_STEP, ADAM = 6e10, 1e9, 2e9, 5e-5, 5
"""Rates of two cores (measured): multiply-adds, activations, parameter updates per second; seconds a
step; cost of an update of Adam."""


@dataclass(frozen=True)
class Plan:
    """Which twins to train: (width, replicas) pairs, and what they should cost and reach."""

    ladder: tuple[tuple[int, int], ...]
    seconds: float
    error: float


def seconds(training: Training, width: int) -> float:
    """Return the estimated time to train one network of the given width on two cores."""
    samples = training.samples
    n = (samples.x_train.shape[1], *training.network.at_width(width).widths, samples.y_train.shape[1])
    products, neurons = sum(a * b for a, b in pairwise(n)), sum(n[1:])
    batch: int = getattr(training.optimizer, "batch", None) or len(samples.x_train)
    steps = training.steps or FLOW_STEPS
    seen = len(training.recorded) * (len(samples.x_train) + len(samples.x_test))
    update = products * (ADAM if isinstance(training.optimizer, Adam) else 1) / UPDATES
    step: float = batch * (6 * products / FLOPS + neurons / NEURONS) + update + PER_STEP
    return float(steps * step + seen * (2 * products / FLOPS + neurons / NEURONS))


def planned(
    training: Training,
    *,
    reach: float,
    limit_error: float | None,
    split: bool,
    tolerance: float,
    budget: float,
) -> Plan:
    """Choose widths and replicas: the cheapest plan that reaches the tolerance, or the best in the budget.

    Parameters
    ----------
    reach : float
        Width at which all powers of 1/N matter alike.
    limit_error : float or None
        Relative error of the limit; None without a limit.
    split : bool
        Whether twins run twice.
    tolerance : float
        Relative standard error wanted for the mean.
    budget : float
        Seconds.
    """
    depth, width = training.network.depth, training.network.widths[-1]
    scatter = SCATTER if limit_error is None and not split else SCATTER_QUIET
    each = {n: (1 + split) * seconds(training, n) for n in _widths(width, depth)}
    # two widths show whether they agree; a limit and one width are the least
    least = 2 if limit_error is None else min(2, max(1, len(each)))
    plans = [
        plan
        for size in range(least, 3)
        for widths in combinations(each, size)
        for plan in _plans({n: each[n] for n in widths}, scatter, limit_error, at=1.0 / width, reach=reach)
        if plan.seconds <= budget
    ]
    if not plans:
        return _cheapest(each, least)
    best = min(plan.error for plan in plans)
    return min((p for p in plans if p.error <= max(tolerance, 1.02 * best)), key=lambda p: p.seconds)


def _plans(
    each: Mapping[int, float], scatter: float, limit_error: float | None, *, at: float, reach: float
) -> list[Plan]:
    """Return the plans with all numbers of replicas for given widths (seconds of one network by width)."""
    counts = np.array(list(product(REPLICAS, repeat=len(each))))
    errors, x = scatter / np.sqrt(counts), [1.0 / n for n in each]
    if limit_error is not None:
        errors, x = np.column_stack([np.full(len(counts), limit_error), errors]), [0.0, *x]
    costs = counts @ np.array(list(each.values()))
    worth = expected_error(x, errors, at=at, reach=reach)
    return [
        Plan(tuple(zip(each, (int(r) for r in row), strict=True)), float(cost), float(error))
        for row, cost, error in zip(counts, costs, worth, strict=True)
    ]


def _widths(width: int, depth: int) -> list[int]:
    """Return the widths that twins may have: fractions of the network's, and 64 to 256."""
    fractions = {round(width / k) for k in (2, 4, 8, 16)}
    return sorted(n for n in fractions | {64, 128, 256} if 8 <= n <= width / 2 and depth / n <= LARGEST_RATIO)


def _cheapest(each: Mapping[int, float], least: int) -> Plan:
    """Return the cheapest plan, where the budget allows none; an empty one where no twin makes sense."""
    if len(each) < least:
        return Plan((), 0.0, math.inf)
    ladder = tuple((n, REPLICAS[0]) for n in sorted(each)[:least])
    return Plan(ladder, sum(r * each[n] for n, r in ladder), math.nan)
