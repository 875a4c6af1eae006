"""Loss of two-layer linear networks against step, from second moments: at infinite width, with its 1/width drift.

One sample and `mup` at gamma0 = 1 need three numbers alone (`one_sample`); any two-layer linear run has its moments
and their fluctuations (`moments`).

Proof: derivations/two_layer.py (`linear_step`, `moments`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.backend.linalg import single_thread
from theorysim.equations.two_layer import linear_step
from theorysim.errors import ProblemError
from theorysim.finite.losses import LOSSES, targets
from theorysim.meanfield.batches import order_of, random_batches, sample_weights
from theorysim.meanfield.inputs import joint_inputs_of
from theorysim.meanfield.loss_expansion import slope_and_bend
from theorysim.meanfield.moments import Moments
from theorysim.observables import attributes
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.problem.validation import is_real, plain, shown

Array = NDArray[np.float64]
NAME = "meanfield.transfer"
ORDERS = 8
"""Orders of random batches that are averaged over."""


def one_sample(
    learning_rates: Iterable[float], steps: int, *, start: tuple[float, float, float] = (0.0, 1.0, 1.0)
) -> Array:
    """Return the loss of a two-layer linear `mup` network (gamma0 = 1) on one sample of length 1 and label 1.

    Parameters
    ----------
    learning_rates : iterable of float
    steps : int
    start : (f, A, B)
        (a.h, |a|^2, |h|^2)/n of a network of width n; the default is infinite width.

    Returns
    -------
    ndarray, shape (rates, steps + 1)
        (f - 1)^2/2, infinite where training diverges.
    """
    rates = checked_rates(learning_rates)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ProblemError(f"{NAME}: `steps` must be a whole number of at least 0, got {shown(steps)}")
    out = np.empty((len(rates), steps + 1))
    _one_sample(rates, *start, out)
    return np.where(np.isfinite(out), out, np.inf)


@compiled
def _one_sample(rates: Any, f0: Any, a0: Any, b0: Any, out: Any) -> None:
    for i in range(rates.size):
        f, a, b = f0, a0, b0
        for k in range(out.shape[1]):
            out[i, k] = 0.5 * (f - 1.0) ** 2
            f, a, b = linear_step(f, a, b, rates[i] * (1.0 - f))


def moment_curves(training: Training, *, seed: int = 0) -> xr.Dataset:
    """Return losses of a two-layer linear run at infinite width with their exact 1/N drift and leading scatter."""
    orders = range(ORDERS if random_batches(training, None) else 1)
    parts = [_moment_values(training, seed, stream) for stream in orders]
    values = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    data: dict[str, Any] = {}
    for side in ("train_loss", "test_loss"):
        if side not in values:
            continue
        runs, inner = values[side], values[f"{side}_std"]
        spread = runs.std(axis=0, ddof=1) if len(runs) > 1 else np.zeros(runs.shape[1])
        rows = {side: runs.mean(axis=0), f"{side}_std": np.hypot(spread, np.sqrt(np.mean(inner**2, axis=0))),
                f"{side}_error": spread / np.sqrt(len(runs))}  # fmt: skip
        data |= {name: ("step", row, attributes(name)) for name, row in rows.items()}
        text = {"units": "1", "long_name": f"width times the shift of the mean: {side}", "symbol": "D"}
        data[f"{side}_drift"] = ("step", values[f"{side}_drift"].mean(axis=0), text)
    return xr.Dataset(
        data, coords={"step": np.asarray(training.recorded)}, attrs=provenance(training, theory=NAME, seed=seed)
    )


def _moment_values(training: Training, seed: int, stream: int) -> dict[str, Array]:
    """Return losses, their scatter at the problem's width and N times their shift, at fixed batches."""
    order = order_of(training, seed=seed, stream=stream)
    weights = sample_weights(order, training.recorded[-1], len(training.samples.x_train))
    moments = Moments(training, joint_inputs_of(training))
    rows: dict[str, list[float]] = {}
    count, width = len(moments.train), training.network.widths[-1]
    with single_thread(), np.errstate(over="ignore", invalid="ignore"):
        for k, jet in enumerate(moments.march(moments.fluctuating_start(), weights)):
            if k not in training.recorded:
                continue
            for side, part, y in zip(
                ("train", "test"), (slice(0, count), slice(count, None)), targets(training), strict=True
            ):
                if len(y):
                    found = _expanded(training.loss, [one[:, part] for one in jet], y, width)
                    for name, value in zip(("", "_std", "_drift"), found, strict=True):
                        rows.setdefault(f"{side}_loss{name}", []).append(value)
    return {name: np.array(row) for name, row in rows.items()}


def _expanded(loss: str, jet: list[Array], y: Array, width: int) -> tuple[float, float, float]:
    """Return the loss, its standard deviation at a width, and N times the shift of its mean."""
    f, first, shift = jet[0][0], jet[1].reshape(len(jet[1]), -1), jet[2].sum(axis=0).ravel()
    slope, bend = slope_and_bend(loss, f, y)
    curved = first @ bend @ first.T
    variance = np.sum((first @ slope) ** 2) / width + 0.5 * np.sum(curved**2) / width**2
    drift = slope @ shift + 0.5 * np.trace(curved)
    return float(LOSSES[loss].values(f[None], y)[0]), float(np.sqrt(variance)), float(drift)


def checked_rates(learning_rates: Iterable[float]) -> Array:
    """Return learning rates, increasing.

    Raises
    ------
    ProblemError
        If there is none, or one is not positive and finite.
    """
    rates = list(learning_rates) if isinstance(learning_rates, Iterable) else []
    if not rates or not all(is_real(plain(rate)) and rate > 0.0 for rate in rates):
        found = shown(learning_rates)
        raise ProblemError(f"{NAME}: `learning_rates` must be one or more positive numbers, got {found}")
    return np.array(sorted(float(rate) for rate in rates))
