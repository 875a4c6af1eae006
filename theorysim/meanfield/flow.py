"""Gradient flow as gradient descent with small steps, two sizes of them; and how large steps may be at the start."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import eigh
from theorysim.errors import ProblemError
from theorysim.infinite.recursion import kernels_of
from theorysim.infinite.stability import mean_limit
from theorysim.meanfield.residual_kernels import start_kernels
from theorysim.problem.network import activation_of
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of

Array = NDArray[np.float64]
LARGEST_STEP, FEWEST_STEPS, MOST_STEPS = 0.1, 32, 2000
"""Of the coarser descent: eta kappa times the largest eigenvalue of the tangent kernel, and the number of steps."""
_SAMPLES = 300


def stiffness(training: Training) -> float:
    """Return kappa times the largest eigenvalue of the initial tangent kernel, about (on at most 300 samples)."""
    x = np.array(training.samples.x_train)
    some = np.ascontiguousarray(x[:: max(1, len(x) // _SAMPLES)])
    theta = _start_kernel(training, some)
    return float(eigh(theta)[0][-1]) * len(x) / len(some) * training.kappa


def _start_kernel(training: Training, x: Array) -> Array:
    if isinstance(training.network, ResidualMLP):
        return start_kernels(training.network, x).tangent
    return kernels_of(training.layers, activation_of(training.network), x).ntk


def diverged(name: str, training: Training, failure: FloatingPointError) -> FloatingPointError:
    """Return the exception of a march whose outputs are not finite, with the rate that is stable at the start."""
    optimizer = training.optimizer
    if not isinstance(optimizer, SGD):
        return FloatingPointError(f"{name}: {failure}")
    chosen, stable = float(optimizer.step_sizes(training.steps or 1).max()), mean_limit(optimizer) / stiffness(training)
    return FloatingPointError(
        f"{name}: {failure}; the learning rate is {chosen:.3g}, the largest stable one at the start about {stable:.2g}"
    )


def descents(training: Training) -> tuple[Training, Training]:
    """Return gradient descents that meet the recorded times of a flow, the second with steps of half the size."""
    optimizer = training.optimizer
    assert isinstance(optimizer, GradientFlow)
    times = np.asarray(training.recorded_times, float)
    steps = max(FEWEST_STEPS, math.ceil(times[-1] * (stiffness(training) + optimizer.weight_decay) / LARGEST_STEP))
    if steps > MOST_STEPS:
        raise ProblemError(
            f"meanfield.deep: `time` must be at most {times[-1] * MOST_STEPS / steps:.3g} for this gradient flow, "
            f"got {times[-1]:g}"
        )
    gaps = np.diff(times, prepend=0.0)
    counts = np.where(gaps > 0.0, np.maximum(1, np.rint(steps * gaps / times[-1])), 0).astype(int)
    return _descent(training, optimizer, gaps, counts), _descent(training, optimizer, gaps, 2 * counts)


def _descent(training: Training, flow: GradientFlow, gaps: Array, counts: NDArray[np.int64]) -> Training:
    sizes = np.repeat(np.divide(gaps, counts, out=np.zeros_like(gaps), where=counts > 0), counts)
    optimizer = SGD(schedule=tuple(sizes.tolist()), learning_rate=float(sizes.max()), ridge=flow.ridge,
                    weight_decay=flow.weight_decay)  # fmt: skip
    record = tuple(int(k) for k in np.cumsum(counts))
    changed = {"optimizer": optimizer, "steps": len(sizes), "time": None, "record": record}
    return Training(**{**fields_of(training), **changed})
