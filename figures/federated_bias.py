"""Federated averaging of clients that disagree: more local steps, faster rounds, and another limit.

Left: distance of the limit from the optimum (Nash equilibrium) of the mean, against local steps E: two quadratics, the
same behind two regional servers that average K times, and two linear games. Lines are the closed forms, dots what 600
rounds end in. Right: distance from the optimum over rounds of the two quadratics with all clients, and runs where one
client of the two, drawn anew each round, takes part (thin, one of twenty): the root mean square of all twenty over the
last rounds is dotted.
Nothing is fitted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.games import Client, Federated

STEP = 0.1
LOCAL = (1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 130, 200)
ROUNDS, RUNS = 600, 20
QUADRATICS = [Client(curvature=1.0, centre=0.0, share=0.5), Client(curvature=4.0, centre=1.0, share=0.5)]
OTHERS = [Client(curvature=2.0, centre=3.0, share=0.25), Client(curvature=0.5, centre=-1.0, share=0.75)]
GAMES = [
    Client(curvature=[[1.0, 2.0], [-2.0, 1.0]], centre=[1.0, 0.0], share=0.5),
    Client(curvature=[[0.5, -1.0], [1.0, 0.5]], centre=[0.0, 1.0], share=0.5),
]


def problems(local_steps: int) -> dict[str, Federated]:
    """Return the problems of the left panel."""
    both, shares = [QUADRATICS, OTHERS], [0.4, 0.6]
    plain = {"step": STEP, "local_steps": local_steps}
    return {
        "quadratics": Federated(clusters=[QUADRATICS], **plain),
        "two servers, K = 1": Federated(clusters=both, cluster_shares=shares, **plain),
        "two servers, K = 10": Federated(clusters=both, cluster_shares=shares, cluster_rounds=10, **plain),
        "games": Federated(clusters=[GAMES], **plain),
    }


def _bias(ax: Axes) -> None:
    colours = (COLOURS["train"], COLOURS["test"], COLOURS["ensemble"], COLOURS["plain"])
    for name, colour in zip(problems(1), colours, strict=True):
        rows = [problems(steps)[name] for steps in LOCAL]
        ax.plot(LOCAL, [row.bias for row in rows], color=colour, label=name)
        ends = [np.linalg.norm(row.run(ROUNDS)[-1].values - row.optimum) for row in rows]
        ax.plot(LOCAL, ends, "o", color=colour)
    ax.set(xscale="log", xlabel="local steps $E$", ylabel="distance of the limit from the optimum")
    ax.legend(fontsize=6)


def _rounds(ax: Axes) -> None:
    for steps, colour in ((1, COLOURS["train"]), (5, COLOURS["test"]), (50, COLOURS["ensemble"])):
        problem = problems(steps)["quadratics"]
        away = np.abs(problem.run(100).values - problem.optimum)[:, 0]
        ax.plot(np.arange(len(away)), np.maximum(away, 1e-4), color=colour, label=f"E = {steps}")
        runs = [problem.run(100, participants=1, seed=seed).values - problem.optimum for seed in range(RUNS)]
        for run in runs[:1]:
            ax.plot(np.abs(run[:, 0]), color=colour, linewidth=0.3, alpha=0.6)
        last = np.sqrt(np.mean(np.square([run[50:] for run in runs])))
        ax.axhline(float(last), color=colour, linestyle=":", linewidth=1)
    ax.set(yscale="log", ylim=(1e-4, 2), xlabel="round", ylabel="distance from the optimum")
    ax.legend(fontsize=6)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        _bias(left)
        _rounds(right)
    return write(figure, folder, "federated_bias")
