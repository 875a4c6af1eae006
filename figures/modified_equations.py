"""SGD against its stochastic differential equations: weak errors, and the batch at which linear scaling breaks.

Left: error of the mean square at a fixed time on one mode with multiplicative noise; every point is exact, for the
equation and for the steps. Right: stationary excess loss against the batch, the learning rate in proportion; the
equation does not see the batch. The dot is the limit predicted from noise and signal at batch 1, for a factor of 1.5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import sde

RATES = np.array([0.2, 0.1, 0.05, 0.025, 0.0125, 0.00625])
ORDERS: dict[Any, tuple[str, str]] = {
    1: ("order 1", "train"), 2: ("order 2", "test"), "hessian-aware": ("hessian-aware", "ensemble"),
}  # fmt: skip
BATCHES = np.unique(np.geomspace(1, 380, 60).astype(int))
FACTOR, RATE = 1.5, 0.005


def optimizer(eta: float, batch: int = 1) -> ts.SGD:
    """Return SGD at a learning rate."""
    return ts.SGD(learning_rate=eta, batch=batch, sampling="replacement")


def errors(order: Any) -> np.ndarray[Any, Any]:
    """Return |E x^2 of the equation - that of the steps| at time 1, shape (rates,)."""
    objective, found = sde.quadratic(1.0, covariance=0.25, multiplicative=1.0), []
    for eta in RATES:
        steps = round(1.0 / eta)
        run = sde.Run(sde.from_optimizer(objective, optimizer(float(eta)), order), 1.5, steps, record=[steps])
        found.append(2.0 * abs(float(sde.moments.limit(run)["loss"][0] - sde.moments.exact(run)["loss"][0])))
    return np.array(found)


def stationary() -> tuple[np.ndarray[Any, Any], float, sde.Validity]:
    """Return the stationary loss of the steps by batch, that of the equation, and the report at batch 1."""
    objective = sde.quadratic(1.0, covariance=1.0, multiplicative=4.0)
    models = [sde.from_optimizer(objective, optimizer(RATE * b, int(b))) for b in BATCHES]
    losses = [0.5 * sde.stationary_covariance(m, m.algorithm)[0, 0] for m in models]
    return (
        np.array(losses),
        0.5 * float(sde.stationary_covariance(models[0])[0, 0]),
        sde.validity(models[0], factor=FACTOR),
    )


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        for order, (label, colour) in ORDERS.items():
            left.loglog(RATES, errors(order), "o-", color=COLOURS[colour], label=label)
        left.loglog(RATES, 0.8 * RATES**2, ":", color=COLOURS["plain"], label="slopes 1, 2")
        left.loglog(RATES, 0.4 * RATES, ":", color=COLOURS["plain"])
        left.set(xlabel=r"learning rate $\eta$", ylabel=r"error of $\mathrm{E}\,x^2$")
        left.legend(fontsize=7)
        losses, equation, report = stationary()
        right.loglog(BATCHES, losses, color=COLOURS["train"], label="SGD, exact")
        right.axhline(equation, color=COLOURS["test"], label="equation of order 1")
        right.plot(report.predicted_limit, FACTOR * losses[0], "o", color=COLOURS["ensemble"],
                   label=f"predicted limit, factor {FACTOR}")  # fmt: skip
        right.set(xlabel=r"batch $B$, at $\eta=0.005\,B$", ylabel="stationary loss")
        right.legend(fontsize=7, loc="upper left")
    return write(figure, folder, "modified_equations")
