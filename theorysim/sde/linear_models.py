"""Generalised linear models on data: least squares, logistic and softmax regression, any number of outputs.

    F_ic = sum_j x_cj a_ij;  f = mean of the loss over samples.  One product passes weights of samples to parameters.

Limit    none: exact.
Valid    losses of `pointwise`.
Error    rounding.
Sources  none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.data import Data
from theorysim.problem.samples import Samples
from theorysim.problem.validation import is_real, one_of, shown
from theorysim.sde.finite_sums import FiniteSum, Rows
from theorysim.sde.objectives import LARGEST_NUMBERS
from theorysim.sde.pointwise import POINTWISE

Array = NDArray[np.float64]
LossName = Literal["mse", "logistic", "cross-entropy"]


@dataclass(frozen=True, eq=False)
class Linear:
    """F_ic = sum_j x_cj a_ij; the state is x flattened."""

    rows: Array
    outputs: int
    squared: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "squared", self.rows**2)

    @property
    def dimension(self) -> int:
        """Number of parameters: outputs times columns."""
        return self.outputs * int(self.rows.shape[1])

    def forward(self, x: Array, rows: Rows | None) -> tuple[Array, Any]:
        """Return outputs (paths, B, C) and the rows they come from."""
        paths, inputs = len(x), self.rows.shape[1]
        if rows is None:  # one product for all paths; its layout is (paths, C, n)
            f = (x.reshape(paths * self.outputs, inputs) @ self.rows.T).reshape(paths, self.outputs, -1)
            return f.swapaxes(1, 2), None
        chosen = self.rows[rows]
        return chosen @ x.reshape(paths, self.outputs, inputs).swapaxes(1, 2), chosen

    def backward(self, tape: Any, d: Array) -> Array:
        """Return D^T A, shape (paths, d)."""
        return _pulled(self.rows if tape is None else tape, d)

    def squares(self, tape: Any, d: Array) -> Array:
        """Return (D o D)^T (A o A), shape (paths, d)."""
        return _pulled(self.squared if tape is None else tape**2, d * d)

    def tangent(self, tape: Any, v: Array) -> Array:
        """Return A v: outputs are linear."""
        return self.forward(v, None)[0]

    def bend(self, tape: Any, d: Array, v: Array) -> Array:
        """Return zero: outputs are linear."""
        return np.zeros_like(v)


def _pulled(a: Array, d: Array) -> Array:
    paths, _, outputs = d.shape
    turned = d.swapaxes(1, 2)
    if a.ndim == 2:
        return np.asarray(turned.reshape(paths * outputs, -1) @ a).reshape(paths, -1)
    return np.asarray(turned @ a).reshape(paths, -1)


def linear_model(
    data: Data | tuple[ArrayLike, ArrayLike],
    loss: LossName = "mse",
    *,
    intercept: bool = True,
    weight_decay: float = 0.0,
) -> FiniteSum:
    """Return a generalised linear model on data: least squares, logistic or softmax regression.

    Parameters
    ----------
    data : Data, or arrays x (n, p) and y
        Made by `data.digits`, `data.arrays`, ...; its training samples count. y of shape (n, C) or (n,): targets for
        "mse", -1/+1 for "logistic", one-hot rows or class numbers for "cross-entropy".
    loss : "mse", "logistic" or "cross-entropy"
        The mean over samples; "mse" is half the mean over outputs too.
    intercept : bool
        Whether the inputs get a last column of ones.
    weight_decay : float
        Adds weight_decay |x|^2/2, intercepts included.

    Returns
    -------
    FiniteSum
        States of dimension C p: the weights of the first output, then of the next.

    Raises
    ------
    ProblemError
        If labels do not fit the loss, or something is not finite.
    """
    x, targets = labelled_samples(data, loss)
    if intercept:
        x = np.column_stack([x, np.ones(len(x))])
    predictor = Linear(np.ascontiguousarray(x), targets.shape[1])
    return FiniteSum(predictor, POINTWISE[loss], targets, checked_decay(weight_decay), f"linear model, {loss}")


def checked_decay(value: Any) -> float:
    """Return a weight decay that is a number of at least 0."""
    if not is_real(value) or value < 0:
        raise ProblemError(f"sde: `weight_decay` must be a finite number of at least 0, got {shown(value)}")
    return float(value)


def labelled_samples(data: Any, loss: str) -> tuple[Array, Array]:
    """Return inputs (n, p) and labels (n, C) as the loss wants them.

    Raises
    ------
    ProblemError
        If they do not fit.
    """
    if loss not in POINTWISE:
        raise ProblemError(f"sde: `loss` {one_of(loss, POINTWISE)}")
    if isinstance(data, tuple) and len(data) == 2:
        x, y = np.asarray(data[0], float), np.asarray(data[1])
    elif hasattr(data, "load"):
        samples: Samples = data.load()
        classes = samples.classes_train if loss == "cross-entropy" else None
        x, y = samples.x_train, samples.y_train if classes is None else np.eye(samples.y_train.shape[1])[classes]
    else:
        raise ProblemError(f"sde: `data` must be made by data.digits(...) or be arrays (x, y), got {shown(data)}")
    if x.ndim != 2 or x.size == 0 or len(y) != len(x) or y.ndim not in (1, 2):
        raise ProblemError(f"sde: `data` must be x (n, p) and y (n, C), got shapes {x.shape} and {y.shape}")
    if x.size > LARGEST_NUMBERS:
        raise ProblemError(f"sde: `data` must hold at most {LARGEST_NUMBERS} numbers, got {x.size}")
    targets = _labels(y, loss)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(targets))):
        raise ProblemError("sde: `data` must be finite, got NaN or infinity")
    return np.array(x, float), targets


def _labels(y: NDArray[Any], loss: str) -> Array:
    if y.dtype.kind not in "iufb":
        raise ProblemError(f"sde: `data` must have numbers as labels here, got {y.dtype}")
    if loss == "cross-entropy" and y.ndim == 1:
        if y.dtype.kind not in "iu" or y.min() < 0 or y.max() < 1:
            raise ProblemError('sde: `data` must have one-hot rows or classes 0, 1, ... for "cross-entropy"')
        return np.asarray(np.eye(int(y.max()) + 1)[y])
    table = np.asarray(y, float).reshape(len(y), -1)
    if loss == "cross-entropy" and not (np.isin(table, (0.0, 1.0)).all() and (table.sum(axis=1) == 1.0).all()):
        raise ProblemError('sde: `data` must have one-hot rows or classes 0, 1, ... for "cross-entropy"')
    if loss == "logistic" and (table.shape[1] != 1 or not np.isin(table, (-1.0, 1.0)).all()):
        raise ProblemError('sde: `data` must have labels -1 and 1 for "logistic"')
    return table
