"""Two-time functions and fields of neurons as labelled Datasets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.problem.training import Training

Array = NDArray[np.float64]
_TEXT = {
    "feature_correlation": ("mean product of features at two steps", r"\Phi^l(k,s)"),
    "gradient_correlation": ("mean product of gradients at two steps", r"G^l(k,s)"),
    "feature_response": ("response of features to the noise from above", r"A^l(k,s)"),
    "gradient_response": ("response of gradients to the noise from below", r"B^l(k,s)"),
    "preactivation": ("pre-activation of one neuron", r"h^l"),
    "backward_field": ("backward field of one neuron", r"z^l"),
}


def labelled_pairs(training: Training, values: Mapping[str, Array], attrs: Mapping[str, str | int]) -> xr.Dataset:
    """Return two-time functions, shape (layers, K, n, K, n) each, at the recorded steps.

    Raises
    ------
    FloatingPointError
        If a value is not finite.
    """
    dims = ("layer", "step", "sample", "step_other", "sample_other")
    data = {name: (dims, value, _label(name, value)) for name, value in values.items()}
    layers = np.arange(1, next(iter(values.values())).shape[0] + 1)
    steps = np.asarray(training.recorded)
    return xr.Dataset(data, coords={"layer": layers, "step": steps, "step_other": steps}, attrs=dict(attrs))


def labelled_neurons(training: Training, h: Array, z: Array, attrs: Mapping[str, str | int]) -> xr.Dataset:
    """Return fields of neurons, shapes (L, K, n, neurons) and (L, K, C, n, neurons), at the recorded steps."""
    data = {
        "preactivation": (("layer", "step", "sample", "neuron"), h, _label("preactivation", h)),
        "backward_field": (("layer", "step", "output", "sample", "neuron"), z, _label("backward_field", z)),
    }
    coords = {"layer": np.arange(1, len(h) + 1), "step": np.asarray(training.recorded)}
    return xr.Dataset(data, coords=coords, attrs=dict(attrs))


def _label(name: str, value: Array) -> dict[str, str]:
    if not np.all(np.isfinite(value)):
        raise FloatingPointError(f"{name}: not finite; the run diverged (is the learning rate stable?)")
    text, symbol = _TEXT[name.removesuffix("_error")]
    if name.endswith("_error"):
        text, symbol = f"standard error: {text}", rf"\epsilon[{symbol}]"
    return {"units": "1", "long_name": text, "symbol": symbol}
