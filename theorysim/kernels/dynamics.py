"""Learning curves of a kernel of one's own: everything that `kernels.mlp` says about the kernels of a network.

    f_x(k+1) = f_x(k) - eta kappa Theta_xX (f_X(k) - y),     f(0) ~ GP(0, Sigma),

for any tangent kernel Theta and any covariance Sigma of the initial outputs. With Theta = Sigma only the readout of
a network is trained; without Sigma the outputs start at zero (or are counted from where they start).

Limit    none: exact for a learner that is linear in its parameters, whose kernel never changes.
Valid    squared loss or cross-entropy; gradient flow, GD, heavy ball, Nesterov, schedules, ridge, minibatches.
Error    rounding; sampling over initial outputs for the cross-entropy and for epochs.
Sources  [Jacot2018]; [Lee2019, section 2]; proofs: derivations/descent.py, derivations/gaussian.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from theorysim.errors import ProblemError
from theorysim.kernels.answers import answer, stable_rate, swept
from theorysim.kernels.learner import run_of
from theorysim.kernels.own import OwnKernels, learner_of_own, own_kernels
from theorysim.problem.arrays import Arrays
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.provenance import provenance
from theorysim.problem.samples import Labels
from theorysim.problem.training import Training

Kernel = ArrayLike | xr.DataArray


def dynamics(
    theta: Kernel,
    nngp: Kernel | None,
    y: ArrayLike,
    optimizer: GradientFlow | SGD,
    *,
    theta_test: Kernel | None = None,
    nngp_test: Kernel | None = None,
    nngp_test_test: Kernel | None = None,
    y_test: ArrayLike | None = None,
    steps: int | None = None,
    time: float | None = None,
    record: Sequence[float] | None = None,
    loss: Literal["mse", "cross-entropy"] = "mse",
    labels: Labels | None = None,
    learning_rates: Iterable[float] | None = None,
    covariances: Sequence[Literal["train", "test"]] = (),
    seed: int = 0,
    tolerance: float | None = None,
) -> xr.Dataset:
    """Return the learning curves of a learner with the given kernels.

    Parameters
    ----------
    theta : array_like or DataArray, shape (P, P) or (P + M, P + M)
        Tangent kernel, training samples first.
    nngp : array_like or DataArray, shape (P, P) or (P + M, P + M), or None
        Covariance of the initial outputs; None: no initial output. ``nngp`` as `theta` too: only the readout trains.
    y : array_like, shape (P,) or (P, C)
        Real targets, or classes (whole numbers or text) for `labels` to encode, as in `data.arrays`.
    optimizer : GradientFlow or SGD
    theta_test, nngp_test : array_like or DataArray, shape (M, P), optional
        Kernels between test (rows) and training samples, where `theta` and `nngp` hold training samples only.
    nngp_test_test : array_like or DataArray, shape (M, M), optional
        Covariance of the initial outputs between test samples.
    y_test : array_like, shape (M,) or (M, C), optional
        Without it there are predictions on the test samples, but no losses and accuracies.
    steps : int
        Number of updates; `time` for gradient flow.
    record : steps or times, optional
        Those kept.
    loss : "mse" or "cross-entropy"
    labels : str, optional
        As in `data.arrays`; the cross-entropy needs, and assumes, "one-hot".
    learning_rates : iterable of float, optional
        Learning rates in place of the optimizer's: a dimension ``learning_rate``; one diagonalisation serves all.
    covariances : sequence of "train", "test"
        Sides whose full covariance is returned too (squared loss, not for epochs).
    seed, tolerance
        As in `kernels.mlp.limit`.

    Returns
    -------
    Dataset
        The observables of `kernels.mlp.limit`: each X over ``step`` with X_std and X_error.

    Raises
    ------
    ProblemError
        For kernels that are not finite, symmetric, positive semidefinite or of the shapes of the targets, and for
        optimizers that change the kernel (Adam, weight decay).
    """
    _check_optimizer(optimizer)
    targets = np.asarray(y)
    if targets.ndim == 0:
        raise ProblemError("dynamics: `y` must have shape (samples,) or (samples, outputs), got a number")
    own = own_kernels(len(targets), theta, theta_test, nngp, nngp_test, nngp_test_test)
    training = _training(own, targets, y_test, optimizer, labels, loss=loss, steps=steps, time=time, record=record)
    learner = learner_of_own(own)
    stable = None
    if isinstance(optimizer, SGD):
        stable = stable_rate(learner.modes, optimizer, training.kappa, loss)
    drop = _unknown_without_targets(own, y_test)

    def one(at: Training) -> xr.Dataset:
        attrs = _provenance(at, own, seed)
        answered = answer(learner, run_of(at), at, attrs=attrs, stable=stable, seed=seed, tolerance=tolerance,
                          covariances=covariances)  # fmt: skip
        return answered.drop_vars([name for name in answered if str(name).startswith(drop)])

    if learning_rates is None:
        return one(training)
    return swept(training, learning_rates, one).assign_attrs(problem=_provenance(training, own, seed)["problem"])


def largest_stable_learning_rate(
    theta: Kernel,
    optimizer: SGD,
    *,
    outputs: int = 1,
    loss: Literal["mse", "cross-entropy"] = "mse",
) -> float:
    """Return the learning rate above which the expected squared residual of a kernel learner diverges.

    Parameters
    ----------
    theta : array_like or DataArray, shape (P, P)
        Tangent kernel of the training samples.
    optimizer : SGD
        Its momentum, ridge, batch and sampling count; its learning rate does not.
    outputs : int
        C, in kappa = 1/(P C) of the squared loss.
    loss : "mse" or "cross-entropy"
    """
    _check_optimizer(optimizer)
    if not isinstance(optimizer, SGD):
        raise ProblemError(f"dynamics: `optimizer` must be SGD or GD, got {type(optimizer).__name__}")
    matrix = np.asarray(theta)
    own = own_kernels(len(matrix) if matrix.ndim else 0, theta, None, None, None, None)
    kappa = 1.0 / (own.train * (outputs if loss == "mse" else 1))
    return stable_rate(learner_of_own(own).modes, optimizer, kappa, loss)


def _check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, GradientFlow | SGD):
        raise ProblemError(f"dynamics: `optimizer` must be gradient flow or SGD, got {type(optimizer).__name__}")
    if optimizer.weight_decay > 0:
        raise ProblemError(
            "dynamics: `weight_decay` must be 0, for it changes the kernel (`ridge` does not), "
            f"got {optimizer.weight_decay!r}"
        )


def _training(
    own: OwnKernels, y: np.ndarray, y_test: ArrayLike | None, optimizer: GradientFlow | SGD, labels: Labels | None,
    **duration: Any,
) -> Training:  # fmt: skip
    """Return the run as a training of samples that are known by their number alone."""
    number = np.arange(own.train + own.test, dtype=float)[:, None]
    if own.test == 0 and y_test is not None:
        raise ProblemError("dynamics: `y_test` must come with test samples in `theta` (or `theta_test`), got none")
    tests = None
    if own.test:
        # any target will do where none is given: what depends on it is left out of the answer
        tests = np.repeat(y[:1], own.test, axis=0) if y_test is None else np.asarray(y_test)
        if len(tests) != own.test:
            raise ProblemError(f"dynamics: `y_test` must hold {own.test} samples, the test rows, got {len(tests)}")
    if labels is None and duration["loss"] == "cross-entropy":
        labels = "one-hot"
    data = Arrays(x=number[: own.train], y=y, x_test=number[own.train :] if own.test else None, y_test=tests,
                  labels=labels)  # fmt: skip
    return Training(data=data, network=MLP(depth=1, width=1), optimizer=optimizer, **duration)


def _unknown_without_targets(own: OwnKernels, y_test: ArrayLike | None) -> tuple[str, ...]:
    if own.test and y_test is None:
        return ("test_loss", "test_accuracy", "ensemble_accuracy")
    return ()


def _provenance(training: Training, own: OwnKernels, seed: int) -> dict[str, Any]:
    """Return the attributes of an answer: the kernels, by shape and SHA-256, stand where a network would."""
    stated = json.loads(training.to_json())
    for name in ("x", "x_test"):
        stated["data"].pop(name, None)
    stated["network"] = {
        name: {"shape": list(kernel.shape), "sha256": hashlib.sha256(kernel.tobytes()).hexdigest()}
        for name, kernel in (("theta", own.theta), ("nngp", own.nngp))
    }
    return provenance(training, theory="kernels.dynamics", seed=seed) | {"problem": json.dumps(stated)}
