"""Which twins to train: widths and replicas chosen by their cost and by what they should reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from theorysim.finite.cost import seconds
from theorysim.forecast.interpolate import expected_error
from theorysim.problem import Training

LEAST = 3
"""Replicas where the budget allows no plan."""
REPLICAS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
SCATTER, SCATTER_QUIET = 0.1, 0.05
"""Relative scatter of a loss between twins, and without most of what f_0 does; used to plan only."""
LARGEST_RATIO = 0.15
"""depth/width above which a twin says nothing about wider networks."""


@dataclass(frozen=True)
class Plan:
    """Which twins to train: (width, replicas) pairs, and what they should cost and reach."""

    ladder: tuple[tuple[int, int], ...]
    seconds: float
    error: float


def planned(
    training: Training,
    *,
    reach: float,
    limit_error: float | None,
    split: bool,
    tolerance: float,
    budget: float,
    held: Mapping[int, int] | None = None,
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
    held : mapping of width to replicas, optional
        Networks that were trained for the verdict and cost nothing more.
    """
    depth, width = training.network.depth, training.network.widths[-1]
    scatter = SCATTER if limit_error is None and not split else SCATTER_QUIET
    each = {n: (1 + split) * seconds(training, n, "single") for n in _widths(width, depth)}
    free = held or {}
    # a limit and one width are the least; without a limit only two widths show a trend
    least = 1 if limit_error is not None else 2
    every = [
        plan
        for size in range(least, 3)
        for widths in combinations(each, size)
        for plan in _plans({n: each[n] for n in widths}, free, scatter, limit_error, at=1.0 / width, reach=reach)
        if plan.seconds <= budget
    ]
    # fewer than eight twins know little of their own scatter: only where more are too dear
    plans = [plan for plan in every if all(r >= 8 for _, r in plan.ladder)] or every
    if not plans and limit_error is not None:
        return Plan((), 0.0, math.nan)  # the limit alone
    if not plans:
        return _cheapest(each, least)
    best = min(plan.error for plan in plans)
    return min((p for p in plans if p.error <= max(tolerance, 1.02 * best)), key=lambda p: p.seconds)


def _plans(
    each: Mapping[int, float], free: Mapping[int, int], scatter: float, limit_error: float | None, *, at: float,
    reach: float,
) -> list[Plan]:  # fmt: skip
    """Return the plans with all numbers of replicas for given widths (seconds of one network by width)."""
    counts = np.array(list(product(REPLICAS, repeat=len(each))))
    errors, x = scatter / np.sqrt(counts), [1.0 / n for n in each]
    if limit_error is not None:
        errors, x = np.column_stack([np.full(len(counts), limit_error), errors]), [0.0, *x]
    paid = np.maximum(counts - [free.get(n, 0) for n in each], 0)
    costs = paid @ np.array(list(each.values()))
    worth = expected_error(x, errors, at=at, reach=reach)
    return [
        Plan(tuple(zip(each, (int(r) for r in row), strict=True)), float(cost), float(error))
        for row, cost, error in zip(counts, costs, worth, strict=True)
    ]


def _widths(width: int, depth: int) -> list[int]:
    """Return the widths that twins may have: fractions of the network's, 32 to 256, and its own (where cheap)."""
    widths = {round(width / k) for k in (2, 4, 8, 16)} | {n for n in (32, 64, 128, 256) if n <= width / 2} | {width}
    return sorted(n for n in widths if n >= 8 and depth / n <= LARGEST_RATIO)


def _cheapest(each: Mapping[int, float], least: int) -> Plan:
    """Return the cheapest plan, where the budget allows none; an empty one where no twin makes sense."""
    if len(each) <= least:
        return Plan((), 0.0, math.inf)
    ladder = tuple((n, LEAST) for n in sorted(each)[:least])
    return Plan(ladder, sum(r * each[n] for n, r in ladder), math.nan)
