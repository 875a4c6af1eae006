"""Every observable of a training run: its name, unit, long name and symbol, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Observable:
    """A measured quantity.

    Attributes
    ----------
    name, unit, long_name, symbol : str
        Variable name, unit, text for axes, LaTeX without dollars.
    dims : tuple of str
        Dimensions, without ``replica``.
    """

    name: str
    unit: str
    long_name: str
    symbol: str
    dims: tuple[str, ...] = ("step",)


_TABLE = (
    Observable("loss", "1", "objective", r"f"),
    Observable("position", "1", "parameters", r"x", ("step", "component")),
    Observable("share", "1", "share of a strategy", r"x", ("step", "strategy")),
    Observable("train_loss", "1", "training loss", r"\mathcal{L}_\mathrm{train}"),
    Observable("test_loss", "1", "test loss", r"\mathcal{L}_\mathrm{test}"),
    Observable("train_accuracy", "1", "training accuracy of one network", r"a_\mathrm{train}"),
    Observable("test_accuracy", "1", "test accuracy of one network", r"a_\mathrm{test}"),
    Observable("ensemble_accuracy", "1", "test accuracy of the mean predictor", r"a_\mathrm{ens}"),
    Observable("train_prediction", "1", "network output on the training samples", r"f",
               ("step", "sample", "output")),
    Observable("test_prediction", "1", "network output on the test samples", r"f_*",
               ("step", "test_sample", "output")),
    Observable("ntk", "1", "neural tangent kernel", r"\Theta", ("sample", "sample_other")),
    Observable("nngp", "1", "neural network Gaussian process kernel", r"\Sigma", ("sample", "sample_other")),
    Observable("kernel_change", "1", "relative change of the neural tangent kernel",
               r"\|\Theta_k-\Theta_0\|/\|\Theta_0\|"),
    Observable("kernel_distance", "1", "relative distance of the neural tangent kernel from a reference",
               r"\|\Theta_k-\Theta\|/\|\Theta\|"),
    Observable("alignment", "1", "alignment of the neural tangent kernel with the targets",
               r"\langle\Theta,yy^T\rangle/(\|\Theta\|\|yy^T\|)"),
    Observable("ntk_eigenvalues", "1", "eigenvalues of the neural tangent kernel", r"w", ("step", "mode")),
    Observable("feature_kernel", "1", "mean product of the features of two samples", r"\Phi^l",
               ("step", "layer", "sample", "sample_other")),
    Observable("gradient_kernel", "1", "mean product of the gradients of two samples", r"G^l",
               ("step", "layer", "sample", "sample_other")),
    Observable("train_covariance", "1", "covariance of each output between training samples",
               r"\mathrm{Cov}\,f", ("step", "sample", "sample_other")),
    Observable("test_covariance", "1", "covariance of each output between test samples",
               r"\mathrm{Cov}\,f_*", ("step", "test_sample", "test_sample_other")),
    Observable("regret", "1", "regret", r"R"),
    Observable("best_pulls", "1", "pulls of the best arm", r"n_*"),
    Observable("payoff", "1", "payoff of the descending side to the ascending one", r"\ell"),
    Observable("particle_mean", "1", "mean over the particles of a side", r"\bar z", ("step", "component")),
    Observable("particle_variance", "1", "variance over the particles of a side", r"s^2", ("step", "component")),
    Observable("square_distance", "1", "squared distance from the equilibrium", r"|z-z_*|^2"),
    Observable("harmonic", "1", "mean harmonic of the particles", r"\langle\varphi\rangle", ("step", "component")),
)  # fmt: skip
OBSERVABLES: Mapping[str, Observable] = {row.name: row for row in _TABLE}

_KINDS = {"std": ("standard deviation over initialisation and batches", r"\sigma[{}]"),
          "error": ("standard error of the method", r"\epsilon[{}]")}  # fmt: skip


def attributes(variable: str) -> dict[str, str]:
    """Return units, long_name and symbol of an observable, or of its ``_std`` or ``_error``."""
    name, _, kind = variable.rpartition("_")
    if kind in _KINDS and name in OBSERVABLES:
        row = OBSERVABLES[name]
        text, symbol = _KINDS[kind]
        return {
            "units": row.unit,
            "long_name": f"{text}: {row.long_name}",
            "symbol": symbol.format(row.symbol),
        }
    row = OBSERVABLES[variable]
    return {"units": row.unit, "long_name": row.long_name, "symbol": row.symbol}


def dimensions(variable: str) -> tuple[str, ...]:
    """Return the dimensions of an observable, or of its ``_std`` or ``_error``, without ``replica``."""
    name, _, kind = variable.rpartition("_")
    row = OBSERVABLES[name] if kind in _KINDS and name in OBSERVABLES else OBSERVABLES[variable]
    return row.dims


_AXES = {"learning_rate": ("learning rate", r"\eta"), "gamma0": ("richness", r"\gamma_0")}


def axis(name: str, numbers: Sequence[float]) -> xr.DataArray:
    """Return the coordinate along which answers to several problems are joined: learning_rate or gamma0."""
    long_name, symbol = _AXES[name]
    return xr.DataArray(numbers, dims=name, name=name, attrs={"units": "1", "long_name": long_name, "symbol": symbol})


def labelled(
    values: Mapping[str, np.ndarray[Any, Any]],
    *,
    steps: np.ndarray[Any, Any],
    time: np.ndarray[Any, Any],
    attrs: Mapping[str, Any],
    replicas: np.ndarray[Any, Any] | None = None,
) -> xr.Dataset:
    """Put arrays of observables into one labelled Dataset.

    Parameters
    ----------
    values : mapping of str to ndarray
        Arrays whose axes are `dimensions(name)`, plus ``replica`` last where `replicas` is given.
    steps, time : ndarray, shape (steps,)
        Step indices (0 = before any update) and the clock of the optimizer.
    attrs : mapping
        Provenance: problem (JSON), theory, version, seed, device, sources.
    replicas : ndarray, shape (replicas,), optional
        Replica labels.

    Raises
    ------
    FloatingPointError
        If an array holds NaN or infinity: an answer is finite or an exception.
    """
    tail = () if replicas is None else ("replica",)
    data = {}
    for name, array in values.items():
        if not np.all(np.isfinite(array)):
            raise FloatingPointError(f"{name}: not finite; the run diverged (is the learning rate stable?)")
        data[name] = (dimensions(name) + tail, array, attributes(name))
    coords: dict[str, Any] = {
        "step": ("step", np.asarray(steps), {"units": "1", "long_name": "step", "symbol": "k"}),
        "time": ("step", np.asarray(time), {"units": "1", "long_name": "time", "symbol": "t"}),
    }
    if replicas is not None:
        coords["replica"] = ("replica", np.asarray(replicas), {"units": "1", "long_name": "replica"})
    return xr.Dataset(data, coords=coords, attrs=dict(attrs))
