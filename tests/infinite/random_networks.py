"""Kernels of finite random networks by Monte Carlo, many at once, written without the package's recursions.

Single precision: its errors of 1e-6 are far below the sampling errors.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

ROOT_TWO = math.sqrt(2.0)
ACTIVATIONS = {
    "relu": (lambda u: np.maximum(u, 0.0), lambda u: (u > 0.0).astype(u.dtype)),
    "tanh": (np.tanh, lambda u: 1.0 / np.cosh(u) ** 2),
    "erf": (erf, lambda u: 2.0 / math.sqrt(math.pi) * np.exp(-u * u)),
    "gelu": (
        lambda u: 0.5 * u * (1.0 + erf(u / ROOT_TWO)),
        lambda u: 0.5 * (1.0 + erf(u / ROOT_TWO)) + u * np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi),
    ),
}


def kernels(activation, x, widths, weight_variance, bias_variance, rates, *, networks, seed=0):
    """Return K (given the last hidden layer), Theta of one output and Theta between two outputs, (R, m, m) each.

    `rates` are alpha_l; the biases have the rate of their variance.
    """
    function, derivative = ACTIVATIONS[activation]
    generator = np.random.default_rng(seed)
    chunk = max(1, min(networks, 4_000_000 // max(n * n for n in widths)))
    found = []
    for start in range(0, networks, chunk):
        size = min(chunk, networks - start)
        found.append(_some(generator, size, function, derivative, x, widths, weight_variance, bias_variance, rates))
    return tuple(np.concatenate(parts).astype(float) for parts in zip(*found, strict=True))


def _some(generator, size, function, derivative, x, widths, w, b, rates):
    def normals(*shape):
        return generator.standard_normal(shape, dtype=np.float32)

    x = x.astype(np.float32)
    active, weights, slopes = np.broadcast_to(x, (size, *x.shape)), [], []
    grams = [np.broadcast_to(x @ x.T / x.shape[1], (size, len(x), len(x)))]
    for width in widths:
        fan_in = active.shape[2]
        weights.append(normals(size, width, fan_in) * np.float32(math.sqrt(w / fan_in)))
        h = active @ weights[-1].transpose(0, 2, 1) + normals(size, 1, width) * np.float32(math.sqrt(b))
        active = function(h)
        slopes.append(derivative(h))
        grams.append(active @ active.transpose(0, 2, 1) / width)
    readout = normals(size, 2, 1, widths[-1]) * np.float32(math.sqrt(w / widths[-1]))
    back = [readout[:, c] * slopes[-1] for c in (0, 1)]
    own, between = rates[-1] * grams[-1] + b, 0.0
    for layer in range(len(widths) - 1, -1, -1):
        front = rates[layer] * grams[layer] + b
        own = own + front * (back[0] @ back[0].transpose(0, 2, 1))
        between = between + front * (back[0] @ back[1].transpose(0, 2, 1))
        if layer:
            back = [g @ weights[layer] * slopes[layer - 1] for g in back]
    return w * grams[-1] + b, own, between


def covariance_with_error(one, other):
    """Return the sample covariance of two sets of numbers, networks first, and its standard error."""
    products = (one - one.mean(axis=0)) * (other - other.mean(axis=0))
    return products.mean(axis=0), products.std(axis=0) / math.sqrt(len(products))
