"""How far an optimizer has moved each mode of a kernel after k steps.

    f(k) - f(0) = Theta U h(k) U^T (y - f(0)),     g(k) = 1 - (w + ridge) h(k)

w are the eigenvalues of the kernel Theta on the training samples and U its eigenvectors. h is the filter of
the optimizer, g what is left of a mode: gradient flow, gradient descent, heavy ball, Nesterov, any schedule.
Constant step sizes use the closed forms of `equations.descent`; schedules are stepped, which is exact too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.equations import descent
from theorysim.problem.optimizer import SGD, GradientFlow

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Filter:
    """Response of every mode at the recorded steps.

    Attributes
    ----------
    left : ndarray, shape (steps, modes)
        g: the part of the distance to the fixed point that is left.
    moved : ndarray, shape (steps, modes)
        h = (1 - g)/(w + ridge), finite at w = 0; unit: 1/kernel.
    """

    left: Array
    moved: Array

    def residual(self, eigenvalues: Array, ridge: float) -> Array:
        """Return (f - y)/(f(0) - y) of every mode, shape (steps, modes), without cancellation."""
        total = eigenvalues + ridge
        share = np.divide(eigenvalues, total, out=np.ones_like(total), where=total > 0)
        return share * self.left + (1.0 - share)


def filter_of(optimizer: GradientFlow | SGD, eigenvalues: Array, kappa: float, steps: Array, total: int = 0) -> Filter:
    """Return the filter of an optimizer at given steps (for gradient flow: times).

    Parameters
    ----------
    optimizer : GradientFlow or SGD
        Its ridge is added to every eigenvalue. Batches do not matter here: they leave the mean unchanged.
    eigenvalues : ndarray, shape (modes,)
        Eigenvalues w >= 0 of the kernel on the training samples.
    kappa : float
        1/(P C) for the squared loss (conventions, section 2).
    steps : ndarray, shape (steps,)
        Recorded steps, ascending; times for gradient flow.
    total : int
        Steps of the whole run: schedules are stretched over it.
    """
    rates = kappa * (eigenvalues + optimizer.ridge)
    left = np.empty((len(steps), len(rates)))
    moved = np.empty_like(left)
    if isinstance(optimizer, GradientFlow):
        foreach(_flow, len(rates), rates, np.asarray(steps, float), left, moved)
    elif optimizer.schedule is None:
        kind = 2 if optimizer.nesterov else int(optimizer.momentum > 0)
        eta = float(optimizer.step_sizes(1)[0])
        whole = np.asarray(steps, np.int64)
        foreach(_CONSTANT[kind], len(rates), rates * eta, optimizer.momentum, whole, left, moved)
        moved *= eta
    else:
        sizes = np.asarray(optimizer.step_sizes(total), float)
        look_ahead = optimizer.momentum if optimizer.nesterov else 0.0
        lead = 1.0 if optimizer.nesterov else 0.0
        foreach(_stepped, len(rates), rates, sizes, optimizer.momentum, lead, look_ahead,
                np.asarray(steps, np.int64), left, moved)  # fmt: skip
    return Filter(left, moved * kappa)


@body("float64[::1], float64[::1], float64[:,::1], float64[:,::1]")
def _flow(i, rates, times, left, moved):  # type: ignore[no-untyped-def]
    for k in range(times.size):
        left[k, i] = descent.flow(rates[i], times[k])
        moved[k, i] = descent.flow_filter(rates[i], times[k])


@body("float64[::1], float64, int64[::1], float64[:,::1], float64[:,::1]")
def _descent(i, x, momentum, steps, left, moved):  # type: ignore[no-untyped-def]
    for k in range(steps.size):
        left[k, i] = descent.gradient_descent(x[i], steps[k])
        moved[k, i] = descent.gradient_descent_filter(x[i], steps[k])


@body("float64[::1], float64, int64[::1], float64[:,::1], float64[:,::1]")
def _heavy_ball(i, x, momentum, steps, left, moved):  # type: ignore[no-untyped-def]
    for k in range(steps.size):
        left[k, i] = descent.heavy_ball(x[i], steps[k], momentum)
        moved[k, i] = descent.heavy_ball_filter(x[i], steps[k], momentum)


@body("float64[::1], float64, int64[::1], float64[:,::1], float64[:,::1]")
def _nesterov(i, x, momentum, steps, left, moved):  # type: ignore[no-untyped-def]
    for k in range(steps.size):
        left[k, i] = descent.nesterov(x[i], steps[k], momentum)
        moved[k, i] = descent.nesterov_filter(x[i], steps[k], momentum)


_CONSTANT = (_descent, _heavy_ball, _nesterov)


@body("float64[::1], float64[::1], float64, float64, float64, int64[::1], float64[:,::1], float64[:,::1]")
def _stepped(i, rates, sizes, momentum, lead, look_ahead, steps, left, moved):  # type: ignore[no-untyped-def]
    g, h, buffer = 1.0, 0.0, 0.0
    k = 0
    for s in range(sizes.size + 1):
        while k < steps.size and steps[k] == s:
            left[k, i] = g
            moved[k, i] = h
            k += 1
        if s < sizes.size:
            buffer = momentum * buffer + g
            update = buffer if lead == 0.0 else lead * g + look_ahead * buffer
            h += sizes[s] * update
            g -= sizes[s] * rates[i] * update
