"""Deep linear networks in the mean-field limit: closed equations for kernels and responses, nothing sampled.

    h^{l+1} = W^l h^l/sqrt N,  f = w.h^L/(gamma0 N),  learning rate eta gamma0^2 N:  kernels move at any width

Limit    widths -> inf at fixed data, depth, gamma0, steps and ratios of widths.
Valid    `mup`, activation linear, any depth and number of outputs; squared loss or cross-entropy; gradient flow, GD,
         heavy ball, Nesterov, schedules, weight decay, ridge, minibatches, biases, rates of one's own. Not Adam.
Error    O(1/width) in the mean of a loss. The solution itself is exact to rounding for steps of any size; gradient
         flow is extrapolated from GD (the error is reported), batches are averaged over drawn orders.
Sources  [Bordelon2022]; extensions derived here. Proof: derivations/deep_linear.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged
from theorysim.finite.training import train
from theorysim.meanfield.answers import answer, curves
from theorysim.meanfield.batches import Given, order_of, random_batches, sample_weights
from theorysim.meanfield.domain import Refusal, check_arguments, common_refusal, refuse
from theorysim.meanfield.domain import verdict as measured
from theorysim.meanfield.flow import diverged, stiffness
from theorysim.meanfield.flow_grid import descent, flow_steps
from theorysim.meanfield.linear_solution import Solution
from theorysim.meanfield.scatter import twin_deviations
from theorysim.observables import labelled
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.theory import Verdict

Array = NDArray[np.float64]
Outputs = tuple[Array, Array]
Problem = Training
OBSERVABLES = (
    "train_loss", "test_loss", "train_accuracy", "test_accuracy", "ensemble_accuracy",
    "train_prediction", "test_prediction",
)  # fmt: skip
SOURCES = ("Bordelon2022",)
NAME = "meanfield.linear"
ORDERS = 8
"""Orders of random batches that are averaged over."""
FLOW_STEPS, FLOW_STEP, MOST_PARTS, FLOW_TOLERANCE = 32, 0.5, 64, 1e-4
"""Gradient flow: fewest steps of the coarsest GD, and their size over the inverse of the largest rate; how often they
are halved; change of the extrapolated outputs that is accepted, relative to the largest."""


def validity(training: Training) -> Verdict:
    """Predict the scatter of the outputs between networks of this width, relative to the labels."""
    return measured(NAME, training, refusal(training))


def refusal(training: Training) -> Refusal | None:
    """Return why this limit does not describe a problem, and what does; None where it does."""
    if isinstance(training.network, MLP) and training.network.activation_name != "linear":
        instead = "meanfield.two_layer" if training.network.depth == 1 else "meanfield.deep"
        return f"its equations close for linear networks only, not for {training.network.activation_name}", instead
    return common_refusal(training)


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    batches: Given = None,
) -> xr.Dataset:
    """Return the learning curves in the limit of infinite width.

    Parameters
    ----------
    training : Training
    seed : int
        Draws the orders of batches (those of finite networks of the same seed) and the twins that measure X_std.
    tolerance : float, optional
        Gradient flow: accepted change of the outputs, relative to the largest (default 1e-4).
    device : "cpu"
    batches : list of ndarray, optional
        Row indices of each step in place of drawn batches: the limit is then exact.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (one network of this width) and X_error.

    Raises
    ------
    ProblemError
        If the network is not linear, not `mup`, or the run too long for memory.
    FloatingPointError
        If training diverges.
    """
    refuse(NAME, refusal(training))
    check_arguments(NAME, training, device=device, batches=batches)
    try:
        with single_thread():
            fine, coarse = _outputs(training, seed, FLOW_TOLERANCE if tolerance is None else tolerance, batches)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    deviations = twin_deviations(training, seed=seed, batches=batches)
    values = curves(training, fine, deviations, vary=random_batches(training, batches), coarse=coarse)
    attrs = provenance(training, theory=NAME, seed=seed, device=device, sources=" ".join(SOURCES))
    attrs["scatter"] = "width"  # X_std is that of networks of this width
    return answer(training, values, attrs)


def finite(training: Training, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Train finite networks: the same observables, with the dimension ``replica``."""
    return train(training, replicas=replicas, seed=seed, device=device)


def kernels(training: Training, *, seed: int = 0, batches: Given = None) -> xr.Dataset:
    """Return feature and gradient kernels of every hidden layer at the recorded steps.

    Parameters
    ----------
    training : Training
        Not gradient flow, unless with an ``euler_step``; one output.
    seed, batches
        As in `limit`; drawn batches are those of finite network 0.

    Returns
    -------
    Dataset
        ``feature_kernel``, <h^l h^l>, and ``gradient_kernel``, <g^l g^l>, over step, layer, sample, sample_other.
    """
    refuse(NAME, refusal(training))
    solution = solution_of(training, seed, 0, batches)
    with single_thread():
        solution.run()
    march, rows, layers = solution.march, solution.rows, range(1, training.network.depth + 1)
    features = [[rows @ march.feature_kernel(layer, k) @ rows.T for layer in layers] for k in solution.places]
    gradients = [[_same(march.gradient_kernel(layer, k), len(rows)) for layer in layers] for k in solution.places]
    return labelled(
        {"feature_kernel": np.array(features), "gradient_kernel": np.array(gradients)},
        steps=np.asarray(training.recorded),
        time=np.asarray(training.clock),
        attrs=provenance(training, theory=NAME, seed=seed),
    )


def _same(kernel: Array, samples: int) -> Array:
    """Return the mean over outputs of a gradient kernel, the same for all pairs of samples."""
    return np.full((samples, samples), np.trace(kernel) / len(kernel))


def solution_of(training: Training, seed: int, stream: int, batches: Given) -> Solution:
    """Return the march of a run with steps of its own: SGD, or gradient flow with a Euler step."""
    optimizer, places, euler_step = training.optimizer, training.recorded, None
    if isinstance(optimizer, GradientFlow):
        assert optimizer.euler_step is not None
        euler_step = optimizer.euler_step
        places = tuple(round(t / euler_step) for t in training.recorded_times)
        optimizer = SGD(learning_rate=euler_step)
    assert isinstance(optimizer, SGD)
    order = order_of(training, seed=seed, stream=stream, batches=batches)
    weights = sample_weights(order, places[-1], len(training.samples.x_train))
    return Solution(training, optimizer, places, weights, euler_step)


def _outputs(training: Training, seed: int, tolerance: float, batches: Given) -> tuple[Outputs, Outputs | None]:
    """Return the outputs of runs, and those of a coarser solution where the solution has an error."""
    optimizer = training.optimizer
    if isinstance(optimizer, GradientFlow) and optimizer.euler_step is None:
        return _flow(training, tolerance)
    streams = range(ORDERS if random_batches(training, batches) else 1)
    runs = [solution_of(training, seed, stream, batches).run() for stream in streams]
    train_runs, test_runs = (np.stack(parts) for parts in zip(*runs, strict=True))
    return (train_runs, test_runs), None


def _flow(training: Training, tolerance: float) -> tuple[Outputs, Outputs]:
    """Extrapolate GD to steps of size 0: halve the steps until the extrapolated outputs settle."""
    levels: list[Outputs] = []
    change, parts = np.inf, 1
    while parts <= MOST_PARTS:
        try:
            levels.append(_descended(training, parts))
        except FloatingPointError:  # steps too large for this flow
            levels = []
        if len(levels) >= 3:
            fine, coarse = _extrapolated(levels[-3:]), _extrapolated(levels[-2:])
            change = max(_change(f, g) for f, g in zip(fine, coarse, strict=True))
            if change <= tolerance:
                return fine, coarse
        parts *= 2
    raise NotConverged(NAME, len(levels), change, "a shorter `time`, or GD")


def _descended(training: Training, parts: int) -> Outputs:
    """Return the outputs of GD on a grid that meets the recorded times, every step of it cut into `parts`."""
    optimizer = training.optimizer
    assert isinstance(optimizer, GradientFlow)
    speed = stiffness(training) + optimizer.weight_decay + training.kappa * optimizer.ridge
    largest = min(training.recorded_times[-1] / FLOW_STEPS, FLOW_STEP / speed)
    sizes, places = flow_steps(training, largest, parts)
    weights = sample_weights(None, len(sizes), len(training.samples.x_train))
    train_outputs, test_outputs = Solution(training, descent(training, sizes), places, weights).run()
    return train_outputs[None], test_outputs[None]


def _extrapolated(levels: Sequence[Outputs]) -> Outputs:
    """Return the polynomial extrapolation of outputs whose steps halve from one to the next."""
    rows = [list(pair) for pair in levels]
    power = 2.0
    while len(rows) > 1:
        rows = [[(power * b - a) / (power - 1.0) for a, b in zip(*pair, strict=True)] for pair in pairwise(rows)]
        power *= 2.0
    return rows[0][0], rows[0][1]


def _change(f: Array, g: Array) -> float:
    return float(np.max(np.abs(f - g)) / max(np.max(np.abs(f)), 1e-300)) if f.size else 0.0
