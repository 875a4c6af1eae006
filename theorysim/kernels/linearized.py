"""Training of a finite network in its own lazy limit: its first-order Taylor polynomial in the parameters.

    f_lin(x) = f(x; theta_0) + J(x) (theta - theta_0),    J = df/dtheta at theta_0

Its tangent kernel is that of the network at theta_0 and never changes: what a network does beyond this is feature
learning. Steps are taken in the parameters (`finite.linear_block`), so that every optimizer means what it means for
the network. Gradient flow goes through the kernel of all outputs, K = J A J^T: in closed form for the squared
loss, by exponential integration for the cross-entropy.

Sources  [Lee2019, section 2.3].
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import eigh, single_thread
from theorysim.errors import ProblemError
from theorysim.finite.block import Record
from theorysim.finite.empirical import ntk_between_outputs
from theorysim.finite.initial import given, named
from theorysim.finite.kernels import Weights
from theorysim.finite.linear_block import LinearBlock
from theorysim.finite.losses import targets
from theorysim.finite.network import Parameters, activation_of, initialise, outputs
from theorysim.finite.results import dataset
from theorysim.finite.training import Batches, block_size
from theorysim.infinite.filters import filter_of
from theorysim.infinite.function_space import softmax_error
from theorysim.problem.optimizer import GradientFlow
from theorysim.problem.training import Training
from theorysim.solvers.exponential import flow

Array = NDArray[np.float64]
LARGEST_KERNEL = 8_000
"""Rows P C of a kernel between all outputs that gradient flow diagonalises."""
FLOW_TOLERANCE = 1e-12
"""Local error of one step of the cross-entropy flow."""
SOFTMAX_SLOPE = 0.25
"""Share of the kernel that the exponential integrator treats exactly: a mean slope of the softmax."""


def linearized(
    training: Training,
    weights: Weights | None = None,
    *,
    replicas: int | None = None,
    seed: int = 0,
    batches: Batches | None = None,
) -> xr.Dataset:
    """Train networks linearised at their initial (or the given) parameters.

    Parameters
    ----------
    training : Training
        Any optimizer, schedule and loss; gradient flow without weight decay.
    weights : Parameters, mapping or path of an npz file, optional
        Effective parameters theta_0 in place of drawn ones (see `replay`).
    replicas : int, optional
        Networks; default 1, or as many as `weights` holds. With the same seed they start where those of
        `train` start, and see the same batches.
    seed : int
        Key of the random numbers.
    batches : list of ndarray, optional
        Row indices of each step, for all replicas, in place of drawn ones.

    Returns
    -------
    Dataset
        The observables of `train`, with the dimension ``replica``.

    Raises
    ------
    ProblemError
        If the arguments do not fit the problem, or the kernel of a gradient flow would be too large.
    FloatingPointError
        If a run diverges.
    """
    start = _start(training, weights, replicas, seed)
    if isinstance(training.optimizer, GradientFlow):
        if batches is not None:
            raise ProblemError("linearized: `batches` must be left out for gradient flow, got some")
        record = _flow(training, start)
    else:
        record = _steps(training, start, seed, batches)
    return dataset(training, record, seed=seed).assign_attrs(theory="kernels.linearized")


def _start(training: Training, weights: Weights | None, replicas: int | None, seed: int) -> Parameters:
    if training.network.gamma0 == 0.0:
        raise ProblemError("linearized: `gamma0` must be positive for finite networks, got 0")
    if replicas is not None and replicas < 1:
        raise ProblemError(f"linearized: `replicas` must be at least 1, got {replicas}")
    if weights is None:
        return initialise(training.layers, range(replicas or 1), seed=seed)
    p = weights if isinstance(weights, Parameters) else named(weights, training.layers)
    return given(training, p, replicas or p.replicas)


def _steps(training: Training, start: Parameters, seed: int, batches: Batches | None) -> Record:
    size = block_size(training)
    parts = [range(first, min(first + size, start.replicas)) for first in range(0, start.replicas, size)]

    def one(numbers: range) -> Record:
        p = start.part(slice(numbers.start, numbers.stop))
        block = LinearBlock(training, numbers, seed=seed, p=p, batches=batches)
        with np.errstate(all="ignore"):  # divergence is found by looking at the outputs, once a step
            return block.descend(None, lambda fraction: None)

    with single_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        records = list(pool.map(one, parts))
    return Record(*(np.concatenate(each, axis=1) for each in zip(*((r.train, r.test) for r in records), strict=True)))


def _flow(training: Training, start: Parameters) -> Record:
    optimizer, rows = training.optimizer, len(training.samples.x_train) * training.outputs
    assert isinstance(optimizer, GradientFlow)
    if optimizer.weight_decay or optimizer.euler_step is not None:
        name = "weight_decay" if optimizer.weight_decay else "euler_step"
        raise ProblemError(f"linearized: `{name}` must be left out for gradient flow, got {getattr(optimizer, name)!r}")
    if rows > LARGEST_KERNEL:
        raise ProblemError(
            f"linearized: `train` samples times outputs must be at most {LARGEST_KERNEL} for gradient flow, "
            f"got {rows}; SGD needs no kernel"
        )
    march = _squared if training.loss == "mse" else _entropy
    runs = [_one_flow(training, start.part(slice(r, r + 1)), march) for r in range(start.replicas)]
    train, test = (np.stack([run[side] for run in runs], axis=1) for side in (0, 1))
    return Record(train, test)


March = Callable[[Training, Array, Array, Array], Array]  # (training, eigenvalues, U, f_0) -> U^T a of each time


def _one_flow(training: Training, p: Parameters, march: March) -> tuple[Array, Array]:
    """Return outputs on training and test samples at the recorded times, (K, P, C) and (K, M, C): f_0 + Theta a."""
    layers, network, samples = training.layers, training.mlp, training.samples
    function, both = activation_of(network), np.concatenate([samples.x_train, samples.x_test])
    first = outputs(p, layers, function, both)[0]
    if network.initial_output == "subtracted":
        first = np.zeros_like(first)
    theta = ntk_between_outputs(p, layers, network, both, samples.x_train)[0]
    theta = theta.transpose(0, 2, 1, 3).reshape(first.size, -1)  # rows (sample, output)
    count = theta.shape[1]
    values, vectors = eigh(theta[:count])
    values = np.maximum(values, 0.0)
    duals = march(training, values, vectors, first[: len(samples.x_train)])
    with single_thread():
        moved = duals @ (theta @ vectors).T
    whole = first + moved.reshape(len(duals), *first.shape)
    return whole[:, : len(samples.x_train)], whole[:, len(samples.x_train) :]


def _squared(training: Training, values: Array, vectors: Array, first: Array) -> Array:
    assert isinstance(training.optimizer, GradientFlow)
    times = np.asarray(training.recorded_times, float)
    moved = filter_of(training.optimizer, values, training.kappa, times).moved
    duals: Array = moved * (vectors.T @ (targets(training)[0] - first).ravel())
    return duals


def _entropy(training: Training, values: Array, vectors: Array, first: Array) -> Array:
    """Integrate d = U^T a: da/dt = -kappa (softmax f - y) - kappa ridge a."""
    assert isinstance(training.optimizer, GradientFlow)
    kappa, target = training.kappa, targets(training)[0]
    split = SOFTMAX_SLOPE * values

    def rest(dual: Array) -> Array:
        f = first + (vectors @ (values * dual)).reshape(first.shape)
        push: Array = vectors.T @ softmax_error(f[:, :, None], target).ravel()
        return kappa * (split * dual - push)

    def size(dual: Array) -> float:
        return float(np.linalg.norm(values * dual) / np.sqrt(len(values)))

    times = np.asarray(training.recorded_times, float)
    rates = kappa * (split + training.optimizer.ridge)
    with single_thread():
        return np.stack(list(flow(rates, rest, np.zeros(len(values)), times, FLOW_TOLERANCE, size)))
