"""Two inputs on their way through the layers: variance and correlation in the limit, and in finite networks.

    q^{l+1} = sw^2 E phi(u)^2 + sb^2      q^l c^l = covariance of both pre-activations, layer by layer

Limit    Width -> infinity at fixed depth, two inputs of equal length.
Valid    Activations without jumps.
Error    Of the limit: `correlation_error`, rounding for analytic activations. Of a finite network: scatter of order
         sqrt(layers/width) and a bias of order layers/width (measured in tests/kernels).
Sources  [Poole2016]; [Schoenholz2017].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.finite.elementwise import loops
from theorysim.finite.network import initialise
from theorysim.infinite.correlation_map import carried
from theorysim.infinite.moments import moments
from theorysim.kernels.arguments import checked_activation, checked_number, checked_whole
from theorysim.problem.network import LARGEST_DEPTH, LARGEST_WIDTH, MLP
from theorysim.problem.validation import is_real, shown

Array = NDArray[np.float64]

_INPUTS = 2  # dimensions of the inputs of finite networks: two unit vectors at any angle
_NAMES = {
    "variance": ("1", "variance of pre-activations", "q^l"),
    "correlation": ("1", "correlation of the pre-activations of two inputs", "c^l"),
    "correlation_error": ("1", "error bound of the correlation", r"\epsilon[c^l]"),
}


def signals(
    activation: str | Activation,
    weight_std: float,
    bias_std: float,
    depth: int,
    *,
    input_variance: float = 1.0,
    input_correlation: float = 0.5,
) -> xr.Dataset:
    """Return variance and correlation of two inputs in every layer of an infinitely wide network.

    Parameters
    ----------
    activation : str or Activation
    weight_std, bias_std : float
        sw, sb of every layer.
    depth : int
        Layers.
    input_variance, input_correlation : float
        |x|^2/d of both inputs, and the cosine of the angle between them.

    Returns
    -------
    Dataset
        ``variance``, ``correlation``, ``correlation_error`` along ``layer`` (1 .. depth).

    Raises
    ------
    ProblemError
        For wrong arguments.
    FloatingPointError
        If the variance grows beyond what can be computed.
    """
    where = "kernels.signals"
    phi = checked_activation(where, activation)
    w, v, k, c = _checked(where, weight_std, bias_std, input_variance, input_correlation)
    depth = checked_whole(where, "depth", depth, 1, LARGEST_DEPTH)
    q, gap, error = w * k + v, 0.0, 0.0
    if q > 0.0:
        gap = w * k * (1.0 - c) / q
    rows = [(q, 1.0 - gap, error)]
    for _ in range(depth - 1):
        following = w * float(moments(phi, np.array([q])).square[0]) + v
        if not math.isfinite(following):
            raise FloatingPointError(f"{where}: the variance is {q:.3g} in layer {len(rows)}, and grows without bound")
        if q > 0.0 and following > 0.0 and gap > 0.0:
            old, (gap, more) = gap, carried(phi, w, q, following, gap)
            error = error * gap / old + more  # the map of gaps is concave: its slope is below this ratio
        q = following
        rows.append((q, 1.0 - gap, error))
    return _labelled(np.array(rows).T[:, :, None], ("variance", "correlation", "correlation_error"), None)


def finite_signals(
    activation: str | Activation,
    weight_std: float,
    bias_std: float,
    depth: int,
    *,
    width: int,
    replicas: int,
    seed: int = 0,
    input_variance: float = 1.0,
    input_correlation: float = 0.5,
) -> xr.Dataset:
    """Return the same measured in random networks of one width: means over neurons, one value for each network.

    ``correlation`` is the cosine between the pre-activations of both inputs, ``variance`` the mean of both squares.

    Parameters
    ----------
    width, replicas : int
        Neurons in every layer, and networks.
    seed : int
        Key of the random numbers.

    Returns
    -------
    Dataset
        ``variance`` and ``correlation`` along (layer, replica).
    """
    where = "kernels.finite_signals"
    phi = checked_activation(where, activation)
    w, v, k, c = _checked(where, weight_std, bias_std, input_variance, input_correlation)
    depth = checked_whole(where, "depth", depth, 1, LARGEST_DEPTH)
    width = checked_whole(where, "width", width, 1, LARGEST_WIDTH)
    replicas = checked_whole(where, "replicas", replicas, 1, 10**6)
    network = MLP(depth=depth, width=width, activation=phi, weight_std=math.sqrt(w), bias_std=math.sqrt(v))
    layers = network.layers(inputs=_INPUTS, outputs=1)
    x = math.sqrt(_INPUTS * k) * np.array([[1.0, 0.0], [c, math.sqrt((1.0 - c) * (1.0 + c))]])
    value = loops(phi).value
    found = np.empty((2, depth, replicas))
    for r in range(replicas):
        p, below = initialise(layers, [r], seed=seed), x[None]
        for layer in range(depth):
            with single_thread():
                h = below @ p.weights[layer].swapaxes(1, 2) + p.biases[layer][:, None, :]
            found[:, layer, r] = _measured(h[0])
            below = h
            value(below, np.zeros_like(p.biases[layer]))
    return _labelled(found, ("variance", "correlation"), np.arange(replicas))


def _checked(where: str, weight_std: Any, bias_std: Any, variance: Any, correlation: Any) -> tuple[float, ...]:
    """Return sw^2, sb^2, |x|^2/d and the cosine."""
    if not is_real(correlation) or not -1.0 <= correlation <= 1.0:
        raise ProblemError(f"{where}: `input_correlation` must be a number from -1 to 1, got {shown(correlation)}")
    return (
        checked_number(where, "weight_std", weight_std) ** 2,
        checked_number(where, "bias_std", bias_std) ** 2,
        checked_number(where, "input_variance", variance, positive=True),
        float(correlation),
    )


def _measured(h: Array) -> tuple[float, float]:
    """Return the mean square and the cosine of two rows; the cosine of signals that have died is 1."""
    squares = (h * h).mean(axis=1)
    product = math.sqrt(squares[0]) * math.sqrt(squares[1])
    return float(squares.mean()), float((h[0] * h[1]).mean()) / product if product > 0.0 else 1.0


def _labelled(values: Array, names: tuple[str, ...], replicas: NDArray[Any] | None) -> xr.Dataset:
    dims = ("layer",) if replicas is None else ("layer", "replica")
    data = {
        name: (dims, array[:, 0] if replicas is None else array, _attributes(name))
        for name, array in zip(names, values, strict=True)
    }
    layers = np.arange(1, values.shape[1] + 1)
    coords: dict[str, Any] = {"layer": ("layer", layers, {"units": "1", "long_name": "layer", "symbol": "l"})}
    if replicas is not None:
        coords["replica"] = ("replica", replicas, {"units": "1", "long_name": "replica"})
    return xr.Dataset(data, coords=coords, attrs={"theory": "kernels.propagation"})


def _attributes(name: str) -> dict[str, str]:
    return dict(zip(("units", "long_name", "symbol"), _NAMES[name], strict=True))
