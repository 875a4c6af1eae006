"""Tangent kernel of networks while they learn odd from even digits, against the infinite-width kernel, for four widths.

Left: relative change since initialisation. Middle: distance from the infinite kernel, which starts at the fluctuation
width^-1/2 of one network. Right: alignment with the labels; the infinite kernel (dashed) does not move, finite ones
turn towards the labels while they learn, the more the narrower. Lines are means over networks, bands their scatter.
Initial outputs are subtracted: learning alone moves the kernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import kernels

WIDTHS = (64, 128, 256, 512)
REPLICAS, SAMPLES, STEPS = 8, 100, 500
SHARE = 0.2  # of the largest stable learning rate of the limit: narrow networks are less stable
PANELS = {
    "kernel_change": r"$\|\Theta_k-\Theta_0\|/\|\Theta_0\|$",
    "kernel_distance": r"$\|\Theta_k-\Theta\|/\|\Theta\|$",
    "alignment": "alignment with the labels",
}


def odd_and_even() -> Any:
    """Return digits with the labels -1 (even) and +1 (odd)."""
    samples = ts.data.digits(train=SAMPLES, test=1, inputs="unit").load()
    assert samples.classes_train is not None
    return ts.data.arrays(samples.x_train, samples.classes_train % 2, labels="sign")


def training(width: int, rate: float) -> ts.Training:
    """Return the run at one width."""
    return ts.Training(
        data=odd_and_even(),
        network=ts.MLP(depth=2, width=width, activation="relu", initial_output="subtracted"),
        optimizer=ts.GD(learning_rate=rate),
        steps=STEPS,
    )


def movements() -> tuple[dict[int, xr.Dataset], float]:
    """Return the movement of the kernel at every width, and the alignment of the infinite kernel."""
    some = training(WIDTHS[0], 1.0)
    rate = SHARE * (kernels.mlp.largest_stable_learning_rate(some) or 1.0)
    samples = some.samples
    theta = kernels.ntk(some.network, samples.x_train)
    gram = samples.y_train @ samples.y_train.T
    aligned = float(np.sum(theta.values * gram) / np.linalg.norm(theta) / np.linalg.norm(gram))
    found = {
        width: kernels.movement(training(width, rate), replicas=REPLICAS, seed=1, modes=0, reference=theta)
        for width in WIDTHS
    }
    return found, aligned


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    found, aligned = movements()
    shades = mpl.colormaps["viridis"](np.linspace(0.8, 0.1, len(WIDTHS)))
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        for ax, (name, label) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
            for (width, movement), colour in zip(found.items(), shades, strict=True):
                _band(ax, movement[name], colour, f"width {width}")
            ax.set_xscale("symlog", linthresh=1, linscale=0.3)
            ax.set(xlabel="step", ylabel=label, xlim=(0, STEPS))
            if name == "alignment":
                ax.axhline(aligned, color=COLOURS["plain"], linestyle="--", linewidth=0.8, label="infinite width")
            else:
                ax.set_yscale("log")
        for ax in figure.axes[:2]:
            ax.set_ylim(3e-3, 1.0)
        figure.axes[2].legend(fontsize=7, loc="upper left")
    return write(figure, folder, "empirical_kernel")


def _band(ax: Axes, values: xr.DataArray, colour: Any, label: str) -> None:
    """Draw mean and scatter over replicas, where there is something to show."""
    mean, spread = values.mean("replica"), values.std("replica", ddof=1)
    shown = (mean > 0).values
    step, low, high = values["step"][shown], (mean - spread)[shown], (mean + spread)[shown]
    ax.fill_between(step, np.maximum(low, 0.1 * mean[shown]), high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(step, mean[shown], color=colour, label=label)
