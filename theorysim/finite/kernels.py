"""Labelled kernels of a finite network: ours, or weights from an npz file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.empirical import nngp, ntk
from theorysim.finite.initial import named, opened
from theorysim.finite.network import Parameters
from theorysim.observables import attributes
from theorysim.problem import MLP, Layers

Array = NDArray[np.float64]
Weights = Parameters | Mapping[str, Array] | str | Path
Kernel = Callable[[Parameters, Layers, MLP, Array, Array | None], Array]


def empirical_ntk(network: MLP, weights: Weights, x1: Array, x2: Array | None = None) -> xr.DataArray:
    """Return the tangent kernel of finite networks with the rates of `network`, averaged over outputs.

    Parameters
    ----------
    network : MLP
        Shape, activation and rates.
    weights : Parameters, mapping or path of an npz file
        Effective parameters: those of `trained_parameters`, or W1, b1, W2, ... of one network.
    x1, x2 : ndarray, shapes (B1, d) and (B2, d)
        Inputs; `x2` defaults to `x1`.

    Returns
    -------
    xarray.DataArray
        Dimensions sample, sample_other, replica.
    """
    return _labelled("ntk", ntk, network, weights, x1, x2)


def empirical_nngp(network: MLP, weights: Weights, x1: Array, x2: Array | None = None) -> xr.DataArray:
    """Return weight_std^2 phi^L . phi^L / N + bias_std^2 of finite networks; arguments as `empirical_ntk`."""
    return _labelled("nngp", nngp, network, weights, x1, x2)


def _labelled(name: str, kernel: Kernel, network: MLP, weights: Weights, x1: Array, x2: Array | None) -> xr.DataArray:
    first = np.asarray(x1, dtype=float)
    p, layers = _parameters(network, weights, first)
    values = kernel(p, layers, network, first, None if x2 is None else np.asarray(x2, dtype=float))
    dims = ("sample", "sample_other", "replica")
    return xr.DataArray(np.moveaxis(values, 0, -1), dims=dims, name=name, attrs=attributes(name))


def _parameters(network: MLP, weights: Weights, x: Array) -> tuple[Parameters, Layers]:
    """Return parameters and layers; the number of outputs is that of the last weight matrix."""
    if x.ndim != 2:
        raise ProblemError(f"x1: it must have shape (samples, inputs), got {x.shape}")
    if isinstance(weights, Parameters):
        return weights, network.layers(inputs=x.shape[1], outputs=weights.weights[-1].shape[1])
    arrays, last = opened(weights), f"W{network.depth + 1}"
    if last not in arrays:
        raise ProblemError(f"weights: `{last}` must be there, got {sorted(arrays)}")
    layers = network.layers(inputs=x.shape[1], outputs=len(arrays[last]))
    return named(arrays, layers), layers
