"""Spectra of the kernels of digits: five activations, tangent kernel and covariance of the initial outputs.

Eigenvalues over the trace, three hidden layers, inputs on a sphere. A mode is learned at the rate of its eigenvalue:
kinks (relu, abs) lift the tail above that of smooth activations, and training all layers above that of the readout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import TWO_COLUMNS, house_style, write
from theorysim import kernels

SAMPLES, DEPTH = 1000, 3
ACTIVATIONS = {"relu": "#2f6690", "erf": "#b5472f", "gelu": "#5b7f3a", "sin": "#8a5a9e", "abs": "#b08a2e"}
PANELS = {"NTK (all layers train)": kernels.ntk, "NNGP (the readout trains)": kernels.nngp}


def spectrum(kernel: xr.DataArray) -> np.ndarray[Any, Any]:
    """Return the eigenvalues over their sum, largest first."""
    values = np.linalg.eigvalsh(kernel.values)[::-1]
    return np.asarray(values / values.sum())


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    x = ts.data.digits(train=SAMPLES, test=1, inputs="unit").load().x_train
    rank = np.arange(1, SAMPLES + 1)
    with house_style():
        figure = Figure(figsize=TWO_COLUMNS, layout="constrained")
        for ax, (title, kernel) in zip(figure.subplots(1, 2, sharey=True), PANELS.items(), strict=True):
            for activation, colour in ACTIVATIONS.items():
                network = ts.MLP(depth=DEPTH, width=1, activation=activation, bias_std=0.1)
                ax.loglog(rank, np.maximum(spectrum(kernel(network, x)), 1e-9), color=colour, label=activation)
            ax.set(xlabel="rank $i$", title=title, xlim=(1, SAMPLES), ylim=(1e-7, 1))
        figure.axes[0].set_ylabel(r"$w_i/\mathrm{tr}\,K$")
        figure.axes[0].legend(loc="lower left", fontsize=7)
    return write(figure, folder, "kernel_spectra")
