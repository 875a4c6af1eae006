"""The house figure of a training run: loss and accuracy with their bands, trained networks beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theorysim.errors import ProblemError
from theorysim.observables import OBSERVABLES

Array = np.ndarray[Any, np.dtype[np.float64]]

COLOURS = {
    "train": "#2f6690",
    "test": "#b5472f",
    "ensemble": "#5b7f3a",
    "loss": "#2f6690",
    "plain": "#4a4a4a",
    "grid": "#d9d9d9",
}

_HOUSE: Any = {  # the names of settings depend on the version of matplotlib
    "font.family": "serif",
    "font.serif": ["STIXGeneral"],
    "font.size": 9.0,
    "mathtext.fontset": "stix",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "lines.linewidth": 1.4,
    "lines.markersize": 3.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "figure.dpi": 150.0,
    "savefig.dpi": 200.0,
    "pdf.fonttype": 42,
    "svg.hashsalt": "theorysim",  # with no date in the file: the same bytes from run to run
}
_UNDATED: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}
_LOSSES = ("train_loss", "test_loss", "loss")
_MOST_LINES = 16  # of single runs
_LABELS = {"ensemble": "mean predictor", "loss": "equation"}
_GAMES = (("residual", "distance", "bound"), ("share",), ("kappa", "balanced_kappa"), ("one_pass", "distance"))
_ACCURACIES = ("train_accuracy", "test_accuracy", "ensemble_accuracy")


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style: serif without LaTeX, thin axes, nothing that is not data."""
    with mpl.rc_context(_HOUSE):
        yield


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as svg, pdf or png (by the suffix), byte-identical from run to run.

    Raises
    ------
    ProblemError
        If the suffix is another one.
    """
    path = Path(path)
    if path.suffix not in _UNDATED:
        raise ProblemError(f'plot: `path` must end in {", ".join(_UNDATED)}; got "{path.name}"')
    with house_style():
        figure.savefig(path, metadata=_UNDATED[path.suffix])
    return path


def plot(forecast: xr.Dataset, trained: xr.Dataset | None = None) -> Figure:
    """Draw loss (and accuracy, where there are classes) against steps.

    Lines are predicted means; bands are two sigma of a single run, sqrt(std^2 + error^2) from scatter and
    method. Thin lines are trained networks, dots their means.

    Parameters
    ----------
    forecast : Dataset
        A forecast or a limit.
    trained : Dataset, optional
        Trained networks (dimension ``replica``) of the same problem.

    Returns
    -------
    matplotlib Figure
        It shows itself in a notebook; write it with ``theorysim.plot.save`` or ``figure.savefig``.

    Raises
    ------
    ProblemError
        If `forecast` holds no loss.
    """
    rows = [[n for n in names if n in forecast] for names in (_LOSSES, _ACCURACIES)]
    panels = [names for names in rows if names]
    if not rows[0]:
        raise ProblemError("plot: `forecast` must hold train_loss, test_loss or loss")
    with house_style():
        figure = Figure(figsize=(3.5 * len(panels), 2.7), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, names in zip(axes, panels, strict=True):
            for name in names:
                curve(ax, forecast, name, trained)
            _finish(ax, forecast, names)
    return figure


def plot_steps(result: xr.Dataset) -> Figure:
    """Draw what a game's run is made of against steps, a panel for each kind: residuals, shares, shares of rotation.

    Several members or networks are thin lines.

    Raises
    ------
    ProblemError
        If `result` has nothing over ``step``.
    """
    panels = [[n for n in row if n in result] for row in _GAMES if row[0] in result]
    if not panels:
        raise ProblemError("plot: `result` must hold a residual, shares or kappa over step")
    with house_style():
        figure = Figure(figsize=(3.5 * len(panels), 2.7), layout="constrained")
        for ax, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for colour, name in zip(("loss", "test", "ensemble", "plain"), names, strict=False):
                shares = name == "share"
                rows = result[name].transpose("step", ...).values.reshape(result.sizes["step"], -1)
                rows = rows if shares else np.where(rows > 0.0, rows, np.nan)  # zeros have no place on a log axis
                ax.plot(result["step"].values, rows[:, :_MOST_LINES], linewidth=0.8 if rows.shape[1] > 1 else None,
                        color=None if shares else COLOURS[colour])  # fmt: skip
                ax.plot([], [], color=COLOURS[colour], label=name.replace("_", " "))
            ax.set(xlabel="step", yscale="linear" if names[0] == "share" else "log")
            ax.grid(axis="y", color=COLOURS["grid"], linewidth=0.4)
            if names[0] != "share":
                ax.legend()
            else:
                ax.set_ylabel("share")
    return figure


def band(forecast: xr.Dataset, name: str) -> Array:
    """Return one sigma of a single run at every step: sqrt(X_std^2 + X_error^2)."""
    parts = [forecast[key].values for key in (f"{name}_std", f"{name}_error") if key in forecast]
    return np.sqrt(sum((part**2 for part in parts), np.zeros(forecast.sizes["step"])))


def curve(ax: Axes, forecast: xr.Dataset, name: str, trained: xr.Dataset | None = None) -> None:
    """Draw one observable: line, band, and the trained networks if they are given."""
    kind = name.partition("_")[0]
    colour = COLOURS[kind]
    x, mean, sigma = _clock(forecast), forecast[name].values, band(forecast, name)
    low = np.maximum(mean - 2 * sigma, 0.0)
    if name in _LOSSES:  # a band that reaches zero has no place on a logarithmic axis
        low = np.maximum(low, 1e-3 * mean)
    ax.fill_between(x, low, mean + 2 * sigma, color=colour, alpha=0.2, linewidth=0)
    ax.plot(x, mean, color=colour, label=_LABELS.get(kind, kind))
    # the mean over a few replicas is not the mean predictor, so that curve stays alone
    if trained is not None and name in trained and "replica" in trained[name].dims:
        runs = trained[name].transpose("step", "replica")
        ax.plot(_clock(trained), runs.values[:, :_MOST_LINES], color=colour, linewidth=0.4, alpha=0.6)
        ax.plot(_clock(trained), runs.mean("replica").values, "o", color=colour, markerfacecolor="white")


def _clock(result: xr.Dataset) -> Array:
    """Return the abscissa: time where the training is a flow, steps elsewhere."""
    return np.asarray(result["time" if _flows(result) else "step"].values, dtype=np.float64)


def _flows(result: xr.Dataset) -> bool:
    return '"gradient-flow"' in str(result.attrs.get("problem", ""))


def _finish(ax: Axes, forecast: xr.Dataset, names: list[str]) -> None:
    """Set scales, limits and labels."""
    x = _clock(forecast)
    positive = x[x > 0]
    ax.set_xscale("symlog", linthresh=float(positive[0]) if positive.size else 1.0, linscale=0.3)
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.set_xlabel("time $t$" if _flows(forecast) else "step")
    unit = "loss" if names[0] in _LOSSES else "accuracy"
    ax.set_ylabel(unit if len(names) > 1 else OBSERVABLES[names[0]].long_name)
    values = np.concatenate([forecast[n].values for n in names])
    if unit == "loss" and np.all(values > 0):
        ax.set_yscale("log")
        ax.set_ylim(values.min() / 2.0, values.max() * 2.0)
    elif unit == "accuracy":
        ax.set_ylim(max(0.0, values.min() - 0.05), 1.005)
    ax.grid(axis="y", color=COLOURS["grid"], linewidth=0.4)
    ax.legend()
