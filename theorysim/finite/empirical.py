"""Kernels of finite networks: the empirical tangent kernel and the kernel of the last activations.

    Theta_cc'(x, x') = sum_l [a_l phi^{l-1}(x) . phi^{l-1}(x') + a'_l] delta^l_c(x) . delta^l_c'(x'),
    delta^l_c = df_c/dh^l,

with the rates of the network, so that one step of gradient descent changes the outputs by
-eta kappa Theta (f - y). Gram matrices of activations and of delta are multiplied entry by entry: no
Jacobian (samples x parameters) is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.finite.network import Parameters, Pass, activation_of
from theorysim.problem import MLP, Layers

Array = NDArray[np.float64]
Features = tuple[list[Array], list[Array]]  # activations (B, n_{l-1}) and deltas (C, B, n_l) of each layer

_CHUNK = 1 << 23  # numbers held for one chunk of samples: 64 MB


def ntk(p: Parameters, layers: Layers, network: MLP, x1: Array, x2: Array | None = None) -> Array:
    """Return the empirical tangent kernel averaged over outputs, (1/C) sum_c Theta_cc, shape (R, B1, B2).

    For one output this is the whole kernel.

    Raises
    ------
    ProblemError
        If the activation jumps and its derivative was not chosen to be 0.
    """
    _check_derivative(network)
    return _blocks(p, layers, network, x1, x2, _averaged)


def ntk_between_outputs(p: Parameters, layers: Layers, network: MLP, x1: Array, x2: Array | None = None) -> Array:
    """Return the whole empirical tangent kernel Theta_cc'(x, x'), shape (R, B1, B2, C, C); as `ntk`."""
    _check_derivative(network)
    return _blocks(p, layers, network, x1, x2, _between_outputs)


def nngp(p: Parameters, layers: Layers, network: MLP, x1: Array, x2: Array | None = None) -> Array:
    """Return weight_std^2 phi^L . phi^L / N + bias_std^2 of the readout, shape (R, B1, B2).

    The covariance of the output (without its scale s) over the readout, given the other layers.
    """
    std, bias = layers.weight_std[-1], layers.bias_std[-1]

    def covariance(one: Features, other: Features, layers: Layers) -> Array:
        gram: Array = one[0][-1] @ other[0][-1].T * (std**2 / layers.widths[-2]) + bias**2
        return gram

    return _blocks(p, layers, network, x1, x2, covariance)


def _check_derivative(network: MLP) -> None:
    if network.untrainable is not None:
        raise ProblemError(f"kernels: `network` {network.untrainable}")


def relative_change(kernels: Array, first: Array) -> Array:
    """Return |K - K_0| / |K_0| in the Frobenius norm over the last two axes."""
    change: Array = np.linalg.norm(kernels - first, axis=(-2, -1)) / np.linalg.norm(first, axis=(-2, -1))
    return change


def _blocks(
    p: Parameters,
    layers: Layers,
    network: MLP,
    x1: Array,
    x2: Array | None,
    combine: Callable[[Features, Features, Layers], Array],
) -> Array:
    """Return `combine` of the features of all pairs, replica by replica, in chunks of samples."""
    function = activation_of(network)
    size = max(1, _CHUNK // (sum(layers.widths) * (1 + layers.widths[-1])))
    with single_thread():
        replicas = []
        for r in range(p.replicas):
            one = Parameters([w[r : r + 1] for w in p.weights], [b[r : r + 1] for b in p.biases])
            rows = [
                np.concatenate([combine(f1, f2, layers) for f2 in _chunks(one, layers, function, x2, x1, size)], axis=1)
                for f1 in _chunks(one, layers, function, x1, x1, size)
            ]  # fmt: skip
            replicas.append(np.concatenate(rows, axis=0))
    return np.stack(replicas)


def _chunks(
    p: Parameters, layers: Layers, function: Activation, x: Array | None, default: Array, size: int
) -> Iterator[Features]:
    inputs = np.ascontiguousarray(default if x is None else x, dtype=float)
    for start in range(0, len(inputs), size):
        yield features(p, layers, function, inputs[start : start + size])


def features(p: Parameters, layers: Layers, function: Activation, x: Array) -> Features:
    """Return activations phi^{l-1}, shapes (B, n_{l-1}), and deltas df_c/dh^l, shapes (C, B, n_l), of one network."""
    through = Pass(layers, function, 1, len(x))
    through.forward(p, x)
    outputs = layers.widths[-1]
    top = layers.output_scale * np.eye(outputs)
    deltas = [np.repeat(top[:, None], len(x), axis=1)]
    for w, slope in zip(reversed(p.weights[1:]), reversed(through.slope), strict=True):
        deltas.append(deltas[-1] @ w[0] * slope[0])
    return [x, *(active[0] for active in through.active)], deltas[::-1]


def _layer_grams(one: Features, other: Features, layers: Layers) -> Iterator[tuple[Array, Array, Array]]:
    """Yield for each trained layer a phi.phi' + a', shape (B1, B2), and the two deltas."""
    for i, (phi, psi) in enumerate(zip(one[0], other[0], strict=True)):
        a, a_bias = float(layers.weight_steps[i]), float(layers.bias_steps[i])
        if a or a_bias:
            yield a * (phi @ psi.T) + a_bias, one[1][i], other[1][i]


def _averaged(one: Features, other: Features, layers: Layers) -> Array:
    total = np.zeros((len(one[0][0]), len(other[0][0])))
    for gram, delta, epsilon in _layer_grams(one, other, layers):
        d, e = (np.concatenate(list(rows), axis=1) for rows in (delta, epsilon))
        total += gram * (d @ e.T) / len(delta)
    return total


def _between_outputs(one: Features, other: Features, layers: Layers) -> Array:
    b1, b2, c = len(one[0][0]), len(other[0][0]), layers.widths[-1]
    total = np.zeros((b1, b2, c, c))
    for gram, delta, epsilon in _layer_grams(one, other, layers):
        n = delta.shape[-1]
        products = (delta.reshape(-1, n) @ epsilon.reshape(-1, n).T).reshape(c, b1, c, b2)
        total += gram[:, :, None, None] * products.transpose(1, 3, 0, 2)
    return total
