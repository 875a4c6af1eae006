"""Adam and RMSprop against their stochastic differential equations, on one curvature with strong noise.

Left: mean of the parameter over 20,000 runs of Adam at two learning rates, and the equation's (exact), with a standard
deviation; time is eta^2 k. Right: error of the equation's mean at the end against eta^2, over 400,000 runs; bars are
two standard errors, dotted lines fall with eta^2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import sde
from theorysim.sde import adaptive

SQUARES = (0.1, 0.05, 0.025)
RUNS = 400_000


def adam(square: float, every: int | None = None) -> adaptive.Run:
    """Return Adam from time 0.1 to 2.1: s0 = 1/2, e0 = 0.1, c1 = 2, c2 = 1."""
    eta, noise = float(np.sqrt(square)), 0.25 / square
    rule = ts.Adam(learning_rate=eta, beta1=1 - 2 * square, beta2=1 - square, epsilon=0.1 / eta, batch=1)
    steps = round(2.0 / square)
    record = [steps] if every is None else list(range(0, steps + 1, every))
    return adaptive.Run(
        sde.quadratic(1.0, covariance=noise), rule, 1.0, steps, record, mean_squares=noise, begin=round(0.1 / square)
    )


def rmsprop(square: float) -> adaptive.Run:
    """Return RMSprop to time 1: s0 = 1/2, e0 = 0.1, c2 = 1, u0 = 4."""
    eta, noise = float(np.sqrt(square)), 0.25 / square
    rule = sde.RMSprop(learning_rate=eta, beta=1 - square, epsilon=0.1 / eta, batch=1)
    steps = round(1.0 / square)
    return adaptive.Run(sde.quadratic(1.0, covariance=noise), rule, 1.0, steps, [steps], mean_squares=4 * noise)


def gap(run: adaptive.Run) -> tuple[float, float]:
    """Return |mean of runs - mean of the equation| at the end, and its standard error."""
    x = adaptive.finite(run, replicas=RUNS, seed=2)["position"].values[-1, 0]
    return abs(float(x.mean() - adaptive.limit(run)["mean"].values[-1, 0])), float(x.std() / np.sqrt(x.size))


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        theory = adaptive.limit(adam(0.0125, 4))
        time, mean = theory["time"].values, theory["mean"].values[:, 0]
        spread = np.sqrt(theory["covariance"].values[:, 0, 0])
        left.fill_between(time, mean - spread, mean + spread, color=COLOURS["test"], alpha=0.15, linewidth=0)
        left.plot(time, mean, color=COLOURS["test"], label="equation of Adam, one std")
        marks: dict[float, Any] = {0.1: "s", 0.025: "o"}
        for square, mark in marks.items():
            run = adam(square, 1 if square == 0.1 else 4)
            x = adaptive.finite(run, replicas=20_000, seed=1)["position"].values[:, 0]
            times = (run.begin + np.array(run.recorded)) * square
            label = rf"Adam, $\eta^2={square}$"
            left.errorbar(times, x.mean(axis=1), yerr=x.std(axis=1), fmt=mark, color=COLOURS["train"], label=label,
                          alpha=0.5 if mark == "s" else 1.0, elinewidth=0.5)  # fmt: skip
        left.set(xlabel=r"time $\eta^2k$", ylabel="parameter")
        left.legend(fontsize=7)
        for name, make, colour in (("Adam", adam, "train"), ("RMSprop", rmsprop, "ensemble")):
            errors = np.array([gap(make(square)) for square in SQUARES])
            right.errorbar(SQUARES, errors[:, 0], yerr=2.0 * errors[:, 1], fmt="o", color=COLOURS[colour], label=name)
            right.plot(SQUARES, errors[0, 0] * np.array(SQUARES) / SQUARES[0], ":", color=COLOURS[colour])
        right.set(xlabel=r"$\eta^2$", ylabel="error of the mean", xscale="log", yscale="log")
        right.set_xticks(SQUARES, [f"{s:g}" for s in SQUARES])
        right.set_yticks([0.003, 0.01, 0.02], ["0.003", "0.01", "0.02"])
        right.minorticks_off()
        right.legend(fontsize=7)
    return write(figure, folder, "adam_sde")
