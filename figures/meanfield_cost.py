"""What an answer costs: error of the loss against processor time for march, networks and the published fixed point.

Each line is the best of all sizes (networks: widths 64 to 1024) at that cost, replicas added until it is spent;
systematic errors (finite samples, finite width) stay. Networks extrapolated from two widths keep an error of second
order, taken as the squared bias. Left, squares: the fixed point as measured.
Numbers: benchmarks/meanfield_cost.csv, written by benchmarks/meanfield_speed.py.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write

ROWS = Path(__file__).resolve().parent.parent / "benchmarks" / "meanfield_cost.csv"
PANELS = {"four": "4 samples, 20 steps, tanh$^3$", "ten": "10 samples, 100 steps, tanh$^3$",
          "images": "100 digits, 50 batches, relu$^2$"}  # fmt: skip
COSTS = np.logspace(-2, 3.5, 111)
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def table() -> dict[str, list[Row]]:
    """Return the rows of each problem, numbers as numbers.

    Raises
    ------
    FileNotFoundError
        If the benchmark has not been run.
    """
    if not ROWS.is_file():
        raise FileNotFoundError(f"{ROWS.name} is missing: run benchmarks/meanfield_speed.py in a checkout first")
    with ROWS.open(newline="") as file:
        rows = [{k: v if k in ("problem", "method") else float(v) for k, v in row.items()}
                for row in csv.DictReader(file)]  # fmt: skip
    return {name: [row for row in rows if row["problem"] == name] for name in PANELS}


def envelopes(rows: list[Row]) -> dict[str, Array]:
    """Return the smallest error at each cost of each method."""
    march, networks = ([row for row in rows if row["method"] == method] for method in ("march", "networks"))
    weights = np.array([row["bias_error"] ** -2 for row in networks])
    over = np.array([1.0 / row["size"] for row in networks])
    slope = np.sum(weights * over * [row["bias"] for row in networks]) / np.sum(weights * over**2)
    bias = abs(slope) * over
    scatter = np.array([row["std"] * row["size"] ** 0.5 for row in networks])
    std = np.median(scatter) * over**0.5
    cost = np.array([row["cpu_seconds"] for row in networks])
    pairs = _lowest(cost[1:] + cost[:-1], bias[1:] ** 2, np.hypot(2.0 * std[1:], std[:-1]))
    seen = [row["bias"] if abs(row["bias"]) > 2.0 * row["bias_error"] else 0.0 for row in march]
    own = _lowest(*(np.array(each) for each in ([row["cpu_seconds"] for row in march], seen,
                                                [row["std"] for row in march])))  # fmt: skip
    return {"march": own, "networks": _lowest(cost, bias, std), "networks, extrapolated": pairs}


def _lowest(cost: Array, bias: Array, std: Array) -> Array:
    """Return the smallest error over sizes, NaN where not one replica is done."""
    replicas = np.floor(COSTS[:, None] / cost)
    with np.errstate(divide="ignore"):
        error = np.where(replicas >= 1, np.sqrt(bias**2 + std**2 / replicas), np.inf)
    lowest = np.minimum.accumulate(error.min(axis=1))
    return np.where(np.isfinite(lowest), lowest, np.nan)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    styles = {"march": ("train", "-"), "networks": ("test", "-"), "networks, extrapolated": ("test", "--")}
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        for ax, (name, rows) in zip(figure.subplots(1, 3, sharey=True), table().items(), strict=True):
            for method, errors in envelopes(rows).items():
                ax.loglog(COSTS, 100 * errors, styles[method][1], color=COLOURS[styles[method][0]], label=method)
            _fixed_point(ax, [row for row in rows if row["method"] == "fixed point"])
            ax.axhline(1.0, color=COLOURS["plain"], linewidth=0.6, linestyle=":")
            ax.set_title(PANELS[name], fontsize=8)
            ax.set(xlabel="processor seconds", xlim=(0.02, 2000), ylim=(0.1, 30), yticks=(0.1, 1, 10),
                   yticklabels=("0.1", "1", "10"))  # fmt: skip
        figure.axes[0].set_ylabel("error of the loss (%)")
        figure.axes[2].legend(*figure.axes[0].get_legend_handles_labels(), fontsize=7, loc="upper right")
    return write(figure, folder, "meanfield_cost")


def _fixed_point(ax: Axes, rows: list[Row]) -> None:
    """Draw what was measured, and the line of independent paths through it."""
    if rows:
        cost, error = (np.array([row[key] for row in rows]) for key in ("cpu_seconds", "std"))
        constant = np.exp(np.mean(np.log(error * cost**0.5)))
        ax.plot(cost, 100 * error, "s", color=COLOURS["ensemble"], markersize=3)
        ax.loglog(COSTS, np.where(cost.min() <= COSTS, 100 * constant * COSTS**-0.5, np.nan), "-.",
                  color=COLOURS["ensemble"], label="fixed point")  # fmt: skip
