"""Training of multilayer perceptrons as width goes to infinity: dynamics in the neural tangent kernel.

    f_x(k+1) = f_x(k) - eta kappa Theta_xX (f_X(k) - y),     f(0) ~ GP(0, Sigma)

Limit    widths -> inf at fixed data, depth, number of steps and rates alpha_l (`standard`: the rates of this width).
Valid    `ntk` and `standard`; any activation; squared loss or cross-entropy; gradient flow, GD, heavy ball,
         Nesterov, schedules, ridge, minibatches. Not `mup` (features move), not Adam, not weight decay.
Error    O(1/width) in the mean of a loss, with the relative change of the kernel (also O(1/width)) as its measure.
Sources  [Jacot2018]; [Lee2019, section 2]; standard rates [SohlDickstein2020]; proofs: derivations/descent.py,
         derivations/dual_*.py, derivations/gaussian.py.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError, StabilityWarning
from theorysim.finite.batches import batch_order
from theorysim.finite.movement import kernel_change
from theorysim.finite.training import train
from theorysim.infinite.accuracy import decided_accuracy
from theorysim.infinite.curves import NETWORKS, Run, gaussian_curves
from theorysim.infinite.sampled import affordable_networks, losses, sampled_curves, single_networks
from theorysim.infinite.stability import largest_stable
from theorysim.kernels.learner import Learner, initial_pairs, learner_of, run_of
from theorysim.observables import labelled
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of
from theorysim.theory import Verdict

Array = NDArray[np.float64]
Problem = Training
OBSERVABLES = (
    "train_loss", "test_loss", "train_accuracy", "test_accuracy", "ensemble_accuracy",
    "train_prediction", "test_prediction",
)  # fmt: skip
SOURCES = ("Jacot2018", "Lee2019", "SohlDickstein2020")
FEWEST_NETWORKS, MOST_NETWORKS = 16, 512
PROBE_WIDTH = 64
PROBE_REPLICAS = 4
PROBE_SAMPLES = 64
LARGEST_KERNEL_ERROR = 0.01
"""Bound on the relative error of a kernel entry above which the limit is not known well enough."""
LARGEST_CHANGE = 0.5
"""Relative change of the tangent kernel above which the limit is no start for a forecast of this width."""


def validity(training: Training) -> Verdict:
    """Predict the relative change of the tangent kernel during training at this width.

    A narrow twin (same rates) is trained and its change, which falls as 1/width, is carried over to the
    network's own width.
    """
    reason = refusal(training)
    if reason is not None:
        return Verdict(theory="kernels.mlp", applies=False, number=float("nan"), threshold=LARGEST_CHANGE,
                       reason=reason[0], instead=reason[1])  # fmt: skip
    error = learner_of(training).error
    if error > LARGEST_KERNEL_ERROR:
        text = f"the series of this activation bounds the error of the kernel by {100 * error:.2g} % only"
        return Verdict(theory="kernels.mlp", applies=False, number=error, threshold=LARGEST_KERNEL_ERROR, reason=text)
    change = predicted_kernel_change(training)
    applies = change <= LARGEST_CHANGE
    text = f"predicted change of the kernel {100 * change:.2g} % at width {training.network.widths[-1]}"
    return Verdict(theory="kernels.mlp", applies=applies, number=change, threshold=LARGEST_CHANGE,
                   reason=text if applies else f"{text}: features move", instead=None)  # fmt: skip


def refusal(training: Training) -> tuple[str, str | None] | None:
    """Return why no kernel limit describes this problem, and what does; None where one does."""
    if training.network.parameterization == "mup":
        return "features move in mup at any width: no fixed kernel", "meanfield.deep"
    if isinstance(training.optimizer, Adam):
        return "Adam rescales each gradient entry: no fixed kernel", None
    if training.optimizer.weight_decay > 0:
        return (
            "weight decay shrinks the initial weights and so moves the kernel (`ridge` does not)",
            "meanfield.deep",
        )
    return None


@lru_cache(maxsize=32)
def predicted_kernel_change(training: Training) -> float:
    """Return the predicted |Theta(end) - Theta(0)| / |Theta(0)| (Frobenius) of one network of this width."""
    width = training.network.widths[-1]
    probe = min(width, PROBE_WIDTH)
    change = kernel_change(training.at_width(probe), replicas=PROBE_REPLICAS, seed=0, samples=PROBE_SAMPLES)
    return float(np.mean(change)) * probe / width


def limit(training: Training, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return the learning curves in the limit of infinite width.

    Parameters
    ----------
    training : Training
    seed : int
        Draws the initial outputs of single networks (scatter of accuracies; all curves for the cross-entropy).
    tolerance : float, optional
        Relative standard error wanted where the limit itself is sampled (default 2 %).
    device : {"cpu", "cuda"}
        Where the kernel is computed.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (one network, initialisation and batches) and X_error.

    Raises
    ------
    ProblemError
        Where no kernel limit exists (`mup`, Adam, weight decay); it names what to use instead.
    """
    _refuse(training)
    learner, run = learner_of(training, device=device), run_of(training)
    stable = largest_stable_learning_rate(training)
    _warn_unstable(training, stable)
    values = _curves(training, learner, run, seed, 0.02 if tolerance is None else tolerance)
    attrs = provenance(training, theory="kernels.mlp", seed=seed, device=device) | {"kernel_error": learner.error}
    if stable is not None:
        attrs["largest_stable_learning_rate"] = stable
    return labelled(values, steps=np.asarray(training.recorded), time=np.asarray(training.clock), attrs=attrs)


def _curves(training: Training, learner: Learner, run: Run, seed: int, tolerance: float) -> dict[str, Array]:
    if run.gaussian:
        return gaussian_curves(learner.modes, run, initial_pairs(learner, training.outputs, seed=seed))
    most = affordable_networks(run, FEWEST_NETWORKS, MOST_NETWORKS)
    networks = min(NETWORKS, most)
    values = _sampled(training, learner, run, networks, seed)
    worst = max(float(np.max(values[f"{side}_loss_error"] / values[f"{side}_loss"])) for side in _sides(run))
    wanted = 2 * math.ceil(min(networks * (worst / tolerance) ** 2, most) / 2)
    return values if wanted <= networks else _sampled(training, learner, run, wanted, seed)


def _sampled(training: Training, learner: Learner, run: Run, networks: int, seed: int) -> dict[str, Array]:
    starts = initial_pairs(learner, training.outputs, seed=seed, networks=networks)
    order = None
    if isinstance(run.optimizer, SGD) and run.optimizer.batch is not None:
        numbers = range(networks)
        order = batch_order(
            run.optimizer.sampling, run.optimizer.batch, samples=len(run.target), replicas=numbers, seed=seed
        )
    return sampled_curves(learner.modes, run, starts, order)


def finite(training: Training, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Train finite networks: the same observables, with the dimension ``replica``."""
    return train(training, replicas=replicas, seed=seed, device=device)


def propagate(training: Training, initial_train: Array, initial_test: Array) -> dict[str, Array]:
    """Return losses of infinitely wide networks that start at given outputs, without batch noise.

    Parameters
    ----------
    training : Training
    initial_train, initial_test : ndarray, shapes (P, C, R) and (M, C, R)
        Initial outputs, for example those of R finite networks.

    Returns
    -------
    dict of str to ndarray, shape (steps, R)
        train_loss, test_loss and, for classes, train_accuracy, test_accuracy.
    """
    _refuse(training)
    learner, run = learner_of(training), run_of(training)
    if run.batched and run.loss == "mse":
        run = replace(run, optimizer=run.optimizer.model_copy(update={"batch": None}))
    rows = []
    for train_outputs, test_outputs in single_networks(learner.modes, run, initial_train, initial_test, None):
        row = {"train_loss": losses(train_outputs, run.target, run.loss)}
        if run.classes is not None:
            row["train_accuracy"] = decided_accuracy(train_outputs, run.classes)
        if len(run.test_target):
            row["test_loss"] = losses(test_outputs, run.test_target, run.loss)
            if run.test_classes is not None:
                row["test_accuracy"] = decided_accuracy(test_outputs, run.test_classes)
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def largest_stable_learning_rate(training: Training) -> float | None:
    """Return the largest stable learning rate of the limit; None for gradient flow."""
    _refuse(training)
    if not isinstance(training.optimizer, SGD):
        return None
    network = MLP(**{**fields_of(training.network), "initial_output": "random"})  # the mean start does not matter
    return _largest_stable(Training(**{**fields_of(training), "network": network}))


@lru_cache(maxsize=32)
def _largest_stable(training: Training) -> float:
    assert isinstance(training.optimizer, SGD)
    softmax = 0.5 if training.loss == "cross-entropy" else 1.0  # largest curvature of the softmax
    return largest_stable(learner_of(training).modes, training.optimizer, softmax * training.kappa)


def sweep(training: Training, learning_rates: Iterable[float], *, seed: int = 0) -> xr.Dataset:
    """Return the limit at several learning rates, dimension ``learning_rate``; one diagonalisation serves all."""
    rates = [float(rate) for rate in learning_rates]
    parts = [limit(_at_learning_rate(training, rate), seed=seed) for rate in rates]
    coordinate = xr.DataArray(rates, dims="learning_rate", name="learning_rate",
                              attrs={"units": "1", "long_name": "learning rate", "symbol": r"\eta"})  # fmt: skip
    joined = xr.concat([part.drop_vars("time") for part in parts], dim=coordinate, combine_attrs="drop_conflicts")
    return joined.assign_attrs(problem=training.to_json())


def _at_learning_rate(training: Training, rate: float) -> Training:
    """Return the same run with another learning rate; an array of step sizes is scaled as a whole."""
    if not isinstance(training.optimizer, SGD):
        raise ProblemError(f"optimizer: `learning_rate` needs SGD or GD, got {type(training.optimizer).__name__}")
    schedule, old = training.optimizer.schedule, training.optimizer.learning_rate
    if isinstance(schedule, tuple):
        schedule = tuple(rate / old * step for step in schedule)
    fields = fields_of(training.optimizer) | {"learning_rate": rate, "schedule": schedule}
    return Training(**{**fields_of(training), "optimizer": SGD(**fields)})


def _sides(run: Run) -> tuple[str, ...]:
    return ("train", "test") if len(run.test_target) else ("train",)


def _warn_unstable(training: Training, stable: float | None) -> None:
    chosen = training.optimizer.learning_rate if isinstance(training.optimizer, SGD) else 0.0
    if stable is not None and chosen > stable:
        warnings.warn(
            f"optimizer: `learning_rate` {chosen:g} is above the largest stable one, {stable:.4g}",
            StabilityWarning,
            stacklevel=3,
        )


def _refuse(training: Training) -> None:
    reason = refusal(training)
    if reason is not None:
        fits = f"; use {reason[1]}" if reason[1] else "; `forecast` simulates it with narrow twins"
        raise ProblemError(f"kernels.mlp: {reason[0]}{fits}")
