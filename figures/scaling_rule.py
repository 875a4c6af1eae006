"""The linear scaling rule breaks where the noise no longer dominates, at the batch predicted from one measurement.

Left: one mode with additive and multiplicative noise; stationary loss of SGD, exactly, against the batch, the learning
rate in proportion. The equation does not see the batch. Dots: batches predicted from noise and signal at batch 1 for
three factors of the loss; crosses: where it happens. Right: the same on least squares with 200 samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import sde

FACTORS = (1.1, 1.5, 2.0)


def optimizer(eta: float, batch: int) -> ts.SGD:
    """Return SGD at a learning rate."""
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement")


def excess(model: Any, system: Any) -> float:
    """Return the stationary loss above the minimum."""
    return 0.5 * float(np.sum(model.objective.hessian * sde.stationary_covariance(model, system)))


def least_squares() -> sde.Objective:
    """Return noisy least squares: 200 samples, 5 parameters of different scale."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)) * [2.0, 1.0, 1.0, 0.5, 0.5]
    return sde.least_squares(x, x @ np.ones(5) + rng.normal(size=200))


def panel(axes: Axes, objective: sde.Objective, eta: float, largest: int) -> None:
    """Draw losses against batches, and the limits of the rule."""
    batches = np.unique(np.geomspace(1, largest, 40).astype(int))
    models = [sde.from_optimizer(objective, optimizer(eta * int(b), int(b))) for b in batches]
    axes.loglog(batches, [excess(m, m.algorithm) for m in models], color=COLOURS["train"], label="SGD, exact")
    axes.axhline(excess(models[0], models[0].equation), color=COLOURS["test"], label="equation, any batch")
    base = excess(models[0], models[0].algorithm)
    for factor in FACTORS:
        report = sde.validity(models[0], factor=factor)
        first = factor == FACTORS[0]
        axes.plot(report.predicted_limit, factor * base, "o", markersize=4.5, color=COLOURS["ensemble"],
                  label="predicted" if first else None)  # fmt: skip
        axes.plot(report.exact_limit, factor * base, "x", markersize=5, color=COLOURS["plain"],
                  label="exact" if first else None)  # fmt: skip
        place = (min(report.predicted_limit, report.exact_limit), factor * base)
        axes.annotate(f"{factor:g} times the loss", place, (-7, 0), fontsize=7,
                      textcoords="offset points", ha="right", va="center")  # fmt: skip
    axes.set(
        xlabel=rf"batch $B$, at $\eta={eta:g}\,B$",
        ylabel="stationary loss above the minimum",
        xlim=(0.8, 1.6 * largest),
    )


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        panel(left, sde.quadratic(1.0, covariance=1.0, multiplicative=4.0), 0.005, 300)
        left.set_title("one mode")
        left.legend(fontsize=7, loc="upper left")
        panel(right, least_squares(), 0.002, 185)
        right.set_title("least squares, 200 samples")
    return write(figure, folder, "scaling_rule")
