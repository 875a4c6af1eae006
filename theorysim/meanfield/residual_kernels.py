"""Kernels of residual networks at the start of training, at any number of blocks and in the limit of many.

    H^{l+1} = H^l + (r/L) T(H^l),       G^l = G^{l+1} (1 + (r/L) Tdot(H^l)),    r = (branch_scale weight_std)^2
    Theta = H^0 G^0 + (r/L) sum_l T(H^l) G^{l+1} + weight_std^2 T(H^L),     H^0 = weight_std^2 K0,
                                                                            G^L = weight_std^2 Tdot(H^L)

H = <h h> and G = <g g> along the stream, products entry by entry, T and Tdot the dual maps of the activation.

Limit    L -> inf: dH/dtau = r T(H), dG/dtau = -r Tdot(H) G, tau = l/L from 0 to 1, and an integral in place of the sum.
Error    Rounding at finite L. L -> inf: Runge-Kutta of order 4, relative error 1e-10 r^5.
Sources  [Bordelon2024]. Proof: derivations/residual.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import eigh
from theorysim.equations.activations import Activation
from theorysim.infinite.recursion import kernels_of
from theorysim.problem.layers import Layers
from theorysim.problem.network import activation_of
from theorysim.problem.residual import ResidualMLP

Array = NDArray[np.float64]
STEPS = 64
"""Of the differential equation that stands for infinitely many blocks."""


@dataclass(frozen=True, eq=False)
class StartKernels:
    """Kernels between n inputs before training.

    Attributes
    ----------
    fraction : ndarray, shape (m,)
        Where along the stream, l/L.
    stream, gradient : ndarray, shape (m, n, n)
        H and G.
    tangent : ndarray, shape (n, n)
        Theta, of every output.
    """

    fraction: Array
    stream: Array
    gradient: Array
    tangent: Array


def start_kernels(network: ResidualMLP, x: Array) -> StartKernels:
    """Return the kernels at the network's own depth between inputs x, shape (n, d)."""
    activation, variance = activation_of(network), network.weight_std**2
    share = variance * network.branch**2
    stream, features, slopes = [variance * (x @ x.T) / x.shape[1]], list[Array](), list[Array]()
    for _ in range(network.depth):
        t, tdot = dual_maps(activation, stream[-1])
        stream.append(stream[-1] + share * t)
        features.append(t)
        slopes.append(tdot)
    last, top = dual_maps(activation, stream[-1])
    gradient = [variance * top]
    for tdot in reversed(slopes):
        gradient.append(gradient[-1] * (1.0 + share * tdot))
    gradient.reverse()
    learnt = sum((t * g for t, g in zip(features, gradient[1:], strict=True)), np.zeros_like(top))
    tangent = stream[0] * gradient[0] + share * learnt + variance * last
    return StartKernels(np.arange(network.depth + 1) / network.depth, np.array(stream), np.array(gradient), tangent)


def deep_kernels(network: ResidualMLP, x: Array) -> StartKernels:
    """Return the kernels in the limit of infinitely many blocks; the network's own depth does not matter."""
    activation, variance = activation_of(network), network.weight_std**2
    rate, h = variance * network.branch_scale**2, 1.0 / STEPS

    def speed(state: Array) -> Array:
        """d/dtau of H, of int Tdot(H) and of int T(H) exp(-int Tdot(H)), each times 1/r but in the exponent."""
        t, tdot = dual_maps(activation, state[0])
        return rate * np.stack([t, tdot, t * np.exp(-state[1])])

    start = variance * (x @ x.T) / x.shape[1]
    states = [np.stack([start, np.zeros_like(start), np.zeros_like(start)])]
    for _ in range(STEPS):
        now = states[-1]
        one = speed(now)
        two = speed(now + 0.5 * h * one)
        three = speed(now + 0.5 * h * two)
        states.append(now + h / 6.0 * (one + 2.0 * two + 2.0 * three + speed(now + h * three)))
    stream, exponent, learnt = np.moveaxis(np.array(states), 1, 0)
    last, top = dual_maps(activation, stream[-1])
    gradient = variance * top * np.exp(exponent[-1] - exponent)
    tangent = start * gradient[0] + gradient[0] * learnt[-1] + variance * last
    return StartKernels(np.linspace(0.0, 1.0, STEPS + 1), stream, gradient, tangent)


def dual_maps(activation: Activation, covariance: Array) -> tuple[Array, Array]:
    """Return E phi(u) phi(u') and E phi'(u) phi'(u') for all pairs of Gaussian u with a covariance, shape (n, n).

    They are the kernels of a network with one hidden layer on inputs whose products are the covariance: the NNGP, and
    the tangent kernel where only the biases of the first layer learn.
    """
    values, vectors = eigh(covariance)
    x = vectors * np.sqrt(np.maximum(values, 0.0))
    n = len(x)
    layers = Layers(
        widths=(n, 1, 1),
        weight_std=np.array([np.sqrt(n), 1.0]),
        bias_std=np.zeros(2),
        has_bias=True,
        weight_rates=np.zeros(2),
        bias_rates=np.array([1.0, 0.0]),
        output_scale=1.0,
        weight_steps=np.zeros(2),
        bias_steps=np.zeros(2),
    )
    kernels = kernels_of(layers, activation, np.ascontiguousarray(x))
    return kernels.nngp, kernels.ntk
