"""Derivatives of a loss about given outputs: what small fluctuations of the outputs do to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def slope_and_bend(loss: str, f: Array, y: Array) -> tuple[Array, Array]:
    """Return first and second derivatives of a loss of outputs (B, C), shapes (B C,) and (B C, B C)."""
    if loss == "mse":
        return (f - y).ravel() / y.size, np.eye(y.size) / y.size
    p = softmax(f)
    return (p - y).ravel() / len(y), softmax_jacobian(p) / len(y)


def deviation_of_loss(loss: str, f: Array, y: Array, covariance: Array) -> float:
    """Return the standard deviation of the loss of Gaussian outputs, to second order in them.

    Parameters
    ----------
    f, y : ndarray, shape (B, C)
        Mean outputs and targets.
    covariance : ndarray, shape (B C, B C)
    """
    slope, bend = slope_and_bend(loss, f, y)
    curved = bend @ covariance
    variance = float(slope @ covariance @ slope + 0.5 * np.sum(curved * curved.T))
    return math.sqrt(max(variance, 0.0))


def softmax(f: Array) -> Array:
    """Return the softmax over the last axis."""
    p = np.exp(f - f.max(axis=-1, keepdims=True))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def softmax_jacobian(p: Array) -> Array:
    """Return d softmax / df over all samples, block diagonal, from probabilities (P, C), shape (P C, P C)."""
    samples, outputs = p.shape
    blocks = np.zeros((samples, outputs, samples, outputs))
    every = np.arange(samples)
    blocks[every, :, every] = p[:, :, None] * np.eye(outputs) - p[:, :, None] * p[:, None]
    return blocks.reshape(samples * outputs, samples * outputs)
