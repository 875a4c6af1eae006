"""Spectra of large kernels on their samples by products alone: leading modes, and the density of all eigenvalues.

Limit    none: any symmetric kernel, in memory, on disk or as a function; eigenvalues w of its Gram matrix, P of them
         (`kernels.spectra` has those of the kernel itself, for uniform inputs).
Error    leading modes: |Theta u - w u|, within which an eigenvalue lies. Density and counts: standard error over
         random vectors, and the change with the number of Lanczos steps, in squares.
Sources  see solvers/spectra.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from theorysim.errors import ProblemError
from theorysim.kernels.operators import Kernel, square, whole
from theorysim.kernels.plan import MEMORY
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.spectra import lanczos_quadrature, leading_pairs

Array = NDArray[np.float64]
Report = Callable[[float], None]

_DECADES = 8.0  # below the largest eigenvalue, where no eigenvalues are given
_POINTS = 161


def leading_modes(
    theta: Kernel,
    count: int,
    *,
    samples: int | None = None,
    tolerance: float = 1e-10,
    seed: int = 0,
    memory: int = MEMORY,
    progress: Report | None = None,
) -> xr.Dataset:
    """Return the largest eigenvalues of a kernel on its samples, and their eigenvectors.

    Parameters
    ----------
    theta : array, memory-mapped array, StoredMatrix or callable, shape (P, P)
    count : int
        How many.
    samples : int, optional
        P, where `theta` is a callable.
    tolerance : float
        Wanted residual, as a share of the largest eigenvalue.
    seed : int
        Of the random start.
    memory, progress
        As for `descend`.

    Returns
    -------
    Dataset
        ``eigenvalue`` with ``eigenvalue_error`` (mode), ``eigenvector`` (sample, mode).

    Raises
    ------
    ProblemError
        For a kernel that is not symmetric and finite, or more modes than samples.
    NotConverged
        If the tolerance is out of reach.
    """
    where = "leading_modes"
    operator, size = _kernel(where, theta, samples, memory)
    wanted = whole(where, "count", count, most=size)
    _check_seed(where, seed)
    if not is_real(tolerance) or not 0.0 < tolerance < 1.0:
        raise ProblemError(f"{where}: `tolerance` must be a number between 0 and 1, got {shown(tolerance)}")
    found = leading_pairs(operator, size, wanted, tolerance=tolerance, seed=seed, progress=progress)
    values = {
        "eigenvalue": ("mode", found.values, _named("eigenvalue of the kernel on the samples", "w")),
        "eigenvalue_error": ("mode", found.residuals, _named("norm of the residual", r"|\Theta u - w u|")),
        "eigenvector": (("sample", "mode"), found.vectors, _named("eigenvector", "u")),
    }
    return xr.Dataset(values, attrs={"theory": f"kernels.{where}", "seed": seed, "products": found.products})


def spectral_density(
    theta: Kernel,
    eigenvalues: ArrayLike | None = None,
    *,
    width: float = 0.2,
    probes: int = 16,
    steps: int = 100,
    samples: int | None = None,
    seed: int = 0,
    memory: int = MEMORY,
    progress: Report | None = None,
) -> xr.Dataset:
    """Return how the eigenvalues of a kernel on its samples are distributed, by stochastic Lanczos quadrature.

    Parameters
    ----------
    theta : array, memory-mapped array, StoredMatrix or callable, shape (P, P)
    eigenvalues : positive numbers, optional
        Where; default 161 from 10^-8 of the largest eigenvalue up.
    width : float
        Every eigenvalue is drawn as a Gaussian of this standard deviation in ln w.
    probes, steps : int
        Random vectors, and products with all of them.
    samples, seed, memory, progress
        As for `leading_modes`.

    Returns
    -------
    Dataset
        Over ``eigenvalue``: ``density``, the share of eigenvalues per unit of ln w, and ``count``, the number of
        eigenvalues above w, both with ``_error``.

    Raises
    ------
    ProblemError
        As `leading_modes`, or for eigenvalues that are not positive.
    """
    where = "spectral_density"
    operator, size = _kernel(where, theta, samples, memory)
    whole(where, "probes", probes, least=2)
    whole(where, "steps", steps)
    _check_seed(where, seed)
    if not is_real(width) or width <= 0.0:
        raise ProblemError(f"{where}: `width` must be a positive number, got {shown(width)}")
    chosen = None if eigenvalues is None else _positive(where, eigenvalues)
    found = lanczos_quadrature(operator, size, probes=probes, steps=steps, seed=seed, progress=progress)
    top = float(found.nodes.max())
    if top <= 0.0:
        raise ProblemError(f"{where}: `theta` must have a positive eigenvalue, got {top:.3g} as the largest")
    grid = top * np.logspace(-_DECADES, 0.25, _POINTS) if chosen is None else chosen

    def distance(w: Array) -> Array:
        return np.asarray((np.log(np.maximum(w, 1e-300))[..., None] - np.log(grid)) / width)

    height = width * np.sqrt(2.0 * np.pi)
    density, *errors = found.average(lambda w: np.exp(-0.5 * distance(w) ** 2) / height)
    count, *count_errors = found.average(lambda w: size * ndtr(distance(w)))
    values = {
        "density": ("eigenvalue", density, _named("share of eigenvalues per unit of ln w", r"\rho")),
        "density_error": ("eigenvalue", np.hypot(*errors), _named("standard error", r"\epsilon[\rho]")),
        "count": ("eigenvalue", count, _named("number of eigenvalues above w", "n")),
        "count_error": ("eigenvalue", np.hypot(*count_errors), _named("standard error", r"\epsilon[n]")),
    }
    coords = {"eigenvalue": ("eigenvalue", grid, _named("eigenvalue of the kernel on the samples", "w"))}
    attrs = {"theory": f"kernels.{where}", "seed": seed, "width": width, "probes": probes, "steps": steps}
    return xr.Dataset(values, coords=coords, attrs=attrs)


def _kernel(where: str, theta: Kernel, samples: int | None, memory: int) -> tuple[Callable[[Array], Array], int]:
    whole(where, "memory", memory)
    wanted = None if samples is None else whole(where, "samples", samples)
    operator, size = square(where, theta, wanted, memory)
    return operator.product, size


def _check_seed(where: str, seed: int) -> None:
    whole(where, "seed", seed, least=0, most=2**64 - 1)


def _positive(where: str, values: ArrayLike) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"{where}: `eigenvalues` must be numbers, got {shown(values)}") from None
    if array.ndim != 1 or not array.size or not np.all(np.isfinite(array)) or not np.all(array > 0.0):
        raise ProblemError(f"{where}: `eigenvalues` must be a list of positive numbers, got {shown(values)}")
    return array


def _named(text: str, symbol: str) -> dict[str, str]:
    return {"units": "1", "long_name": text, "symbol": symbol}
