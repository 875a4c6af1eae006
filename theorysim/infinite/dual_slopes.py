"""Derivatives of the dual maps T and Tdot with respect to the covariance, up to second order.

    d^{i+j+k} T/dq1^i dq2^j dq12^k = 2^{-i-j} E phi^{(2i+k)}(u) phi^{(2j+k)}(v)
                                   = 2^{-i-j} sum_r A_{r+k+2i}(q1) A_{r+k+2j}(q2) q12^r/r!,   A_s(q) = E phi^{(s)}(u)

A_s = sqrt(s!) q^{-s/2} a_s needs no derivative of phi, a_s its normalised Hermite coefficients; Tdot is the same with
phi' for phi. Self-kernels are one-dimensional integrals of phi^2 against Hermite polynomials, kinks or not.

Error    Relu family: rounding times sin(angle)^-3 (its slopes diverge for parallel inputs, which are refused). Others:
         the second half of the series bounds the rest; where that is not small (kinks, large variances) derivatives of
         the density are integrated instead, which costs the digits that sin(angle)^-4 takes. More than 1 % is refused.
Proof    derivations/dual_slopes.py (the heat equation), derivations/hermite.py (the series).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.equations.dual_abrelu import kernel as abrelu
from theorysim.equations.dual_slopes import abrelu_first, abrelu_second, abrelu_third
from theorysim.errors import ProblemError
from theorysim.infinite.gaussian_rules import evaluated, gaussian_rule
from theorysim.infinite.hermite import nodes
from theorysim.infinite.pairs import Pairs

Array = NDArray[np.float64]

_TERMS = 384
_LOG_FACTORIAL = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, _TERMS + 1)))))
_ORDERS = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 2))
_PLACES = ((0, 0), (1, 1), (0, 1), (0, 2), (1, 2), (2, 2))  # of the second derivatives, in that order
SMALLEST_SINE = 1e-3
LARGEST_ERROR = 0.01
_ENOUGH = 1e-7  # error of the series below which the density is left alone
_QUADRATURE = 4e-9  # error of the density's route at right angles
_MOVES = (((0, 0), 0.5), ((1, 1), 0.5), ((0, 1), 1.0))  # d/dq1, d/dq2, d/dq12 as derivatives in u (heat equation)


@dataclass(frozen=True, eq=False)
class Slopes:
    """T and Tdot (first axis) of all pairs, and their derivatives in (K_aa, K_bb, K_ab).

    Attributes
    ----------
    value : ndarray, shape (2, P)
    gradient : ndarray, shape (2, P, 3)
    curvature : ndarray, shape (2, P, 3, 3)
        Of a sample with itself only the first entries are not zero: derivatives in its variance.
    error : float
        Bound on the relative error of the derivatives.
    """

    value: Array
    gradient: Array
    curvature: Array
    error: float


def slopes_of(activation: Activation, covariance: Array, pairs: Pairs) -> Slopes:
    """Return the dual maps of all pairs with their derivatives.

    Parameters
    ----------
    activation : Activation
    covariance : ndarray, shape (m, m)
        Kernel of one layer.
    pairs : Pairs

    Raises
    ------
    ProblemError
        If two inputs are so nearly parallel that a kink makes the derivatives diverge.
    """
    count = len(pairs.first)
    slopes = Slopes(np.zeros((2, count)), np.zeros((2, count, 3)), np.zeros((2, count, 3, 3)), 0.0)
    if "derivative" in dict(activation.parameters):
        raise ProblemError(f"kernels: slopes of kernels need an activation without jumps, got {activation.name}")
    edges = edges_of(activation)
    if edges is not None:
        _fill_kinked(slopes, edges, covariance, pairs)
        return slopes
    _fill_selves(slopes, activation, np.diagonal(covariance).copy(), pairs)
    error = _fill_series(slopes, activation, covariance, pairs)
    if error > LARGEST_ERROR:
        raise ProblemError(
            f"kernels: inputs must not be nearly parallel, got slopes of the {activation.name} kernel known to "
            f"{100 * error:.2g} % only (at most {100 * LARGEST_ERROR:g} %)"
        )
    return Slopes(slopes.value, slopes.gradient, slopes.curvature, error)


def edges_of(activation: Activation) -> tuple[float, float] | None:
    """Return the slopes (a, b) for x < 0 and x > 0 of the relu family, None for other activations."""
    known = {"relu": (0.0, 1.0), "abs": (-1.0, 1.0), "linear": (1.0, 1.0)}
    if activation.name == "abrelu":
        return tuple(float(value) for _, value in activation.parameters)  # type: ignore[return-value, arg-type]
    return known.get(activation.name) if activation.slope is None else (activation.slope, 1.0)


def _fill_kinked(slopes: Slopes, edges: tuple[float, float], covariance: Array, pairs: Pairs) -> None:
    f, mean = (edges[0] - edges[1]) ** 2 / (2.0 * math.pi), 0.5 * (edges[0] ** 2 + edges[1] ** 2)
    for p, (i, j) in enumerate(zip(pairs.first, pairs.second, strict=True)):
        q1, q2, q12 = (float(covariance[k]) for k in ((i, i), (j, j), (i, j)))
        if i == j:
            slopes.value[:, p] = mean * q1, mean
            slopes.gradient[0, p, 0] = mean
        elif f == 0.0:
            slopes.value[:, p] = mean * q12, mean
            slopes.gradient[0, p, 2] = mean
        elif q1 * q2 - q12 * q12 < SMALLEST_SINE**2 * q1 * q2:
            raise ProblemError(
                f"kernels: inputs must not be parallel for an activation with a kink, got samples {i} and {j} with "
                f"sin(angle) below {SMALLEST_SINE:g}"
            )
        else:
            slopes.value[:, p] = abrelu(q1, q2, q12, *edges)
            second, third = abrelu_second(q1, q2, q12, f), abrelu_third(q1, q2, q12, f)
            _place(slopes, 0, p, [slopes.value[0, p], *abrelu_first(q1, q2, q12, f), slopes.value[1, p], *second])
            _place(slopes, 1, p, [slopes.value[1, p], *second[3:], *third])


def _fill_selves(slopes: Slopes, activation: Activation, q: Array, pairs: Pairs) -> None:
    """Fill E g, E g He_2/(2 q) and E g He_4/(4 q^2) for g = phi^2 and phi'^2."""
    z, weight = nodes(q, 10)
    own = pairs.first == pairs.second
    for k, function in enumerate((activation.function, activation.derivative)):
        square = evaluated(function, np.sqrt(q)[:, None] * z) ** 2
        slopes.value[k, own] = square @ weight
        slopes.gradient[k, own, 0] = square @ (weight * (z**2 - 1.0)) / (2.0 * q)
        slopes.curvature[k, own, 0, 0] = square @ (weight * (z**4 - 6.0 * z**2 + 3.0)) / (4.0 * q**2)


def _fill_series(slopes: Slopes, activation: Activation, covariance: Array, pairs: Pairs) -> float:
    other = np.flatnonzero(pairs.first != pairs.second)
    if not len(other):
        return 0.0
    q, i, j = np.diagonal(covariance).copy(), pairs.first[other], pairs.second[other]
    cosine = np.clip(covariance[i, j] / np.sqrt(q[i] * q[j]), -1.0, 1.0)
    error = np.zeros(len(other))
    for k, function in enumerate((activation.function, activation.derivative)):
        a = _coefficients(function, q)
        sums = [_derivative(a[:, i], a[:, j], q[i], q[j], cosine, order) for order in _ORDERS]
        error = np.maximum(error, np.max([rest for _, rest in sums], axis=0))
        _place(slopes, k, other, [total for total, _ in sums])
    by_parts = np.minimum(1.0, _QUADRATURE / np.maximum(1e-100, 1.0 - cosine**2) ** 2)
    for place in np.flatnonzero((error > _ENOUGH) & (by_parts < error)):
        _fill_by_parts(slopes, activation, covariance[np.ix_((i[place], j[place]), (i[place], j[place]))], other[place])
        error[place] = by_parts[place]
    return float(error.max())


def _place(slopes: Slopes, k: int, p: Any, derivatives: list[Any]) -> None:
    """Store the value and the derivatives, in the order of `_ORDERS`, of the pair or pairs p."""
    slopes.value[k, p] = derivatives[0]
    for place, one in enumerate(derivatives[1:4]):
        slopes.gradient[k, p, place] = one
    for (row, column), two in zip(_PLACES, derivatives[4:], strict=True):
        slopes.curvature[k, p, row, column] = slopes.curvature[k, p, column, row] = two


def _fill_by_parts(slopes: Slopes, activation: Activation, covariance: Array, p: int) -> None:
    """Fill the derivatives of one pair: means against derivatives of the density, Hermite polynomials in y = K^-1 u."""
    ((points, weights),) = gaussian_rule(covariance)
    inverse: Array = np.linalg.inv(covariance).astype(np.float64)
    y = inverse @ points
    polynomials = [np.ones_like(weights)] + [factor * _hermite2(y, inverse, *at) for at, factor in _MOVES]
    for row, column in _PLACES:
        (one, a), (two, b) = _MOVES[row], _MOVES[column]
        polynomials.append(a * b * _hermite4(y, inverse, *one, *two))
    for k, function in enumerate((activation.function, activation.derivative)):
        product = np.prod(evaluated(function, points), axis=0) * weights
        _place(slopes, k, p, [float(product @ polynomial) for polynomial in polynomials])


def _hermite2(y: Array, inverse: Array, i: int, j: int) -> Array:
    return np.asarray(y[i] * y[j] - inverse[i, j])


def _hermite4(y: Array, inverse: Array, i: int, j: int, k: int, n: int) -> Array:
    h = _hermite2
    three = h(y, inverse, i, j) * h(y, inverse, k, n) - inverse[i, k] * y[j] * y[n] - inverse[i, n] * y[j] * y[k]
    crossed = inverse[i, k] * inverse[j, n] + inverse[i, n] * inverse[j, k]
    return np.asarray(three - inverse[j, k] * y[i] * y[n] - inverse[j, n] * y[i] * y[k] + crossed)


def _coefficients(function: Any, q: Array) -> Array:
    """Return a_s(q_i), the normalised Hermite coefficients, shape (384, m)."""
    z, basis = _basis(4.0 ** math.ceil(math.log2(max(1.0, math.sqrt(float(q.max()))))))
    with single_thread():
        return np.asarray(basis @ evaluated(function, np.sqrt(q)[:, None] * z).T)


@cache
def _basis(largest: float) -> tuple[Array, Array]:
    """Return nodes z for variances up to `largest` and weight_m h_s(z_m), shape (384, M)."""
    z, weight = nodes(np.array([largest]), 10)
    basis = np.empty((_TERMS, len(z)))
    basis[0], basis[1] = weight, weight * z
    for s in range(1, _TERMS - 1):
        basis[s + 1] = (z * basis[s] - math.sqrt(s) * basis[s - 1]) / math.sqrt(s + 1)
    return z, basis


def _derivative(
    a1: Array, a2: Array, q1: Array, q2: Array, cosine: Array, order: tuple[int, int, int]
) -> tuple[Array, Array]:
    """Return one derivative of all pairs, and what the second half of the series is of the whole."""
    i, j, k = order
    up, across = k + 2 * i, k + 2 * j
    terms = np.arange(_TERMS - max(up, across))
    factors = np.exp(0.5 * (_LOG_FACTORIAL[terms + up] + _LOG_FACTORIAL[terms + across]) - _LOG_FACTORIAL[terms])
    part = a1[terms + up] * a2[terms + across] * factors[:, None] * cosine ** terms[:, None]
    scale = 2.0 ** (-i - j) * q1 ** (-0.5 * up) * q2 ** (-0.5 * across)
    size = np.abs(part)
    rest = size[len(terms) // 2 :].sum(axis=0) / np.maximum(size.sum(axis=0), 1e-300)
    return scale * part.sum(axis=0), rest
