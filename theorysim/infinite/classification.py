"""Gradient flow of infinitely wide networks on the cross-entropy, one network at a time.

    f = f(0) + Theta a,    da/dt = -kappa (softmax f - y) - kappa ridge a,    a(0) = 0

In the eigenbasis U of Theta, d = U^T a: the term kappa c w d of the softmax is treated exactly together with the
ridge, the rest is the nonlinear part of an exponential Runge-Kutta step. Integrating d and not F = w d keeps the
test outputs f_x = f_x(0) + cross^T d finite at w -> 0.

Any c is exact; it decides how many steps are needed. The Jacobian of the softmax has its spectrum in [0, 1/2] but
dies out as samples are fitted: a fixed 1/4 or 1/2 soon adds damping that the rest must take off again. c is the
mean p(1 - p) over samples, classes and networks, taken anew whenever the time has grown by a factor: two to five
times fewer steps than c = 1/2, and with a ridge, where the stiffness stays, ten times fewer than c = 0. Where c is
too small for a sample or too large, steps get shorter by the error control, nothing else happens.
Source  the flow: [Jacot2018, section 3], [Lee2019, section 2.2].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.infinite.function_space import softmax, softmax_error
from theorysim.infinite.modes import Modes
from theorysim.solvers.exponential import flow

Array = NDArray[np.float64]

_REFRESH = 4.0  # growth of the time after which c is taken anew


def flow_paths(
    modes: Modes,
    ridge: float,
    kappa: float,
    target: Array,
    start: Array,
    start_test: Array,
    times: Array,
    tolerance: float = 1e-7,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Yield the outputs of R networks on training and test samples, (P, C, R) and (M, C, R), at each time.

    Parameters
    ----------
    modes : Modes
    ridge : float
        Added to every eigenvalue; unit: kernel.
    kappa : float
        1/P for the cross-entropy (conventions, section 2).
    target : ndarray, shape (P, C)
        One-hot labels.
    start, start_test : ndarray, shape (P, C, R) and (M, C, R)
        Initial outputs.
    times : ndarray, shape (times,)
        Ascending, >= 0.
    tolerance : float
        Largest local error of one step, root mean square over the outputs of one network, relative to one plus
        the distance moved. Local errors add up: in tests up to a thousand times as large at late times without
        a ridge; 1e-5 is enough where the outputs are averaged over random networks.
    progress : callable, optional
        Called with the time reached.

    Raises
    ------
    NotConverged
        From `solvers.exponential.flow`.
    """
    shape = (start.shape[0], start.shape[1] * start.shape[2])
    values, weight = modes.eigenvalues[:, None], _weights(modes)

    def outputs(dual: Array) -> Array:
        return np.add(start, (modes.vectors @ (values * dual)).reshape(start.shape))

    def push(dual: Array) -> Array:
        turned: Array = modes.vectors.T @ softmax_error(outputs(dual), target).reshape(shape)
        return turned

    def spread(dual: Array) -> float:
        squares = np.sum((weight * dual) ** 2, axis=0).reshape(start.shape[1:])
        return float(np.sqrt(np.max(np.mean(squares, axis=0), initial=0.0)))

    dual = np.zeros(shape)
    for begin, end, recorded in _stretches(np.asarray(times, float), kappa * modes.eigenvalues[0]):
        reached = None if progress is None else partial(_report, progress, begin)
        with single_thread():
            split = _mean_slope(softmax(outputs(dual))) * values
            (dual,) = flow(
                kappa * (split + ridge), partial(_rest, push, split, kappa), dual,
                np.array([end - begin]), tolerance, spread, progress=reached,
            )  # fmt: skip
            if not recorded:
                continue
            train, test = outputs(dual), (modes.cross.T @ dual).reshape(start_test.shape)
        yield train, start_test + test


def _mean_slope(share: Array) -> float:
    """Return the mean diagonal of the softmax Jacobian, p(1 - p)."""
    return float(np.mean(share * (1.0 - share)))


def _rest(push: Callable[[Array], Array], split: Array, kappa: float, dual: Array) -> Array:
    return kappa * (split * dual - push(dual))


def _report(progress: Callable[[float], None], begin: float, elapsed: float) -> None:
    progress(begin + elapsed)


def _stretches(times: Array, fastest: float) -> Iterator[tuple[float, float, bool]]:
    """Yield (begin, end, end is a recorded time); the first refresh comes when the fastest mode has moved."""
    now, refresh = 0.0, 1.0 / fastest if fastest > 0 else np.inf
    for time in times:
        while refresh < time:
            if refresh > now:
                yield now, refresh, False
                now = refresh
            refresh *= _REFRESH
        yield now, float(time), True
        now = float(time)


def _weights(modes: Modes) -> Array:
    """Return the root mean square output, on training or test samples, of a unit dual coordinate, shape (P, 1)."""
    train = modes.eigenvalues / np.sqrt(modes.samples)
    tests = modes.cross.shape[1]
    test = np.linalg.norm(modes.cross, axis=1) / np.sqrt(tests) if tests else np.zeros_like(train)
    largest: Array = np.maximum(train, test)
    return largest.reshape(-1, 1)
