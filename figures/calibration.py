"""Calibration of forecasts on real training runs: error of the mean, and whether the band holds a run.

Left: error of the predicted mean test loss (median over steps) against the error that the forecast claims.
Right: share of single runs inside the two-sigma band against the band's width, relative to the true scatter. Each
dot is one training run of benchmarks/calibration.csv, written by benchmarks/calibration.py.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write

ROWS = Path(__file__).resolve().parent.parent / "benchmarks" / "calibration.csv"
RANGE = (0.1, 40.0)  # percent
KINDS = {"NTK, standard": "train", "muP": "test", "Adam": "ensemble"}


def kind(name: str) -> str:
    """Return the group of a run by its name."""
    if "-adam" in name:
        return "Adam"
    return "muP" if name.startswith("mup") else "NTK, standard"


def columns() -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Return the numbers of the table by group of runs.

    Raises
    ------
    FileNotFoundError
        If the benchmark has not been run.
    """
    if not ROWS.is_file():
        raise FileNotFoundError(f"{ROWS.name} is missing: run benchmarks/calibration.py in a checkout first")
    with ROWS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = ("claimed_error", "median_error", "truth_error", "band_ratio", "coverage")
    groups = {group: [row for row in rows if kind(row["name"]) == group] for group in KINDS}
    return {g: {n: np.array([float(row[n]) for row in held]) for n in numbers} for g, held in groups.items() if held}


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    groups = columns()
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        for group, held in groups.items():
            colour = COLOURS[KINDS[group]]
            left.errorbar(100 * held["claimed_error"], 100 * held["median_error"], 100 * held["truth_error"],
                          fmt="o", color=colour, elinewidth=0.5, label=group)  # fmt: skip
            right.plot(held["band_ratio"], 100 * held["coverage"], "o", color=colour, label=group)
        left.axline((1, 1), slope=1, color=COLOURS["plain"], linewidth=0.6, linestyle=":")
        left.set(xscale="log", yscale="log", xlabel="claimed error (%)", ylabel="error of the mean (%)")
        left.set(xlim=RANGE, ylim=RANGE)
        for axis in (left.xaxis, left.yaxis):
            axis.set_major_formatter("{x:g}")
        right.axvspan(0.8, 1.2, color=COLOURS["grid"], alpha=0.5, linewidth=0)
        right.axhline(95.4, color=COLOURS["plain"], linewidth=0.6, linestyle=":")
        right.set(xlabel="band / true scatter", ylabel="runs inside two sigma (%)", xlim=(0.5, 2), ylim=(60, 101))
        left.legend()
    return write(figure, folder, "calibration")
