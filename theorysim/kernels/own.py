"""Kernels that a user brings: checked, put together from their blocks, diagonalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import eigh, single_thread
from theorysim.errors import ProblemError
from theorysim.infinite.modes import modes_of
from theorysim.kernels.learner import LARGEST_SAMPLES, Learner

Array = NDArray[np.float64]
Kernel = ArrayLike | xr.DataArray

ASYMMETRY = 1e-6
"""Largest |K - K^T| of a symmetric kernel, relative to its largest entry: single precision passes."""
NEGATIVE = 1e-5
"""Sum of the negative eigenvalues of a positive semidefinite kernel, relative to its trace; they are set to 0."""


@dataclass(frozen=True, eq=False)
class OwnKernels:
    """Kernels of P training and M test samples.

    Attributes
    ----------
    theta : ndarray, shape (P, P + M)
        Tangent kernel between training samples and all samples, training samples first.
    nngp : ndarray, shape (P + M, P + M)
        Covariance of the initial outputs; zero where there are none.
    """

    theta: Array
    nngp: Array

    @property
    def train(self) -> int:
        """Number P of training samples."""
        return len(self.theta)

    @property
    def test(self) -> int:
        """Number M of test samples."""
        return int(self.theta.shape[1]) - len(self.theta)


def own_kernels(
    train: int,
    theta: Kernel,
    theta_test: Kernel | None,
    nngp: Kernel | None,
    nngp_test: Kernel | None,
    nngp_test_test: Kernel | None,
) -> OwnKernels:
    """Return the kernels of `train` training samples and what is left as test samples, checked; see `dynamics`."""
    tangent = _square("theta", theta)
    if train > LARGEST_SAMPLES:
        raise ProblemError(f"dynamics: `y` must hold at most {LARGEST_SAMPLES} samples, got {train}")
    if theta_test is not None:
        cross = _matrix("theta_test", theta_test)
        _shaped("theta", tangent, (train, train), " with `theta_test`")
        _shaped("theta_test", cross, (len(cross), train))
        tangent = np.concatenate([tangent, cross.T], axis=1)
    elif len(tangent) < train:
        raise ProblemError(
            f"dynamics: `theta` must have a row for each of the {train} samples of `y`, got {len(tangent)}"
        )
    tangent = tangent[:train]
    return OwnKernels(tangent, _prior(tangent.shape, nngp, {"nngp_test": nngp_test, "nngp_test_test": nngp_test_test}))


def _prior(shape: tuple[int, int], nngp: Kernel | None, tests: Mapping[str, Kernel | None]) -> Array:
    """Return the covariance of the initial outputs on all samples."""
    train, both = shape
    given = [name for name, kernel in tests.items() if kernel is not None]
    if nngp is None:
        if given:
            raise ProblemError(f"dynamics: `{given[0]}` must be left out without `nngp`, got some")
        return np.zeros((both, both))
    whole = _square("nngp", nngp)
    if len(whole) == both and not given:
        return _semidefinite(whole)
    lacking = [name for name in tests if name not in given]
    if lacking:
        raise ProblemError(
            f"dynamics: `nngp` must have shape {(both, both)}, or {(train, train)} with `nngp_test` and "
            f"`nngp_test_test`; got {whole.shape} without `{lacking[0]}`"
        )
    cross, test = _matrix("nngp_test", tests["nngp_test"]), _square("nngp_test_test", tests["nngp_test_test"])
    _shaped("nngp", whole, (train, train), " with `nngp_test`")
    _shaped("nngp_test", cross, (both - train, train))
    _shaped("nngp_test_test", test, (both - train, both - train))
    return _semidefinite(np.block([[whole, cross.T], [cross, test]]))


def learner_of_own(own: OwnKernels) -> Learner:
    """Return the kernel learner of a user's kernels.

    Raises
    ------
    ProblemError
        If the tangent kernel of the training samples is not positive semidefinite.
    """
    if not np.any(own.theta[:, : own.train]):
        raise ProblemError("dynamics: `theta` must not vanish on the training samples, got zeros")
    modes = modes_of(own.theta, own.nngp, own.train)
    trace = float(np.trace(own.theta))
    _check_negative("theta", trace - float(np.sum(modes.eigenvalues)), trace)
    return Learner(modes, own.nngp, 0.0)


def _semidefinite(kernel: Array) -> Array:
    """Return a covariance without its negative eigenvalues; small ones, of rounding, are taken for zero."""
    scale = float(np.trace(kernel)) / len(kernel)
    try:
        with single_thread():
            np.linalg.cholesky(kernel + 1e-10 * abs(scale) * np.eye(len(kernel)))
    except np.linalg.LinAlgError:
        pass
    else:
        return kernel
    if not np.any(kernel):
        return kernel
    values, vectors = eigh(kernel)
    _check_negative("nngp", float(np.sum(values[values < 0])), float(np.trace(kernel)))
    with single_thread():
        return np.ascontiguousarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def _check_negative(name: str, negative: float, trace: float) -> None:
    if -negative > NEGATIVE * max(trace, 0.0) + 1e-300:
        raise ProblemError(
            f"dynamics: `{name}` must be positive semidefinite, got negative eigenvalues of sum {negative:.3g} "
            f"(trace {trace:.3g})"
        )


def _matrix(name: str, kernel: Kernel | None) -> Array:
    """Return a kernel as a matrix of finite numbers; an axis `replica` of one network is dropped."""
    if isinstance(kernel, xr.DataArray) and "replica" in kernel.dims:
        if kernel.sizes["replica"] != 1:
            raise ProblemError(
                f"dynamics: `{name}` must be one kernel, got {kernel.sizes['replica']} replicas "
                "(choose one by isel(replica=0), or take the mean)"
            )
        kernel = kernel.isel(replica=0)
    try:
        matrix = np.array(kernel, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"dynamics: `{name}` must be a matrix of numbers, got {type(kernel).__name__}") from None
    if matrix.ndim != 2 or matrix.size == 0:
        raise ProblemError(f"dynamics: `{name}` must be a matrix, got shape {matrix.shape}")
    if not np.all(np.isfinite(matrix)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(matrix))[0])
        raise ProblemError(f"dynamics: `{name}` must be finite, got {matrix[place]!s} at {place}")
    return matrix


def _square(name: str, kernel: Kernel | None) -> Array:
    """Return a symmetric kernel, made exactly so."""
    matrix = _matrix(name, kernel)
    if matrix.shape[0] != matrix.shape[1]:
        raise ProblemError(f"dynamics: `{name}` must be square, got shape {matrix.shape}")
    gap = float(np.max(np.abs(matrix - matrix.T)))
    if gap > ASYMMETRY * float(np.max(np.abs(matrix))):
        raise ProblemError(f"dynamics: `{name}` must be symmetric, got entries that differ by {gap:.3g}")
    return 0.5 * (matrix + matrix.T)


def _shaped(name: str, matrix: Array, shape: tuple[int, int], where: str = "") -> None:
    if matrix.shape != shape:
        raise ProblemError(f"dynamics: `{name}` must have shape {shape}{where}, got {matrix.shape}")
