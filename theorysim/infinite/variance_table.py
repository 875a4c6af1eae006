"""What an activation does to variances from 1e-16 to as high as they can matter, once for all networks of it.

    q' = sw^2 E phi(u)^2 + sb^2,   u ~ N(0, q)

The means do not know sw and sb: one table serves a whole phase diagram.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.errors import NotConverged, ProblemError
from theorysim.infinite.moments import Moments, hermite_coefficients, moments, values

Array = NDArray[np.float64]

LOWEST, HIGHEST = 1e-16, 1e12
"""Variances between which fixed points are looked for; above, q* counts as infinite."""
_PER_OCTAVE = 24  # factors of 4; gelu needs 20 to show both fixed points beside its half-stable one
_SAME = 1e-12
_PROBES = np.logspace(-3, 5, 4000)


@dataclass(frozen=True, eq=False)
class Table:
    """Gaussian means on a grid of variances.

    Attributes
    ----------
    q : ndarray, shape (N,)
        Increasing.
    means : Moments
    start, start_slope : float
        phi(0)^2 and phi'(0)^2; where phi' jumps at 0, each side counts half.
    homogeneous : bool
        phi(t u) = t phi(u) for t > 0 (relu, abs, linear): q' = chi q + sb^2, exactly.
    beyond : str
        What the table does not show: "nothing" (phi is bounded), "linear" or "faster" growth of phi, or "unknown"
        (too many panels would be needed).
    """

    q: Array
    means: Moments
    start: float
    start_slope: float
    homogeneous: bool
    beyond: str

    @property
    def monotone(self) -> bool:
        """Whether the variance map increases everywhere."""
        return bool(np.all(self.means.growth >= -_SAME * self.means.slope))


def ceiling(activation: Activation) -> float:
    """Return a bound on phi^2, infinite where there seems to be none."""
    phi = np.abs(np.concatenate((values(activation.function, _PROBES), values(activation.function, -_PROBES))))
    near, far = phi.reshape(2, -1)[:, _PROBES <= 1e3].max(), phi.max()
    return (1.5 * float(far)) ** 2 if far <= 2.0 * near else math.inf


@lru_cache(maxsize=64)
def table_of(activation: Activation, reach: float = HIGHEST) -> Table:
    """Return the table of an activation.

    Parameters
    ----------
    activation : Activation
    reach : float
        Largest variance of interest, where phi is bounded.

    Raises
    ------
    ProblemError
        If the activation jumps.
    """
    _refuse_jumps(activation)
    bounded = math.isfinite(ceiling(activation))
    top = min(HIGHEST, 4.0 * reach) if bounded else HIGHEST
    grids, found, beyond = [], [], "nothing" if bounded else "linear"
    octaves = range(math.ceil(0.5 * math.log2(LOWEST)), math.ceil(0.5 * math.log2(top)))
    for octave in octaves:
        q = 4.0 ** (octave + np.arange(_PER_OCTAVE) / _PER_OCTAVE)
        try:
            means = moments(activation, q)
        except (NotConverged, FloatingPointError):
            beyond = "unknown"
            break
        if not np.isfinite(means.square).all():
            beyond = "faster"
            break
        grids.append(q)
        found.append(np.stack((means.square, means.slope, means.growth)))
    if not grids:
        raise ProblemError(f"variances: `activation` must be finite near 0, got {activation.name}")
    q, means = np.concatenate(grids), Moments(*np.concatenate(found, axis=1))
    if beyond == "linear" and abs(means.growth[-1] * q[-1] / means.square[-1] - 1.0) > 1e-3:
        beyond = "faster"
    origin = moments(activation, np.zeros(1))
    return Table(q, means, float(origin.square[0]), float(origin.slope[0]), _homogeneous(q, means), beyond)


def _homogeneous(q: Array, means: Moments) -> bool:
    rate = means.slope[0]
    return bool(rate > 0.0 and max(np.ptp(means.square / q), np.ptp(means.slope), np.ptp(means.growth)) <= _SAME * rate)


def _refuse_jumps(activation: Activation) -> None:
    """Refuse a phi that is not continuous: E phi' of the derivative given is then not E phi(u) u/q.

    Raises
    ------
    ProblemError
    """
    q = np.array([0.04, 1.0, 25.0])
    inside = activation.name not in ("sign", "step")
    if inside:
        slope = Activation(activation.name, activation.derivative, activation.derivative)
        one, two = hermite_coefficients(activation, q, 2)[1] / np.sqrt(q), hermite_coefficients(slope, q, 1)[0]
        inside = bool(np.all(np.abs(one - two) <= 1e-6 * (np.abs(one) + np.abs(two) + 1e-6)))
    if not inside:
        raise ProblemError(
            f"variances: `activation` must be continuous and `derivative` its derivative, got {activation.name}: "
            "where phi jumps, nearby inputs part at once and chi_1 is infinite"
        )
