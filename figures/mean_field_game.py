"""Noise that games leave: N particles about their mean field, and noisy descent-ascent about its equilibrium.

Left: Langevin descent-ascent on x^2/2 + 1.5 x y - y^2 at inverse temperature 4, N particles on each side: stationary
variance of the empirical mean of either side, dots measured, lines theory; without coupling it would be 1/(a beta N).
Right: stationary variance of stochastic descent-ascent on a rotation with friction (mu, w) = (0.5, 1), over the step:
the algorithm (dots measured, line exact, divergent at 0.8) and the equations of order 1 and 2 that stand for it.
Nothing is fitted.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.games import descent_ascent, stochastic

PARTICLES = (10, 30, 100, 300, 1000)
STEPS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
CASE = descent_ascent.Problem(
    a=1.0, b=2.0, c=1.5, inverse_temperature=4.0, particles=100, step=4.0, steps=4, record=[4]
)


def fluctuations(particles: int, replicas: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Return measured and predicted variances of the empirical means, shape (2,) each."""
    game = replace(CASE, particles=particles)
    runs = descent_ascent.finite(game, replicas=replicas, seed=particles)
    theory = np.diag(descent_ascent.stationary(game)["mean_covariance"].values)
    return runs["particle_mean"].isel(step=-1).var("replica", ddof=1).values, theory


def noise_floor(step: float, replicas: int = 4000) -> float:
    """Return the measured stationary variance of a coordinate of descent-ascent."""
    game = _game(step)
    # the slowest factor is 0.96 a step: all memory of the start is gone
    game = replace(game, steps=int(np.ceil(10.0 / (1.0 - game.radius))))
    last = stochastic.finite(replace(game, record=[game.steps]), replicas=replicas, seed=1)["position"].isel(step=-1)
    return float(last.var("replica", ddof=1).mean())


def _game(step: float) -> stochastic.Problem:
    return stochastic.Problem(matrix=[[0.5, 1.0], [-1.0, 0.5]], step=step, steps=1)


def _particles(ax: Axes) -> None:
    measured = np.array([fluctuations(n)[0] for n in PARTICLES])
    theory = np.array([fluctuations(n, 2)[1] for n in PARTICLES])
    for side, (name, colour) in enumerate((("descending", "train"), ("ascending", "test"))):
        ax.loglog(PARTICLES, theory[:, side], color=COLOURS[colour], label=f"{name}, theory")
        ax.loglog(PARTICLES, measured[:, side], "o", color=COLOURS[colour], markersize=4, label=f"{name}, particles")
    ax.loglog(PARTICLES, 0.25 / np.array(PARTICLES), ":", color="0.5", label=r"$1/(a\beta N)$")
    ax.set(xlabel="particles on each side $N$", ylabel="variance of the mean")
    ax.legend(fontsize=6)


def _steps(ax: Axes) -> None:
    steps = np.linspace(0.01, 0.76, 100)
    laws = [stochastic.stationary(_game(float(e))) for e in steps]
    rows = (("covariance", "algorithm", "train", "-"), ("first_order", "equation, order 1", "test", "--"),
            ("second_order", "equation, order 2", "ensemble", "-."))  # fmt: skip
    for key, label, colour, style in rows:
        ax.semilogy(steps, [float(law[key][0, 0]) for law in laws], style, color=COLOURS[colour], label=label)
    ax.semilogy(STEPS, [noise_floor(e) for e in STEPS], "o", color=COLOURS["train"], markersize=4, label="runs")
    ax.axvline(0.8, color="0.6", linewidth=0.8, linestyle=":")
    ax.set(xlabel="step $e$", ylabel="variance of a coordinate", xlim=(0, 0.85))
    ax.legend(fontsize=6, loc="upper left")


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        _particles(left)
        _steps(right)
    return write(figure, folder, "mean_field_game")
