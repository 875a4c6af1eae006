"""Training in a kernel of one's own, of any size: gradient descent and momentum by products alone.

    f_x(k) = Theta_xX a(k),    a(k + 1) = a(k) - eta kappa (Theta a(k) - y + ridge a(k)) (and momentum),    a(0) = 0

Limit    the mean of infinitely wide networks over their initialisation; networks whose output starts at zero.
Valid    squared loss (kappa = 1/(P C)); gradient descent on all samples with heavy ball, Nesterov, schedules, ridge.
Error    rounding, measured: what products computed afresh differ by. Not the error of the kernel itself, which is the
         attribute `kernel_error`.
Sources  [Jacot2018]; [Lee2019, section 2.2].
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import eigh, single_thread
from theorysim.errors import ProblemError, StabilityWarning
from theorysim.infinite.filters import filter_of
from theorysim.infinite.stability import mean_limit
from theorysim.kernels.operators import Kernel, whole
from theorysim.kernels.plan import MEMORY, Method, checked_method, plan
from theorysim.kernels.regression import Regression, attributes_of, regression_of
from theorysim.observables import labelled
from theorysim.problem.optimizer import SGD
from theorysim.problem.record import checked_record, default_steps
from theorysim.problem.validation import plain, shown
from theorysim.solvers.momentum import momentum_descent
from theorysim.solvers.spectra import leading_pairs

Array = NDArray[np.float64]
Report = Callable[[float], None]

_CHECKS = 30  # moments at most at which the rounding is measured
_GENEROUS = 2.0  # times the rounding that was measured
_STABILITY = 1e-3  # accuracy of the largest stable learning rate


def descend(
    theta: Kernel,
    y: ArrayLike,
    optimizer: SGD,
    steps: int,
    theta_test: Kernel | None = None,
    y_test: ArrayLike | None = None,
    record: Iterable[int] | None = None,
    *,
    method: Method | None = None,
    memory: int = MEMORY,
    progress: Report | None = None,
) -> xr.Dataset:
    """Return the training of the mean of infinitely wide networks in a given kernel, from zero output.

    Parameters
    ----------
    theta : array, memory-mapped array, StoredMatrix or callable, shape (P, P)
        Kernel of the training samples; a callable maps (P, C) to (P, C), and must itself give the same bits for the
        result to do so.
    y : array_like, shape (P,) or (P, C)
    optimizer : SGD
        Without batches and weight decay.
    steps : int
    theta_test : as `theta`, shape (M, P), optional
        Kernel of test samples with training samples.
    y_test : array_like, shape (M,) or (M, C), optional
    record : increasing steps, optional
        Those kept; default about 30, logarithmic, with the first and the last.
    method : {"eigenvectors", "products"}, optional
        Default: as `kernels.plan` says; the answer's attribute `reason` repeats it.
    memory : int
        Bytes for the kernel and its eigenvectors.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Dataset
        train_loss, train_prediction, test_prediction, test_loss (with y_test) over ``step``, each with X_error.

    Raises
    ------
    ProblemError
        For sizes that do not fit, a kernel that is not symmetric and finite, or an optimizer that is not covered.
    NotConverged
        If the run diverges.
    """
    where, steps = "descend", whole("descend", "steps", steps)
    learner = regression_of(where, theta, y, theta_test, y_test, memory)
    _check_optimizer(optimizer, steps)
    recorded, asked = _recorded(record, steps), checked_method(method)
    chosen = plan(len(learner.y), learner.y.shape[1], steps, memory)
    if learner.theta.dense is None:
        used: Method = "products"
        reason = "products: `theta` is a function"
    else:
        used, reason = asked or chosen.method, chosen.reason if asked is None else f"{asked}: as asked for"
    if asked == "eigenvectors" and used != asked:
        raise ProblemError('descend: `method` must be "products" where `theta` is a function, got "eigenvectors"')
    run = _by_eigenvectors if used == "eigenvectors" else _by_products
    values, stable = run(learner, optimizer, steps, recorded, progress or (lambda fraction: None))
    attrs = attributes_of(where, learner) | {
        "optimizer": repr(optimizer), "method": used, "reason": reason, "largest_stable_learning_rate": stable,
    }  # fmt: skip
    clock = np.concatenate(([0.0], np.cumsum(optimizer.step_sizes(steps))))
    return labelled(values, steps=recorded, time=clock[recorded], attrs=attrs)


def _by_products(
    learner: Regression, optimizer: SGD, steps: int, recorded: NDArray[np.int64], progress: Report
) -> tuple[dict[str, Array], float]:
    largest = leading_pairs(learner.theta.product, len(learner.y), 1, tolerance=_STABILITY)
    stable = _stable(optimizer, float(largest.values[0] + largest.residuals[0]), learner.kappa)
    _warn_unstable(optimizer, stable)
    checked = recorded[np.unique(np.linspace(0, len(recorded) - 1, min(_CHECKS, len(recorded))).astype(int))]
    states = momentum_descent(
        learner.theta.product, learner.y, learner.kappa * optimizer.step_sizes(steps),
        recorded=frozenset(recorded.tolist()), checked=frozenset(checked.tolist()), momentum=optimizer.momentum,
        gradient_share=float(optimizer.nesterov), buffer_share=optimizer.momentum if optimizer.nesterov else 1.0,
        ridge=optimizer.ridge, progress=progress,
    )  # fmt: skip
    rows: list[dict[str, Array | float]] = []
    waiting: list[tuple[Array, Array]] = []
    for state in states:  # the drift only grows: the next one measured serves those before it
        waiting.append((state.image, state.x))
        if state.drift is not None:
            rows += [learner.row(image, x, _GENEROUS * state.drift) for image, x in waiting]
            waiting = []
    return _stacked(rows), stable


def _by_eigenvectors(
    learner: Regression, optimizer: SGD, steps: int, recorded: NDArray[np.int64], progress: Report
) -> tuple[dict[str, Array], float]:
    assert learner.theta.dense is not None
    values, vectors = eigh(learner.theta.dense())
    progress(0.5)
    values = np.maximum(values, 0.0)
    stable = _stable(optimizer, float(values[-1]), learner.kappa)
    _warn_unstable(optimizer, stable)
    response = filter_of(optimizer, values, learner.kappa, recorded.astype(np.float64), steps)
    rows = list(_rows_of_modes(learner, vectors, response.residual(values, optimizer.ridge), response.moved))
    progress(1.0)
    return _stacked(rows), stable


def _rows_of_modes(
    learner: Regression, vectors: Array, residual: Array, moved: Array
) -> Iterator[dict[str, Array | float]]:
    with single_thread():
        start = vectors.T @ learner.y
        for left, h in zip(residual, moved, strict=True):
            image, dual = learner.y - vectors @ (left[:, None] * start), vectors @ (h[:, None] * start)
            drift = np.max(np.abs(learner.theta.product(dual) - image), axis=0)
            yield learner.row(image, dual, _GENEROUS * drift)


def _stacked(rows: list[dict[str, Array | float]]) -> dict[str, Array]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _stable(optimizer: SGD, largest: float, kappa: float) -> float:
    return float(mean_limit(optimizer) / (kappa * max(largest + optimizer.ridge, 1e-300)))


def _warn_unstable(optimizer: SGD, stable: float) -> None:
    if optimizer.learning_rate > stable:
        warnings.warn(
            f"optimizer: `learning_rate` {optimizer.learning_rate:g} is above the largest stable one, {stable:.4g}",
            StabilityWarning,
            stacklevel=4,
        )


def _check_optimizer(optimizer: Any, steps: int) -> None:
    if not isinstance(optimizer, SGD):
        raise ProblemError(f"descend: `optimizer` must be GD(...) or SGD without batches, got {shown(optimizer)}")
    if optimizer.batch is not None:
        raise ProblemError(f"descend: optimizer's `batch` must be left out, got {optimizer.batch}")
    if optimizer.weight_decay > 0.0:
        raise ProblemError(
            "descend: optimizer's `weight_decay` must be 0 in a fixed kernel (`ridge` is what keeps it), "
            f"got {optimizer.weight_decay}"
        )
    optimizer.step_sizes(steps)


def _recorded(record: Iterable[int] | None, steps: int) -> NDArray[np.int64]:
    if record is None:
        return np.array(default_steps(steps), np.int64)
    try:
        kept = checked_record(plain(list(record) if isinstance(record, Iterable) else record))
    except ValueError as error:
        raise ProblemError(f"descend: `record` {error}") from None
    fraction = next((step for step in kept if not isinstance(step, int)), None)
    if fraction is not None or kept[-1] > steps:
        wrong = kept[-1] if fraction is None else fraction
        raise ProblemError(f"descend: `record` must hold whole steps from 0 to {steps}, got {wrong}")
    return np.array(kept, np.int64)
