"""Autoencoders of digits as games along their training: how far from a potential game, and where feeding back leads.

A tanh network of 64-64-64 units learns to reproduce 400 digits (mean image taken off), with and without weight decay.
Left: rotational share of the game of its two layers, raw and balanced; decay turns the second layer into the transpose
of the first, and the game into a potential game. Right: 50 digits it has not seen are fed back until they come to rest:
distance after one pass and to the equilibrium, and how many equilibria they end in: one for all, later almost one each.
Four networks each: means, and the range as a band. Nothing is fitted.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import games

STEPS = (0, 3, 6, 10, 16, 25, 40, 63, 100, 160, 250, 400, 630, 1000)
NETWORKS, FED_BACK = 4, 50
DECAY = 1e-3


def training(weight_decay: float) -> ts.Training:
    """Return the autoencoder of the figure."""
    samples = ts.data.digits(train=400, test=FED_BACK).load()
    mean = samples.x_train.mean(axis=0)
    size = np.sqrt(np.mean((samples.x_train - mean) ** 2))
    x, x_test = ((part - mean) / size for part in (samples.x_train, samples.x_test))
    network = ts.MLP(depth=1, width=64, activation="tanh", parameterization="standard", weight_std=1.0)
    optimizer = ts.SGD(learning_rate=1.0, momentum=0.9, weight_decay=weight_decay)
    data = ts.data.arrays(x, x, x_test, x_test)
    return ts.Training(data=data, network=network, optimizer=optimizer, steps=STEPS[-1], record=STEPS)


@lru_cache
def followed(weight_decay: float) -> xr.Dataset:
    """Return the games along the training."""
    return games.along_training(training(weight_decay), replicas=NETWORKS, seed=1)


def _curve(ax: Axes, run: xr.Dataset, name: str, colour: str, style: str, label: str) -> None:
    rows, steps = run[name].values, 1 + run["step"].values
    ax.plot(steps, rows.mean(axis=1), style, color=colour, label=label)
    ax.fill_between(steps, rows.min(axis=1), rows.max(axis=1), color=colour, alpha=0.2, linewidth=0)


def _potential(ax: Axes) -> None:
    for decay, colour, label in ((0.0, COLOURS["train"], "no decay"), (DECAY, COLOURS["test"], "weight decay")):
        _curve(ax, followed(decay), "kappa", colour, "-", label)
        _curve(ax, followed(decay), "balanced_kappa", colour, "--", f"{label}, balanced")
    ax.set(xscale="log", yscale="log", xlabel="step + 1", ylabel=r"rotational share $\kappa$")
    ax.legend(fontsize=6, loc="lower left")


def _equilibria(ax: Axes) -> None:
    for decay, colour, label in ((0.0, COLOURS["train"], "no decay"), (DECAY, COLOURS["test"], "weight decay")):
        _curve(ax, followed(decay), "one_pass", colour, ":", f"{label}, one pass")
        _curve(ax, followed(decay), "distance", colour, "-", f"{label}, equilibrium")
    ax.set(xscale="log", yscale="log", xlabel="step + 1", ylabel="distance / size of input")
    ax.legend(fontsize=6, loc="lower left")


def _counts(ax: Axes) -> None:
    for decay, colour, label in ((0.0, COLOURS["train"], "no decay"), (DECAY, COLOURS["test"], "weight decay")):
        _curve(ax, followed(decay), "equilibria", colour, "-", label)
    ax.axhline(FED_BACK, color="0.6", linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="step + 1", ylabel=f"equilibria of {FED_BACK} digits")
    ax.legend(fontsize=6, loc="upper left")


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=(TWO_COLUMNS[0] * 1.25, TWO_COLUMNS[1]), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _potential(left)
        _equilibria(middle)
        _counts(right)
    return write(figure, folder, "trained_games")
