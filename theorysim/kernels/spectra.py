"""Spectra of the kernels of infinitely wide networks under inputs of equal length: on the sphere and the Boolean cube.

    kappa(c) = sum_k degeneracy_k eigenvalue_k P_k(c),  c = cosine of two inputs,  P_k(1) = 1

A degeneracy says how many functions of degree k there are, an eigenvalue how fast they are learned: with squared loss
and endless data at the rate eigenvalue/outputs per unit of time (time = learning rate times step).

Limit    Width -> infinity; uniform inputs, infinitely many samples.
Valid    Multilayer perceptrons of any activation whose kernel exists.
Error    `eigenvalue_error`, an estimate: 1e-12 relative in high dimensions, also of tiny eigenvalues. Where it exceeds
         the eigenvalue (a degree that the kernel has to rounding not), it is all that is known.
Sources  [Yang2019]; [Cho2009]. Proof: derivations/spectra.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.infinite.power_series import kernel_series
from theorysim.infinite.recursion import kernels_of, nngp_of
from theorysim.infinite.spectra import Domain, Kernel, cube, spectrum, sphere
from theorysim.kernels.arguments import checked_number, checked_whole
from theorysim.kernels.learner import activation_of
from theorysim.problem.network import MLP
from theorysim.problem.validation import one_of, shown

Array = NDArray[np.float64]

LARGEST_DEGREE, LARGEST_DIMENSION, LARGEST_CUBE = 400, 10**6, 1000
_KERNELS = ("ntk", "nngp")
_VARIABLES = {
    "eigenvalue": ("1", "eigenvalue of the kernel under uniform inputs", r"\lambda_k"),
    "eigenvalue_error": ("1", "error of the eigenvalue", r"\epsilon[\lambda_k]"),
    "degeneracy": ("1", "number of eigenfunctions", "N_k"),
    "power": ("1", "degeneracy times eigenvalue", r"N_k\lambda_k"),
    "cumulative_power": (
        "1",
        "share of kappa(1) in the degrees up to this one",
        r"\sum_{j\leq k}N_j\lambda_j/\kappa(1)",
    ),
}


def sphere_spectrum(
    network: MLP, dim: int, *, degrees: int = 20, kernel: str = "ntk", input_variance: float = 1.0
) -> xr.Dataset:
    """Return the spectrum on the sphere |x|^2 = dim * input_variance: eigenfunctions are spherical harmonics.

    Parameters
    ----------
    network : MLP
    dim : int
        Dimension of the inputs, from 2.
    degrees : int
        Highest degree.
    kernel : {"ntk", "nngp"}
    input_variance : float
        |x|^2/dim.

    Returns
    -------
    Dataset
        ``eigenvalue``, ``eigenvalue_error``, ``degeneracy``, ``power`` = degeneracy times eigenvalue, and
        ``cumulative_power``, its share of kappa(1), along ``degree``; ``attrs["total"]`` is kappa(1).

    Raises
    ------
    ProblemError
        For wrong arguments, or a degeneracy beyond 1e300.
    """
    where = "kernels.sphere_spectrum"
    dim = checked_whole(where, "dim", dim, 2, LARGEST_DIMENSION)
    degrees = checked_whole(where, "degrees", degrees, 0, LARGEST_DEGREE)
    counts = [_harmonics(dim, k) for k in range(degrees + 1)]
    most = sum(1 for count in counts if count < 10**300) - 1
    if most < degrees:
        raise ProblemError(f"{where}: `degrees` must be at most {most} in {dim} dimensions, got {degrees}")
    return _spectrum(where, network, dim, sphere(dim), counts, kernel, input_variance)


def cube_spectrum(
    network: MLP, dim: int, *, degrees: int | None = None, kernel: str = "ntk", input_variance: float = 1.0
) -> xr.Dataset:
    """Return the spectrum on the Boolean cube, inputs +-sqrt(input_variance): eigenfunctions are parities of k bits.

    Parameters
    ----------
    dim : int
        Number of bits.
    degrees : int, optional
        Highest degree (default: all).
    network, kernel, input_variance
        As `sphere_spectrum`, and the same answer.
    """
    where = "kernels.cube_spectrum"
    dim = checked_whole(where, "dim", dim, 1, LARGEST_CUBE)
    degrees = dim if degrees is None else checked_whole(where, "degrees", degrees, 0, dim)
    counts = [math.comb(dim, k) for k in range(degrees + 1)]
    return _spectrum(where, network, dim, cube(dim), counts, kernel, input_variance)


def _harmonics(dim: int, k: int) -> int:
    """Return the number of spherical harmonics of degree k."""
    return 1 if k == 0 else (2 * k + dim - 2) * math.comb(k + dim - 3, k - 1) // k


def _spectrum(
    where: str, network: Any, dim: int, domain: Domain, counts: list[int], kernel: str, variance: float
) -> xr.Dataset:
    if not isinstance(network, MLP):
        raise ProblemError(f"{where}: `network` must be an MLP, got {shown(network)}")
    if kernel not in _KERNELS:
        raise ProblemError(f"{where}: `kernel` {one_of(kernel, _KERNELS)}")
    size = checked_number(where, "input_variance", variance, positive=True)
    values, series, total = _kernel(network, dim, kernel, size)
    found = spectrum(domain, values, series, total, len(counts) - 1)
    degeneracy = np.array([float(count) for count in counts])
    arrays = {
        "eigenvalue": found.power / degeneracy,
        "eigenvalue_error": found.error / degeneracy,
        "degeneracy": degeneracy,
        "power": found.power,
        "cumulative_power": np.cumsum(found.power) / total,
    }
    data = {name: ("degree", array, _attributes(name)) for name, array in arrays.items()}
    degree = ("degree", np.arange(len(counts)), {"units": "1", "long_name": "degree", "symbol": "k"})
    attrs = {"theory": "kernels.spectra", "kernel": kernel, "dim": dim, "input_variance": size, "total": total}
    return xr.Dataset(data, coords={"degree": degree}, attrs=attrs)


def _kernel(network: MLP, dim: int, kernel: str, variance: float) -> tuple[Kernel, Callable[[int], Array], float]:
    """Return kappa(c) with its error, the coefficients of its power series, and kappa(1), for `dim` inputs."""
    layers, activation = network.layers(inputs=dim, outputs=1), activation_of(network)
    plane = replace(layers, widths=(2, *layers.widths[1:]))  # two inputs span a plane; the rates stay

    first = math.sqrt(2.0 * variance) * np.array([[1.0, 0.0]])

    def values(c: Array) -> tuple[Array, float]:
        x = math.sqrt(2.0 * variance) * np.stack((c, np.sqrt((1.0 - c) * (1.0 + c))), axis=1)
        if kernel == "nngp":
            matrix, error = nngp_of(plane, activation, first, x)
            return matrix[0], error
        found = kernels_of(plane, activation, first, x)
        return found.ntk[0], found.ntk_error

    def series(terms: int) -> Array:
        return kernel_series(layers, activation, variance, terms)[1 if kernel == "ntk" else 0]

    ones = nngp_of(plane, activation, first)[0] if kernel == "nngp" else kernels_of(plane, activation, first).ntk
    return values, series, float(ones[0, 0])


def _attributes(name: str) -> dict[str, str]:
    return dict(zip(("units", "long_name", "symbol"), _VARIABLES[name], strict=True))
