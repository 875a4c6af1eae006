"""Convergence of the tangent kernel with width: finite networks at initialisation against the limit.

The distance of one network's kernel from the limit falls as width^-1/2; that of the mean over networks is far
smaller (the mean has a 1/width correction, here below the scatter of the mean).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, ONE_COLUMN, house_style, write
from theorysim import kernels
from theorysim.finite.network import initialise

WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
REPLICAS, SAMPLES = 64, 30
ACTIVATIONS = {"relu": "train", "erf": "test"}


def distances(activation: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the relative distance from the limit of single kernels (root mean square) and of their mean."""
    x = ts.data.digits(train=SAMPLES, test=1, inputs="unit", labels="one-hot-centred").load().x_train
    single, mean = [], []
    for width in WIDTHS:
        network = ts.MLP(depth=2, width=width, activation=activation, parameterization="ntk")
        limit = np.asarray(kernels.ntk(network, x))
        layers = network.layers(inputs=x.shape[1], outputs=1)
        weights = initialise(layers, range(REPLICAS), seed=1)
        runs = np.asarray(kernels.empirical_ntk(network, weights, x).transpose("replica", ...))
        size = np.linalg.norm(limit)
        single.append(np.sqrt(np.mean(np.sum((runs - limit) ** 2, axis=(1, 2)))) / size)
        mean.append(np.linalg.norm(runs.mean(axis=0) - limit) / size)
    return np.array(single), np.array(mean)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    widths = np.array(WIDTHS)
    with house_style():
        figure = Figure(figsize=ONE_COLUMN, layout="constrained")
        ax = figure.subplots()
        for activation, colour in ACTIVATIONS.items():
            single, mean = distances(activation)
            ax.loglog(widths, single, "o-", color=COLOURS[colour], label=f"{activation}, one network")
            ax.loglog(widths, mean, "o--", color=COLOURS[colour], linewidth=0.8, markerfacecolor="white",
                      label=f"{activation}, mean of {REPLICAS}")  # fmt: skip
        ax.loglog(widths, 3.0 * widths**-0.5, ":", color=COLOURS["plain"], label="slope $-1/2$")
        ax.set(xlabel="width", ylabel=r"$\|\Theta_n-\Theta\|/\|\Theta\|$", xticks=widths, xticklabels=map(str, widths))
        ax.set_ylim(5e-4, 2.0)
        ax.minorticks_off()
        ax.legend(fontsize=7, loc="lower left")
    return write(figure, folder, "kernel_width")
