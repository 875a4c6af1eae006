"""Twins: narrower networks on the same problem, and their means with the limit as control variate.

A twin of width n keeps the frozen rates of the network it stands for (conventions, section 1). Most of the
scatter between twins comes from their random initial output f_0, whose propagation the limit knows: with
z = (loss of the limit started at the twin's own f_0) - (its known mean), the mean of `loss - b z` has the same
expectation and less scatter; b is fitted. Without a theory z is the twin's own initial loss, whose mean costs
only forward passes. Twins run with the initial output as it is and subtracted, with the same seeds, split a
curve into the part that f_0 adds and the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from theorysim.finite.ensemble import ensemble
from theorysim.finite.losses import LOSSES
from theorysim.finite.network import activation_of, initialise, outputs
from theorysim.problem import ResidualMLP, Training
from theorysim.problem.validation import fields_of

Array = np.ndarray[Any, np.dtype[np.float64]]
Controls = Callable[[Array, Array], Mapping[str, Array]]
"""(f_0 on training samples, on test samples) -> curves of the limit minus their known mean (steps, replicas)."""

SIDES = ("train", "test")
DRAWS, _TOGETHER, _FRESH = 256, 16, 1_000_000
CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


@dataclass(frozen=True, eq=False)
class Twin:
    """Trained twins of one width.

    Attributes
    ----------
    width : int
    curves : dict of str to ndarray, shape (steps, replicas)
    subtracted : the same with the initial output subtracted, or None
    controls : the same for the control variate, minus its known mean; empty where there is none
    draws : draws behind the known mean, inf where a theory knows it
    """

    width: int
    curves: Mapping[str, Array]
    subtracted: Mapping[str, Array] | None = None
    controls: Mapping[str, Array] = field(default_factory=dict)
    draws: float = math.inf

    @property
    def replicas(self) -> int:
        """Number of networks."""
        return int(next(iter(self.curves.values())).shape[1])


def trained_twin(
    training: Training, width: int, replicas: int, *, seed: int, split: bool, controls: Controls | None
) -> Twin:
    """Train twins of one width.

    Parameters
    ----------
    training : Training
        The user's problem, at its own width.
    split : bool
        Also train them with the initial output subtracted, from the same seeds.
    controls : callable, optional
        The limit's curves for given initial outputs.
    """
    narrow = training.at_width(width)
    runs = ensemble(narrow, replicas, seed=seed)
    curves = {name: runs.curves[name] for name in CURVES if name in runs.curves}
    if split:
        return Twin(width, curves, ensemble(subtracted(narrow), replicas, seed=seed).curves)
    if controls is not None:
        return Twin(width, curves, None, controls(runs.start, runs.start_test))
    if training.network.initial_output == "subtracted" or isinstance(training.network, ResidualMLP):
        return Twin(width, curves)
    known = initial_losses(narrow, DRAWS, seed=seed)
    starts = {side: curves[f"{side}_loss"][:1] - known[f"{side}_loss"] for side in SIDES if f"{side}_loss" in known}
    spread = {name: np.broadcast_to(starts[name.split("_")[0]], curve.shape) for name, curve in curves.items()}
    return Twin(width, curves, None, spread, DRAWS)


def initial_losses(training: Training, draws: int, *, seed: int) -> dict[str, float]:
    """Return the mean losses of untrained networks; forward passes only."""
    samples, totals = training.samples, dict[str, float]()
    sides = {"train": (samples.x_train, samples.y_train), "test": (samples.x_test, samples.y_test)}
    for first in range(0, draws, _TOGETHER):
        # replicas that no twin is: the mean must not know the twins
        p = initialise(training.layers, range(_FRESH + first, _FRESH + first + _TOGETHER), seed=seed)
        for side, (x, y) in sides.items():
            if len(y):
                f = outputs(p, training.layers, activation_of(training.network), x)
                part = float(LOSSES[training.loss].values(f, y).sum()) / draws
                totals[f"{side}_loss"] = totals.get(f"{side}_loss", 0.0) + part
    return totals


def subtracted(training: Training) -> Training:
    """Return the same problem with the initial output subtracted."""
    network = type(training.network)(**{**fields_of(training.network), "initial_output": "subtracted"})
    return Training(**{**fields_of(training), "network": network})


def controlled_mean(values: Array, control: Array | None, draws: float = math.inf) -> tuple[Array, Array]:
    """Return mean and standard error over replicas, with the fitted control variate where there is one.

    Parameters
    ----------
    values : ndarray, shape (steps, replicas)
    control : ndarray, shape (steps, replicas), optional
        Correlated numbers whose expectation is zero.
    draws : float
        Draws from which that zero was estimated.
    """
    count = values.shape[1]
    mean, scatter = values.mean(axis=1), values.std(axis=1, ddof=1)
    if control is None or count < 4:
        return mean, scatter / math.sqrt(count)
    shift = control.mean(axis=1)
    centred = control - shift[:, None]
    power = np.sum(centred**2, axis=1)
    safe = np.where(power > 0, power, 1.0)
    slope = np.sum(centred * values, axis=1) / safe
    rest = values - mean[:, None] - slope[:, None] * centred
    # intercept of a straight line at control = 0, with the standard error that regression gives it
    variance = np.sum(rest**2, axis=1) / (count - 2) * (1.0 / count + shift**2 / safe)
    error = np.sqrt(variance + slope**2 * power / (count - 1) / draws)
    better = (power > 0) & (error < scatter / math.sqrt(count)) & (mean - slope * shift > 0.3 * mean)
    return np.where(better, mean - slope * shift, mean), np.where(better, error, scatter / math.sqrt(count))
