"""Kernels between inputs of equal length as power series of their cosine, all coefficients positive.

    Sigma(c) = sum_n s_n c^n,   Theta(c) = sum_n t_n c^n

Layer by layer, T = sum_k a_k^2 g(c)^k with g = Sigma/Sigma(1) the cosine in the layer before, and
Tdot = sum_k k a_k^2 g^(k-1)/q: compositions and products of power series. Nothing is subtracted, so that every
coefficient keeps its digits, however small.

Error    Coefficients beyond `terms` are left out, and those that come from higher powers of g.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.infinite.moments import hermite_coefficients, moments
from theorysim.problem.layers import Layers

Array = NDArray[np.float64]


def kernel_series(layers: Layers, activation: Activation, input_variance: float, terms: int) -> tuple[Array, Array]:
    """Return the coefficients s_n, t_n of the NNGP and the tangent kernel, n < terms.

    Parameters
    ----------
    layers : Layers
    activation : Activation
        Without jumps.
    input_variance : float
        |x|^2/d.
    """
    w, v = layers.weight_std**2, layers.bias_std**2
    rates, bias_rates = layers.weight_rates, layers.bias_rates
    line = np.zeros(terms)
    line[1] = input_variance
    sigma, theta, q = _plus(w[0] * line, v[0]), _plus(rates[0] * line, bias_rates[0]), w[0] * input_variance + v[0]
    for layer in range(1, len(w)):
        value, slope = _duals(activation, sigma, float(q), terms)
        theta = _plus(rates[layer] * value, bias_rates[layer]) + w[layer] * _times(slope, theta)
        sigma = _plus(w[layer] * value, v[layer])
        q = w[layer] * float(moments(activation, np.array([q])).square[0]) + v[layer]
    return sigma, theta


def _duals(activation: Activation, sigma: Array, q: float, terms: int) -> tuple[Array, Array]:
    """Return the series of T and Tdot after a layer with variance q and covariance `sigma`."""
    if q == 0.0:  # signals that have died: only phi(0) is left, and the slope there
        means = moments(activation, np.zeros(1))
        return _plus(np.zeros(terms), float(means.square[0])), _plus(np.zeros(terms), float(means.slope[0]))
    squares = hermite_coefficients(activation, np.array([q]), terms + 1)[:, 0] ** 2
    k = np.arange(1.0, terms + 1.0)
    value, slope = _composed(sigma / q, squares[:terms], k * squares[1:] / q)
    return value, slope


def _composed(inner: Array, *outer: Array) -> tuple[Array, ...]:
    """Return sum_k outer_k inner(c)^k for several outer series, by about 4 sqrt(K) products instead of K."""
    terms = len(inner)
    block = math.isqrt(terms - 1) + 1
    powers = np.zeros((block, terms))
    powers[0, 0] = 1.0
    for k in range(1, block):
        powers[k] = _times(powers[k - 1], inner)
    step = _times(powers[-1], inner)
    found = []
    for coefficients in outer:
        blocks = np.pad(coefficients, (0, block * block - terms)).reshape(block, block)
        total = np.zeros(terms)
        for row in blocks[::-1]:
            total = _times(total, step) + row @ powers
        found.append(total)
    return tuple(found)


def _times(one: Array, other: Array) -> Array:
    return np.convolve(one, other)[: len(one)]


def _plus(series: Array, constant: float) -> Array:
    out = series.copy()
    out[0] += constant
    return out
