"""Labelled kernel matrices of infinitely wide networks."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from theorysim.errors import ProblemError
from theorysim.infinite.blocks.recursion import kernels_of_blocks, nngp_of_blocks
from theorysim.infinite.recursion import kernels_of, nngp_of
from theorysim.kernels.learner import activation_of
from theorysim.observables import attributes
from theorysim.problem.blocks import Block, is_block
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP
from theorysim.problem.validation import shown

BLOCK_INPUTS = ("(samples, channels)", "(samples, length, channels)", "(samples, height, width, channels)")


def nngp(network: MLP | Block, x1: ArrayLike, x2: ArrayLike | None = None, *, device: str = "cpu") -> xr.DataArray:
    """Return Sigma, the covariance of the outputs at initialisation (NNGP kernel).

    Parameters
    ----------
    network : MLP or Block
    x1, x2 : array_like, shapes (n1, d) and (n2, d)
        Samples first; x2 defaults to x1. For networks of blocks also (n, length, channels) and
        (n, height, width, channels).
    device : {"cpu", "cuda"}

    Returns
    -------
    DataArray
        Dimensions sample, sample_other; ``attrs["error"]`` bounds the truncation error of an entry.

    Raises
    ------
    ProblemError
        For arrays of a wrong number of dimensions, not finite, or of samples of different shapes; for blocks that do
        not fit each other or the samples.
    """
    if not isinstance(network, MLP):
        return _labelled("nngp", *nngp_of_blocks(*block_inputs(network, x1, x2), device=device))
    one, other = mlp_inputs(x1, x2)
    values, error = nngp_of(_layers(network, one), activation_of(network), one, other, device=device)
    return _labelled("nngp", values, error)


def ntk(network: MLP | Block, x1: ArrayLike, x2: ArrayLike | None = None, *, device: str = "cpu") -> xr.DataArray:
    """Return Theta, the neural tangent kernel with the network's rates; as `nngp`.

    Raises
    ------
    ProblemError
        Also for an activation that jumps (sign, step) without the choice of a derivative.
    """
    if not isinstance(network, MLP):
        kernels = kernels_of_blocks(*block_inputs(network, x1, x2), device=device)
        return _labelled("ntk", kernels.ntk, kernels.ntk_error)
    one, other = mlp_inputs(x1, x2)
    kernels = kernels_of(_layers(network, one), activation_of(network), one, other, device=device)
    return _labelled("ntk", kernels.ntk, kernels.ntk_error)


def _layers(network: MLP, x: np.ndarray) -> Layers:
    return network.layers(inputs=x.shape[1], outputs=1)


def mlp_inputs(x1: ArrayLike, x2: ArrayLike | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return checked inputs of a kernel of an MLP."""
    one = _checked("x1", x1)
    other = None if x2 is None else _checked("x2", x2)
    if other is not None and other.shape[1] != one.shape[1]:
        raise ProblemError(f"kernels: `x2` must have {one.shape[1]} columns as `x1`, got {other.shape[1]}")
    return one, other


def block_inputs(network: Block, x1: ArrayLike, x2: ArrayLike | None) -> tuple[Block, np.ndarray, np.ndarray | None]:
    """Return the checked arguments of a kernel of blocks."""
    if not is_block(network):
        raise ProblemError(f"kernels: `network` must be an MLP or a network of blocks, got {shown(network)}")
    one = _checked("x1", x1, BLOCK_INPUTS)
    other = None if x2 is None else _checked("x2", x2, BLOCK_INPUTS)
    if other is not None and other.shape[1:] != one.shape[1:]:
        raise ProblemError(f"kernels: `x2` must hold samples of shape {one.shape[1:]} as `x1`, got {other.shape[1:]}")
    return network, one, other


def _checked(name: str, x: ArrayLike, shapes: tuple[str, ...] = ("(samples, inputs)",)) -> np.ndarray:
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"kernels: `{name}` must be an array of numbers, got {type(x).__name__}") from None
    if not 2 <= array.ndim <= 1 + len(shapes) or array.size == 0:
        raise ProblemError(f"kernels: `{name}` must have shape {' or '.join(shapes)}, got {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ProblemError(f"kernels: `{name}` must be finite, got NaN or infinity")
    return array


def _labelled(name: str, values: np.ndarray, error: float) -> xr.DataArray:
    return xr.DataArray(values, dims=("sample", "sample_other"), name=name, attrs=attributes(name) | {"error": error})
