"""Two uniform Bernoulli arms: exact regret of agents beside the least of all, and what imitation from memory costs.

Left: expected regret after t pulls, by exact recursion (lines) and from simulated agents (dots, 20 000 runs each, with
two standard errors); the least regret that any agent can have, computed for each number of pulls by a recursion of its
own. Right: regret of a perfect imitator that sees the last h pulls only, less that of its teacher, after ten pulls; it
vanishes at h = 9, where the context holds all that happened. Nothing is fitted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.games import learning

LOOKS = {
    "ucb1": ("UCB1", COLOURS["test"], "o"),
    "thompson": ("Thompson sampling", COLOURS["train"], "s"),
    "greedy": ("greedy", COLOURS["ensemble"], "^"),
    "bayes-optimal": ("Bayes-optimal", COLOURS["plain"], "D"),
}
HORIZON, RUNS, MEMORIES = 100, 20_000, 10


def simulated(agent: str) -> xr.DataArray:
    """Return the regret of simulated agents (step, replica) at a few numbers of pulls."""
    problem = learning.BayesBandit(horizon=HORIZON, agent=agent)  # type: ignore[arg-type]
    regret = learning.agents.finite(problem, replicas=RUNS, seed=0)["regret"]
    wanted = regret["step"].values[np.linspace(6, regret.sizes["step"] - 1, 8).astype(int)]
    return regret.sel(step=wanted)


def _regrets(ax: Axes) -> None:
    for agent in ("ucb1", "thompson", "greedy"):
        label, colour, marker = LOOKS[agent]
        curve = learning.regret(agent, HORIZON)
        ax.plot(curve["step"][1:], curve[1:], color=colour, label=label)
        dots = simulated(agent)
        error = 2.0 * dots.std("replica", ddof=1) / np.sqrt(RUNS)
        ax.errorbar(dots["step"], dots.mean("replica"), error, fmt=marker, color=colour, markersize=3, linewidth=0.8)
    least = learning.optimal_regret(HORIZON)
    ax.plot(least["horizon"], least, "--", color=COLOURS["plain"], label="least of all agents")
    ax.set(xscale="log", xlabel="pulls $t$", ylabel="regret", ylim=(0, None))
    ax.legend(fontsize=7, loc="upper left")


def _imitation(ax: Axes) -> None:
    for agent, (label, colour, marker) in LOOKS.items():
        gap = learning.imitation_gap(agent, MEMORIES)["gap"].isel(step=-1)
        ax.plot(gap["history"][:-1], gap[:-1], marker=marker, color=colour, label=label)
    ax.axvline(MEMORIES - 1, color=COLOURS["grid"])
    ax.text(MEMORIES - 1.1, 1.0, "all: gap 0", rotation=90, ha="right", va="top", fontsize=7)
    ax.set(yscale="log", xlabel="remembered pulls $h$", ylabel="imitation gap", xticks=range(MEMORIES))
    ax.legend(fontsize=7, loc="lower left")


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        _regrets(left)
        _imitation(right)
    return write(figure, folder, "bandit_regret")
