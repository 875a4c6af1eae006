"""Edge of chaos: how far signals reach in networks of tanh and gelu at initialisation, and how deep networks train.

Left and middle: the correlation length xi_c over the standard deviations of weights and biases, and the critical line,
where it is infinite; gelu explodes on the grey side, and its half-stable point is marked (the line is dashed where
its variance is not reached). Right: training accuracy of tanh networks of width 64 after 300 steps on 100 digits, at
the learning rate that the infinitely wide network would bear, against the depth limit of 6 xi_c.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import kernels

Array = np.ndarray[Any, Any]

BIAS = 0.3
WEIGHTS = (0.8, 1.0, 1.2, 1.4, 1.6, 1.9, 2.3, 2.8)
DEPTHS = (3, 8, 14, 20, 28, 40)
WIDTH, STEPS, SAMPLES = 64, 300, 100
LEVELS = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2)  # decimal logarithm of xi_c


def trained() -> Array:
    """Return training accuracies, shape (depths, weights)."""
    return np.array([[accuracy(depth, weight) for weight in WEIGHTS] for depth in DEPTHS])


def accuracy(depth: int, weight_std: float) -> float:
    """Return the training accuracy of one network, that of guessing where training diverged."""
    network = ts.MLP(depth=depth, width=WIDTH, activation="tanh", weight_std=weight_std, bias_std=BIAS)
    data = ts.data.digits(train=SAMPLES, test=1, inputs="unit", labels="one-hot-centred")
    trial = ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=1.0), steps=1)
    stable = kernels.mlp.largest_stable_learning_rate(trial)
    assert stable is not None  # not gradient flow
    run = ts.Training(
        data=data,
        network=network,
        optimizer=ts.GD(learning_rate=0.3 * stable, momentum=0.9),
        steps=STEPS,
        record=(0, STEPS),
    )
    try:
        return float(ts.train(run, replicas=1, seed=1).train_accuracy[-1, 0])
    except FloatingPointError:
        return 0.1


def plane(ax: Axes, activation: str, weights: Array, biases: Array) -> Any:
    """Draw xi_c and the critical line of an activation; return the filled contours."""
    phases = kernels.phase_diagram(activation, weights, biases)
    length = np.clip(np.log10(np.maximum(phases.xi_c, 1e-9)), LEVELS[0], LEVELS[-1])
    shown = np.ma.masked_array(length, phases.phase == "exploding").T
    filled = ax.contourf(weights, biases, shown, levels=LEVELS, cmap="Blues", extend="max")
    ax.set_facecolor(COLOURS["grid"])
    line = kernels.critical_line(activation, np.geomspace(1e-3, 30.0, 200))
    critical(ax, line.sel(q=line.exists))
    ax.set(xlabel=r"$\sigma_w$", xlim=(weights[0], weights[-1]), ylim=(biases[0], biases[-1]))
    return filled


def critical(ax: Axes, line: xr.Dataset) -> None:
    """Draw the critical line: dashed where its variance repels."""
    reached = np.abs(line.chi_parallel.values) <= 1.0
    x, y = np.sqrt(line.weight_variance.values), np.sqrt(line.bias_variance.values)
    for kept, style in ((reached, "-"), (~reached, "--")):
        ax.plot(np.where(kept, x, np.nan), np.where(kept, y, np.nan), style, color=COLOURS["test"])


def limit(ax: Axes) -> None:
    """Draw training accuracies and the depth limit."""
    fine = np.linspace(0.7, 3.0, 93)
    phases = kernels.phase_diagram("tanh", fine, [BIAS]).isel(bias_std=0)
    grid = ax.pcolormesh(np.arange(len(WEIGHTS) + 1), np.arange(len(DEPTHS) + 1), trained(), cmap="Blues",
                         vmin=0.0, vmax=1.0)  # fmt: skip
    place = np.interp(fine, WEIGHTS, np.arange(len(WEIGHTS)) + 0.5)
    for factor, style in ((6.0, "-"), (3.0, ":")):
        depth = np.interp(factor * phases.xi_c, DEPTHS, np.arange(len(DEPTHS)) + 0.5, left=-1.0, right=len(DEPTHS) + 1)
        inside = (fine >= WEIGHTS[0]) & (fine <= WEIGHTS[-1])
        ax.plot(place[inside], depth[inside], style, color=COLOURS["test"], label=rf"${factor:g}\,\xi_c$")
    ax.set(xticks=np.arange(len(WEIGHTS)) + 0.5, xticklabels=[f"{w:g}" for w in WEIGHTS], ylim=(0, len(DEPTHS)),
           yticks=np.arange(len(DEPTHS)) + 0.5, yticklabels=[str(d) for d in DEPTHS],
           xlabel=r"$\sigma_w$", ylabel="depth", title=rf"trained, $\sigma_b={BIAS:g}$")  # fmt: skip
    ax.tick_params(axis="x", labelsize=7)
    ax.legend(fontsize=7, loc="lower right", frameon=True, edgecolor="none", framealpha=1.0)
    ax.figure.colorbar(grid, ax=ax, label="training accuracy", aspect=30)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ts.StabilityWarning)
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
        plane(left, "tanh", np.linspace(0.5, 3.0, 51), np.linspace(0.0, 1.0, 26))
        left.set(ylabel=r"$\sigma_b$", title="tanh")
        left.text(0.62, 0.6, "ordered", color="black")
        left.text(2.1, 0.12, "chaotic", color="black")
        filled = plane(middle, "gelu", np.linspace(1.25, 1.6, 51), np.linspace(0.0, 1.0, 26))
        point = kernels.universality("gelu")
        assert point.weight_variance is not None and point.bias_variance is not None
        middle.plot(point.weight_variance**0.5, point.bias_variance**0.5, "o", color=COLOURS["test"])
        middle.set(title="gelu", xticks=(1.3, 1.4, 1.5, 1.6))
        middle.text(1.265, 0.6, "ordered", color="black")
        middle.text(1.47, 0.12, "exploding", color="black")
        figure.colorbar(filled, ax=middle, label=r"$\log_{10}\xi_c$", aspect=30)
        limit(right)
    return write(figure, folder, "phase_diagram")
