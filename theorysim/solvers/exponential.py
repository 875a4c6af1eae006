"""Adaptive exponential Runge-Kutta integration of y' = -rates*y + nonlinear(y), rates diagonal and >= 0.

The linear part is solved exactly, so large rates cost no steps. Five stages of stiff order 4, and a third-order
companion that uses the value at the end of the step (free: it is the first of the next one) in place of stage 4.
Everything is written in increments from the start of the step: a state where y' = 0 stays there to the last bit.
Source  M. Hochbruck, A. Ostermann, Explicit exponential Runge-Kutta methods for semilinear parabolic problems,
SIAM J. Numer. Anal. 43, 1069 (2005), the five-stage scheme; PI step control: Hairer & Wanner, Solving ODEs II, IV.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged

Array = NDArray[np.float64]
_SERIES = 18  # terms of phi_3 on [0, 1]: the first one left out is 1/21! = 2e-20
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 5.0
_NOW, _BEFORE = 0.7 / 4, 0.4 / 4  # PI exponents; the estimate is of fourth order in the step


def phis(x: Array) -> tuple[Array, Array, Array]:
    """Return phi_1, phi_2, phi_3 at -x for x >= 0, each of the shape of x, to about 1e-15 relative.

    phi_1(z) = (e^z - 1)/z,  phi_{k+1}(z) = (phi_k(z) - 1/k!)/z,  phi_k(0) = 1/k!.
    """
    small = np.minimum(x, 1.0)
    series = np.ones_like(small)
    for k in range(_SERIES + 3, 3, -1):
        series = 1.0 - small * series / k
    third = series / 6
    second = 0.5 - small * third
    first = 1.0 - small * second
    large = np.maximum(x, 1.0)
    first_far = -np.expm1(-large) / large
    second_far = (1.0 - first_far) / large
    near = x < 1.0
    return (np.where(near, first, first_far), np.where(near, second, second_far),
            np.where(near, third, (0.5 - second_far) / large))  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Scheme:
    """Coefficients of one step size, each broadcasting against the state and with the step multiplied in."""

    half: Array
    whole: Array
    third_stage: Array
    fourth_stage: Array
    fifth_stage: Array
    fifth_from_fourth: Array
    weight_end: Array
    weight_middle: Array


def _scheme(rates: Array, step: float) -> _Scheme:
    one, two, three = phis(step * rates)
    one_half, two_half, three_half = phis(0.5 * step * rates)
    fifth = 0.5 * two_half - three + 0.25 * two - 0.5 * three_half
    return _Scheme(
        half=0.5 * step * one_half,
        whole=step * one,
        third_stage=step * two_half,
        fourth_stage=step * two,
        fifth_stage=step * fifth,
        fifth_from_fourth=step * (0.25 * two_half - fifth),
        weight_end=step * (4 * three - two),
        weight_middle=step * (4 * two - 8 * three),
    )


def _step(s: _Scheme, rates: Array, nonlinear: Callable[[Array], Array], state: Array, force: Array
          ) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the new state, its nonlinear force, and the estimated error of the step."""
    slope = force - rates * state
    middle, end = state + s.half * slope, state + s.whole * slope
    both = nonlinear(middle) - force
    both += nonlinear(middle + s.third_stage * both) - force
    fourth = nonlinear(end + s.fourth_stage * both)
    rise = fourth - force
    fifth = nonlinear(middle + s.fifth_stage * both + s.fifth_from_fourth * rise)
    new = end + s.weight_end * rise + s.weight_middle * (fifth - force)
    new_force = nonlinear(new)
    return new, new_force, s.weight_end * (new_force - fourth)


def largest(x: Array) -> float:
    """Return the largest absolute value."""
    return float(np.max(np.abs(x), initial=0.0))


def flow(
    rates: Array,
    nonlinear: Callable[[Array], Array],
    start: Array,
    times: Array,
    tolerance: float = 1e-8,
    measure: Callable[[Array], float] = largest,
    max_steps: int = 100_000,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Array]:
    """Yield y at each requested time; y(0) = start.

    Parameters
    ----------
    rates : ndarray, broadcasting against `start`
        Diagonal of the linear part, >= 0; unit: 1/time.
    nonlinear : callable
        The rest of the right-hand side, (state) -> new array of the same shape.
    start : ndarray
    times : ndarray, shape (times,)
        Ascending, >= 0; a step ends at each.
    tolerance : float
        Largest local error of one step, in units of 1 + measure(y).
    measure : callable
        Norm of states and errors; the largest absolute value by default.
    max_steps : int
        Accepted and rejected steps together.
    progress : callable, optional
        Called with the time reached after each accepted step.

    Raises
    ------
    NotConverged
        If `max_steps` are not enough, or the step falls below the resolution of the time.
    """
    state, now, steps, ratio = np.array(start, float), 0.0, 0, np.inf
    force = nonlinear(state)
    wish, before = _first_step(measure(force - rates * state), measure(state), tolerance), 1.0
    made, scheme = -1.0, None
    for target in np.asarray(times, float):
        while now < target:
            step = _clipped(wish, float(target) - now)
            if steps == max_steps or now + step == now:
                raise NotConverged("exponential integrator", steps, ratio, "a larger tolerance or a shorter time")
            if scheme is None or step != made:
                made, scheme = step, _scheme(rates, step)
            new, new_force, error = _step(scheme, rates, nonlinear, state, force)
            ratio = measure(error) / (tolerance * (1.0 + measure(new)))
            steps += 1
            if ratio <= 1.0:
                state, force = new, new_force
                now = float(target) if step == target - now else now + step
                wish = max(step * _factor(ratio, before), wish if step < wish else 0.0)
                before = max(ratio, 1e-4)
                if progress is not None:
                    progress(now)
            else:
                wish = step * _retry(ratio)
        yield state.copy()


def _first_step(slope: float, size: float, tolerance: float) -> float:
    """Return a step over which y moves by about tolerance^(1/4) of 1 + |y|; infinite at a fixed point."""
    return float(tolerance**0.25 * (1.0 + size) / slope) if slope > 0 else np.inf


def _clipped(wish: float, left: float) -> float:
    """Return a step that ends at the target or leaves at least half of itself to go."""
    if wish >= left:
        return left
    return wish if 2 * wish <= left else 0.5 * left


def _factor(ratio: float, before: float) -> float:
    """Return the change of the step that a PI controller asks for; ratio = error/allowed, 1 is the limit."""
    if ratio == 0.0:
        return _GROW
    return float(np.clip(_SAFETY * ratio**-_NOW * before**_BEFORE, _SHRINK, _GROW))


def _retry(ratio: float) -> float:
    """Return the change of a step that failed; an error that is not a number fails too."""
    return float(max(_SAFETY * ratio**-0.25, _SHRINK)) if isfinite(ratio) else _SHRINK
