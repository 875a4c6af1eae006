"""A kernel as what it does to vectors: an array, an array on disk, stored blocks, or anything that can be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.kernels.stored import StoredMatrix
from theorysim.problem.validation import shown
from theorysim.solvers.products import (
    Product,
    asymmetry,
    product_of,
    product_of_blocks,
    symmetric_product,
    symmetric_product_of_blocks,
)

Array = NDArray[np.float64]
Kernel = ArrayLike | xr.DataArray | StoredMatrix | Product
LARGEST_ASYMMETRY = 1e-6
"""Largest |a_ij - a_ji| over the largest entry: a kernel in single precision passes, and its lower half counts."""


@dataclass(frozen=True, eq=False)
class Operator:
    """A kernel as a linear map.

    Attributes
    ----------
    product : callable
        (columns, c) -> (rows, c).
    dense : callable or None
        Returns the matrix in memory; None where only products are to be had.
    error : float
        Known bound on the error of an entry.
    """

    product: Product
    dense: Callable[[], Array] | None
    error: float = 0.0


def square(where: str, theta: Kernel, samples: int | None, memory: int) -> tuple[Operator, int]:
    """Return the kernel of the training samples as an operator, and the number of samples.

    Parameters
    ----------
    where : str
        The function that asks, for messages.
    theta : array, memory-mapped array, StoredMatrix or callable
        A callable maps (P, c) to (P, c).
    samples : int or None
        P; must be given for a callable.
    memory : int
        Bytes up to which stored blocks stay mapped.

    Raises
    ------
    ProblemError
        If the kernel is not square, symmetric, finite and of that size.
    """
    if isinstance(theta, StoredMatrix):
        _check_shape(where, "theta", theta.shape, (samples or theta.shape[0],) * 2)
        if not theta.symmetric:
            raise ProblemError(f"{where}: `theta` must be the kernel of samples with themselves, got one of two sets")
        blocks = theta.held() if theta.nbytes <= memory else theta
        return Operator(symmetric_product_of_blocks(blocks), theta.dense, theta.error), theta.shape[0]
    if callable(theta) and not isinstance(theta, xr.DataArray):
        if samples is None:
            raise ProblemError(f"{where}: `samples` must be given where `theta` is a function, got None")
        return Operator(_checked_product(where, "theta", theta, (samples, samples)), None), samples
    matrix = _matrix(where, "theta", theta)
    _check_shape(where, "theta", matrix.shape, (samples or matrix.shape[0],) * 2)
    difference = asymmetry(matrix)
    if not difference <= LARGEST_ASYMMETRY:
        told = "NaN or infinity" if np.isnan(difference) else f"entries that differ by {difference:.2g} of the largest"
        raise ProblemError(f"{where}: `theta` must be symmetric and finite, got {told}")
    return Operator(symmetric_product(matrix), lambda: np.asarray(matrix, np.float64), _error(theta)), len(matrix)


def rectangular(where: str, name: str, theta: Kernel, rows: int | None, columns: int) -> tuple[Operator, int]:
    """Return the kernel of test samples (rows) with training samples (columns), and the number of rows."""
    if isinstance(theta, StoredMatrix):
        _check_shape(where, name, theta.shape, (rows or theta.shape[0], columns))
        if theta.symmetric:
            return Operator(symmetric_product_of_blocks(theta), theta.dense, theta.error), theta.shape[0]
        return Operator(product_of_blocks(theta), theta.dense, theta.error), theta.shape[0]
    if callable(theta) and not isinstance(theta, xr.DataArray):
        count = rows if rows is not None else len(theta(np.zeros((columns, 1))))
        return Operator(_checked_product(where, name, theta, (count, columns)), None), count
    matrix = _matrix(where, name, theta)
    _check_shape(where, name, matrix.shape, (rows or matrix.shape[0], columns))
    if not np.isfinite(matrix).all():
        raise ProblemError(f"{where}: `{name}` must be finite, got NaN or infinity")
    return Operator(product_of(matrix), lambda: np.asarray(matrix, np.float64), _error(theta)), len(matrix)


def targets(where: str, name: str, y: ArrayLike) -> Array:
    """Return targets as an array of shape (samples, outputs)."""
    try:
        array = np.array(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"{where}: `{name}` must be an array of numbers, got {type(y).__name__}") from None
    if array.ndim not in (1, 2) or array.size == 0:
        raise ProblemError(f"{where}: `{name}` must have shape (samples,) or (samples, outputs), got {array.shape}")
    if not np.isfinite(array).all():
        raise ProblemError(f"{where}: `{name}` must be finite, got NaN or infinity")
    return array[:, None] if array.ndim == 1 else array


def whole(where: str, name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return a whole number of at least `least` and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ProblemError(f"{where}: `{name}` must be a whole number of at least {least}, got {shown(value)}")
    if most is not None and value > most:
        raise ProblemError(f"{where}: `{name}` must be at most {most}, got {shown(value)}")
    return int(value)


def _matrix(where: str, name: str, theta: Any) -> NDArray[Any]:
    values = theta
    if isinstance(theta, xr.DataArray):  # an empirical kernel of one network has an axis for it
        values = (theta.squeeze("replica") if theta.sizes.get("replica") == 1 else theta).values
    try:
        array = np.asarray(values)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"{where}: `{name}` must be an array of numbers, got {type(theta).__name__}") from None
    if array.ndim != 2 or array.size == 0:
        raise ProblemError(f"{where}: `{name}` must be a matrix, got shape {array.shape}")
    return array


def _error(theta: Any) -> float:
    return float(theta.attrs.get("error", 0.0)) if isinstance(theta, xr.DataArray) else 0.0


def _check_shape(where: str, name: str, shape: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if tuple(shape) != wanted:
        raise ProblemError(f"{where}: `{name}` must have shape {wanted}, got {tuple(shape)}")


def _checked_product(where: str, name: str, theta: Callable[[Array], Any], shape: tuple[int, int]) -> Product:
    def product(v: Array) -> Array:
        out = np.asarray(theta(v), dtype=np.float64)
        if out.shape != (shape[0], v.shape[1]):
            wanted = f"{v.shape} to {(shape[0], v.shape[1])}"
            raise ProblemError(f"{where}: `{name}` must map {wanted}, got {out.shape}")
        return out

    return product
