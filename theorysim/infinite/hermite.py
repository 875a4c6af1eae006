"""Hermite coefficients of an activation at many variances: dual maps without a closed form.

    phi(sqrt(q) z) = sum_k a_k(q) h_k(z),  z ~ N(0, 1),  h_k normalised Hermite polynomials
    T = sum_k a_k(q1) a_k(q2) c^k,  Tdot = sum_k b_k(q1) b_k(q2) c^k,  c = q12/sqrt(q1 q2),  b_k: the same of phi'

Error    Cutting at K terms leaves at most |c|^K sqrt(tail(q1) tail(q2)), tail = E phi^2 - sum_{k<K} a_k^2. Analytic
         activations need K ~ 50 to 150 for 1e-12 even at c = 1; a kink makes the tails of phi' fall as K^-1/2 only.
Sources  [Daniely2016, arXiv:1602.05897, section 4] for the series.

The one-dimensional integrals use Gauss-Legendre panels, refined towards the origin and with a boundary there: exact to
rounding for analytic activations at any variance (a Gauss-Hermite rule of 80 nodes leaves 2e-8 for tanh) and for a kink
at 0. Where a second rule finds an error (a steep swish), the panels beside the origin are halved further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation

Array = NDArray[np.float64]

TOLERANCE = 1e-12
"""Truncation error wanted in T and Tdot, relative to the largest self-kernel."""

_STAGES = (24, 64, 128, 384)  # numbers of terms tried
_RANGE = 13.0  # beyond, the square root of the normal density is below 1e-18
_PANEL = 0.4
_RATIO = 1.5
_POINTS, _CHECK_POINTS = 10, 16  # Gauss-Legendre nodes per panel; the second rule measures the error of the first
_CHECKED = 16  # samples it is measured on
_FINEST = 8  # halvings tried of the panels beside 0


@dataclass(frozen=True, eq=False)
class Expansion:
    """Hermite coefficients of phi or phi' at N variances.

    Attributes
    ----------
    coefficients : ndarray, shape (K, N)
        a_k(q_i), as many as `TOLERANCE` needs (at most 384).
    moment : ndarray, shape (N,)
        E phi(sqrt(q_i) z)^2, to rounding.
    error : float
        Estimated error of the quadrature, in any moment.
    """

    coefficients: Array
    moment: Array
    error: float

    def left(self, cosine: float) -> Array:
        """Return bounds on what k terms leave for |c| <= `cosine`, shape (K + 1,)."""
        rest = self.moment - np.cumsum(self.coefficients**2, axis=0)
        tail = np.concatenate(([self.moment.max()], np.maximum(rest, 0.0).max(axis=1)))
        return np.asarray(tail * cosine ** np.arange(len(tail)))


def expand(activation: Activation, q: Array, cosine: float = 1.0) -> tuple[Expansion, Expansion]:
    """Return the expansions of phi and phi' at the variances `q`, shape (N,), for pairs with |c| <= `cosine`."""
    return _expansion(activation.function, q, cosine), _expansion(activation.derivative, q, cosine)


def _expansion(function: Any, q: Array, cosine: float) -> Expansion:
    doublings = _doublings(q)
    found = _expanded(function, q, cosine, doublings)
    for finer in range(doublings + 2, doublings + _FINEST + 1, 2):  # steeper at 0 than a variance of q says
        if found.error <= TOLERANCE * float(found.moment.max()):
            break
        again = _expanded(function, q, cosine, finer)
        found = again if again.error < found.error else found
    return found


def _expanded(function: Any, q: Array, cosine: float, doublings: int) -> Expansion:
    z, weight = _nodes(doublings, _POINTS)
    values, basis = _values(function, q, z), _basis(doublings)
    with single_thread():
        moment = values**2 @ weight
        coefficients = np.empty((0, len(q)))
        for terms in _STAGES:
            coefficients = np.concatenate((coefficients, basis[len(coefficients) : terms] @ values.T))
            rest = float((moment - (coefficients**2).sum(axis=0)).max())
            if rest * cosine**terms <= TOLERANCE * float(moment.max()):
                break
    return Expansion(coefficients, moment, _quadrature_error(function, q, moment, doublings))


def _quadrature_error(function: Any, q: Array, moment: Array, doublings: int) -> float:
    chosen = np.argsort(q)[np.linspace(0, len(q) - 1, min(_CHECKED, len(q))).astype(int)]
    z, weight = _nodes(doublings, _CHECK_POINTS)
    return float(np.abs(_values(function, q[chosen], z) ** 2 @ weight - moment[chosen]).max())


def _values(function: Any, q: Array, z: Array) -> Array:
    """Return phi(sqrt(q_i) z_m), shape (N, M)."""
    values = np.empty((len(q), len(z)))
    _rows_of(function)(q, z, values)
    return values


@cache
def _rows_of(function: Any) -> Any:
    @compiled  # on one thread: little work beside the pairs, and a parallel loop would compile for seconds
    def rows(q: NDArray[Any], z: NDArray[Any], values: NDArray[Any]) -> None:
        for i in range(q.size):
            scale = math.sqrt(q[i])
            for m in range(z.size):
                values[i, m] = function(scale * z[m])

    return rows


def nodes(q: Array, points: int) -> tuple[Array, Array]:
    """Return nodes z and weights (sum 1) of E f(sqrt(q) z), z ~ N(0, 1), with `points` nodes per panel."""
    return _nodes(_doublings(q), points)


def _doublings(q: Array) -> int:
    """Return how often the length over which phi(sqrt(q) z) varies near 0 must be halved (few values: cached rules)."""
    return math.ceil(math.log2(max(1.0, math.sqrt(float(q.max())))))


@cache
def _nodes(doublings: int, points: int) -> tuple[Array, Array]:
    edges = [0.0, _PANEL / 2**doublings]
    while edges[-1] < _RANGE:
        edges.append(min(_RATIO * edges[-1], edges[-1] + _PANEL))
    right = np.array(edges)
    x, w = np.polynomial.legendre.leggauss(points)
    half, centre = 0.5 * np.diff(right), 0.5 * (right[1:] + right[:-1])
    z = (centre[:, None] + half[:, None] * x).ravel()
    weight = (half[:, None] * w).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return np.concatenate((-z[::-1], z)), np.concatenate((weight[::-1], weight))


@cache
def _basis(doublings: int) -> Array:
    """Return weight_m h_k(z_m), shape (384, M); weighted, the three-term recurrence neither over- nor underflows."""
    z, weight = _nodes(doublings, _POINTS)
    basis = np.empty((_STAGES[-1], len(z)))
    basis[0], basis[1] = weight, weight * z
    for k in range(1, len(basis) - 1):
        basis[k + 1] = (z * basis[k] - math.sqrt(k) * basis[k - 1]) / math.sqrt(k + 1)
    return basis
