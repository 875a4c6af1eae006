"""The best learning rate of a curve of losses, and how it moves with the width."""

from __future__ import annotations

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.problem.validation import one_of

NAME = "meanfield.transfer"
OBSERVABLES = ("train_loss", "test_loss")


def optimum(curve: xr.Dataset, loss: str = "train_loss", *, step: int | None = None) -> xr.Dataset:
    """Return the best learning rate of a curve, and how it moves with the width.

    Parameters
    ----------
    curve : Dataset
        Of `limit`, or the mean over replicas of `finite`.
    loss : "train_loss" or "test_loss"
    step : int, optional
        One of the recorded steps; default the last.

    Returns
    -------
    Dataset
        ``learning_rate`` (of the parabola in log eta through the best rate and its neighbours) and ``loss`` there;
        where the drift is known also ``drift``, d in log eta*(N) = log eta* + d/N (where the loss nearly vanishes at
        the optimum, widths must be large for this order to lead).

    Raises
    ------
    ProblemError
        If the best rate is the first or the last of the curve, or losses beside it are the same.
    """
    if loss not in curve:
        raise ProblemError(f"{NAME}: `loss` {one_of(loss, [name for name in OBSERVABLES if name in curve])}")
    if step is not None and step not in curve["step"]:
        raise ProblemError(f"{NAME}: `step` must be one of the recorded ones, got {step}")
    at = curve.isel(step=-1) if step is None else curve.sel(step=step)
    rates, values = np.asarray(at["learning_rate"]), np.asarray(at[loss])
    best = int(np.argmin(values))
    if not 0 < best < len(rates) - 1:
        raise ProblemError(f"{NAME}: `learning_rates` must go beyond the best one, got {rates[best]:.3g} at the end")
    near = slice(best - 1, best + 2)
    x = np.log(rates[near]) - np.log(rates[best])
    bend, slope, level = np.polyfit(x, values[near], 2)
    if not bend > 0.0:
        raise ProblemError(
            f"{NAME}: `learning_rates` must have different losses near {rates[best]:.3g}, got equal ones"
        )
    place = -slope / (2.0 * bend)
    found = {"learning_rate": rates[best] * np.exp(place), "loss": max(level + slope * place / 2.0, 0.0)}
    if f"{loss}_drift" in at:
        curved, tilted, _ = np.polyfit(x, np.asarray(at[f"{loss}_drift"])[near], 2)
        found["drift"] = -(tilted + 2.0 * curved * place) / (2.0 * bend)
    names = {"learning_rate": "best learning rate", "loss": "loss at the best learning rate",
             "drift": "width times the shift of the logarithm of the best learning rate"}  # fmt: skip
    return xr.Dataset({name: ((), float(value), {"units": "1", "long_name": names[name]})
                       for name, value in found.items()}, attrs={"loss": loss, "step": int(at["step"])})  # fmt: skip
