"""Labelled kernels of a finite network: ours, or weights from an npz file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite import tangent
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


def ntk_product(network: MLP, weights: Weights, x1: Array, x2: Array | None, vectors: Array) -> xr.DataArray:
    """Return Theta(x1, x2) v without forming Theta: all outputs coupled, with the rates of `network`.

    Parameters
    ----------
    network, weights, x1, x2
        As in `empirical_ntk`; `x2` None means `x1`.
    vectors : ndarray, shape (B2, C) or (B2, C, K)
        One vector over samples and outputs, or K of them.

    Returns
    -------
    xarray.DataArray
        Dimensions sample, output, vector (where K were given), replica.

    Raises
    ------
    ProblemError
        If shapes do not fit each other.
    """
    first, second = _inputs("x1", x1), None if x2 is None else _inputs("x2", x2)
    p, layers = _parameters(network, weights, first)
    v = _vectors(vectors, len(first if second is None else second), layers)
    values = tangent.ntk_product(p, layers, network, first, second, v)
    return _products(values, np.ndim(vectors))


def jacobian_product(network: MLP, weights: Weights, x: Array, tangents: Weights) -> xr.DataArray:
    """Return J t, the change of the outputs along a change t of the effective parameters (forward mode).

    Parameters
    ----------
    network, weights, x
        As in `empirical_ntk`.
    tangents : Parameters, mapping or path of an npz file
        Of the shapes of `weights`; biases that the network lacks may be left out.

    Returns
    -------
    xarray.DataArray
        Dimensions sample, output, replica.
    """
    inputs = _inputs("x", x)
    p, layers = _parameters(network, weights, inputs)
    t, _ = _parameters(network, tangents, inputs)
    if [array.shape for array in t.arrays] != [array.shape for array in p.arrays]:
        raise ProblemError("kernels: `tangents` must have the shapes of `weights`, got others")
    return _products(tangent.jacobian_product(p, layers, network, inputs, t)[:, None], 2)


def transposed_jacobian_product(network: MLP, weights: Weights, x: Array, vectors: Array) -> Parameters:
    """Return J^T v, what outputs v, shape (B, C), pull back to the effective parameters (reverse mode).

    Without the rates of the network: a gradient of the loss is J^T (dloss/df). Other arguments as in
    `empirical_ntk`; the result has the shapes of Parameters, one network for each replica.
    """
    inputs = _inputs("x", x)
    p, layers = _parameters(network, weights, inputs)
    if np.ndim(vectors) != 2:
        raise ProblemError(f"kernels: `vectors` must have shape (samples, outputs), got {np.shape(vectors)}")
    found = tangent.transposed_product(p, layers, network, inputs, _vectors(vectors, len(inputs), layers))
    return Parameters([w[:, 0] for w in found.weights], [b[:, 0] for b in found.biases])


def _vectors(vectors: Array, samples: int, layers: Layers) -> Array:
    """Return K vectors, shape (K, B, C), checked."""
    values = np.asarray(vectors, dtype=float)
    wanted = (samples, layers.widths[-1])
    if values.ndim not in (2, 3) or values.shape[:2] != wanted or 0 in values.shape:
        raise ProblemError(f"kernels: `vectors` must have shape {wanted}, or one more axis, got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ProblemError("kernels: `vectors` must be finite, got NaN or infinity")
    return values[None] if values.ndim == 2 else np.ascontiguousarray(np.moveaxis(values, -1, 0))


def _products(values: Array, axes: int) -> xr.DataArray:
    """Label products of shape (R, K, B, C); without the axis of vectors where one was given bare."""
    moved = values.transpose(2, 3, 1, 0)
    if axes == 2:
        return xr.DataArray(moved[:, :, 0], dims=("sample", "output", "replica"))
    return xr.DataArray(moved, dims=("sample", "output", "vector", "replica"))


def _labelled(name: str, kernel: Kernel, network: MLP, weights: Weights, x1: Array, x2: Array | None) -> xr.DataArray:
    first = _inputs("x1", x1)
    p, layers = _parameters(network, weights, first)
    values = kernel(p, layers, network, first, None if x2 is None else _inputs("x2", x2))
    dims = ("sample", "sample_other", "replica")
    return xr.DataArray(np.moveaxis(values, 0, -1), dims=dims, name=name, attrs=attributes(name))


def _parameters(network: MLP, weights: Weights, x: Array) -> tuple[Parameters, Layers]:
    """Return parameters and layers; the number of outputs is that of the last weight matrix."""
    if isinstance(weights, Parameters):
        layers = network.layers(inputs=x.shape[1], outputs=weights.weights[-1].shape[1])
        shapes, n = [w.shape[1:] for w in weights.weights], layers.widths
        if shapes != list(zip(n[1:], n[:-1], strict=True)):
            raise ProblemError(f"weights: their shapes must fit a network of widths {n}, got {shapes}")
        return weights, layers
    arrays, last = opened(weights), f"W{network.depth + 1}"
    if last not in arrays:
        raise ProblemError(f"weights: `{last}` must be there, got {sorted(arrays)}")
    layers = network.layers(inputs=x.shape[1], outputs=len(arrays[last]))
    return named(arrays, layers), layers


def _inputs(name: str, x: Array) -> Array:
    """Return inputs as an array of numbers, checked."""
    values = np.asarray(x, dtype=float)
    if values.ndim != 2 or values.size == 0:
        raise ProblemError(f"kernels: `{name}` must have shape (samples, inputs), got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ProblemError(f"kernels: `{name}` must be finite, got NaN or infinity")
    return values
