"""Hermite series in networks of blocks, and what their truncation does to the kernels.

A series needs the variances of all samples at all positions before its coefficients are known: the program runs up to
it for every sample with itself, then on. Errors are bounds to first order in the truncation:

    |T(c) - T(c')| <= Tdot(1) |q12 - q12'|,    |Tdot(c) - Tdot(c')| <= Tdot(1) - Tdot(1 - |c - c'|)

since both maps are power series in c with positive coefficients (between different variances by Cauchy-Schwarz). That
variances behind a pool or attention have errors of their own is not counted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.duals import dual_of
from theorysim.infinite.blocks.instructions import (
    ACTIVATE,
    ADD,
    AFFINE,
    DROP,
    EXPAND,
    INPUT,
    LEFT,
    NORMALISE,
    OUTPUT,
    RIGHT,
    SCORE,
    Instruction,
    Program,
)
from theorysim.infinite.blocks.runner import Samples, own
from theorysim.infinite.hermite import Expansion, expand
from theorysim.infinite.series import Series, cut

Array = NDArray[np.float64]

_CHUNK = 1 << 13  # variances expanded together
_ASKED = 32  # variances at which a closed map is asked for its modulus of continuity


def with_expansions(program: Program, x: Array, device: str) -> tuple[Program, Samples, tuple[float, float]]:
    """Return the program with its series cut, the samples with their records, and bounds on the errors of the kernels.

    Parameters
    ----------
    program : Program
    x : ndarray, shape (n, ..., channels)
        All samples: one series serves them all.
    device : {"cpu", "cuda"}
    """
    record = np.zeros((len(x), program.record))
    series: dict[int, tuple[Series, Series, Array]] = {}
    for k, it in enumerate(program.instructions):
        if it.code == EXPAND:
            before = replace(program, instructions=program.instructions[: k + 1])
            own(before, x, record, device)
            program, record, series[k] = _expanded(program, k, record)
    samples = own(program, x, record, device)
    return program, samples, _errors(program, record, series) if series else (0.0, 0.0)


def _expanded(program: Program, k: int, record: Array) -> tuple[Program, Array, tuple[Series, Series, Array]]:
    """Cut the series of instruction k, and append its coefficients to the records."""
    it = program.instructions[k]
    q = record[:, it.record : it.record + it.left]
    found = [expand(program.expanded[it.index], part, 1.0) for part in np.array_split(q.ravel(), -(-q.size // _CHUNK))]
    numbers: list[int] = []
    phi, derivative = (_together([pair[which] for pair in found]) for which in (0, 1))
    value, slope = cut(phi, 1.0), cut(derivative, 1.0)
    for place, expansion, one in ((3, phi, value), (4, derivative, slope)):
        record[:, it.record + place * it.left : it.record + (place + 1) * it.left] = expansion.moment.reshape(q.shape)
        terms = len(one.coefficients)
        numbers += [record.shape[1], terms, one.square, one.odd]
        rows = one.coefficients.reshape(terms, len(q), it.left).transpose(1, 0, 2)
        record = np.concatenate((record, rows.reshape(len(q), -1)), axis=1)
    instructions = list(program.instructions)
    instructions[k] = replace(it, series=tuple(numbers))
    changed = replace(program, instructions=tuple(instructions), record=record.shape[1])
    return changed, record, (value, slope, derivative.coefficients)


def _together(parts: list[Expansion]) -> Expansion:
    terms = max(len(part.coefficients) for part in parts)
    padded = [np.pad(part.coefficients, ((0, terms - len(part.coefficients)), (0, 0))) for part in parts]
    moment = np.concatenate([part.moment for part in parts])
    return Expansion(np.concatenate(padded, axis=1), moment, max(part.error for part in parts))


def _errors(program: Program, record: Array, series: dict[int, tuple[Series, Series, Array]]) -> tuple[float, float]:
    """Follow bounds on the errors of K and Theta through the program, a number for each buffer."""
    bounds, score = np.zeros(program.buffers), (0.0, 0.0, 0.0)
    for k, it in enumerate(program.instructions):
        kept = record[:, it.record :]
        source, target = bounds[it.source], bounds[it.target]
        if it.code == INPUT:
            bounds[[it.source, it.target]] = 0.0
        elif it.code == AFFINE:
            bounds[[it.source, it.target]] = it.weight * source, it.rate * source + it.weight * target
        elif it.code in (ACTIVATE, EXPAND):
            t, tdot = _after_activation(program, it, kept, series.get(k), source)
            steepest, theta = kept[:, 4 * it.left : 5 * it.left].max(), kept[:, 5 * it.left : 6 * it.left].max()
            bounds[it.source] = it.weight * t
            bounds[it.target] = it.rate * t + it.weight * (steepest * target + tdot * theta)
        elif it.code == NORMALISE:
            bounds[[it.source, it.target]] *= kept[:, : it.left].max() ** 2
        elif it.code == DROP:
            bounds[[it.source, it.target]] *= it.weight
        elif it.code == ADD:
            bounds[it.target] += source
        elif it.code == SCORE:
            largest = kept[:, it.left**2 : it.left**2 + 2 * it.left].reshape(len(kept), 2, it.left).max(axis=(0, 2))
            score = it.weight * source, *largest
        elif it.code in (LEFT, RIGHT):
            bounds[it.target] = source + 2.0 * score[0] * max(score[1:])
        elif it.code != OUTPUT:
            bounds[it.target] = source * it.slow.taps * it.fast.taps
    last = program.instructions[-1]
    return float(bounds[last.source]), float(bounds[last.target])


def _after_activation(
    program: Program, it: Instruction, kept: Array, series: tuple[Series, Series, Array] | None, error: float
) -> tuple[float, float]:
    """Return bounds on the errors of T and Tdot, where q12 has the given error."""
    q, slope = kept[:, : it.left].ravel(), kept[:, 4 * it.left : 5 * it.left].ravel()
    chosen = np.argsort(q)[np.linspace(0, q.size - 1, min(_ASKED, q.size)).astype(int)]
    truncation = (0.0, 0.0) if series is None else (series[0].error, series[1].error)
    if error == 0.0:
        return truncation
    if series is None:
        maps = dual_of(program.closed[it.index])
        assert maps is not None
        moved = [
            slope[k] - maps.pair(max(q[k] - error, -q[k]), *maps.prepare(q[k]) * 2)[1] for k in chosen if q[k] > 0.0
        ]
    else:
        lost = np.minimum(error / np.maximum(q[chosen], 1e-300), 1.0)
        powers = 1.0 - (1.0 - lost) ** np.arange(len(series[2]))[:, None]
        moved = list((series[2][:, chosen] ** 2 * powers).sum(axis=0))
    return float(slope.max()) * error + truncation[0], max(map(float, moved), default=0.0) + truncation[1]
