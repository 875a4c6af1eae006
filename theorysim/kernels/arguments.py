"""What users give to the functions of this folder, checked: activations, numbers, lists of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.equations.activations import activation as named_activation
from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, plain, shown

Array = NDArray[np.float64]
LARGEST = 1e6


def checked_activation(where: str, value: Any) -> Activation:
    """Return an activation by its name, or as it was given.

    Raises
    ------
    ProblemError
        If it is neither.
    """
    if isinstance(value, Activation):
        return value
    if isinstance(value, str):
        return named_activation(value)
    raise ProblemError(
        f"{where}: `activation` must be a name or made by activation(f, df, name=...), got {shown(value)}"
    )


def checked_number(where: str, name: str, value: Any, *, positive: bool = False) -> float:
    """Return a finite number of at least 0 (greater than 0 where `positive`).

    Raises
    ------
    ProblemError
        If it is none.
    """
    value = plain(value)
    low_enough = is_real(value) and value <= LARGEST
    if not low_enough or value < 0.0 or (positive and value == 0.0):
        least = "positive" if positive else "at least 0"
        raise ProblemError(f"{where}: `{name}` must be a number, {least} and at most {LARGEST:g}, got {shown(value)}")
    return float(value)


def checked_whole(where: str, name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`.

    Raises
    ------
    ProblemError
        If it is none.
    """
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ProblemError(f"{where}: `{name}` must be a whole number from {low} to {high}, got {shown(value)}")
    return value


def checked_numbers(where: str, name: str, values: Any, *, positive: bool = False) -> Array:
    """Return one or several finite numbers of at least 0 as an array, shape (N,), N >= 1.

    Raises
    ------
    ProblemError
        If there is none, or one of them is not such a number.
    """
    listed = plain(values)
    listed = listed if isinstance(listed, tuple) else (listed,)
    if not listed:
        raise ProblemError(f"{where}: `{name}` must hold at least one number, got none")
    return np.array([checked_number(where, name, value, positive=positive) for value in listed])
