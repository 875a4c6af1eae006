"""Initial parameters from outside: a mapping or an npz file of effective W1, b1, W2, b2, ..."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.network import Parameters
from theorysim.problem import Layers, Training

if TYPE_CHECKING:
    from theorysim.finite.training import Initial

Array = NDArray[np.float64]


def given(training: Training, initial: Initial, replicas: int) -> Parameters:
    """Return the given initial parameters of `replicas` networks, checked and copied.

    Raises
    ------
    ProblemError
        If an array is missing, has another shape, or is not finite.
    """
    if not isinstance(initial, Parameters):
        initial = named(initial, training.layers)
    if initial.replicas != replicas:
        raise ProblemError(f"initial: it must hold {replicas} replicas, got {initial.replicas}")
    return initial.copy()


def named(arrays: Mapping[str, Array] | str | Path, layers: Layers) -> Parameters:
    """Return one network's parameters from W1, b1, W2, ...; a path is an npz file, loaded without pickle.

    Parameters
    ----------
    arrays : mapping or path
        W{l} of shape (n_l, n_{l-1}) and, where the network has biases, b{l} of shape (n_l,). More names are
        ignored.
    """
    arrays = opened(arrays)
    weights, biases = [], []
    for i, (fan_in, fan_out) in enumerate(zip(layers.widths, layers.widths[1:], strict=False), start=1):
        weights.append(_checked(arrays, f"W{i}", (fan_out, fan_in)))
        biases.append(_checked(arrays, f"b{i}", (fan_out,)) if layers.has_bias else np.zeros((1, fan_out)))
        if not layers.has_bias and np.any(arrays.get(f"b{i}", 0.0)):
            raise ProblemError(f"initial: `b{i}` is not zero, but the network has no biases (give it `bias_std`)")
    return Parameters(weights, biases)


def opened(arrays: Mapping[str, Array] | str | Path) -> Mapping[str, Array]:
    """Return named arrays; a path is an npz file, loaded without pickle."""
    if isinstance(arrays, Mapping):
        return arrays
    try:
        with open(arrays, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, BadZipFile) as problem:
        raise ProblemError(f"initial: {arrays} is not an npz file of plain arrays: {problem}") from None


def _checked(arrays: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    if name not in arrays:
        raise ProblemError(f"initial: `{name}` must be there, of shape {shape}; got {sorted(arrays)}")
    array = np.asarray(arrays[name])
    if array.shape != shape or not np.issubdtype(array.dtype, np.floating):
        raise ProblemError(f"initial: `{name}` must be real, of shape {shape}, got {array.dtype} of {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ProblemError(f"initial: `{name}` must be finite")
    return np.array(array, dtype=float)[None]
