"""Linear bandits: the smallest slope of regret in log n, as a convex program with a certified answer.

    C = min sum_a alpha_a Delta_a   subject to  |a|^2_{H^-1} <= Delta_a^2/2  for every arm a with Delta_a > 0
    H = sum alpha_a a a^T,  Delta_a = max_b <b, theta> - <a, theta>;  rewards <a, theta> + N(0, s^2): C carries s^2

The best arm costs nothing, so its alpha goes to infinity and H^-1 lives on the complement of the best arm: the program
is solved for b_a, the parts of the arms orthogonal to it, without any large number. With M = sum alpha_a b_a b_a^T:

    primal   any alpha > 0, multiplied by max_a b_a^T M^-1 b_a/(Delta_a^2/2), is feasible
    dual     any mu >= 0, any Y with b_a^T Y Y^T b_a <= Delta_a for all a, S = sum mu_a b_a b_a^T:
             C >= tr(Y^T S^1/2)^2/sum mu_a Delta_a^2/2

A log-barrier gives alpha and mu, and Y = M^-1 S^1/2 rescaled. Both values are returned: C is between them.
Optimistic agents and Thompson sampling do not reach C in general (Lattimore and Szepesvari's arms are
`end_of_optimism`). C is an asymptotic slope, never a bound at a finite n.

Valid    one best arm; Gaussian rewards.
Error    the certified gap: measured 1e-11 to 2e-6 of C; more than 1e-5 is an exception.
Sources  [Lattimore2017].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged, ProblemError
from theorysim.games.learning.arguments import positive
from theorysim.problem.validation import shown

Array = NDArray[np.float64]
_SHARPEST, _GROWTH, _STEPS = 1e10, 8.0, 100
TOLERANCE = 1e-5
"""Largest relative gap between the two bounds that is answered."""


def end_of_optimism(epsilon: float) -> tuple[Array, Array]:
    """Return arms (1, 0), (0, 1), (1 - e, 2 e) and theta = (1, 0): C = 8, and 2/e where arm 2 is not used to learn."""
    e = positive(epsilon, "epsilon", where="end_of_optimism")
    return np.array([[1.0, 0.0], [0.0, 1.0], [1.0 - e, 2.0 * e]]), np.array([1.0, 0.0])


def graves_lai(arms: ArrayLike, theta: ArrayLike, *, std: float = 1.0) -> xr.Dataset:
    """Return the smallest slope of regret in log n of consistent policies of a linear bandit, n -> infinity.

    Parameters
    ----------
    arms : array_like, shape (arms, d)
    theta : array_like, shape (d,)
    std : float
        Standard deviation of a reward.

    Returns
    -------
    Dataset
        ``slope`` C (upper bound) and ``slope_lower`` (the dual value); ``pulls`` (arm): pulls per log n, infinite for
        the best arm; ``gap`` (arm): Delta.

    Raises
    ------
    ProblemError
        For wrong shapes, or more than one best arm.
    NotConverged
        If the bounds differ by more than `TOLERANCE`.
    """
    a, gaps, best, noise = _checked(arms, theta, std)
    pulls = np.zeros(len(a))
    with single_thread():
        rows = _orthogonal(a, best)
        learn = np.flatnonzero(np.linalg.norm(rows, axis=1) > 1e-12 * np.linalg.norm(a, axis=1).max())
        slope = lower = 0.0
        if len(learn):
            slope, lower, pulls[learn] = _program(rows[learn], gaps[learn])
    if slope - lower > TOLERANCE * slope:
        raise NotConverged("graves_lai", _STEPS, (slope - lower) / slope, "arms of length one")
    pulls[best] = np.inf
    variables = {"slope": noise**2 * slope, "slope_lower": noise**2 * lower, "pulls": ("arm", noise**2 * pulls),
                 "gap": ("arm", gaps)}  # fmt: skip
    return xr.Dataset(variables, attrs={"meaning": "liminf of regret/log n; no lower bound at any finite n"})


def _checked(arms: ArrayLike, theta: ArrayLike, std: float) -> tuple[Array, Array, int, float]:
    a, direction = np.asarray(arms, float), np.asarray(theta, float)
    if a.ndim != 2 or direction.shape != a.shape[1:] or not np.isfinite(a.sum() + direction.sum()):
        raise ProblemError(
            "graves_lai: `arms` and `theta` must be finite, of shapes (arms, d) and (d,), got "
            f"{a.shape} and {direction.shape}"
        )
    means = a @ direction
    gaps = means.max() - means
    best = np.flatnonzero(gaps <= 1e-12 * np.abs(means).max())
    if len(best) != 1:
        raise ProblemError(f"graves_lai: `arms` must have one best arm, got {shown(best.tolist())}")
    return a, gaps, int(best[0]), positive(std, "std", where="graves_lai")


def _orthogonal(a: Array, best: int) -> Array:
    """Return the arms in coordinates of what they span beside the best arm, shape (arms, rank)."""
    unit = a[best] / max(float(np.linalg.norm(a[best])), 1e-300)
    rows = a - np.outer(a @ unit, unit)
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(rows @ basis[sizes > 1e-12 * max(float(sizes.max()), 1e-300)].T)


def _program(b: Array, gaps: Array) -> tuple[float, float, Array]:
    """Return upper bound, lower bound and feasible alpha: the best that the path of the barrier passes."""
    limits = 0.5 * gaps**2
    inner = np.linalg.inv((b.T / gaps) @ b)
    alpha = 2.0 * np.max(np.einsum("ai,ij,aj->a", b, inner, b) / limits) / gaps
    sharpness = len(b) / float(alpha @ gaps)
    upper, lower, best = np.inf, 0.0, alpha
    while sharpness * float(alpha @ gaps) < _SHARPEST:
        sharpness *= _GROWTH
        alpha = _centred(b, gaps, limits, alpha, sharpness)
        used = np.einsum("ai,ai->a", b, np.linalg.solve((b.T * alpha) @ b, b.T).T)
        feasible = alpha * np.max(used / limits)
        if float(feasible @ gaps) < upper:
            upper, best = float(feasible @ gaps), feasible
        lower = max(lower, _dual(b, gaps, limits, alpha, 1.0 / (limits - used)))
    return upper, min(lower, upper), best


def _dual(b: Array, gaps: Array, limits: Array, alpha: Array, mu: Array) -> float:
    """Return the lower bound tr(Y^T S^1/2)^2/(mu . limits) at the largest feasible multiple of Y = M^-1 S^1/2."""
    values, basis = np.linalg.eigh((b.T * mu) @ b)
    root = (basis * np.sqrt(np.maximum(values, 0.0))) @ basis.T
    y = np.linalg.solve((b.T * alpha) @ b, root)
    y = y * np.sqrt(np.min(gaps / np.einsum("ai,ij,kj,ak->a", b, y, y, b)))
    return float(np.sum(y * root) ** 2 / (mu @ limits))


def _centred(b: Array, gaps: Array, limits: Array, alpha: Array, sharpness: float) -> Array:
    """Return the minimum of sharpness x cost - sum log(limits - b^T M^-1 b) - sum log alpha, by Newton's steps."""

    def value(x: Array) -> tuple[float, Any]:
        k = b @ np.linalg.solve((b.T * x) @ b, b.T)
        slack = limits - np.diag(k)
        if np.any(slack <= 0.0):
            return np.inf, None
        return float(sharpness * (x @ gaps) - np.log(slack).sum() - np.log(x).sum()), (k, slack)

    here, parts = value(alpha)
    for _ in range(_STEPS):
        k, slack = parts
        bent = (k * k) / slack[:, None]  # minus the slope of -log slack, arm by arm
        slope = sharpness * gaps - bent.sum(axis=0) - 1.0 / alpha
        curvature = bent.T @ bent + 2.0 * (k.T * (1.0 / slack)) @ k * k + np.diag(alpha**-2.0)
        curvature = curvature * np.outer(alpha, alpha)
        curvature += 1e-14 * np.trace(curvature) * np.eye(len(alpha))  # where many alphas are as good
        scaled = np.linalg.solve(curvature, slope * alpha)
        decrement, step, size = float(scaled @ (slope * alpha)), alpha * scaled, 1.0
        if decrement < 1e-10:
            return alpha
        while size > 1e-12:
            trial = alpha - size * step
            there, after = value(trial) if np.all(trial > 0.0) else (np.inf, None)
            if there <= here - 0.1 * size * decrement:
                break
            size *= 0.5
        else:
            return alpha  # no descent beyond rounding
        alpha, here, parts = trial, there, after
    return alpha
