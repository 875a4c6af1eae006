"""After the data are fitted, SGD with noisy labels walks along the minima to the flattest one.

Left: (u v - 1)^2/2; paths of SGD with labels 1 + or - 1/2 (thin) and the slow flow (dashed) from (2, 1/2), on the
hyperbola of minima. Right: u^2 - v^2 against eta^2 k: means of 2000 runs at three learning rates, the flow, and local
SGD with four workers that average after every 0.3 units of gradient-flow time (its own flow dashed).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.sde import slow_flows

START, NOISE, RUNS = [2.0, 0.5], 0.5, 2000
TIMES = np.linspace(0.0, 4.0, 17)
RATES = {0.2: 0.35, 0.1: 0.6, 0.05: 1.0}


def product() -> slow_flows.Manifold:
    """Return u v fitted to 1."""
    return slow_flows.Manifold(lambda w: w[..., :1] * w[..., 1:], lambda w: w[..., None, ::-1], [1.0])


def mean_difference(eta: float, **workers: int) -> np.ndarray[Any, Any]:
    """Return the mean of u^2 - v^2 over runs of SGD, at the times."""
    w = slow_flows.finite(
        product(), START, TIMES, learning_rate=eta, noise=NOISE, replicas=RUNS, seed=1, **workers
    ).values  # fmt: skip
    return np.asarray((w[:, 0] ** 2 - w[:, 1] ** 2).mean(axis=1))


def difference(**workers: float) -> np.ndarray[Any, Any]:
    """Return u^2 - v^2 of the flow."""
    w = slow_flows.limit(product(), START, TIMES, noise=NOISE, **workers).values  # type: ignore[arg-type]
    return np.asarray(w[:, 0] ** 2 - w[:, 1] ** 2)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        fine = np.linspace(0.0, 8.0, 400)
        paths = slow_flows.finite(product(), START, fine, learning_rate=0.1, noise=NOISE, replicas=1, seed=5).values
        for r in range(paths.shape[2]):
            left.plot(paths[:, 0, r], paths[:, 1, r], color=COLOURS["train"], linewidth=0.35, alpha=0.8,
                      label=r"SGD, noisy labels, $\eta=0.1$" if r == 0 else None)  # fmt: skip
        u = np.linspace(0.85, 2.3, 200)
        left.plot(u, 1.0 / u, color=COLOURS["grid"], linewidth=4.0, zorder=0, label="minima")
        flow = slow_flows.limit(product(), START, fine, noise=NOISE).values
        left.plot(flow[:, 0], flow[:, 1], "--", color=COLOURS["test"], label="slow flow")
        left.plot(1.0, 1.0, "*", markersize=8, color=COLOURS["plain"], label="flattest minimum")
        left.set(xlabel="$u$", ylabel="$v$", xlim=(0.85, 2.15), ylim=(0.4, 1.15))
        left.legend(fontsize=7)
        for eta, depth in RATES.items():
            right.plot(
                TIMES, mean_difference(eta), "o", color=COLOURS["train"], alpha=depth, label=rf"SGD, $\eta={eta}$"
            )
        right.plot(TIMES, difference(), "--", color=COLOURS["test"], label="slow flow")
        local = mean_difference(0.05, batch=4, workers=4, local_steps=6)
        right.plot(TIMES, local, "s", color=COLOURS["ensemble"], label=r"4 workers, $\eta=0.05$")
        right.plot(TIMES, difference(batch=4, workers=4, local_time=0.3), "--", color=COLOURS["ensemble"])
        right.set(xlabel=r"time $\eta^2k$", ylabel=r"mean of $u^2-v^2$", ylim=(0.0, None))
        right.legend(fontsize=7)
    return write(figure, folder, "label_noise")
