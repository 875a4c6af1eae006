"""Populations beside their invariants and limits: closed orbits, a pitchfork, the noise of finitely many agents.

Left: the replicator of rock-paper-scissors. Runge-Kutta steps close the orbits x1 x2 x3 = const; Euler steps of the
same size (0.05) from (1/2, 1/4, 1/4) spiral out. Middle: shares x1 - x2 of the logit response in a coordination game of
gain beta a, from flows (dots) and from m = tanh(beta a m/2) (lines): one state up to 2, three beyond. Right: 400 agents
who imitate what does better, in rock-paper-scissors that wins 2 and loses 1: the share of rock over 400 replicas, mean
and standard deviation (dots and bars), beside the replicator and its linear noise (line and band). Nothing is fitted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import games
from theorysim.games import populations

RPS = [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]
GAINS = np.linspace(1.0, 4.0, 16)


def orbits(method: str, starts: list[list[float]], time: float, step: float) -> np.ndarray:
    """Return trajectories of rock-paper-scissors, shape (steps, members, 3)."""
    steps = round(time / step)
    run = games.simulate(games.PopulationGame(payoffs=RPS), "replicator", starts, steps=steps, step=step, method=method,
                         record=list(range(steps + 1)))  # fmt: skip
    return np.asarray(run["share"])


def magnetisations(gains: np.ndarray) -> np.ndarray:
    """Return x1 - x2 at the end of logit flows from both sides, shape (gains, 2)."""
    starts = [[0.9, 0.1], [0.1, 0.9]]
    ends = [games.simulate(games.PopulationGame(payoffs=gain * np.eye(2)), "logit", starts, steps=4000, step=0.1,
                           noise=1.0, record=[4000])["share"].values[0] for gain in gains]  # fmt: skip
    return np.array([end[:, 0] - end[:, 1] for end in ends])


def agents() -> populations.Agents:
    """Return the agents of the right panel."""
    game = games.PopulationGame(payoffs=[[0.0, -1.0, 2.0], [2.0, 0.0, -1.0], [-1.0, 2.0, 0.0]])
    return populations.Agents(game=game, protocol="imitation", agents=400, start=[0.5, 0.25, 0.25], rounds=24,
                              record=list(range(25)))  # fmt: skip


def _simplex(ax: Axes) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
    ax.plot(*corners[[0, 1, 2, 0]].T, color="black", linewidth=0.8)
    starts = [[0.4, 0.3, 0.3], [0.5, 0.25, 0.25], [0.7, 0.15, 0.15], [0.88, 0.06, 0.06]]
    for member in np.moveaxis(orbits("rk4", starts, 30.0, 0.05) @ corners, 1, 0):
        ax.plot(*member.T, color=COLOURS["train"], linewidth=1)
    spiral = orbits("euler", [[0.5, 0.25, 0.25]], 90.0, 0.05)[:, 0] @ corners
    ax.plot(*spiral.T, color=COLOURS["test"], linewidth=0.6, label="Euler")
    ax.plot([], [], color=COLOURS["train"], label="Runge-Kutta")
    ax.legend(fontsize=6, loc="upper left", bbox_to_anchor=(-0.12, 1.05))
    for name, place, shift in zip(("rock", "paper", "scissors"), corners, ((0, -12), (0, -12), (0, 5)), strict=True):
        ax.annotate(name, place, xytext=shift, textcoords="offset points", ha="center", fontsize=7)
    ax.set_aspect("equal")
    ax.axis("off")


def _pitchfork(ax: Axes) -> None:
    m = np.linspace(1e-4, 0.9999, 400)
    gains = 2.0 * np.arctanh(m) / m  # m = tanh(gain m/2), solved for the gain
    kept = gains <= GAINS[-1]
    for sign in (1.0, -1.0):
        ax.plot(gains[kept], sign * m[kept], color=COLOURS["train"], linewidth=1)
    ax.plot([GAINS[0], 2.0], [0, 0], color=COLOURS["train"], linewidth=1, label=r"$m=\tanh(\beta a m/2)$")
    ax.plot([2.0, GAINS[-1]], [0, 0], "--", color=COLOURS["train"], linewidth=0.8)
    found = magnetisations(GAINS)
    for side in range(2):
        ax.plot(GAINS, found[:, side], ".", color=COLOURS["test"], label="logit flow" if side == 0 else None)
    ax.set(xlabel=r"$\beta a$", ylabel="$m=x_1-x_2$")
    ax.legend(fontsize=6, loc="upper left")


def _agents(ax: Axes) -> None:
    limit, finite = populations.limit(agents()), populations.finite(agents(), replicas=400, seed=1)
    time, x, spread = limit["time"], limit["share"][:, 0], limit["share_std"][:, 0]
    ax.fill_between(time, x - spread, x + spread, color=COLOURS["train"], alpha=0.25, linewidth=0)
    ax.plot(time, x, color=COLOURS["train"], linewidth=1, label="replicator and its noise")
    runs = finite["share"][:, 0]
    ax.errorbar(time, runs.mean("replica"), runs.std("replica"), fmt=".", color=COLOURS["test"], markersize=3,
                linewidth=0.8, label="400 agents")  # fmt: skip
    ax.set(xlabel="time", ylabel="share of rock")
    ax.legend(fontsize=6)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _simplex(left)
        _pitchfork(middle)
        _agents(right)
    return write(figure, folder, "population_dynamics")
