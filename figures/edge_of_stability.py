"""Gradient descent at the edge of stability, and its central flow, which averages the oscillation away.

A network of one hidden tanh layer on 16 points of the Chebyshev polynomial T4, all samples in each step. Left: loss of
gradient descent (thin), its mean over 200 steps, the flow's prediction of that mean, and the loss at the flow's centre.
Right: sharpness; it rises to 2/eta (dotted) and stays, for gradient descent on the mean, for the flow exactly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.sde import edge

Array = np.ndarray[Any, np.dtype[np.float64]]
WIDTH, RATE, STEPS, WINDOW = 20, 0.28, 2000, 200
X = np.linspace(-1.0, 1.0, 16)
Y = np.cos(4.0 * np.arccos(X))


def parts(w: Array) -> tuple[Array, Array, Array, Array]:
    """Return features h, their slopes s, output weights c and residuals."""
    a, b, c = w[:WIDTH], w[WIDTH : 2 * WIDTH], w[2 * WIDTH :]
    h = np.tanh(np.outer(X, a) + b)
    return h, 1.0 - h * h, c, h @ c - Y


def value(w: Array) -> float:
    """Return the mean of squares over 2."""
    return float(0.5 * np.mean(parts(w)[3] ** 2))


def jacobian(w: Array) -> Array:
    """Return derivatives of the outputs, shape (samples, parameters)."""
    h, s, c, _ = parts(w)
    return np.hstack([s * c * X[:, None], s * c, h])


def gradient(w: Array) -> Array:
    """Return the gradient of the loss."""
    return np.asarray(parts(w)[3] @ jacobian(w) / len(X))


def hessian(w: Array) -> Array:
    """Return the Hessian of the loss: products of derivatives, and second derivatives within each neuron."""
    h, s, c, residual = parts(w)
    j = jacobian(w)
    matrix = j.T @ j / len(X)
    r = residual / len(X)
    bend, n = -2.0 * c * h * s, np.arange(WIDTH)
    blocks = {(0, 0): (r * X * X) @ bend, (0, 1): (r * X) @ bend, (1, 1): r @ bend, (0, 2): (r * X) @ s, (1, 2): r @ s}
    for (one, two), values in blocks.items():
        matrix[one * WIDTH + n, two * WIDTH + n] += values
        if one != two:
            matrix[two * WIDTH + n, one * WIDTH + n] += values
    return np.asarray(matrix)


def start() -> Array:
    """Return the initial parameters."""
    rng = np.random.default_rng(3)
    scales = np.repeat([3.0, 1.5, 0.5 / np.sqrt(WIDTH)], WIDTH)
    return np.asarray(scales * rng.standard_normal(3 * WIDTH))


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    loss, rule = edge.Loss(value, gradient, hessian=hessian), edge.gradient_descent(learning_rate=RATE)
    steps = edge.finite(loss, rule, start(), STEPS)
    flow = edge.limit(loss, rule, start(), STEPS, substeps=1, record=8)
    mean = np.convolve(steps["loss"], np.full(WINDOW, 1.0 / WINDOW), "valid")
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        left.semilogy(steps["step"], steps["loss"], color=COLOURS["train"], linewidth=0.3, alpha=0.5)
        left.semilogy(steps["step"][WINDOW // 2 : WINDOW // 2 + mean.size], mean, color=COLOURS["train"],
                      label="gradient descent, mean")  # fmt: skip
        left.semilogy(flow["step"], flow["mean_loss"], "--", color=COLOURS["test"], label="central flow: mean loss")
        left.semilogy(flow["step"], flow["loss"], color=COLOURS["ensemble"], label="central flow: at its centre")
        left.set(xlabel="step", ylabel="loss")
        left.legend(fontsize=7)
        right.plot(steps["step"], steps["sharpness"] / RATE, color=COLOURS["train"], linewidth=0.5,
                   label="gradient descent")  # fmt: skip
        right.plot(flow["step"], flow["sharpness"] / RATE, "--", color=COLOURS["test"], label="central flow")
        right.axhline(2.0 / RATE, linestyle=":", color=COLOURS["plain"], label=r"$2/\eta$")
        right.set(xlabel="step", ylabel="sharpness")
        right.legend(fontsize=7)
    return write(figure, folder, "edge_of_stability")
