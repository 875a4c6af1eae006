"""Kernels of activations without closed dual maps: Hermite series summed for every pair, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.bits import fma
from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.backend.order import larger, smaller
from theorysim.equations.activations import Activation
from theorysim.infinite.hermite import TOLERANCE, Expansion, expand
from theorysim.infinite.tiles import begin, corner, mirror, tiles

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Series:
    """A series cut where it is accurate enough, as the loop over pairs wants it.

    Attributes
    ----------
    coefficients : ndarray, shape (K, N)
        K a multiple of 4; of an odd or even function only every second coefficient.
    square, odd : int
        1 if the powers are those of c^2 (an odd or even function), and if a factor c remains.
    error : float
        Bound on truncation, and estimate of quadrature, of any pair.
    slope : ndarray, shape (N,)
        Bound on the derivative of the sum with respect to c, of a sample with itself.
    """

    coefficients: Array
    square: int
    odd: int
    error: float
    slope: Array


def cut(expansion: Expansion, cosine: float) -> Series:
    """Return the shortest series that is accurate to `TOLERANCE` for all pairs with |c| <= `cosine`."""
    a, moment = expansion.coefficients, float(expansion.moment.max())
    left = expansion.left(cosine)
    enough = np.flatnonzero(left <= TOLERANCE * moment)
    terms = int(enough[0]) if len(enough) else len(a)
    powers = np.arange(len(a))
    slope = (powers * cosine ** np.maximum(powers - 1, 0)) @ (a * a)
    negligible = [float((a[first::2] ** 2).sum(axis=0).max()) <= 1e-28 * moment for first in (0, 1)]
    odd, square = int(negligible[0] and not negligible[1]), int(any(negligible))
    kept = a[odd:terms:2] if square else a[:terms]
    padding = np.zeros((max(-len(kept) % 4, 4 * (not len(kept))), a.shape[1]))
    return Series(np.concatenate((kept, padding)), square, odd, float(left[terms]) + expansion.error, slope)


def diagonal_series(steps: Array, activation: Activation, x: Array) -> tuple[Array, Array]:
    """Return the self-kernels Sigma^{L+1}, Theta^{L+1}, each of shape (N,), to rounding."""
    sigma, theta = _first_diagonal(steps, x)
    for step in steps[1:]:
        sigma, theta = _next_diagonal(step, theta, *expand(activation, sigma, 0.0))
    return sigma, theta


def kernels_series(
    steps: Array, activation: Activation, x1: Array, x2: Array | None, nngp: Array, ntk: Array, edge: int, device: str
) -> tuple[float, float]:
    """Turn x.x' in `nngp` into Sigma and Theta, in place; return bounds on their errors.

    Without `x2` only the part of `nngp` below the diagonal is read, and the result is symmetric.
    """
    n = None if x2 is None else len(x1)
    grid = (tiles(nngp.shape[0], nngp.shape[1], edge, n is None), edge, int(n is None))
    largest, scratch, errors = np.zeros(grid[0]), np.empty((grid[0], 3, edge)), (0.0, 0.0)
    sigma, theta = _first_diagonal(steps, x1 if x2 is None else np.concatenate((x1, x2)))
    roots = _inverse_roots(sigma)
    foreach(_first, *grid, steps, *_both(roots, n), nngp, ntk, largest, device=device)
    for step in steps[1:]:
        cosine = min(float(largest.max()), 1.0)
        phi, derivative = expand(activation, sigma, cosine)
        value, slope = cut(phi, cosine), cut(derivative, cosine)
        errors = _grown(errors, step, value, slope, phi, derivative, sigma, theta)
        sigma, theta = _next_diagonal(step, theta, phi, derivative)
        old, roots = roots, _inverse_roots(sigma)
        foreach(
            _layer, *grid, step, *_both(old, n), *_both(roots, n),
            *_packed(value.coefficients, n, edge), value.square, value.odd,
            *_packed(slope.coefficients, n, edge), slope.square, slope.odd, nngp, ntk, largest, scratch, device=device,
        )  # fmt: skip
    if n is None:
        foreach(_reflect, *grid[:1], edge, nngp, ntk, device=device)
        np.fill_diagonal(nngp, sigma)
        np.fill_diagonal(ntk, theta)
    return errors


def _first_diagonal(steps: Array, x: Array) -> tuple[Array, Array]:
    norms = np.einsum("ij,ij->i", x, x)
    return steps[0, 0] * norms + steps[0, 1], steps[0, 2] * norms + steps[0, 3]


def _next_diagonal(step: Array, theta: Array, phi: Expansion, derivative: Expansion) -> tuple[Array, Array]:
    w, v, rate, bias = step
    return w * phi.moment + v, rate * phi.moment + bias + w * derivative.moment * theta


def _grown(
    errors: tuple[float, float], step: Array, value: Series, slope: Series,
    phi: Expansion, derivative: Expansion, sigma: Array, theta: Array,
) -> tuple[float, float]:  # fmt: skip
    """Return bounds on the errors of Sigma and Theta after a layer, to first order.

    |Tdot| <= E phi'^2, |Theta| <= its largest self-kernel, and dTdot/dq12 is the slope in c over sqrt(q1 q2).
    """
    w, _, rate, _ = step
    tdot = float(derivative.moment.max())
    bend = float((slope.slope * _inverse_roots(sigma) ** 2).max())
    t_error = tdot * errors[0] + value.error
    tdot_error = slope.error + bend * errors[0]
    return w * t_error, rate * t_error + w * (tdot * errors[1] + tdot_error * float(theta.max()))


def _inverse_roots(sigma: Array) -> Array:
    """Return 1/sqrt(q), 0 where q = 0: such samples are uncorrelated with all others."""
    with np.errstate(divide="ignore"):
        return np.where(sigma > 1e-300, 1.0 / np.sqrt(sigma), 0.0)


def _both(values: Array, n: int | None) -> tuple[Array, Array]:
    """Return the parts (last axis) of the first and the second samples; without `n` they are the same samples."""
    if n is None:
        return values, values
    return np.ascontiguousarray(values[..., :n]), np.ascontiguousarray(values[..., n:])


def _packed(values: Array, n: int | None, edge: int) -> tuple[Array, Array]:
    """Return `values`, shape (K, N), of the first samples as (n1, K) and of the second as (tiles across, K, edge).

    So a row finds its numbers side by side, and a tile too: they stay in the nearest cache.
    """
    one, two = _both(values, n)
    blocks = np.pad(two, ((0, 0), (0, -two.shape[1] % edge))).reshape(len(two), -1, edge)
    return np.ascontiguousarray(one.T), np.ascontiguousarray(blocks.transpose(1, 0, 2))


_MATRIX, _VECTOR, _BLOCKS = "float64[:,::1]", "float64[::1]", "float64[:,:,::1]"


@body(f"int64, int64, {_MATRIX}, {_VECTOR}, {_VECTOR}, {_MATRIX}, {_MATRIX}, {_VECTOR}")
def _first(
    t: int, edge: int, symmetric: int, steps: Array, r1: Array, r2: Array, nngp: Array, ntk: Array, largest: Array
) -> None:
    """Turn x.x' of a tile into Sigma^1, Theta^1, and note the largest |c|."""
    top, left = corner(t, edge, nngp.shape[1], symmetric)
    bottom, right = smaller(top + edge, nngp.shape[0]), smaller(left + edge, nngp.shape[1])
    largest[t] = 0.0
    for i in range(top, bottom):
        stop = smaller(i, right) if symmetric else right
        begin(nngp[i, left:stop], ntk[i, left:stop], steps)
        largest[t] = _largest(nngp[i, left:stop], r1[i], r2[left:stop], largest[t])


@body(
    f"int64, int64, {', '.join([_VECTOR] * 5)}, {_MATRIX}, {_BLOCKS}, int64, int64, {_MATRIX}, {_BLOCKS}, int64, "
    f"int64, {_MATRIX}, {_MATRIX}, {_VECTOR}, {_BLOCKS}"
)
def _layer(
    t: int, edge: int, symmetric: int, step: Array, r1: Array, r2: Array, next1: Array, next2: Array,
    a1: Array, a2: Array, a_square: int, a_odd: int, b1: Array, b2: Array, b_square: int, b_odd: int,
    nngp: Array, ntk: Array, largest: Array, scratch: Array,
) -> None:  # fmt: skip
    """Carry a tile through one layer, and note the largest |c| after it."""
    top, left = corner(t, edge, nngp.shape[1], symmetric)
    bottom, right = smaller(top + edge, nngp.shape[0]), smaller(left + edge, nngp.shape[1])
    w, v, rate, bias = step[0], step[1], step[2], step[3]
    largest[t] = 0.0
    for i in range(top, bottom):
        stop = smaller(i, right) if symmetric else right
        s, theta = nngp[i, left:stop], ntk[i, left:stop]
        c, value, slope = scratch[t, 0], scratch[t, 1], scratch[t, 2]
        for j in range(stop - left):
            c[j] = smaller(1.0, larger(-1.0, s[j] * r1[i] * r2[left + j]))
        _sum(c, value, a1[i], a2[left // edge], stop - left, a_square, a_odd)
        _sum(c, slope, b1[i], b2[left // edge], stop - left, b_square, b_odd)
        for j in range(stop - left):
            theta[j] = rate * value[j] + bias + w * slope[j] * theta[j]
            s[j] = w * value[j] + v
        largest[t] = _largest(s, next1[i], next2[left:stop], largest[t])


@body
def _sum(c: Array, total: Array, a1: Array, a2: Array, n: int, square: int, odd: int) -> None:
    """Write sum_k a1[k] a2[k, j] y^k, times c if odd, into total[j], j < n; y = c or c^2.

    Horner's rule with four terms at a time: the partial sums go through memory a quarter as often.
    """
    for j in range(n):
        total[j] = 0.0
    for k in range(a1.shape[0] - 4, -1, -4):
        p0, p1, p2, p3 = a1[k], a1[k + 1], a1[k + 2], a1[k + 3]
        q0, q1, q2, q3 = a2[k, :n], a2[k + 1, :n], a2[k + 2, :n], a2[k + 3, :n]
        for j in range(n):
            y = c[j] * c[j] if square else c[j]
            total[j] = fma(fma(fma(fma(total[j], y, p3 * q3[j]), y, p2 * q2[j]), y, p1 * q1[j]), y, p0 * q0[j])
    if odd:
        for j in range(n):
            total[j] *= c[j]


@body
def _largest(s: Array, r1: float, r2: Array, largest: float) -> float:
    for j in range(s.shape[0]):
        largest = larger(largest, abs(s[j]) * r1 * r2[j])
    return largest


@body(f"int64, {_MATRIX}, {_MATRIX}")
def _reflect(t: int, edge: int, nngp: Array, ntk: Array) -> None:
    """Mirror a tile."""
    top, left = corner(t, edge, nngp.shape[1], 1)
    bottom, right = smaller(top + edge, nngp.shape[0]), smaller(left + edge, nngp.shape[1])
    mirror(nngp, top, bottom, left, right)
    mirror(ntk, top, bottom, left, right)
