"""Residual networks as their number of blocks grows: an error of order 1/L, and responses that do not vanish.

Left: distance from infinite depth of tangent kernels before training, and of outputs after it (of linear networks), all
without sampling. Right: how much of the first step, of the loss and of the features responses are: of a linear network
the share of the first step, r/(2 + r) = 1/3 at infinite depth; of tanh networks the loss over that without responses,
subtracted from 1, and the rms of what responses add to h^L over that of h^L.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.equations.residual import first_step
from theorysim.meanfield import residual, responses
from theorysim.meanfield.replicas import Size

DEPTHS = (1, 2, 4, 8, 16, 32)
SAMPLED_DEPTHS = (1, 2, 4, 8, 16)
SAMPLED = Size(samples=1024, replicas=24, truncation=1e-4)
EXACT = Size(samples=1024, replicas=1, truncation=1e-9)
STEPS = 9
Array = np.ndarray[Any, Any]


def training(activation: str, depth: int, learning_rate: float) -> ts.Training:
    """Return a rich run on four samples."""
    x = np.random.RandomState(1).randn(20, 4).T
    network = ts.ResidualMLP(depth=depth, width=1024, activation=activation, gamma0=1.5)
    data = ts.data.arrays(x, np.array([1.0, -1.0, 1.0, -0.5]), labels="regression")
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=learning_rate), steps=STEPS)


def start_distances(activation: str) -> Array:
    """Return the relative distance of the tangent kernel from that of infinite depth before training."""
    run = training(activation, 1, 0.1)
    assert isinstance(run.network, ts.ResidualMLP)
    x = run.samples.x_train
    deep = residual.deep_kernels(run.network, x).tangent
    kernels = [residual.start_kernels(run.network.at_depth(depth), x).tangent for depth in DEPTHS]
    return np.array([np.linalg.norm(one - deep) / np.linalg.norm(deep) for one in kernels])


def trained_distances(depths: tuple[int, ...] = DEPTHS) -> Array:
    """Return the relative distance of the outputs of linear networks from those of infinite depth after training."""
    f = [residual.limit(training("linear", depth, 0.05), size=EXACT).train_prediction.values[-1] for depth in depths]
    high, low = depths[-1], depths[-2]
    deep = (high * f[-1] - low * f[-2]) / (high - low)  # of second order in 1/L
    return np.array([np.linalg.norm(one - deep) / np.linalg.norm(deep) for one in f])


def _converging(ax: Axes) -> None:
    rows = {"relu, start": (start_distances("relu"), COLOURS["train"], "o-"),
            "tanh, start": (start_distances("tanh"), COLOURS["test"], "s-"),
            "linear, trained": (trained_distances(), COLOURS["plain"], "^-")}  # fmt: skip
    depths = np.array(DEPTHS)
    for label, (distances, colour, style) in rows.items():
        seen = distances[:-1] if label == "linear, trained" else distances  # the last point made the limit
        ax.loglog(depths[: len(seen)], seen, style, color=colour, label=label, markersize=4)
    ax.loglog(depths, 0.25 / depths, ":", color=COLOURS["plain"], label="slope $-1$")
    ax.set(
        xlabel="blocks $L$", ylabel="relative distance from $L=\\infty$", xticks=depths, xticklabels=map(str, depths)
    )
    ax.minorticks_off()
    ax.legend(fontsize=7)


def parts(depths: tuple[int, ...], size: Size) -> dict[str, Array]:
    """Return what responses are a part of, and its error, at each depth, shape (2, depths): 0 if they vanished."""
    found = [responses(training("tanh", depth, 0.4), size=size).isel(step=-1) for depth in depths]
    loss = np.array([(d["train_loss"], d["train_loss_error"], d["train_loss_without"], d["train_loss_without_error"])
                     for d in found], float).T  # fmt: skip
    shift = np.array([(d["shift"] / d["feature"], d["shift_error"] / d["feature"]) for d in found], float).T
    more = np.stack([1.0 - loss[0] / loss[2], np.hypot(loss[1], loss[3]) / loss[2]])
    share = np.array([1.0 - np.divide(*first_step(1.0, float(depth))[::-1]) for depth in depths])
    return {"first step (linear, exact)": np.stack([share, 0.0 * share]), "loss after training": more,
            "features $h^L$ after training": shift}  # fmt: skip


def _responding(ax: Axes) -> None:
    depths = np.array(SAMPLED_DEPTHS)
    colours = (COLOURS["plain"], COLOURS["train"], COLOURS["test"])
    for (label, (value, error)), colour, mark in zip(
        parts(SAMPLED_DEPTHS, SAMPLED).items(), colours, "^os", strict=True
    ):
        ax.errorbar(depths, value, error, fmt=f"{mark}-", color=colour, label=label, markersize=4, capsize=2)
    ax.axhline(1.0 / 3.0, color=COLOURS["plain"], linewidth=0.6, linestyle="--")
    ax.plot(depths, 0.1 / depths, ":", color=COLOURS["plain"], label="$1/L$")
    ax.set(xlabel="blocks $L$", ylabel="part that responses are", xscale="log", xticks=depths,
           xticklabels=map(str, depths), ylim=(0.0, 0.5))  # fmt: skip
    ax.minorticks_off()
    ax.legend(fontsize=7, loc="upper left", ncols=2)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        _converging(left)
        _responding(right)
    return write(figure, folder, "depth_limit")
