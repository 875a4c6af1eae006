"""Finite width: leading 1/width corrections to the kernels of random networks, and exact relu moments.

Limit    Expansion in 1/width about infinitely wide layers, widths of all layers free; leading order.
Valid    Multilayer perceptrons at initialisation, any activation and parameterization, any inputs. What follows for
         training is in `lazy_scatter`.
Error    O(1/width^2); ``attrs["trusted"]`` says whether the relative variances are below `LARGEST_VARIANCE`, where the
         next order is about a tenth of the leading one.
Sources  [Roberts2022, chapters 4 and 8], [Hanin2022], [Hanin2020]. Proof: derivations/finite_width.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.infinite.dual_slopes import edges_of
from theorysim.infinite.fluctuations import Fluctuations, fluctuations
from theorysim.infinite.homogeneous import kernel_moments, relu_tangent_moments
from theorysim.infinite.pairs import pairs_of
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP, activation_of

Array = NDArray[np.float64]
LARGEST_VARIANCE = 0.2
"""Relative variance of a kernel above which the leading order is not trusted (relu: it is 10 % too small there)."""
MOST_SAMPLES, MOST_TOGETHER = 64, 32
"""Inputs of `finite_width` (pair by pair) and of all pairs together."""
_ROWS = {  # name: long name, symbol
    "kernel": ("kernel of the pre-activations at infinite width", r"K"),
    "kernel_mean_correction": ("shift of the mean kernel", r"\mathbb{E}\hat K-K"),
    "kernel_variance": ("variance of the kernel", r"\mathrm{Var}\,\hat K"),
    "ntk": ("neural tangent kernel at infinite width", r"\Theta"),
    "ntk_mean_correction": ("shift of the mean tangent kernel", r"\mathbb{E}\hat\Theta-\Theta"),
    "ntk_variance": ("variance of the tangent kernel of one output", r"\mathrm{Var}\,\hat\Theta"),
    "ntk_variance_between_outputs": ("variance of the tangent kernel between two outputs",
                                     r"\mathrm{Var}\,\hat\Theta_{cc'}"),
    "kernel_ntk_covariance": ("covariance of kernel and tangent kernel", r"\mathrm{Cov}(\hat K,\hat\Theta)"),
    "kurtosis": ("excess kurtosis of a pre-activation", r"3\,\mathrm{Var}\,\hat K/K^2"),
    "kernel_covariance": ("covariance of two kernel entries", r"\mathrm{Cov}(\hat K_{ab},\hat K_{cd})"),
    "ntk_covariance": ("covariance of two tangent-kernel entries", r"\mathrm{Cov}(\hat\Theta_{ab},\hat\Theta_{cd})"),
}  # fmt: skip
_ONE, _TWO = ("layer", "sample"), ("layer", "sample", "sample_other")


def finite_width(network: MLP, x: ArrayLike) -> xr.Dataset:
    """Return the leading corrections in 1/width to kernels at initialisation, at the network's own widths.

    Parameters
    ----------
    network : MLP
        Widths may differ from layer to layer. `mup`: of h^{L+1}, without the output scale; Theta has none.
    x : array_like, shape (m, d)
        At most 64 samples; one pair costs about 0.05 s a layer.

    Returns
    -------
    Dataset
        Dimensions layer (2 .. L + 1, the last is the output), sample, sample_other. The kernel of layer l is
        sw^2 phi . phi/n + sb^2 over layer l - 1, the covariance of a pre-activation given that layer; the tangent
        kernel that of one pre-activation. attrs: order, relative_variance, threshold, trusted, reason.

    Raises
    ------
    ProblemError
        For inputs that are zero (without biases), or parallel for an activation with a kink.
    """
    samples = checked_inputs(x, MOST_SAMPLES)
    layers, m = network.layers(inputs=samples.shape[1], outputs=1), len(samples)
    values = {name: np.zeros((network.depth, m, m)) for name in list(_ROWS)[:8]}
    if m == 1:
        _store(values, fluctuations(layers, activation_of(network), samples), (0,))
    for pair in combinations(range(m), 2):
        _store(values, fluctuations(layers, activation_of(network), samples[list(pair)]), pair)
    selves = np.einsum("laa->la", values["kernel"])
    kurtosis = 3.0 * np.einsum("laa->la", values["kernel_variance"]) / selves**2
    data: dict[str, Any] = {"kurtosis": (_ONE, kurtosis, _attributes("kurtosis"))}
    data |= {name: (_TWO, array, _attributes(name)) for name, array in values.items()}
    check_finite(data)
    return xr.Dataset(data, coords=_layer_coordinate(network), attrs=_verdict(values, layers))


def _store(values: dict[str, Array], layers: list[Fluctuations], samples: tuple[int, ...]) -> None:
    """Write what is known about one sample or one pair."""
    pairs = pairs_of(len(samples))
    first, second = pairs.first, pairs.second
    rows, columns = np.array(samples)[first], np.array(samples)[second]
    for place, now in enumerate(layers[1:]):
        own, between = now.tangent_covariance(pairs)[0], now.between[0]
        found = (
            now.kernel, now.kernel_shift[0], np.diagonal(now.kernel_covariance[0]),
            now.tangent, now.tangent_shift[0], own[first, second, first, second],
            between[first, second, first, second], np.diagonal(now.mixed_covariance[0]),
        )  # fmt: skip
        for name, numbers in zip(list(_ROWS)[:8], found, strict=True):
            values[name][place, rows, columns] = values[name][place, columns, rows] = numbers


def finite_width_covariance(network: MLP, x: ArrayLike) -> xr.Dataset:
    """Return the covariances of all pairs of kernel entries, and of tangent-kernel entries, to leading order.

    Parameters
    ----------
    network : MLP
    x : array_like, shape (m, d)
        At most 32 samples: 3 s for 16, 20 s for 30. More than two are sampled: standard errors are given.

    Returns
    -------
    Dataset
        ``kernel_covariance`` and ``ntk_covariance`` (one output), each with ``_error``; dimensions layer, sample,
        sample_other, sample_2, sample_other_2.
    """
    samples = checked_inputs(x, MOST_TOGETHER)
    layers, pairs = network.layers(inputs=samples.shape[1], outputs=1), pairs_of(len(samples))
    found = fluctuations(layers, activation_of(network), samples)[1:]
    spread = (pairs.table[:, :, None, None], pairs.table)
    values = {
        "kernel_covariance": [now.kernel_covariance[:, *spread] for now in found],
        "ntk_covariance": [now.tangent_covariance(pairs) for now in found],
    }
    dims = (*_TWO, "sample_2", "sample_other_2")
    data: dict[str, Any] = {}
    for name, blocks in values.items():
        mean, error = (np.stack([part(block) for block in blocks]) for part in (_mean, _standard_error))
        data[name] = (dims, mean, _attributes(name))
        data[f"{name}_error"] = (dims, error, _attributes(name) | {"long_name": f"standard error: {_ROWS[name][0]}"})
    check_finite(data)
    return xr.Dataset(data, coords=_layer_coordinate(network), attrs={"order": "leading, 1/width"})


def relu_moments(network: MLP, order: int = 4) -> xr.Dataset:
    """Return exact moments of the output kernel of one input over finite networks, to all orders in 1/width.

    Parameters
    ----------
    network : MLP
        Relu, leaky relu, abs or linear, without biases; widths and stds free.
    order : int
        Highest moment.

    Returns
    -------
    Dataset
        ``kernel_moment`` E K^k/(E K)^k over ``order``; the mean has no correction. For relu also ``ntk_mean``, E Theta
        over its value at infinite width (1 for the rates of `ntk`), and ``ntk_moment``, E Theta^2/(E Theta)^2. They are
        the same for all inputs.
    """
    edges = _edges(network)
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ProblemError(f"relu_moments: `order` must be a whole number of at least 1, got {order!r}")
    moments = kernel_moments(network.widths, edges, order)
    data: dict[str, Any] = {
        "kernel_moment": ("order", moments, label("moment of the kernel over the power of its mean", r"E K^k/(E K)^k"))
    }
    if network.activation == "relu":
        mean, second = relu_tangent_moments(network.layers(inputs=1, outputs=1), 1.0)
        infinite = fluctuations(network.layers(inputs=1, outputs=1), activation_of(network), np.ones((1, 1)))[-1]
        data["ntk_mean"] = ((), mean / infinite.tangent[0], label("mean over infinite width", r"E\Theta/\Theta"))
        data["ntk_moment"] = (
            (),
            second / mean**2,
            label("second moment over the mean squared", r"E\Theta^2/(E\Theta)^2"),
        )
    check_finite(data)
    return xr.Dataset(data, coords={"order": np.arange(1, order + 1)}, attrs={"order": "exact"})


def _edges(network: MLP) -> tuple[float, float]:
    edges = edges_of(activation_of(network))
    if edges is None:
        raise ProblemError(
            "relu_moments: `activation` must be relu, leaky_relu, abs, abrelu or linear, "
            f'got "{network.activation_name}"'
        )
    if np.any(network.layers(inputs=1, outputs=1).bias_std):
        raise ProblemError("relu_moments: `bias_std` must be None or 0, got biases")
    return edges


def _verdict(values: Mapping[str, Array], layers: Layers) -> dict[str, Any]:
    """Return the measure of depth against width: the largest relative variance of a self-kernel of the output."""
    relative = [
        float(np.max(np.diagonal(values[f"{name}_variance"][-1]) / np.diagonal(values[name][-1]) ** 2))
        for name in ("kernel", "ntk")
        if np.all(np.diagonal(values[name][-1]) > 0.0)
    ]
    hidden = layers.widths[1:-1]
    ratio, largest = float(np.sum(1.0 / np.array(hidden))), max(relative)
    trusted = largest <= LARGEST_VARIANCE
    text = f"relative variance {largest:.2g} at depth/width {ratio:.2g}"
    return {
        "order": "leading, 1/width", "depth_over_width": ratio, "relative_variance": largest,
        "threshold": LARGEST_VARIANCE, "trusted": int(trusted),
        "reason": text if trusted else f"{text}: higher orders matter",
    }  # fmt: skip


def checked_inputs(x: ArrayLike, most: int) -> Array:
    """Return 1 to `most` inputs as an array of finite numbers, shape (m, d)."""
    try:
        samples = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise ProblemError(f"kernels: `x` must be an array of numbers, got {type(x).__name__}") from None
    if samples.ndim != 2 or samples.size == 0 or len(samples) > most:
        raise ProblemError(f"kernels: `x` must have shape (1 to {most} samples, inputs), got {samples.shape}")
    if not np.all(np.isfinite(samples)):
        raise ProblemError("kernels: `x` must be finite, got NaN or infinity")
    return samples


def _attributes(name: str) -> dict[str, str]:
    return label(*_ROWS[name])


def label(long_name: str, symbol: str) -> dict[str, str]:
    """Return the attributes of a variable without unit."""
    return {"units": "1", "long_name": long_name, "symbol": symbol}


def _layer_coordinate(network: MLP) -> dict[str, Any]:
    return {"layer": ("layer", np.arange(2, network.depth + 2), {"units": "1", "long_name": "layer", "symbol": "l"})}


def _mean(blocks: Array) -> Array:
    return np.asarray(blocks.mean(axis=0))


def _standard_error(blocks: Array) -> Array:
    if len(blocks) == 1:
        return np.zeros_like(blocks[0])
    return np.asarray(blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks)))


def check_finite(data: Mapping[str, tuple[Any, Any, Any]]) -> None:
    """Raise FloatingPointError if a variable holds NaN or infinity."""
    for name, (_, array, _) in data.items():
        if not np.all(np.isfinite(array)):
            raise FloatingPointError(f"{name}: not finite")
