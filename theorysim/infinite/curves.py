"""Learning curves of a kernel learner: every observable of a training run, with its spread and its error.

Two routes, chosen by the problem alone. The Gaussian route is in closed form: squared loss under gradient
flow, gradient descent, momentum, schedules and independent minibatches. Everything else (cross-entropy, epochs)
is averaged over single networks in function space.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from theorysim.backend import random
from theorysim.backend.linalg import half_product, single_thread
from theorysim.infinite.accuracy import decided_accuracy, gaussian_accuracy
from theorysim.infinite.batch_noise import NEGLECTED, NODE_ERROR, noise_covariances
from theorysim.infinite.ensemble import Gaussian, loss_moments, paths, reached, test_law, train_law
from theorysim.infinite.filters import filter_of
from theorysim.infinite.modes import Modes
from theorysim.problem.optimizer import SGD, GradientFlow

Array = NDArray[np.float64]
Noisy = tuple[Array | None, Array | None]  # covariance that batches add, second moments of the residuals
NETWORKS = 32  # single networks drawn for the scatter of accuracies
AT_ONCE = 8  # steps worked on together
ROUNDING = {"double": 1e-12, "single": 1e-5}
"""Relative error of closed forms by the precision of their products."""


@dataclass(frozen=True, eq=False)
class Run:
    """A training run as a kernel learner sees it.

    Attributes
    ----------
    target, test_target : ndarray, shape (P, C) and (M, C)
    classes, test_classes : ndarray of int or None
        Right classes, where accuracy makes sense.
    optimizer : GradientFlow or SGD
    kappa : float
        1/(P C) (squared loss) or 1/P (cross-entropy).
    recorded : ndarray, ascending
        Steps to return; times for gradient flow.
    total : int
        Steps of the whole run (0 for gradient flow).
    loss : {"mse", "cross-entropy"}
    precision : {"double", "single"}
        Of the products that make closed forms; single precision is good to 1e-5 of a loss.
    """

    target: Array
    test_target: Array
    classes: NDArray[np.int64] | None
    test_classes: NDArray[np.int64] | None
    optimizer: GradientFlow | SGD
    kappa: float
    recorded: Array
    total: int
    loss: str = "mse"
    precision: Literal["double", "single"] = "double"

    @property
    def gaussian(self) -> bool:
        """Whether the outputs stay Gaussian with moments in closed form."""
        return self.loss == "mse" and not (self.batched and self.optimizer.sampling == "epochs")  # type: ignore[union-attr]

    @property
    def batched(self) -> bool:
        """Whether the optimizer sees minibatches."""
        return isinstance(self.optimizer, SGD) and self.optimizer.batch is not None


def gaussian_curves(modes: Modes, run: Run, starts: tuple[Array, Array]) -> dict[str, Array]:
    """Return X, X_std, X_error of each observable, in closed form (accuracy scatter: `starts`).

    Parameters
    ----------
    modes : Modes
    run : Run
    starts : pair of ndarray, shapes (P, C, R) and (M, C, R)
        Initial outputs of R single networks: their accuracies give the scatter of accuracy.
    """
    response = filter_of(run.optimizer, modes.eigenvalues, run.kappa, run.recorded, run.total)
    residual = response.residual(modes.eigenvalues, run.optimizer.ridge)

    used = modes.rounded() if run.precision == "single" else modes

    def row(k: int, noisy: Noisy, singles: tuple[Array, Array]) -> dict[str, Array | float]:
        noise, moment = noisy
        law = train_law(used, residual[k], run.target, noise, moment if run.precision == "single" else None)
        found = _row("train", law, run.classes, singles[0])
        if len(run.test_target):
            law = test_law(used, response.moved[k], run.target, run.test_target, noise)
            found |= _row("test", law, run.test_classes, singles[1])
            found |= _ensemble(law.mean, run.test_classes)
        return found

    jobs = zip(count(), _noises(modes, run), paths(used, response, residual, run.target, *starts), strict=False)
    rows: list[dict[str, Array | float]] = []
    with single_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:  # steps are independent: same bits
        while some := list(islice(jobs, AT_ONCE)):  # a few at a time: each holds a covariance
            rows += pool.map(lambda job: row(*job), some)
    answer = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return _with_method_error(answer, NEGLECTED + NODE_ERROR if run.batched else 0.0, ROUNDING[run.precision])


def mean_curves(modes: Modes, run: Run) -> dict[str, Array]:
    """Return mean losses and the mean test accuracy without batch noise, shape (steps,): no spread, so far cheaper.

    What `paths` give on average over the initial outputs.
    """
    response = filter_of(run.optimizer, modes.eigenvalues, run.kappa, run.recorded, run.total)
    residual = response.residual(modes.eigenvalues, run.optimizer.ridge)
    outputs = run.target.shape[1]
    wanted = modes.turned(run.target)
    start = np.sum(wanted**2, axis=1) + outputs * np.diagonal(modes.prior)
    answer = {"train_loss": residual**2 @ start / (2 * run.target.size)}
    if not len(run.test_target):
        return answer
    loss, accuracy = [], []
    for moved in response.moved:
        reach = reached(moved, modes)
        with single_thread():
            mean = (reach.T @ wanted).astype(float)
            change = 2 * np.sum(reach * (half_product(modes.prior, reach) - modes.prior_cross), axis=0)
        variance = np.maximum(np.diagonal(modes.prior_test) + change, 0.0).astype(float)
        loss.append((np.sum((mean - run.test_target) ** 2) + outputs * np.sum(variance)) / (2 * mean.size))
        if run.test_classes is not None:
            accuracy.append(gaussian_accuracy(mean, np.sqrt(variance), run.test_classes))
    answer["test_loss"] = np.array(loss)
    return answer | ({"test_accuracy": np.array(accuracy)} if accuracy else {})


def _noises(modes: Modes, run: Run) -> Iterator[Noisy]:
    if not run.batched:
        return iter([(None, None)] * len(run.recorded))
    assert isinstance(run.optimizer, SGD)
    steps = np.asarray(run.recorded, np.int64)
    return noise_covariances(modes, run.optimizer, run.kappa, run.target, steps, run.total)


def _row(side: str, law: Gaussian, classes: NDArray[np.int64] | None, singles: Array) -> dict[str, Array | float]:
    loss, spread = loss_moments(law)
    row: dict[str, Array | float] = {
        f"{side}_loss": loss,
        f"{side}_loss_std": spread,
        f"{side}_loss_batches": 0.5 * law.noise / len(law.mean),
        f"{side}_prediction": law.mean,
        f"{side}_prediction_std": np.repeat(law.std[:, None], law.mean.shape[1], axis=1),
    }
    if classes is not None:
        row[f"{side}_accuracy"] = gaussian_accuracy(law.mean, law.std, classes)
        row[f"{side}_accuracy_std"] = float(np.std(decided_accuracy(singles, classes), ddof=1))
    return row


def _ensemble(mean: Array, classes: NDArray[np.int64] | None) -> dict[str, float]:
    if classes is None:
        return {}
    return {
        "ensemble_accuracy": float(decided_accuracy(mean[:, :, None], classes)[0]),
        "ensemble_accuracy_std": 0.0,
    }


def _with_method_error(answer: dict[str, Array], noise_share: float, rounding: float) -> dict[str, Array]:
    """Add X_error: rounding, and what omitted modes and nodes cost the batch noise.

    They cost a share of what batches add to a mean loss, and of the spread.
    """
    noisy = {name: answer.pop(f"{name}_batches", 0.0) for name in list(answer) if f"{name}_std" in answer}
    errors = {}
    for name, batches in noisy.items():
        errors[f"{name}_error"] = rounding * np.abs(answer[name]) + noise_share * (batches + answer[f"{name}_std"])
    return answer | errors


def initial_outputs(nngp: Array, outputs: int, networks: int, *, seed: int) -> Array:
    """Draw initial outputs of infinitely wide networks in pairs +-f(0), f(0) ~ GP(0, Sigma).

    Parameters
    ----------
    nngp : ndarray, shape (samples, samples)
    outputs, networks : int
        `networks` is even; the second half is minus the first.

    Returns
    -------
    ndarray, shape (samples, outputs, networks)
    """
    size, half = len(nngp), networks // 2
    scale = float(np.trace(nngp)) / max(size, 1)
    if scale == 0.0:
        return np.zeros((size, outputs, networks))
    with single_thread():
        factor = np.linalg.cholesky(nngp + 1e-10 * scale * np.eye(size))
        draws = random.normals((size, outputs * half), seed=seed, stream=0, purpose=random.FUNCTION_SPACE)
        one = (factor @ draws).reshape(size, outputs, half)
    return np.concatenate([one, -one], axis=2)
