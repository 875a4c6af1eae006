"""Learning rates across widths: where a rate that suits a narrow network suits a wide one.

Training loss of two-layer tanh networks on 60 digits after 20 steps of full-batch descent, against the learning rate.
Dots: networks of four widths (mean of six, bars of one standard error; rates at which one diverges are left out).
Lines: infinite width in muP (black) and ntk (the kernel limit, dashed); in the standard parameterization mean-field
theory at each width's own rates, since the curve has no limit. Every network counts its output from its start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.meanfield import transfer

Array = np.ndarray[Any, Any]

WIDTHS = (64, 128, 256, 1024)
SHADES = ("#9ecae1", "#6baed6", "#3182bd", "#08306b")
STEPS, REPLICAS, TOLERANCE, SEED = 20, 6, 0.02, 1
RATES = 10.0 ** np.arange(0.0, 1.76, 0.125)
"""Of muP and ntk; those of standard networks are these over the width."""
START = 0.045  # half the mean square of centred one-hot labels of ten classes


def training(parameterization: Any, width: int, rate: float) -> ts.Training:
    """Return the run in one parameterization, at one width and learning rate."""
    return ts.Training(
        data=ts.data.digits(train=60, test=1, inputs="unit", labels="one-hot-centred"),
        network=ts.MLP(depth=1, width=width, activation="tanh", parameterization=parameterization,
                       initial_output="subtracted"),
        optimizer=ts.GD(learning_rate=rate),
        steps=STEPS,
        record=(0, STEPS),
    )  # fmt: skip


def rates_of(parameterization: str, width: int) -> Array:
    """Return the learning rates of one curve."""
    return RATES / width if parameterization == "standard" else RATES


def theory(parameterization: str, width: int) -> xr.Dataset:
    """Return the losses of the limit, at a width's own rates where it has no other."""
    rates = rates_of(parameterization, width)
    return transfer.limit(
        training(parameterization, width, float(rates[0])), learning_rates=rates, tolerance=TOLERANCE, seed=SEED
    )


def panel(ax: Axes, parameterization: str) -> None:
    """Draw networks and limits of one parameterization."""
    for width, shade in zip(WIDTHS, SHADES, strict=True):
        rates = rates_of(parameterization, width)
        runs = transfer.finite(
            training(parameterization, width, float(rates[0])), replicas=REPLICAS, seed=SEED, learning_rates=rates
        ).train_loss.isel(step=-1)
        error = runs.std("replica", ddof=1) / REPLICAS**0.5
        ax.errorbar(runs.learning_rate, runs.mean("replica"), error, fmt="o", color=shade, markersize=2.5,
                    elinewidth=0.8, label=f"width {width}", zorder=3)  # fmt: skip
        if parameterization == "standard":
            own = theory(parameterization, width)
            line(ax, own, color=shade, linewidth=0.9)
    if parameterization != "standard":
        widest = 10**6 if parameterization == "ntk" else WIDTHS[-1]
        limit = theory(parameterization, widest)
        dashes = "--" if parameterization == "ntk" else "-"
        line(ax, limit, linestyle=dashes, color="black", label="infinite width")
    ax.axhline(START, color=COLOURS["grid"], linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel="learning rate", ylim=(0.008, 0.08))
    ax.set_yticks([0.01, 0.02, 0.04, 0.08], ["0.01", "0.02", "0.04", "0.08"])
    ax.minorticks_off()


def line(ax: Axes, curve: xr.Dataset, **style: Any) -> None:
    """Draw the losses of a limit as far as they are below twice that of the start."""
    loss = curve.train_loss.isel(step=-1)
    ax.plot(curve.learning_rate, loss.where(loss < 2.0 * START), **style)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    titles = {"mup": "muP", "ntk": "ntk", "standard": "standard"}
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        axes = figure.subplots(1, len(titles), sharey=True)
        for ax, (parameterization, title) in zip(axes, titles.items(), strict=True):
            panel(ax, parameterization)
            ax.set_title(title)
        axes[0].set_ylabel(f"training loss after {STEPS} steps")
        axes[0].legend(fontsize=7, loc="lower left")
    return write(figure, folder, "learning_rate_transfer")
