"""Feature kernels before and after training: mean-field theory beside one trained network.

Ten zeros and ten ones among the digits, sorted by class; entries are correlations of the last hidden layer. Training
in the rich regime pulls the classes apart. Right: all entries of single networks of two widths against the limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from figures.trained_layers import preactivations
from theorysim.meanfield import deep
from theorysim.meanfield.replicas import Size

EACH, STEPS, WIDTHS = 10, 40, (128, 2048)
Array = np.ndarray[Any, Any]


def training(width: int) -> ts.Training:
    """Return the run at one width."""
    digits = ts.data.digits(train=400, test=1, inputs="unit").load()
    assert digits.classes_train is not None
    rows = np.concatenate([np.flatnonzero(digits.classes_train == c)[:EACH] for c in (0, 1)])
    data = ts.data.arrays(digits.x_train[rows], np.repeat([-1.0, 1.0], EACH), labels="regression")
    network = ts.MLP(depth=2, width=width, activation="tanh", parameterization="mup", gamma0=2.0,
                     initial_output="subtracted")  # fmt: skip
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.5), steps=STEPS, record=(0, STEPS))


def limit() -> Array:
    """Return the kernels of the last layer before and after training, shape (2, n, n)."""
    found = deep.kernels(training(WIDTHS[0]), size=Size(1024, 8, 1e-4))
    return np.asarray(found.feature_kernel.values[:, -1])


def finite(width: int) -> Array:
    """Return the same of one network."""
    run = training(width)
    last = [np.tanh(moment[-1][0]) for moment in preactivations(run, run.samples.x_train, replicas=1, seed=1)]
    return np.stack([phi @ phi.T / width for phi in last])


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    theory, networks = limit(), {width: finite(width) for width in WIDTHS}
    size = np.abs(theory).max()
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        *images, last = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.2))
        shown = (("limit, before", theory[0]), ("limit, after", theory[1]),
                 (f"width {WIDTHS[1]}, after", networks[WIDTHS[1]][1]))  # fmt: skip
        for ax, (title, kernel) in zip(images, shown, strict=True):
            drawn = ax.imshow(kernel, cmap="RdBu_r", vmin=-size, vmax=size)
            ax.set(xticks=[], yticks=[], xlabel="sample")
            ax.set_title(title, fontsize=8)
        images[0].set_ylabel("sample")
        figure.colorbar(drawn, ax=images, shrink=0.5, pad=0.02, ticks=(-0.5, 0.0, 0.5))
        _scatter(last, theory[1], networks)
    return write(figure, folder, "feature_kernels")


def _scatter(ax: Axes, theory: Array, networks: dict[int, Array]) -> None:
    upper = np.triu_indices(len(theory))
    for (width, found), colour in zip(networks.items(), ("test", "train"), strict=True):
        ax.plot(theory[upper], found[1][upper], ".", color=COLOURS[colour], markersize=3, label=f"width {width}")
    ax.axline((0, 0), slope=1, color=COLOURS["plain"], linewidth=0.6, linestyle=":")
    ax.set(xlabel=r"$\Phi^2$, limit", ylabel=r"$\Phi^2$, one network")
    ax.legend(fontsize=7)
