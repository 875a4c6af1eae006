"""From lazy to rich: loss, test loss and kernel alignment after the same training, against gamma0.

Lines are mean-field theory (bands: two standard errors of its sampling), dashed the lazy limit, dots means over
networks of width 512 with standard errors. A student of 24 samples whose labels depend on one direction of ten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import kernels
from theorysim.meanfield import deep
from theorysim.meanfield.replicas import Size

LIMITS, NETWORKS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0), (0.1, 0.4, 1.0, 2.0, 4.0)
WIDTH, REPLICAS, STEPS = 512, 12, 30
SIZE = Size(1024, 4, 3e-4)
NAMES = {"train_loss": "training loss", "test_loss": "test loss", "alignment": "kernel alignment"}
Points = dict[str, Any]


def training(gamma0: float) -> ts.Training:
    """Return the run at one richness."""
    draw = np.random.RandomState(3)
    x, more = draw.randn(24, 10), draw.randn(200, 10)
    data = ts.data.arrays(x, np.sign(x[:, 0]), more, np.sign(more[:, 0]), labels="regression")
    network = ts.MLP(depth=2, width=WIDTH, activation="tanh", parameterization="mup", gamma0=gamma0,
                     initial_output="subtracted")  # fmt: skip
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.6), steps=STEPS, record=(0, STEPS))


def limit(gamma0: float) -> Points:
    """Return value and error of each quantity in the limit."""
    run = training(gamma0)
    found = deep.limit(run, size=SIZE).merge(deep.kernels(run, size=SIZE), compat="override").isel(step=-1)
    return {name: (float(found[name]), float(found[f"{name}_error"])) for name in NAMES}


def finite(gamma0: float) -> Points:
    """Return mean over networks and standard error of each quantity."""
    run = training(gamma0)
    found = ts.train(run, replicas=REPLICAS, seed=1).merge(
        kernels.movement(run, replicas=REPLICAS, seed=1, modes=0), compat="override"
    )
    last = found.isel(step=-1)
    return {name: (float(last[name].mean()), float(last[name].std(ddof=1)) / REPLICAS**0.5) for name in NAMES}


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    lines, points = [limit(g) for g in LIMITS], [finite(g) for g in NETWORKS]
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        for ax, (name, text), colour in zip(figure.subplots(1, 3), NAMES.items(), ("train", "test", "ensemble"),
                                            strict=True):  # fmt: skip
            value, error = np.array([line[name] for line in lines[1:]]).T
            mean, own = np.array([point[name] for point in points]).T
            ax.fill_between(LIMITS[1:], value - 2 * error, value + 2 * error, color=COLOURS[colour], alpha=0.2,
                            linewidth=0)  # fmt: skip
            ax.plot(LIMITS[1:], value, color=COLOURS[colour], label="limit")
            ax.errorbar(NETWORKS, mean, own, fmt="o", color=COLOURS["plain"], markersize=3, label=f"width {WIDTH}")
            ax.axhline(lines[0][name][0], color=COLOURS["plain"], linestyle="--", linewidth=0.8, label="lazy limit")
            ax.set(xscale="log", xlabel=r"$\gamma_0$", ylabel=text, xticks=(0.1, 1.0), xticklabels=("0.1", "1"))
        figure.axes[0].set_yscale("log")
        figure.axes[2].legend(fontsize=7)
    return write(figure, folder, "richness")
