"""Gaussian means of an activation at one variance, by panels that adapt to its kinks.

    square  E phi(u)^2      slope  E phi'(u)^2      growth  d/dq E phi(u)^2 = E phi(u) phi'(u) u/q,      u ~ N(0, q)

Limit    None: numbers of the activation alone, from which every infinitely wide network of it is built.
Valid    Activations without jumps whose squares have a mean at the variance.
Error    Rounding, for analytic pieces that meet at kinks anywhere (fixed panels leave 3e-3 beside a kink off the
         origin); `NotConverged` where more than `_MOST` panels would be needed.

One rule serves all variances of a factor of 4: its nodes lie in u, not in u/sqrt(q), so that the activation is computed
once and kinks stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body, compiled
from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.errors import NotConverged

Array = NDArray[np.float64]

_RANGE = 13.0  # deviations; beyond, even the square root of the normal density is below 1e-18
_WIDEST = 500.0
_PANEL = 0.25  # in units of the smallest deviation of a rule: resolves Hermite polynomials of degree 2000
_SMALLEST = 0.125  # length of the panels at the origin, where activations vary, however large the variance
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_ROUNDING = 4e-16
_MOST = 30_000
_ZERO = 1e-8  # a variance of 0 for d/dq E phi^2 where phi(0) is not 0: less, and rounding shows
_BESIDE = 1e-200
_CHUNK = 1 << 18  # numbers of a table of densities at a time


@dataclass(frozen=True, eq=False)
class Moments:
    """Gaussian means at variances q, arrays of shape (N,).

    Attributes
    ----------
    square, slope, growth : ndarray, shape (N,)
        E phi^2, E phi'^2 and d/dq E phi^2; infinite where phi overflows.
    """

    square: Array
    slope: Array
    growth: Array


@dataclass(frozen=True, eq=False)
class _Rule:
    """Nodes for deviations in [r, 2 r], up to `reach` of the largest; weights without the density."""

    reach: float
    x: Array
    weight: Array
    phi: Array
    derivative: Array


def moments(activation: Activation, q: Array) -> Moments:
    """Return the Gaussian means of an activation at variances `q` >= 0, shape (N,).

    Raises
    ------
    NotConverged
        If it varies too fast for the largest number of panels.
    FloatingPointError
        If it is not a number somewhere.
    """
    q = np.asarray(q, dtype=np.float64)
    positive = np.maximum(q, np.where(q > 0.0, 0.0, _ZERO))
    out = np.empty((3, len(q)))
    for rows, rule in _rules(activation, positive):
        if rule is None:
            out[:, rows] = np.inf
            continue
        f = rule.weight * np.stack((rule.phi**2, rule.derivative**2, rule.phi * rule.derivative * rule.x))
        with single_thread():
            out[:, rows] = f @ _density(rule, positive[rows]).T
    out[2] /= positive
    if np.any(q == 0.0):
        out[:, q == 0.0] = _at_zero(activation, float(out[2, q == 0.0][0]))
    return Moments(*out)


def _at_zero(activation: Activation, growth: float) -> Array:
    """Return the means at variance 0, shape (3, 1); at a kink at 0, each side counts half."""
    start = float(values(activation.function, np.zeros(1))[0])
    slope = float((values(activation.derivative, np.array([-_BESIDE, _BESIDE])) ** 2).mean())
    return np.array([[start * start], [slope], [growth if start else slope]])


def hermite_coefficients(activation: Activation, q: Array, terms: int) -> Array:
    """Return a_k(q) = E phi(sqrt(q) z) h_k(z), z ~ N(0, 1), h_k normalised, q > 0; shape (terms, N).

    Raises
    ------
    FloatingPointError
        If phi overflows at one of the variances.
    """
    q = np.asarray(q, dtype=np.float64)
    out = np.empty((len(q), terms))
    for rows, rule in _rules(activation, q):
        if rule is None:
            raise FloatingPointError(f"{activation.name}: overflows at a variance of {q[rows].max():.3g}")
        seen = np.abs(rule.x) <= rule.reach * math.sqrt(float(q[rows].max()))
        x, weighted = rule.x[seen], _density(rule, q[rows])[:, seen] * rule.weight[seen]
        part = np.empty((len(rows), terms))
        foreach(_project, len(rows), x, rule.phi[seen], q[rows], np.zeros_like(weighted), weighted, part)
        out[rows] = part
    return out.T


@body
def _project(
    i: int,
    x: NDArray[Any],
    phi: NDArray[Any],
    q: NDArray[Any],
    before: NDArray[Any],
    now: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Sum phi against h_k, k = 0, 1, ..., of row i; `now` starts as the weights of the rule: nothing overflows."""
    per = 1.0 / math.sqrt(q[i])
    for k in range(out.shape[1]):
        total = 0.0
        low, high = -math.sqrt(1.0 * k), per
        scale = 1.0 / math.sqrt(k + 1.0)
        for m in range(x.shape[0]):
            total += now[i, m] * phi[m]
            following = scale * (high * x[m] * now[i, m] + low * before[i, m])
            before[i, m] = now[i, m]
            now[i, m] = following
        out[i, k] = total


def values(function: Any, x: Array) -> Array:
    """Return a compiled function of one number at many, same shape as `x`."""
    flat = np.ascontiguousarray(x, dtype=np.float64).ravel()
    out = np.empty_like(flat)
    _loop(function)(flat, out)
    return out.reshape(np.shape(x))


@cache
def _loop(function: Any) -> Any:
    @compiled  # a few thousand numbers at a time: not worth waking threads
    def loop(x: NDArray[Any], out: NDArray[Any]) -> None:
        for i in range(len(x)):
            out[i] = function(x[i])

    return loop


def _rules(activation: Activation, q: Array) -> Iterator[tuple[NDArray[np.intp], _Rule | None]]:
    """Yield rows of `q` in chunks with the rule for them; None where phi overflows."""
    octave = np.floor(0.5 * np.log2(q)).astype(int)
    for j in np.unique(octave):
        rule, rows = _rule(activation, int(j)), np.flatnonzero(octave == j)
        size = len(rows) if rule is None else max(1, _CHUNK // len(rule.x))
        for start in range(0, len(rows), size):
            yield rows[start : start + size], rule


def _density(rule: _Rule, q: Array) -> Array:
    """Return the normal density of variance q_i at the nodes, shape (N, M)."""
    q = q[:, None]
    return np.asarray(np.exp(-0.5 * rule.x**2 / q) / np.sqrt(2.0 * math.pi * q))


@lru_cache(maxsize=512)
def _rule(activation: Activation, octave: int) -> _Rule | None:
    """Return the rule of deviations from 2^octave, None where phi overflows; wider where phi grows fast."""
    r, reach = 2.0**octave, _RANGE
    while reach < _WIDEST:
        right = _edges(r, reach)
        edges = np.concatenate((-right[:0:-1], right))
        whole = _integrals(activation, r, edges[:-1], edges[1:])
        if not np.isfinite(whole).all():
            return None
        scale = np.abs(whole).sum(axis=2) + 1e-300
        if (np.abs(whole[:, :, [0, -1]]).max(axis=2) <= 1e-17 * scale).all():
            x, weight = _nodes(*_adapted(activation, r, edges[:-1], edges[1:], whole))
            x, weight = x.ravel(), weight.ravel()
            return _Rule(reach, x, weight, values(activation.function, x), values(activation.derivative, x))
        reach *= 1.5
    return None


def _edges(r: float, reach: float) -> Array:
    """Return the first edges for x >= 0: doubling panels from the origin, then equal ones."""
    edges, longest = [0.0, min(_PANEL * r, _SMALLEST)], _PANEL * r
    while edges[-1] < 2.0 * reach * r:
        edges.append(min(2.0 * edges[-1], edges[-1] + longest))
    return np.array(edges)


def _nodes(low: Array, high: Array) -> tuple[Array, Array]:
    half = 0.5 * (high - low)[:, None]
    return 0.5 * (high + low)[:, None] + half * _NODES, half * _WEIGHTS


def _adapted(activation: Activation, r: float, low: Array, high: Array, whole: Array) -> tuple[Array, Array]:
    """Halve panels, whose integrals are `whole`, until halving changes no integral.

    At a kink they shrink until they are too short to matter.

    Raises
    ------
    NotConverged
        If there are too many panels.
    """
    done: list[tuple[Array, Array]] = []
    scale = np.abs(whole).sum(axis=2, keepdims=True) + 1e-300
    count = 0
    while len(low):
        middle = 0.5 * (low + high)
        halves = [_integrals(activation, r, *ends) for ends in ((low, middle), (middle, high))]
        change = (np.abs(whole - halves[0] - halves[1]) / scale).max(axis=(0, 1))
        far = np.maximum(np.abs(low), np.abs(high))
        fine = (change <= _ROUNDING * np.maximum(far, 1.0)) | (high - low <= _ROUNDING * far)  # u is rounded itself
        done.append((low[fine], high[fine]))
        rest = ~fine
        low, high = np.concatenate((low[rest], middle[rest])), np.concatenate((middle[rest], high[rest]))
        whole = np.concatenate((halves[0][:, :, rest], halves[1][:, :, rest]), axis=2)
        count += int(rest.sum())
        if count > _MOST:
            raise NotConverged(f"moments of {activation.name}", count, float(change.max()), "a smoother activation")
    lows, highs = (np.concatenate(ends) for ends in zip(*done, strict=True))
    order = np.argsort(lows)
    return lows[order], highs[order]


def _integrals(activation: Activation, r: float, low: Array, high: Array) -> Array:
    """Return integrals over panels of phi, phi^2, phi'^2, x phi phi' under two densities, shape (4, 2, panels).

    Raises
    ------
    FloatingPointError
        If the activation is not a number somewhere.
    """
    x, weight = _nodes(low, high)
    phi, derivative = values(activation.function, x), values(activation.derivative, x)
    if np.isnan(phi).any() or np.isnan(derivative).any():
        raise FloatingPointError(f"{activation.name}: not a number within {np.abs(x).max():.3g} of the origin")
    z2 = (x / r) ** 2
    densities = np.stack((np.exp(-0.5 * z2), np.exp(-0.125 * z2))) * weight
    with np.errstate(over="ignore", invalid="ignore"):
        f = np.stack((phi, phi * phi, derivative * derivative, x * phi * derivative))
        return np.asarray(np.einsum("fpn,dpn->fdp", f, densities))
