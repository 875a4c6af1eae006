"""Coordinate check: how much every layer moves in a few steps, against width, measured on finite networks.

The slope of log(rms change) against log(width) is -r for the features of a stable parameterization (`abc`), 0 for all
layers and the output in muP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.block import Probe
from theorysim.finite.elementwise import loops
from theorysim.finite.network import Parameters, activation_of
from theorysim.finite.training import run
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import GradientFlow
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of, shown

Array = NDArray[np.float64]
SAMPLES = 64


def coordinate_check(
    training: Training | Callable[[int], Training],
    widths: Sequence[int],
    steps: int = 3,
    *,
    replicas: int = 4,
    seed: int = 0,
) -> xr.Dataset:
    """Train networks of several widths for a few steps and return how their layers moved.

    Parameters
    ----------
    training : Training, or function of the width that returns one
        A Training is taken with the rates that its parameterization has at each width (`standard`: not frozen).
    widths : sequence of int
        Two or more.
    steps : int
        At most those of the run.
    replicas, seed : int
        Networks of each width, 2 or more.

    Returns
    -------
    Dataset
        ``size`` over width and quantity, root mean square over neurons, samples (at most 64) and networks; ``slope`` of
        its logarithm against that of the width, with ``slope_error``. Quantities: dh1 .. dhL, df (changes) and f
        (the output at the start).

    Raises
    ------
    ProblemError
        If there are too few widths, networks or steps, or the optimizer is gradient flow.
    FloatingPointError
        If a network diverges: so does its limit, or the learning rate is too large.
    """
    if len(widths) < 2 or len(set(widths)) < len(widths):
        raise ProblemError(f"coordinate_check: `widths` must be 2 or more different widths, got {tuple(widths)}")
    for name, number, least in (("steps", steps, 1), ("replicas", replicas, 2)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            raise ProblemError(
                f"coordinate_check: `{name}` must be a whole number of at least {least}, got {shown(number)}"
            )
    squares = [_squares(_at_width(training, width), steps, replicas, seed) for width in widths]
    sizes = np.array([np.sqrt(rows.mean(axis=1)) for rows in squares])
    spread = [rows.std(axis=1, ddof=1) / (2.0 * rows.mean(axis=1) + 1e-300) / np.sqrt(replicas) for rows in squares]
    depth = sizes.shape[1] - 2
    names = [*(f"dh{layer}" for layer in range(1, depth + 1)), "df", "f"]
    slope, error = _slopes(np.log(np.array(widths, float)), np.log(np.maximum(sizes, 1e-300)), np.array(spread))
    data = {
        "size": (("width", "quantity"), sizes, _label("root mean square", r"|\cdot|")),
        "slope": ("quantity", slope, _label("slope of the logarithm against that of the width", "-r")),
        "slope_error": ("quantity", error, _label("standard error of the slope", r"\epsilon[r]")),
    }
    return xr.Dataset(data, coords={"width": np.array(widths), "quantity": names}, attrs={"steps": steps, "seed": seed})


def _at_width(training: Training | Callable[[int], Training], width: int) -> Training:
    if not isinstance(training, Training):
        return training(width)
    network = MLP(**{**fields_of(training.mlp), "width": width, "rates_width": None})
    return Training(**{**fields_of(training), "network": network})


def _squares(training: Training, steps: int, replicas: int, seed: int) -> Array:
    """Return the mean square change of every layer and of the output, and that of the output at the start.

    Shape (L + 2, replicas).
    """
    if isinstance(training.optimizer, GradientFlow):
        raise ProblemError("coordinate_check: `optimizer` must be SGD, GD or Adam, got gradient flow")
    if training.steps is not None and steps > training.steps:
        raise ProblemError(f"coordinate_check: `steps` must be at most {training.steps}, those of the run, got {steps}")
    short = Training(**{**fields_of(training), "record": (0, steps)})
    x = np.ascontiguousarray(short.samples.x_train[:SAMPLES])
    seen: dict[tuple[int, int], list[Array]] = {}

    def probe(rows: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            seen[index, rows.start] = _layers(short, p, x)

        return see

    run(short, replicas=replicas, seed=seed, probe=probe)
    before, after = ([seen[key] for key in sorted(seen) if key[0] == index] for index in (0, 1))
    changes = [[b - a for a, b in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]
    return np.array([*(_mean_squares(parts) for parts in zip(*changes, strict=True)),
                     _mean_squares([part[-1] for part in before])])  # fmt: skip


def _layers(training: Training, p: Parameters, x: Array) -> list[Array]:
    """Return pre-activations of hidden layers and the output, shapes (R, B, n_l)."""
    value, below, rows = loops(activation_of(training.network)).value, np.broadcast_to(x, (p.replicas, *x.shape)), []
    for w, b in zip(p.weights, p.biases, strict=True):
        rows.append(below @ w.swapaxes(1, 2) + b[:, None])
        below = rows[-1].copy()
        value(below, np.zeros_like(b))
    rows[-1] *= training.layers.output_scale
    return rows


def _mean_squares(parts: Sequence[Array]) -> Array:
    """Return the mean square of each replica, from blocks of replicas."""
    return np.concatenate([np.mean(part**2, axis=(1, 2)) for part in parts])


def _slopes(x: Array, y: Array, error: Array) -> tuple[Array, Array]:
    """Return least-squares slopes of the columns of y against x, and their standard errors.

    The larger of what the errors of y make and, for three points or more, what the residuals say.
    """
    centred = x - x.mean()
    weight = centred / (centred @ centred)
    slope = weight @ y
    residual = y - y.mean(axis=0) - centred[:, None] * slope
    of_residuals = np.sqrt((residual**2).sum(axis=0) / max(len(x) - 2, 1) / (centred @ centred))
    return slope, np.maximum(np.sqrt(weight**2 @ error**2), of_residuals * (len(x) > 2))


def _label(long_name: str, symbol: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name, "symbol": symbol}
