"""From a training run to the kernel learner that is its infinite-width limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.infinite.curves import NETWORKS, Run, initial_outputs
from theorysim.infinite.modes import Modes, modes_of
from theorysim.infinite.recursion import kernels_of
from theorysim.problem.data import Data
from theorysim.problem.network import MLP
from theorysim.problem.network import activation_of as activation_of
from theorysim.problem.optimizer import Adam, GradientFlow
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of

Array = NDArray[np.float64]
LARGEST_SAMPLES = 30_000  # dense eigenvectors of more training samples would not fit an ordinary memory


@dataclass(frozen=True, eq=False)
class Learner:
    """The infinite-width limit of a network on a data set.

    Attributes
    ----------
    modes : Modes
        In the eigenbasis of the tangent kernel; no prior where the initial output is subtracted.
    prior : ndarray, shape (P + M, P + M)
        Covariance Sigma of the initial outputs that count, training samples first.
    error : float
        Largest error of a kernel entry, relative to the largest entry.
    """

    modes: Modes
    prior: Array
    error: float


def learner_of(training: Training, *, device: str = "cpu") -> Learner:
    """Return the kernel learner of a training run; kept for the next call with the same data and network."""
    if len(training.samples.x_train) > LARGEST_SAMPLES:
        raise ProblemError(
            f"data: `train` must be at most {LARGEST_SAMPLES} for dense kernel dynamics, "
            f"got {len(training.samples.x_train)}"
        )
    network = training.network
    whole = network if network.initial_output == "random" else MLP(**{**fields_of(network), "initial_output": "random"})
    learner = _learner(training.data, whole, training.outputs, device)
    if network.initial_output == "random":
        return learner
    return Learner(learner.modes.without_prior(), np.zeros_like(learner.prior), learner.error)


@lru_cache(maxsize=4)
def _learner(data: Data, network: MLP, outputs: int, device: str) -> Learner:
    samples = data.load()
    inputs = np.concatenate([samples.x_train, samples.x_test])
    layers = network.layers(inputs=inputs.shape[1], outputs=outputs)
    kernels = kernels_of(layers, activation_of(network), inputs, device=device)
    modes = modes_of(kernels.ntk, kernels.nngp, len(samples.x_train))
    error = float(kernels.ntk_error) / max(float(np.max(np.abs(kernels.ntk))), 1e-300)
    return Learner(modes, kernels.nngp, error)


def run_of(training: Training) -> Run:
    """Return the run of a training problem as a kernel learner sees it."""
    samples, optimizer = training.samples, training.optimizer
    if isinstance(optimizer, Adam):
        raise ProblemError("kernels.mlp: `optimizer` must be gradient flow or SGD, got Adam; `forecast` simulates it")
    flow = isinstance(optimizer, GradientFlow)
    return Run(
        target=samples.y_train,
        test_target=samples.y_test,
        classes=samples.classes_train,
        test_classes=samples.classes_test,
        optimizer=optimizer,
        kappa=training.kappa,
        recorded=np.asarray(training.recorded_times if flow else training.recorded, float),
        total=int(training.steps or 0),
        loss=training.loss,
    )


def initial_pairs(learner: Learner, outputs: int, *, seed: int, networks: int = NETWORKS) -> tuple[Array, Array]:
    """Draw initial outputs of `networks` infinitely wide networks on training and test samples."""
    some = networks if np.any(np.diagonal(learner.prior)) else 2  # all alike where nothing is random
    drawn = initial_outputs(learner.prior, outputs, some, seed=seed)
    train = learner.modes.samples
    return drawn[:train], drawn[train:]
