"""Two-layer networks in the mean-field limit: a distribution of neurons, integrated by quasi-Monte-Carlo.

    f_x = <phi(h_x) z>/gamma0,   dh_x = eta gamma0 kappa sum_x' K0 delta_x' phi'(h_x') z,   dz = ... delta_x' phi(h_x')

Limit    width -> inf at fixed data, gamma0 and steps.
Valid    `mup` with one hidden layer, any activation and number of outputs; squared loss or cross-entropy; gradient
         flow, GD, heavy ball, Nesterov, schedules, weight decay, ridge, minibatches, biases, Langevin noise. Not Adam.
Error    O(1/width) in the mean of a loss. Of the method: independent scramblings of the points (standard error), and
         the change when their number doubles; batches are averaged over drawn orders.
Sources  [Mei2018], [Rotskoff2022]; extensions derived here. Proof: derivations/two_layer.py.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite.training import train
from theorysim.meanfield.answers import answer
from theorysim.meanfield.batches import Given
from theorysim.meanfield.domain import Refusal, check_arguments, check_tolerance, common_refusal, refuse
from theorysim.meanfield.domain import verdict as measured
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.scatter import twin_deviations
from theorysim.meanfield.two_layer_solution import Solver
from theorysim.observables import labelled
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.problem.validation import is_real, shown
from theorysim.theory import Verdict

Problem = Training
OBSERVABLES = (
    "train_loss", "test_loss", "train_accuracy", "test_accuracy", "ensemble_accuracy",
    "train_prediction", "test_prediction",
)  # fmt: skip
SOURCES = ("Mei2018", "Rotskoff2022")
NAME = "meanfield.two_layer"
TOLERANCE = 0.005
"""Error wanted by default, relative to the loss (or to a hundredth of the first one, where that is larger)."""


def validity(training: Training) -> Verdict:
    """Predict the scatter of the outputs between networks of this width, relative to the labels."""
    return measured(NAME, training, refusal(training))


def refusal(training: Training) -> Refusal | None:
    """Return why this limit does not describe a problem, and what does; None where it does."""
    if isinstance(training.network, MLP) and training.network.depth != 1:
        deep = "meanfield.linear" if training.network.activation_name == "linear" else "meanfield.deep"
        return f"its networks have one hidden layer, not {training.network.depth}", deep
    return common_refusal(training)


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    batches: Given = None,
    temperature: float = 0.0,
) -> xr.Dataset:
    """Return the learning curves in the limit of infinite width.

    Parameters
    ----------
    training : Training
    seed : int
        Fixes scramblings, noise, the orders of batches (those of finite networks of the same seed) and the twins
        that measure X_std.
    tolerance : float, optional
        Error of the loss that is aimed at, relative (default 0.5 %); the one that is reached is X_error.
    device : "cpu"
    batches : list of ndarray, optional
        Row indices of each step in place of drawn batches.
    temperature : float
        tau of Langevin noise: each step adds sqrt(2 eta_k tau) N(0, 1) to every standard normal variable of a neuron
        (weights over their initial std). SGD only. X_std leaves out what this noise adds.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (one network of this width) and X_error.

    Raises
    ------
    ProblemError
        If the network has more than one hidden layer or is not `mup`.
    FloatingPointError
        If training diverges.
    """
    solver = _solver(training, seed=seed, tolerance=tolerance, batches=batches, temperature=temperature, device=device)
    deviations = twin_deviations(training, seed=seed, batches=batches)
    try:
        with single_thread():
            values = solver.values(deviations, TOLERANCE if tolerance is None else tolerance)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    attrs = provenance(training, theory=NAME, seed=seed, device=device, sources=" ".join(SOURCES))
    attrs["scatter"] = "width"  # X_std is that of networks of this width
    return answer(training, values, attrs | solver.attrs)


def finite(training: Training, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Train finite networks: the same observables, with the dimension ``replica``."""
    return train(training, replicas=replicas, seed=seed, device=device)


def kernels(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    batches: Given = None,
    temperature: float = 0.0,
) -> xr.Dataset:
    """Return feature and gradient kernels of the training samples at the recorded steps.

    Parameters
    ----------
    training : Training
        Not flow-Euler.
    seed, batches, temperature
        As in `limit`.
    tolerance : float, optional
        Error of the kernels that is aimed at, relative to the largest entry of a step (default 0.5 %).

    Returns
    -------
    Dataset
        ``feature_kernel``, <phi phi>, and ``gradient_kernel``, <phi' phi' z.z>/C, over step, layer (1), sample,
        sample_other, with ``_error``; over the orders of random batches, their mean.
    """
    solver = _solver(training, seed=seed, tolerance=tolerance, batches=batches, temperature=temperature)
    if isinstance(training.optimizer, GradientFlow) and training.optimizer.euler_step is not None:
        raise ProblemError(f"{NAME}: `euler_step` must be left out for kernels, got {training.optimizer.euler_step:g}")
    try:
        with single_thread():
            fine, coarse = solver.kernels(TOLERANCE if tolerance is None else tolerance)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    values = {}
    for name, runs, others in zip(("feature_kernel", "gradient_kernel"), fine, coarse, strict=True):
        error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs)) if len(runs) > 1 else np.zeros(runs.shape[1:])
        values[name] = runs.mean(axis=0)[:, None]
        values[f"{name}_error"] = np.hypot(error, runs.mean(axis=0) - others.mean(axis=0))[:, None]
    return labelled(values, steps=np.asarray(training.recorded), time=np.asarray(training.clock),
                    attrs=provenance(training, theory=NAME, seed=seed) | solver.attrs)  # fmt: skip


def _solver(
    training: Training, *, seed: int, tolerance: float | None, batches: Given, temperature: float, device: str = "cpu"
) -> Solver:
    """Check the arguments and return the solver of a run."""
    refuse(NAME, refusal(training))
    check_arguments(NAME, training, device=device, batches=batches)
    check_tolerance(NAME, tolerance)
    _check_temperature(training, temperature)
    return Solver(training, seed=seed, batches=batches, temperature=temperature)


def _check_temperature(training: Training, temperature: float) -> None:
    if not is_real(temperature) or temperature < 0.0:
        raise ProblemError(f"{NAME}: `temperature` must be finite and at least 0, got {shown(temperature)}")
    if temperature > 0.0 and not isinstance(training.optimizer, SGD):
        raise ProblemError(f"{NAME}: `temperature` must be 0 for gradient flow, got {temperature:g}")
