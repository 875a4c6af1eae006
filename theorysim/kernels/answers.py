"""What a kernel learner answers: its learning curves as a labelled Dataset, whatever its kernels come from."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError, StabilityWarning
from theorysim.finite.batches import batch_order
from theorysim.infinite.covariance import test_covariances, train_covariances
from theorysim.infinite.curves import NETWORKS, Run, gaussian_curves
from theorysim.infinite.modes import Modes
from theorysim.infinite.sampled import affordable_networks, sampled_curves
from theorysim.infinite.stability import largest_stable
from theorysim.kernels.learner import Learner, initial_pairs
from theorysim.observables import axis, labelled
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.training import Training
from theorysim.problem.validation import one_of

Array = NDArray[np.float64]
FEWEST_NETWORKS, MOST_NETWORKS = 16, 512
SIDES = ("train", "test")
LARGEST_COVARIANCES = 2**33
"""Bytes that the covariances of one side may take."""
TOLERANCE = 0.02
"""Relative standard error of a mean loss that is reached by default where the answer is sampled."""


def answer(
    learner: Learner,
    run: Run,
    training: Training,
    *,
    attrs: Mapping[str, Any],
    stable: float | None,
    seed: int,
    tolerance: float | None,
    covariances: Sequence[str] = (),
) -> xr.Dataset:
    """Return the learning curves of a kernel learner over ``step``.

    Parameters
    ----------
    learner : Learner
    run : Run
    training : Training
        What is trained for how long: steps, clock.
    attrs : mapping
        Provenance.
    stable : float or None
        Largest stable learning rate; None for gradient flow.
    seed : int
        Draws initial outputs where single networks are averaged.
    tolerance : float, optional
        Relative standard error wanted of sampled mean losses.
    covariances : sequence of "train", "test"
        Sides whose full covariance is returned too.
    """
    checked_covariances(run, covariances)
    warn_unstable(run.optimizer, stable)
    values = curves(learner, run, seed=seed, tolerance=TOLERANCE if tolerance is None else tolerance)
    for side in covariances:
        steps = train_covariances if side == "train" else test_covariances
        values[f"{side}_covariance"] = np.stack(list(steps(learner.modes, run)))
    extra = {} if stable is None else {"largest_stable_learning_rate": stable}
    return labelled(
        values, steps=np.asarray(training.recorded), time=np.asarray(training.clock), attrs={**attrs, **extra}
    )


def curves(learner: Learner, run: Run, *, seed: int, tolerance: float) -> dict[str, Array]:
    """Return X, X_std, X_error of each observable: in closed form, or averaged over single networks."""
    outputs = run.target.shape[1]
    if run.gaussian:
        return gaussian_curves(learner.modes, run, initial_pairs(learner, outputs, seed=seed))
    most = affordable_networks(run, FEWEST_NETWORKS, MOST_NETWORKS)
    networks = min(NETWORKS, most)
    values = _sampled(learner, run, networks, seed)
    sides = SIDES if len(run.test_target) else SIDES[:1]
    worst = max(float(np.max(values[f"{side}_loss_error"] / values[f"{side}_loss"])) for side in sides)
    wanted = 2 * math.ceil(min(networks * (worst / tolerance) ** 2, most) / 2)
    return values if wanted <= networks else _sampled(learner, run, wanted, seed)


def _sampled(learner: Learner, run: Run, networks: int, seed: int) -> dict[str, Array]:
    starts = initial_pairs(learner, run.target.shape[1], seed=seed, networks=networks)
    order = None
    if isinstance(run.optimizer, SGD) and run.optimizer.batch is not None:
        optimizer, numbers = run.optimizer, range(networks)
        assert optimizer.batch is not None
        order = batch_order(optimizer.sampling, optimizer.batch, samples=len(run.target), replicas=numbers, seed=seed)
    return sampled_curves(learner.modes, run, starts, order)


def stable_rate(modes: Modes, optimizer: SGD, kappa: float, loss: str) -> float:
    """Return the largest stable learning rate; for the cross-entropy that of the largest curvature of the softmax."""
    return largest_stable(modes, optimizer, 0.5 * kappa if loss == "cross-entropy" else kappa)


def warn_unstable(optimizer: SGD | GradientFlow, stable: float | None) -> None:
    """Warn where the learning rate is above the largest stable one."""
    chosen = optimizer.learning_rate if isinstance(optimizer, SGD) else 0.0
    if stable is not None and chosen > stable:
        warnings.warn(
            f"optimizer: `learning_rate` {chosen:g} is above the largest stable one, {stable:.4g}",
            StabilityWarning,
            stacklevel=4,
        )


def checked_covariances(run: Run, covariances: Sequence[str]) -> None:
    """Refuse covariances that have no closed form, no samples, or no room."""
    for side in covariances:
        if side not in SIDES:
            raise ProblemError(f"kernels: `covariances` {one_of(side, SIDES)}")
        if not run.gaussian:
            raise ProblemError(
                "kernels: `covariances` must be left out for the cross-entropy and for epochs (no closed form), "
                f"got {tuple(covariances)}"
            )
        size = len(run.target if side == "train" else run.test_target)
        if size == 0:
            raise ProblemError('kernels: `covariances` must not hold "test" without test samples')
        if 8 * size**2 * len(run.recorded) > LARGEST_COVARIANCES:
            raise ProblemError(
                f"kernels: `covariances` must fit {LARGEST_COVARIANCES} bytes, got {len(run.recorded)} steps of "
                f"{size} x {size} (choose fewer by `record`)"
            )


def swept(training: Training, learning_rates: Iterable[float], one: Callable[[Training], xr.Dataset]) -> xr.Dataset:
    """Return the answers at several learning rates, dimension ``learning_rate``."""
    rates = [float(rate) for rate in learning_rates]
    if not rates:
        raise ProblemError("kernels: `learning_rates` must hold at least one number, got none")
    parts = [one(training.at_learning_rate(rate)).drop_vars("time") for rate in rates]
    return xr.concat(parts, dim=axis("learning_rate", rates), combine_attrs="drop_conflicts")
