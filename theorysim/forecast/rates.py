"""The learning rate that a forecast finds best, before anything of the user's width is trained.

Forecasts at a geometric row of learning rates, which goes on in the direction of smaller losses until they rise or
training diverges; the best rate is that of the parabola through log loss against log rate. All forecasts have the same
seed: what they have in common does not move the optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.forecast.prediction import forecast
from theorysim.observables import axis
from theorysim.problem.training import Training
from theorysim.problem.validation import is_real, shown

FACTOR, AROUND, MOST = 2.0, 2, 12
"""Ratio of neighbouring rates, rates at first on each side of the problem's own, and the most that are tried."""
LOSSES = ("test_loss", "train_loss")


def best_learning_rate(
    training: Training,
    *,
    loss: str | None = None,
    factor: float = FACTOR,
    seed: int = 0,
    tolerance: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Predict the loss at the end of training against the learning rate, and the best rate.

    Parameters
    ----------
    training : Training
        Its own learning rate is the middle of the first rates; a schedule is scaled as a whole.
    loss : "test_loss" or "train_loss", optional
        What is small at the best rate; default the test loss where there are test samples.
    factor : float
        Ratio of neighbouring rates.
    seed, tolerance
        Of each forecast.
    progress : callable, optional
        Called with the fraction done, at the least.

    Returns
    -------
    Dataset
        The loss over ``learning_rate`` with _std (one run) and _error, ``best`` and ``best_error`` (one standard error,
        from the errors of the three forecasts around it); attrs: diverged, the rates at which training does; bounded,
        "left" or "right" where the best rate is the last one tried on that side or training diverges beyond it.

    Raises
    ------
    ProblemError
        If the optimizer has no learning rate, or training diverges at every one.
    """
    chosen = _loss(training, loss)
    if not is_real(factor) or factor <= 1.0:
        raise ProblemError(f"forecast: `factor` must be a finite number above 1, got {shown(factor)}")
    report = progress or (lambda fraction: None)
    found: dict[int, xr.Dataset | None] = {}
    while (wanted := _next(found, chosen)) is not None:
        one = training.at_learning_rate(_rate(training) * factor**wanted)
        try:
            found[wanted] = forecast(one, seed=seed, tolerance=tolerance).isel(step=-1)
        except ProblemError as failure:
            if "diverges" not in str(failure):
                raise
            found[wanted] = None
        report(len(found) / MOST)
    return _answer(training, chosen, factor, found)


def _next(found: dict[int, xr.Dataset | None], loss: str) -> int | None:
    """Return the power of the factor that is tried next; None where the minimum is enclosed."""
    for power in range(-AROUND, AROUND + 1):
        if power not in found:
            return power
    kept = [power for power, one in found.items() if one is not None]
    best = min(kept, key=lambda power: float(_value(found, power, loss))) if kept else min(found)
    if len(found) >= MOST:
        return None
    if best - 1 not in found:
        return best - 1
    return best + 1 if best + 1 not in found else None


def _value(found: dict[int, xr.Dataset | None], power: int, loss: str) -> Any:
    one = found[power]
    assert one is not None
    return one[loss]


def _answer(training: Training, loss: str, factor: float, found: dict[int, xr.Dataset | None]) -> xr.Dataset:
    powers = sorted(power for power, one in found.items() if one is not None)
    rate = _rate(training)
    if not powers:
        raise ProblemError(f"forecast: training diverges at every learning rate from {rate * factor ** min(found):.3g}")
    rates = rate * factor ** np.array(powers, float)
    curves = {name: np.array([float(_value(found, power, name)) for power in powers])
              for name in (loss, f"{loss}_std", f"{loss}_error")}  # fmt: skip
    best, error, bounded = _optimum(rates, curves[loss], curves[f"{loss}_error"])
    values = {name: ("learning_rate", curve) for name, curve in curves.items()}
    diverged = [rate * factor**power for power in sorted(found) if found[power] is None]
    attrs = {"problem": training.to_json(), "loss": loss, "diverged": diverged} | (
        {"bounded": bounded} if bounded else {}
    )
    coords = {"learning_rate": axis("learning_rate", rates.tolist())}
    return xr.Dataset(values | {"best": best, "best_error": error}, coords, attrs)


def _optimum(rates: Any, values: Any, errors: Any) -> tuple[float, float, str]:
    """Return the best rate, its error, and the side on which nothing encloses it ("" where it is enclosed)."""
    at = int(np.argmin(values))
    if not 0 < at < len(rates) - 1:
        side = "left" if at == 0 else "right"
        step = rates[1] / rates[0] if len(rates) > 1 else FACTOR
        return float(rates[at]), float(rates[at] * (step - 1.0)), side
    near = slice(at - 1, at + 2)
    x, y = np.log(rates[near] / rates[at]), np.log(values[near])
    place = _vertex(x, y)
    moved = [_vertex(x, y + np.eye(3)[i] * errors[near][i] / values[near][i]) - place for i in range(3)]
    best = float(rates[at] * np.exp(place))
    return best, best * float(np.hypot.reduce(moved)), ""


def _vertex(x: Any, y: Any) -> float:
    """Return where the parabola through three points is lowest, between the outer two."""
    bend, slope, _ = np.polyfit(x, y, 2)
    return float(np.clip(-slope / (2.0 * bend), x[0], x[-1])) if bend > 0.0 else 0.0


def _loss(training: Training, loss: str | None) -> str:
    if not hasattr(training.optimizer, "learning_rate"):
        raise ProblemError("forecast: `optimizer` must have a learning rate, got gradient flow")
    known = LOSSES if len(training.samples.y_test) else LOSSES[1:]
    if loss is not None and loss not in known:
        raise ProblemError(f"forecast: `loss` must be one of {', '.join(known)}, got {shown(loss)}")
    return loss or known[0]


def _rate(training: Training) -> float:
    return float(training.optimizer.learning_rate)  # type: ignore[union-attr]
