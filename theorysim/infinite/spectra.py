"""Eigenvalues of kernels that depend on the cosine c of two inputs alone, on the sphere and on the Boolean cube.

    kappa(c) = sum_k power_k P_k(c),   power_k = degeneracy_k eigenvalue_k,   P_k(1) = 1,   sum_k power_k = kappa(1)

P_k are the Gegenbauer (sphere) or Krawtchouk polynomials (cube). With c P_k = up_k P_{k+1} + (1 - up_k) P_{k-1}, a
power c^n is the law of a walk after n steps from degree 0: c^n = sum_k Prob(k after n steps) P_k(c).

Two routes, and of each degree the one of smaller error:

series      power_k = sum_n t_n Prob(k after n steps), from kappa = sum_n t_n c^n with t_n >= 0: positive sums, so that
            eigenvalues of 1e-300 keep their digits. Cut at `TERMS` powers: best in high dimensions.
projection  the integral of kappa P_k: exact in low dimensions, but power_k carries the rounding of kappa(1) times
            sqrt(degeneracy_k).

Error    Of the series: the change from half as many terms. Of the projection: the change from half as many nodes, and
         rounding as above.
Sources  [Yang2019] for the cube. Proof: derivations/spectra.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.spectra import cube_up, sphere_up

Array = NDArray[np.float64]
Kernel = Callable[[Array], tuple[Array, float]]

TERMS = 1024
_EPS = 4e-16


@dataclass(frozen=True, eq=False)
class Domain:
    """Where inputs lie.

    Attributes
    ----------
    up : ndarray, shape (K,)
        Probabilities of a step up from each degree.
    finite : bool
        Whether there are no more than K degrees (the cube).
    rule : callable
        Panels -> nodes c and weights (sum 1) of the law of c under uniform inputs; on the cube whatever they are.
    """

    up: Array
    finite: bool
    rule: Callable[[int], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Powers of the degrees, arrays of shape (K,), and the logarithms of their degeneracies."""

    power: Array
    error: Array
    log_degeneracy: Array


def sphere(d: int) -> Domain:
    """Return the unit sphere in d >= 2 dimensions."""

    def rule(panels: int) -> tuple[Array, Array]:
        x, w = np.polynomial.legendre.leggauss(16)
        width = math.pi / panels
        angle = (width * (np.arange(panels)[:, None] + 0.5 * (1.0 + x))).ravel()  # kinks at c = 1, -1 are smooth in it
        weights = np.tile(w, panels) * np.exp((d - 2.0) * np.log(np.sin(angle)))
        return np.cos(angle), weights / weights.sum()

    return Domain(np.array([sphere_up(k, d) for k in range(2 * TERMS)]), False, rule)


def cube(d: int) -> Domain:
    """Return the Boolean cube {-1, 1}^d; the cosine of two corners that differ in j bits is 1 - 2 j/d."""
    j = np.arange(d + 1)
    weights = np.array([math.comb(d, i) / 2**d for i in range(d + 1)])
    return Domain(np.array([cube_up(k, d) for k in range(d + 1)]), True, lambda _: (1.0 - 2.0 * j / d, weights))


def spectrum(domain: Domain, kernel: Kernel, series: Callable[[int], Array], total: float, degrees: int) -> Spectrum:
    """Return the powers of degrees 0 .. `degrees`.

    Parameters
    ----------
    kernel : callable
        c, shape (N,) -> kappa(c), and a bound on its error.
    series : callable
        Number of terms -> the coefficients t_n >= 0 of kappa.
    total : float
        kappa(1).
    """
    k = np.arange(degrees)
    steps = np.log(domain.up[k]) - np.log(1.0 - domain.up[k + 1])
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    power, error = _projection(domain, kernel, logs, total, degrees)
    if np.any(error > 1e-12 * np.abs(power)):
        other, bound = _by_series(domain, kernel, series, total, degrees)
        better = bound < error
        power, error = np.where(better, other, power), np.where(better, bound, error)
    return Spectrum(power, error, logs)


def _projection(domain: Domain, kernel: Kernel, logs: Array, total: float, degrees: int) -> tuple[Array, Array]:
    panels = 32 + degrees // 2
    rough, _ = _projected(domain, kernel, panels, degrees)
    fine, bound = _projected(domain, kernel, 2 * panels, degrees)
    root = np.exp(0.5 * logs)
    return root * fine, root * (np.abs(fine - rough) + _EPS * total + bound)


def _projected(domain: Domain, kernel: Kernel, panels: int, degrees: int) -> tuple[Array, float]:
    """Return the mean of kappa times each orthonormal polynomial sqrt(degeneracy_k) P_k, and the error of kappa."""
    c, weights = domain.rule(panels)
    kappa, bound = kernel(c)
    half = degrees if not domain.finite else min(degrees, (len(c) - 1) // 2)
    root = np.sqrt(domain.up[:-1] * (1.0 - domain.up[1:]))
    values = weights * kappa
    before, now, found = np.zeros_like(c), np.ones_like(c), np.empty(degrees + 1)
    kept = []
    for k in range(half + 1):
        found[k] = values @ now
        kept.append(now)
        if k < half:
            before, now = now, (c * now - (root[k - 1] if k else 0.0) * before) / root[k]
    signs = (-1.0) ** np.arange(len(c))
    for k in range(half + 1, degrees + 1):  # on the cube P_{d-k} = P_d P_k: the recursion would not be stable there
        found[k] = (values * signs) @ kept[len(c) - 1 - k]
    return found, bound


def _by_series(
    domain: Domain, kernel: Kernel, series: Callable[[int], Array], total: float, degrees: int
) -> tuple[Array, Array]:
    opposite, bound = kernel(np.array([-1.0]))
    half, whole = series(TERMS // 2), series(TERMS)
    doubt = 2.0 * _EPS * np.sqrt(total * whole) + _EPS * _EPS * total  # of squares of coefficients with error _EPS
    power, error = (_walked(domain, t, degrees) for t in (whole, doubt))
    rough = _walked(domain, half, degrees)
    if domain.finite:  # what is left of kappa(1) lies where the walk ends
        end = domain.rule(0)[1][: degrees + 1]
        power += end * _rest(whole, total, float(opposite[0]), degrees)
        rough += end * _rest(half, total, float(opposite[0]), degrees)
        error += end * (16.0 * _EPS * total + 2.0 * bound)  # rounding of the rest
    return power, error + np.abs(power - rough) + _EPS * TERMS * power


def _walked(domain: Domain, series: Array, degrees: int) -> Array:
    """Return sum_n t_n Prob(k after n steps)."""
    size = len(domain.up) if domain.finite else len(series) + 1
    up, law, found = domain.up[:size], np.zeros(size), np.zeros(max(size, degrees + 1))
    law[0] = 1.0
    for t in series:
        found[:size] += t * law
        following = np.zeros(size)
        following[1:] += up[:-1] * law[:-1]
        following[:-1] += (1.0 - up[1:]) * law[1:]
        law = following
    return found[: degrees + 1]


def _rest(series: Array, total: float, opposite: float, degrees: int) -> Array:
    """Return twice what the series lacks of kappa(1): in even powers for even degrees, in odd ones for odd degrees."""
    plain, alternating = total - float(series.sum()), opposite - float(series @ (-1.0) ** np.arange(len(series)))
    parts = [max(plain + alternating, 0.0), max(plain - alternating, 0.0)]
    return np.array([parts[k % 2] for k in range(degrees + 1)])
