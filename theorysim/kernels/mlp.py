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

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.cost import seconds
from theorysim.finite.ensemble import kernel_changes
from theorysim.finite.training import train
from theorysim.infinite.accuracy import decided_accuracy
from theorysim.infinite.curves import Run, mean_curves
from theorysim.infinite.sampled import losses, single_networks
from theorysim.kernels.answers import answer, stable_rate, swept
from theorysim.kernels.learner import learner_of, run_of
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.provenance import provenance
from theorysim.problem.residual import ResidualMLP
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
PROBES = ((64, 4), (32, 4), (32, 2), (16, 2))
"""Widths and numbers of the twins that measure the change of the kernel; the first that is cheap enough."""
PROBE_SAMPLES = 64
PROBE_SECONDS, PROBE_SHARE = 1.0, 0.03
""""Cheap enough": seconds of two cores, or this share of one training run."""
DECOMPOSITION, PER_PAIR, PRODUCTS, NOISE_NODES = 3e-10, 1e-8, 1.7e-11, 40
"""Seconds of two cores: eigenvectors over samples^3, a pair of samples and layer, products over rows x columns x terms
(measured); evaluations of the batch noise beside those at recorded steps."""
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
    if isinstance(training.network, ResidualMLP):
        return "its network is residual", "meanfield.residual"
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
    width, replicas = probe(training)
    change = kernel_changes(training.at_width(width), replicas, seed=0, samples=PROBE_SAMPLES)
    return float(np.mean(change)) * width / training.network.widths[-1]


def probe(training: Training) -> tuple[int, int]:
    """Return width and number of the twins that `validity` trains (seed 0): a forecast may use them again."""
    own = training.network.widths[-1]
    allowed = max(PROBE_SECONDS, PROBE_SHARE * seconds(training, own))
    sizes = [(min(own, width), replicas) for width, replicas in PROBES]
    return next((size for size in sizes if size[1] * seconds(training, size[0], "single") <= allowed), sizes[-1])


def price(training: Training, most: float) -> float:
    """Return the predicted seconds of `rough_limit` on two cores; what is sampled keeps a limit of its own: 0."""
    run = run_of(training)
    if not run.gaussian:
        return 0.0
    samples, tests, steps = len(run.target), len(run.test_target), len(run.recorded)
    pairs = (samples + tests) ** 2 * training.network.depth
    nodes = NOISE_NODES + steps if run.batched else 0
    products = samples**2 * (steps * (samples + tests) + nodes * samples)
    return DECOMPOSITION * samples**3 + PER_PAIR * pairs + PRODUCTS * products


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    covariances: Sequence[Literal["train", "test"]] = (),
) -> xr.Dataset:
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
    covariances : sequence of "train", "test"
        Sides whose full covariance of the outputs is returned too, ``train_covariance`` or ``test_covariance``
        (one matrix for each step, the same for every output); squared loss, not for epochs.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (one network, initialisation and batches) and X_error.

    Raises
    ------
    ProblemError
        Where no kernel limit exists (`mup`, Adam, weight decay); it names what to use instead.
    """
    return _limit(training, run_of(training), seed=seed, tolerance=tolerance, device=device, covariances=covariances)


def rough_limit(training: Training, *, seed: int = 0, tolerance: float | None = None) -> xr.Dataset:
    """Return the limit with products in single precision, in half the time: good to 1e-5 of a loss, for forecasts.

    One that diverges is in double precision: it leaves the range of single precision.
    """
    stable, run, optimizer = largest_stable_learning_rate(training), run_of(training), training.optimizer
    size = float(np.max(optimizer.step_sizes(training.steps or 1))) if isinstance(optimizer, SGD) else 0.0
    stated = replace(run, precision="single") if stable is None or size <= stable else run
    return _limit(training, stated, seed=seed, tolerance=tolerance)


def _limit(
    training: Training,
    run: Run,
    *,
    seed: int,
    tolerance: float | None,
    device: str = "cpu",
    covariances: Sequence[Literal["train", "test"]] = (),
) -> xr.Dataset:
    _refuse(training)
    learner = learner_of(training, device=device)
    attrs = provenance(training, theory="kernels.mlp", seed=seed, device=device) | {"kernel_error": learner.error}
    return answer(learner, run, training, attrs=attrs, stable=largest_stable_learning_rate(training), seed=seed,
                  tolerance=tolerance, covariances=covariances)  # fmt: skip


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
    learner, run = learner_of(training), _without_noise(run_of(training))
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


def propagated_mean(
    training: Training, *, precision: Literal["double", "single"] = "double"
) -> dict[str, Array] | None:
    """Return the means of what `propagate` returns, over initial outputs of infinitely wide networks, shape (steps,).

    None where they have no closed form (cross-entropy) or are those of `limit` (full batches). In single precision
    good to 1e-5, in half the time.
    """
    _refuse(training)
    run = run_of(training)
    if run.loss != "mse" or not run.batched:
        return None
    modes = learner_of(training).modes
    return mean_curves(modes.rounded() if precision == "single" else modes, _without_noise(run))


def _without_noise(run: Run) -> Run:
    """Return a run of full batches in place of one whose batches add noise to closed forms."""
    if not run.batched or run.loss != "mse":
        return run
    return replace(run, optimizer=run.optimizer.model_copy(update={"batch": None}))


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
    return stable_rate(learner_of(training).modes, training.optimizer, training.kappa, training.loss)


def sweep(training: Training, learning_rates: Iterable[float], *, seed: int = 0) -> xr.Dataset:
    """Return the limit at several learning rates, dimension ``learning_rate``; one diagonalisation serves all."""
    joined = swept(training, learning_rates, partial(limit, seed=seed))
    return joined.assign_attrs(problem=training.to_json())


def _refuse(training: Training) -> None:
    reason = refusal(training)
    if reason is not None:
        fits = f"; use {reason[1]}" if reason[1] else "; `forecast` simulates it with narrow twins"
        raise ProblemError(f"kernels.mlp: {reason[0]}{fits}")
