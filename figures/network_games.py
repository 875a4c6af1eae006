"""A two-unit relu network as a game: best responses cycle, other dynamics find the equilibrium, at the predicted rates.

Left: the plane of both units, W = ((0, 2), (-2, 0)), b = (1, 3). Simultaneous best responses end in a cycle of four
points, alternating ones in a cycle of two; forward-backward and extragradient steps end in the only equilibrium,
(1.4, 0.2), which strong monotonicity certifies although |W| = 2. Right: factor per step of methods with a constant
step, predicted by the spectral radius at the equilibrium (rings) and fitted to the residuals (dots), for this game and
for one of three tanh units. Nothing is fitted to the predictions.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim import games

METHODS = (
    "forward-backward", "extragradient", "tseng", "optimistic", "projected-reflected", "popov", "peaceman-rachford",
    "douglas-rachford",
)  # fmt: skip


def relu_game() -> games.NetworkGame:
    """Return the game of the left panel."""
    return games.NetworkGame(weights=[[[0, 2], [-2, 0]]], biases=[[1, 3]], activations=["relu"], units="unit")


def tanh_game() -> games.NetworkGame:
    """Return three tanh units whose best responses are repelled by the equilibrium."""
    weights = [[0.0, 0.9, -0.4], [-0.8, 0.0, 0.6], [0.5, -0.7, 0.0]]
    biases = [0.899306144334, -0.029519604203, -0.257267445946]
    return games.NetworkGame(weights=[weights], biases=[biases], activations=["tanh"], units="unit")


def rates(game: games.NetworkGame) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and fitted factors per step of `METHODS`, shapes (methods,)."""
    runs = [games.solve(game, method=name, start=np.full(game.dimension, 0.1), steps=400) for name in METHODS]
    return tuple(np.array([run.attrs[key] for run in runs]) for key in ("predicted_rate", "fitted_rate"))  # type: ignore[return-value]


def _plane(ax: Axes) -> None:
    game = relu_game()
    paths = (
        ("best-response", "simultaneous", "plain", "-o", 12),
        ("gauss-seidel", "alternating", "test", "--s", 12),
        ("forward-backward", "forward-backward", "train", "-", 60),
        ("extragradient", "extragradient", "ensemble", "-.", 60),
    )
    for method, label, colour, style, steps in paths:
        run = games.solve(game, method=method, steps=steps)
        z = run["position"].values
        ax.plot(z[:, 0], z[:, 1], style, color=COLOURS[colour], label=label, markersize=3, linewidth=1)
    ax.plot(*games.solve(game)["solution"].values, "k*", markersize=9, label="equilibrium")
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    ax.legend(fontsize=6, loc="upper right")


def _rates(ax: Axes) -> None:
    rows = np.arange(len(METHODS))[::-1]
    for game, colour, shift, name in ((relu_game(), "train", 0.12, "relu"), (tanh_game(), "test", -0.12, "tanh")):
        predicted, fitted = rates(game)
        ax.plot(
            predicted,
            rows + shift,
            "o",
            color=COLOURS[colour],
            fillstyle="none",
            markersize=8,
            label=f"{name}, predicted",
        )
        ax.plot(fitted, rows + shift, ".", color=COLOURS[colour], markersize=4, label=f"{name}, measured")
    ax.set(xlabel="factor per step", xlim=(0, 1), yticks=rows, yticklabels=METHODS)
    ax.legend(fontsize=6, loc="lower left")


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        left, right = figure.subplots(1, 2)
        _plane(left)
        _rates(right)
    return write(figure, folder, "network_games")
