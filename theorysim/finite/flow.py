"""Gradient flow of a finite network: dtheta/dt = -a g - weight_decay theta - kappa ridge (theta - theta_0).

Solved by the Dormand-Prince pair 5(4) with steps chosen from the error estimate. The step size of one
replica must not depend on the others, so replicas are integrated one by one.

Source: Dormand and Prince, J. Comput. Appl. Math. 6 (1980) 19; step control as in Hairer, Norsett, Wanner,
Solving Ordinary Differential Equations I, section II.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged
from theorysim.finite.network import Parameters

Array = NDArray[np.float64]
Slope = Callable[[Array, Array], None]  # (state, out) -> None

_STAGES = (
    np.array([1 / 5]),
    np.array([3 / 40, 9 / 40]),
    np.array([44 / 45, -56 / 15, 32 / 9]),
    np.array([19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729]),
    np.array([9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656]),
    np.array([35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]),
)
_FOURTH = np.array([5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40])
_ERROR = np.append(_STAGES[-1], 0.0) - _FOURTH
_LARGEST_COUNT = 10_000_000


def flat_parameters(p: Parameters) -> tuple[Array, Parameters]:
    """Return the parameters as one vector, and as arrays that are views of it."""
    vector = np.concatenate([array.ravel() for array in p.arrays])
    ends = np.cumsum([array.size for array in p.arrays])
    parts = np.split(vector, ends[:-1])
    arrays = [part.reshape(array.shape) for part, array in zip(parts, p.arrays, strict=True)]
    return vector, Parameters(arrays[: len(p.weights)], arrays[len(p.weights) :])


def integrate(
    slope: Slope, state: Array, times: Sequence[float], *, tolerance: float, advance: Callable[[float], None]
) -> Iterator[int]:
    """Move `state` along its flow, in place; yields the index of each time when the state is there.

    Parameters
    ----------
    slope : callable
        Writes dstate/dt.
    state : ndarray, shape (n,)
        State at time 0, overwritten.
    times : increasing floats
        Where to stop; may begin at 0.
    tolerance : float
        Error allowed per step, relative to the size of the state (root mean square).
    advance : callable
        Called with the fraction done after each step; may raise to stop.

    Raises
    ------
    NotConverged
        If the step size collapses.
    """
    k = np.empty((7, state.size))
    slope(state, k[0])
    t, h = 0.0, _first_step(state, k[0], times[-1], tolerance)
    for index, end in enumerate(times):
        while t < end:
            last = t + h >= end * (1 - 1e-13)
            step = end - t if last else h
            trial, error = _try(slope, state, k, step, tolerance)
            factor = 0.9 * error**-0.2 if error > 0 else 5.0
            if error <= 1.0:
                t = end if last else t + step
                state[:], k[0] = trial, k[6]
                advance(t / times[-1])
                h = max(h, step * min(factor, 5.0)) if last else step * min(factor, 5.0)
            else:
                h = step * (max(factor, 0.2) if np.isfinite(error) else 0.1)
            if h < 1e-14 * max(t, times[-1] * 1e-6):
                raise NotConverged("gradient flow", index, error, "a shorter time, or smaller weight_std")
        yield index


def _first_step(state: Array, slope: Array, duration: float, tolerance: float) -> float:
    """Return a careful first step: a Euler step that changes the state by tolerance^(1/5) / 10 of its size."""
    size, speed = float(np.linalg.norm(state)), float(np.linalg.norm(slope))
    return min(duration, 0.1 * tolerance**0.2 * size / speed) if size > 0 and speed > 0 else duration


def _try(slope: Slope, state: Array, k: Array, h: float, tolerance: float) -> tuple[Array, float]:
    """Return the state after a step of size h, and its error in units of the tolerance."""
    trial = state
    for i, coefficients in enumerate(_STAGES):
        trial = state + h * (coefficients @ k[: i + 1])
        slope(trial, k[i + 1])
    error = h * (_ERROR @ k)
    return trial, float(np.linalg.norm(error) / (tolerance * (1e-300 + np.linalg.norm(state))))
