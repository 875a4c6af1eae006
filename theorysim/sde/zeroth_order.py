"""Zeroth-order descent (SPSA, MeZO): how large its learning rate may be, from the effective rank of the curvature.

    g = mean over n Gaussian probes of z (z.grad f):  E f' <= f - eta |grad f|^2 + (eta^2/2) |H| gamma |grad f|^2
    gamma = 1 + (1 + r)/n,  r = tr H/|H|;   eta_zo = eta_sgd/gamma: the price is r, not the dimension
    on a quadratic c_i = E x_i^2 obeys c_i' = (1 - eta h_i)^2 c_i + (eta^2/n)(h_i^2 c_i + sum_j h_j^2 c_j), and its
    moments come from `sde.from_optimizer` with `sde.SPSA`

Limit    smoothing -> 0.
Valid    Gaussian probes (on the sphere gamma is another number); no minibatch noise in `largest_learning_rate`.
Error    gamma is an upper bound of descent in one step; `largest_learning_rate` is exact on quadratics.
Sources  [Malladi2023]. Proof: derivations/flows.py.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
from numpy.typing import ArrayLike, NDArray

from theorysim.equations.flows import probe_gain
from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, shown

Array = NDArray[np.float64]
SOURCES = ("Malladi2023",)


def effective_rank(eigenvalues: ArrayLike) -> float:
    """Return r = tr H/|H| from eigenvalues of H, at least 0."""
    h = _checked(eigenvalues)
    return float(h.sum() / h.max())


def slowdown(rank: float, probes: int = 1) -> float:
    """Return gamma = 1 + (1 + r)/n, the factor by which the learning rate must shrink."""
    if not is_real(rank) or rank < 1.0:
        raise ProblemError(f"zeroth_order: `rank` must be a number of at least 1, got {shown(rank)}")
    return 1.0 + (1.0 + rank) / _count(probes)


def predicted_learning_rate(learning_rate: float, eigenvalues: ArrayLike, probes: int = 1) -> float:
    """Return eta_zo = eta_sgd/gamma for the learning rate of first-order descent."""
    if not is_real(learning_rate) or learning_rate <= 0.0:
        raise ProblemError(f"zeroth_order: `learning_rate` must be a positive number, got {shown(learning_rate)}")
    return learning_rate / slowdown(effective_rank(eigenvalues), probes)


def largest_learning_rate(eigenvalues: ArrayLike, probes: int = 1) -> float:
    """Return eta at which E |x|^2 on a quadratic stops shrinking; 2/(d + 2) for one probe and d curvatures of 1."""
    h, n = _checked(eigenvalues), _count(probes)
    values, counts = np.unique(h[h > 0.0], return_counts=True)

    def excess(eta: float) -> float:
        return sum(int(m) * probe_gain(eta * float(one), n) for one, m in zip(values, counts, strict=True)) - 1.0

    edge = 2.0 * n / ((n + 1.0) * float(values[-1]))  # the first gain diverges
    return float(scipy.optimize.brentq(excess, 0.0, edge * (1.0 - 1e-14), xtol=1e-300, rtol=1e-14))


def _checked(eigenvalues: ArrayLike) -> Array:
    h = np.atleast_1d(np.asarray(eigenvalues, float))
    if h.ndim != 1 or not np.all(np.isfinite(h)) or np.any(h < 0.0) or not np.any(h > 0.0):
        raise ProblemError("zeroth_order: `eigenvalues` must be numbers of at least 0 in one dimension, not all 0")
    return h


def _count(probes: int) -> int:
    if isinstance(probes, bool) or not isinstance(probes, int) or probes < 1:
        raise ProblemError(f"zeroth_order: `probes` must be a whole number of at least 1, got {shown(probes)}")
    return probes
