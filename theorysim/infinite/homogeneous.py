"""Exact kernels of finite bias-free networks at one input: no expansion in 1/width.

For phi(x) = a x (x < 0), b x (x > 0) the length of a layer is that of the layer before times an independent factor,
so that moments of the kernel are products (relu, k = 2: 1 + 5/n_l),

    E K^k/(E K)^k = prod_l E (mean of phi(z_i)^2)^k/(E phi^2)^k,   z_i ~ N(0, 1) over n_l neurons.

The tangent kernel of relu is sum_l alpha_l |phi^{l-1}|^2 |g^l|^2/n_{l-1}, g^l = df/dh^l. Of A active neurons, one
direction (along phi^l) of W^T g^{l+1} is fixed by the output itself, as phi^l . W^T g^{l+1} = f, and the other A - 1
are fresh normals: first and second moments follow layer by layer.

Sources  [Hanin2020] for the growth with depth/width; the recursion: derivations/relu_width.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.problem.layers import Layers

Array = NDArray[np.float64]


def kernel_moments(widths: tuple[int, ...], edges: tuple[float, float], order: int) -> Array:
    """Return E K^k/(E K)^k for k = 1 .. order, K the kernel after hidden layers of these widths.

    Parameters
    ----------
    widths : tuple of int
        n_1 .. n_L.
    edges : tuple of two floats
        Slopes (a, b).
    order : int
    """
    moments = np.ones(order)
    for width in widths:
        moments *= _site_moments(width, edges, order)
    return moments


def _site_moments(n: int, edges: tuple[float, float], order: int) -> Array:
    """Return E (y_1 + .. + y_n)^k/(n E y)^k, y = phi(z)^2, from the n-th power of the series sum_k E y^k t^k/k!."""
    a, b = edges
    series = np.ones(order + 1)
    for k in range(1, order + 1):  # E y^k/(E y)^k/k!
        series[k] = series[k - 1] * (2 * k - 1) / k
    powers = np.arange(order + 1)
    series *= 0.5 * (a ** (2.0 * powers) + b ** (2.0 * powers)) / (0.5 * (a * a + b * b)) ** powers
    total = _power(series, n)
    factorials = np.cumprod(np.concatenate(([1.0], powers[1:])))
    return np.asarray(total * factorials / float(n) ** powers)[1:]


def _power(series: Array, n: int) -> Array:
    """Return the n-th power of a power series that starts with 1, cut at the same order."""
    total = np.zeros_like(series)
    total[0] = 1.0
    for k in range(1, len(series)):
        j = np.arange(1, k + 1)
        total[k] = np.sum((j * (n + 1) - k) * series[j] * total[k - j]) / k
    return total


@dataclass(frozen=True)
class _Active:
    """Means over the active neurons of one layer: A of n, S = |phi|^2 for an input of length 1.

    Attributes
    ----------
    any, rest, rest2 : float
        P(A > 0), E (A - 1), E (A - 1)(A + 1), the last two over A > 0.
    s, s2, s_rest : float
        E S, E S^2, E S (A - 1).
    back : float
        Variance of an entry of W^T g per |g|^2.
    """

    any: float
    rest: float
    rest2: float
    s: float
    s2: float
    s_rest: float
    back: float


def _active(n: int, forward: float, back: float) -> _Active:
    none = 0.5**n
    return _Active(
        any=1.0 - none, rest=0.5 * n - 1.0 + none, rest2=0.25 * n * (n + 1) - 1.0 + none,
        s=0.5 * n * forward, s2=0.25 * n * (n + 5) * forward**2, s_rest=0.25 * n * (n - 1) * forward, back=back,
    )  # fmt: skip


def relu_tangent_moments(layers: Layers, square: float) -> tuple[float, float]:
    """Return E Theta and E Theta^2 of one output of a finite relu network without biases, exactly.

    Parameters
    ----------
    layers : Layers
    square : float
        |x|^2 of the input.
    """
    variance = layers.weight_std**2 / np.array(layers.widths[:-1])
    count = len(variance)
    hidden = [_active(layers.widths[k], variance[k - 1], variance[k]) for k in range(1, count)]
    rate = layers.weight_rates / np.array(layers.widths[:-1])
    length, length2 = _lengths(hidden, square)
    above = _above(hidden, float(variance[-1]))
    mean = float(sum(rate[k] * length[k] * above[k][1] for k in range(count)))
    second = 0.0
    for top in range(count):
        forward, gradient = above[top][3], above[top][4]  # with the length of layer `top` and the gradient above it
        second += rate[top] ** 2 * length2[top] * gradient
        for k in range(top - 1, -1, -1):
            layer = hidden[k]
            gradient = layer.s * forward + layer.back * layer.s_rest * gradient
            forward = layer.s2 * forward
            second += 2.0 * rate[k] * rate[top] * length2[k] * gradient
    return mean, float(second)


def _lengths(hidden: list[_Active], square: float) -> tuple[list[float], list[float]]:
    """Return E |phi^k|^2 and E |phi^k|^4 of layers k = 0 .. L."""
    one, two = [square], [square**2]
    for layer in hidden:
        one.append(one[-1] * layer.s)
        two.append(two[-1] * layer.s2)
    return one, two


def _above(hidden: list[_Active], last: float) -> list[tuple[float, float, float, float, float]]:
    """Return E f^2, E g^2, E f^4, E f^2 g^2, E g^4 above a layer of length 1, layers 0 .. L; g = |g^{k+1}|."""
    found = [(last, 1.0, 3.0 * last**2, last, 1.0)]
    for layer in reversed(hidden):
        f2, g2, f4, fg, g4 = found[-1]
        found.append((
            layer.s * f2,
            layer.any * f2 + layer.back * layer.rest * g2,
            layer.s2 * f4,
            layer.s * f4 + layer.back * layer.s_rest * fg,
            layer.any * f4 + 2.0 * layer.back * layer.rest * fg + layer.back**2 * layer.rest2 * g4,
        ))  # fmt: skip
    return found[::-1]
