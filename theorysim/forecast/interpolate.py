"""From a limit and narrower networks to a network of the user's width: kriging in 1/N.

    y(x) = y_0 + A w(x),   x = reach / width,   Cov w(x), w(x') = sum over powers j of (x x')^j

y is the logarithm of a loss (the logit of an accuracy). The limit is the point at x = 0, twins are points at
larger x than the user's: so theory and twins together interpolate. `reach` is the width at which all powers of
1/N matter alike, so the terms left out of a fit enter its error and narrow twins count little. Without noise
and for large A this is Lagrange interpolation in 1/N.

The amplitude A is not fitted but averaged over, and so is the law: whole powers (perturbation theory), or a
square root before them. The square root is real: late in training, where the small eigenvalues of a random
kernel decide, a mean loss was measured to approach its limit as N^-1/2 from width 32 to 256 (compare 2402.01092).
The points weigh amplitudes and laws by how well they predict them: points that disagree widen the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

RADIUS = 0.2
"""depth/width at which all powers of 1/N matter alike (measured, benchmarks/calibration.py)."""
SMOOTH = (1.0, 2.0, 3.0, 4.0)
ROUGH = (0.5, 1.0, 2.0, 3.0)
PROVED = ((SMOOTH, 0.9), (ROUGH, 0.1))
"""Laws and their prior weights where the expansion in 1/N is known."""
MEASURED = ((SMOOTH, 0.5), (ROUGH, 0.5))
"""The same where twins follow measured rules only (frozen rates of Adam: conventions, section 4)."""
Laws = tuple[tuple[tuple[float, ...], float], ...]
FLAT = 10.0
"""Standard deviation of y_0 beyond what the points say: no opinion."""
_AMPLITUDES: Array = np.geomspace(0.02, 6.0, 16)
_TYPICAL, _DECADES = 0.5, 0.55
_PLANNED = 1.0


@dataclass(frozen=True, eq=False)
class Point:
    """A known curve at one width.

    Attributes
    ----------
    inverse_width : float
        1/n; 0 for the limit.
    value, error : ndarray, shape (steps,)
        Transformed observable and its standard error.
    """

    inverse_width: float
    value: Array
    error: Array


@dataclass(frozen=True, eq=False)
class Estimate:
    """The interpolated curve, shape (steps,) each.

    Attributes
    ----------
    value, error : ndarray
        Posterior mean and standard deviation.
    sampling, width : ndarray
        The two parts of `error`: noise of the points carried by their weights, and unknown width corrections.
    """

    value: Array
    error: Array
    sampling: Array
    width: Array


def interpolated(points: list[Point], *, at: float, reach: float, laws: Laws = PROVED) -> Estimate:
    """Estimate a curve at one width from the curves at others.

    Parameters
    ----------
    points : list of Point
        One or more; the limit has inverse_width 0.
    at : float
        1/N of the network asked for.
    reach : float
        Width at which all powers of 1/N matter alike; depth / RADIUS or more.
    laws : tuple of (powers, prior weight)
        Powers of 1/N that the curve may follow.
    """
    x = np.array([p.inverse_width for p in points]) * reach
    values = np.stack([p.value for p in points], axis=-1)
    noise = np.stack([p.error for p in points], axis=-1) ** 2
    answers = [
        _kriged(x, values, noise, at * reach, amplitude, powers) for powers, _ in laws for amplitude in _AMPLITUDES
    ]
    means, sampling, width, evidence = (np.array(part) for part in zip(*answers, strict=True))
    amplitudes = np.tile(-0.5 * (np.log10(_AMPLITUDES / _TYPICAL) / _DECADES) ** 2, len(laws))
    prior = amplitudes + np.log(np.repeat([weight for _, weight in laws], _AMPLITUDES.size))
    return _averaged(means, sampling, width, evidence + prior[:, None])


def expected_error(inverse_widths: list[float], errors: Array, *, at: float, reach: float) -> Array:
    """Return the error of `interpolated` for a rather large amplitude and the rough law: what plans are worth.

    Parameters
    ----------
    inverse_widths : list of float
        Widths of the points.
    errors : ndarray, shape (plans, points)
        Their standard errors in each plan.
    """
    x = np.array(inverse_widths) * reach
    cov, row, own = _covariance(x, at * reach, _PLANNED, ROUGH)
    full = cov + errors[:, :, None] ** 2 * np.eye(x.size)
    solved = np.linalg.solve(full, np.broadcast_to(row, errors.shape)[..., None])[..., 0]
    return np.sqrt(np.maximum(own - solved @ row, 0.0))


def _kriged(
    x: Array, values: Array, noise: Array, at: float, amplitude: float, powers: tuple[float, ...]
) -> tuple[Array, Array, Array, Array]:
    """Return mean, variance from noise, variance from unknown corrections, and log evidence, all (steps,)."""
    reference = values[:, int(np.argmin(x))]
    centred = values - reference[:, None]
    cov, row, own = _covariance(x, at, amplitude, powers)
    full = cov + noise[:, :, None] * np.eye(x.size)
    weights = np.linalg.solve(full, np.broadcast_to(row, values.shape)[..., None])[..., 0]
    mean = reference + np.sum(weights * centred, axis=1)
    width = own - 2 * weights @ row + np.einsum("sp,pq,sq->s", weights, cov, weights)
    fit = np.linalg.solve(full, centred[..., None])[..., 0]
    evidence = -0.5 * (np.sum(centred * fit, axis=1) + np.linalg.slogdet(full)[1])
    return mean, np.sum(weights**2 * noise, axis=1), np.maximum(width, 0.0), evidence


def _covariance(x: Array, at: float, amplitude: float, powers: tuple[float, ...]) -> tuple[Array, Array, float]:
    """Return prior covariance of the points, of the points with the target, and of the target."""

    def prior(product: Array) -> Array:
        out = np.full(product.shape, FLAT**2)
        for j in powers:
            out += amplitude**2 * product**j
        return out

    return prior(np.outer(x, x)), prior(x * at), float(prior(np.array(at * at)))


def _averaged(means: Array, sampling: Array, width: Array, score: Array) -> Estimate:
    """Average over laws and amplitudes with posterior weights."""
    weight = np.exp(score - score.max(axis=0))
    weight /= weight.sum(axis=0)
    value = np.sum(weight * means, axis=0)
    noise = np.sum(weight * sampling, axis=0)
    unknown = np.sum(weight * (width + (means - value) ** 2), axis=0)
    return Estimate(value, np.sqrt(noise + unknown), np.sqrt(noise), np.sqrt(unknown))
