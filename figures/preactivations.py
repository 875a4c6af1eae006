"""Pre-activations of every layer before and after rich training: the single-site law of the limit, and networks.

Lines are densities of 40,000 neurons of mean-field theory for one sample, dashed before training (Gaussian) and solid
after it; shades are histograms over all neurons of four trained networks of width 1024. Nothing is fitted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from figures.trained_layers import preactivations
from theorysim.meanfield import two_time
from theorysim.meanfield.replicas import Size

DEPTH, STEPS, WIDTH, REPLICAS = 3, 30, 1024, 4
NEURONS = 40000


def training() -> ts.Training:
    """Return a rich run on six samples with random labels."""
    draw = np.random.RandomState(0)
    network = ts.MLP(depth=DEPTH, width=WIDTH, activation="tanh", parameterization="mup", gamma0=3.0,
                     initial_output="subtracted")  # fmt: skip
    data = ts.data.arrays(draw.randn(6, 10), np.array([1.0, 1, 1, -1, -1, -1]), labels="regression")
    return ts.Training(data=data, network=network, optimizer=ts.GD(learning_rate=0.3), steps=STEPS, record=(0, STEPS))


def both() -> tuple[Any, Any]:
    """Return pre-activations of the first sample in the limit and in networks, shapes (L, 2, neurons)."""
    run = training()
    limit = two_time.paths(run, neurons=NEURONS, samples=1, size=Size(4000, 10, 1e-4)).preactivation.values[:, :, 0]
    found = preactivations(run, run.samples.x_train[:1], replicas=REPLICAS, seed=1)
    return limit, np.array([[layer.ravel() for layer in moment] for moment in found]).swapaxes(0, 1)


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    limit, networks = both()
    edges = np.linspace(-3.5, 3.5, 57)
    centres = 0.5 * (edges[1:] + edges[:-1])
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        for layer, ax in enumerate(figure.subplots(1, DEPTH, sharey=True)):
            for moment, (colour, style, name) in enumerate((("plain", "--", "before"), ("test", "-", "after"))):
                density = np.histogram(limit[layer, moment], edges)[0] / (NEURONS * np.diff(edges))
                ax.plot(centres, density, style, color=COLOURS[colour], label=f"limit, {name}")
                ax.hist(networks[layer, moment], bins=edges, density=True, histtype="stepfilled",
                        color=COLOURS[colour], alpha=0.25, linewidth=0, label=f"networks, {name}")  # fmt: skip
            ax.set(xlabel=f"$h^{layer + 1}$", xlim=(-3.5, 3.5))
        figure.axes[0].set_ylabel("density")
        figure.axes[0].legend(fontsize=7)
    return write(figure, folder, "preactivations")
