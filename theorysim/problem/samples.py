"""Samples: what every data set becomes, and what `labels` and `inputs` do to it (conventions, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError

Floats = NDArray[np.float64]
Table = NDArray[Any]
Labels = Literal["one-hot", "one-hot-centred", "sign", "regression"]
Inputs = Literal["raw", "unit", "standardized"]

MOST_CLASSES = 100
"""Whole-number targets with more different values than this are not taken for classes unasked."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Training and test samples as arrays, samples first.

    Attributes
    ----------
    x_train, x_test : ndarray, shapes (P, d) and (M, d)
        Inputs; M may be 0.
    y_train, y_test : ndarray, shapes (P, C) and (M, C)
        Targets.
    classes_train, classes_test : ndarray of int, shapes (P,) and (M,), or None
        Class of each sample (0, 1, ...); None for regression.
    """

    x_train: Floats
    y_train: Floats
    x_test: Floats
    y_test: Floats
    classes_train: NDArray[np.int64] | None = None
    classes_test: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Inputs and raw targets (classes, text or numbers) of training and test, before any encoding."""

    x_train: Table
    y_train: Table
    x_test: Table
    y_test: Table


def plain_table(array: Table) -> Table:
    """Return a copy as float64, int64 (whole numbers and booleans) or text, whichever it holds."""
    if array.dtype.kind == "U":
        return array.copy()
    return np.array(array, dtype=np.float64 if array.dtype.kind == "f" else np.int64)


def split_rows(x: Table, y: Table, train: int, test: int, split_seed: int) -> Split:
    """Return the first `train` rows and the next `test` rows of the seeded permutation."""
    order = np.random.default_rng(split_seed).permutation(len(x))
    first, second = order[:train], order[train : train + test]
    return Split(x_train=x[first], y_train=y[first], x_test=x[second], y_test=y[second])


def encoded(split: Split, labels: Labels | None, inputs: Inputs, known: Table | None = None) -> Samples:
    """Return samples with the asked labels and inputs.

    Parameters
    ----------
    split : Split
        Raw rows.
    labels : str or None
        None chooses by the targets: classes become "one-hot-centred" ("sign" for two), numbers "regression".
    inputs : str
        "raw", "unit" or "standardized".
    known : ndarray, optional
        All targets of the data set, from which the classes are listed (default: those of `split`).

    Raises
    ------
    ProblemError
        If the labels do not fit the targets, or an input cannot be normalised.
    """
    everything = np.concatenate([split.y_train, split.y_test]) if known is None else known
    asked = default_labels(everything) if labels is None else labels
    x_train, x_test = _inputs(split.x_train.astype(np.float64), split.x_test.astype(np.float64), inputs)
    if asked == "regression":
        y_train, y_test = _numbers(split.y_train), _numbers(split.y_test)
        return Samples(x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    names = _class_names(everything)
    train, test = _class_of(split.y_train, names), _class_of(split.y_test, names)
    return Samples(
        x_train=x_train,
        y_train=_labels(train, len(names), asked),
        x_test=x_test,
        y_test=_labels(test, len(names), asked),
        classes_train=train,
        classes_test=test,
    )


def default_labels(y: Table) -> Labels:
    """Return the labels chosen for raw targets `y`: text, whole numbers and -1/+1 are classes."""
    if y.ndim == 2:
        return "regression"
    names = np.unique(y)
    if y.dtype.kind == "f":
        return "sign" if np.array_equal(names, [-1.0, 1.0]) else "regression"
    if y.dtype.kind in "iu" and len(names) > MOST_CLASSES:
        raise ProblemError(
            f"data: `labels` must be given: the target holds {len(names)} different whole numbers "
            '(labels = "regression", or "one-hot" if they are classes)'
        )
    return "sign" if len(names) == 2 else "one-hot-centred"


def _class_names(y: Table) -> Table:
    if y.ndim == 2:
        # Targets that are one-hot already name their classes by column.
        if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise ProblemError('data: `y` must be classes or one-hot rows (or labels = "regression")')
        return np.arange(y.shape[1])
    names = np.unique(y)
    if y.dtype.kind == "f" and not (names == np.round(names)).all():
        raise ProblemError(
            'data: `labels` must be "regression" for targets that are not whole numbers, '
            f"got {float(names[names != np.round(names)][0])!r} among them"
        )
    if len(names) < 2:
        raise ProblemError(f"data: the target must hold at least 2 classes, got only {names[0]!s}")
    return names


def _class_of(y: Table, names: Table) -> NDArray[np.int64]:
    return (np.argmax(y, axis=1) if y.ndim == 2 else np.searchsorted(names, y)).astype(np.int64)


def _labels(classes: NDArray[np.int64], count: int, labels: Labels) -> Floats:
    if labels == "sign":
        if count != 2:
            raise ProblemError(f'data: labels = "sign" must have 2 classes, got {count}')
        return np.array([[-1.0], [1.0]])[classes]
    one_hot = np.zeros((len(classes), count))
    one_hot[np.arange(len(classes)), classes] = 1.0
    return one_hot - 1.0 / count if labels == "one-hot-centred" else one_hot


def _numbers(y: Table) -> Floats:
    if y.dtype.kind == "U":
        raise ProblemError(f'data: labels = "regression" must have numbers as targets, got "{y.flat[0]}"')
    values = y.astype(np.float64)
    return values[:, None] if values.ndim == 1 else values


def _inputs(train: Floats, test: Floats, inputs: Inputs) -> tuple[Floats, Floats]:
    if inputs == "unit":
        return _unit(train, "training"), _unit(test, "test")
    if inputs == "standardized":
        mean, std = train.mean(axis=0), train.std(axis=0)
        # The mean of equal floats can miss them by one bit, so that a constant column has std 1e-17, not 0.
        varies = (train != train[0]).any(axis=0)
        scale = np.where(varies, 1.0 / np.where(varies, std, 1.0), 0.0)
        return (train - mean) * scale, (test - mean) * scale
    return train, test


def _unit(x: Floats, which: str) -> Floats:
    length = np.sqrt((x**2).sum(axis=1))
    if (length == 0.0).any():
        raise ProblemError(
            f'data: inputs = "unit" must have no zero rows, got one at {which} sample {int(np.argmin(length))}'
        )
    return np.asarray(x * (np.sqrt(x.shape[1]) / length)[:, None])
