"""Optimizers run on an objective, many paths at once: the finite twin of every equation here.

    run_algorithm(objective, optimizer, start, steps, paths=, seed=)

Limit    none: the algorithm itself.
Valid    every objective and optimizer of `sde`; the same bits for a path however many there are.
Error    the scatter of the paths.
Sources  SVAG as in [Li2021]; for adaptive methods as in [Malladi2022].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.observables import attributes
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.provenance import package_version
from theorysim.problem.record import default_steps
from theorysim.problem.validation import fields_of, shown
from theorysim.sde.draws import group_size, groups
from theorysim.sde.finite_sums import FiniteSum, check_batch
from theorysim.sde.moments import MOST_STEPS
from theorysim.sde.objectives import Objective
from theorysim.sde.optimizers import LabelNoiseSGD, RMSprop
from theorysim.sde.oracles import Landscape, Oracle, landscape, work
from theorysim.sde.pointwise import POINTWISE
from theorysim.sde.rules import Gradient, Stochastic, update_rule

Array = NDArray[np.float64]
Kept = Literal["loss", "position"]
LARGEST_KEPT = 1 << 27
"""Numbers of positions that are kept at most."""


def run_algorithm(
    objective: Landscape | Objective,
    optimizer: Stochastic,
    start: ArrayLike,
    steps: int,
    *,
    paths: int,
    seed: int,
    record: Sequence[int] | None = None,
    keep: Sequence[Kept] = ("loss",),
    first_path: int = 0,
    svag: int = 1,
) -> xr.Dataset:
    """Run an optimizer on an objective.

    Parameters
    ----------
    objective : FiniteSum, Function or Objective
    optimizer : SGD, Adam, SPSA, RMSprop, SignSGD, SGLD, LocalSGD, LabelNoiseSGD or HeavyTailedSGD
    start : array_like, shape (d,) or (paths, d)
        Parameters before the first step.
    steps : int
    paths : int
        Independent runs; path r is the same however many there are, and has the batches of replica r of `ts.train`.
    seed : int
    record : sequence of int, optional
        Steps that are kept, ascending; default: log-spaced, 0 and the last included.
    keep : "loss", "position"
        What is kept of every path.
    first_path : int
        Number of the first path.
    svag : int
        l: steps l (adaptive methods: l^2) times as small with as much more noise, which tends to the equation.

    Returns
    -------
    Dataset
        ``loss`` (step, replica) and, if kept, ``position`` (step, component, replica); `time` on the clock of the
        optimizer's equation.

    Raises
    ------
    ProblemError
        If an argument does not fit.
    FloatingPointError
        If a path diverges.
    """
    land = landscape(objective)
    check_optimizer(land, optimizer)
    x0 = checked_start(start, land.dimension, paths)
    recorded = checked_record(steps, record)
    fine, weights, repeat = refined(optimizer, svag)
    check_kept(keep, paths * len(recorded) * land.dimension)
    found: list[list[Array]] = []
    with single_thread(), np.errstate(all="ignore"):
        for first, rows in groups(first_path, paths, group_size(work(land))):
            numbers = np.arange(first, first + group_size(work(land))) - first_path
            group = _Group(land, fine, x0[np.clip(numbers, 0, paths - 1) if len(x0) > 1 else np.zeros_like(numbers)])
            seen = group.run([k * repeat for k in recorded], steps * repeat, first, seed, weights, keep)
            found.append([one[rows] for one in seen])
    joined = [np.moveaxis(np.concatenate(one, axis=0), 0, -1) for one in zip(*found, strict=True)]
    return _labelled(land, optimizer, dict(zip(keep, joined, strict=True)), recorded, seed, first_path)


@dataclass(frozen=True, eq=False)
class _Group:
    """A whole group of paths."""

    objective: Landscape
    optimizer: Stochastic
    start: Array

    def run(
        self, recorded: list[int], steps: int, first: int, seed: int, weights: tuple[float, ...], keep: Sequence[Kept]
    ) -> list[Array]:
        """Return what is kept, each of shape (paths, records, ...)."""
        o = self.optimizer
        batch, sampling, delta = getattr(o, "batch", None), getattr(o, "sampling", "subset"), getattr(o, "delta", 0.0)
        oracle = Oracle(
            self.objective, batch, sampling, first, len(self.start), seed, delta, sum(w * w for w in weights)
        )
        advance = update_rule(o, oracle, self.start, steps, _combined(oracle, weights))
        x, kept = self.start, list[tuple[Array, ...]]()
        for step in range(recorded[-1] + 1):
            if step in recorded:
                kept.append(self._seen(x, step, keep))
            if step < recorded[-1]:
                x = advance(step)
        return [np.stack(one, axis=1) for one in zip(*kept, strict=True)]

    def _seen(self, x: Array, step: int, keep: Sequence[Kept]) -> tuple[Array, ...]:
        loss = self.objective.loss(x)
        if not np.all(np.isfinite(loss)):
            raise FloatingPointError(
                f"sde: a path is not finite at step {step}; the optimizer diverges at this learning rate"
            )
        return tuple(loss if name == "loss" else x.copy() for name in keep)


def _combined(oracle: Oracle, weights: tuple[float, ...]) -> Gradient:
    """Return the gradient of the oracle, or SVAG's weighted sum of two independent ones."""
    if len(weights) == 1:
        return oracle.gradient
    return lambda x, k: weights[0] * oracle.gradient(x, 2 * k) + weights[1] * oracle.gradient(x, 2 * k + 1)


def refined(optimizer: Stochastic, factor: int) -> tuple[Stochastic, tuple[float, ...], int]:
    """Return SVAG's optimizer, the weights of its two gradients, and how many of its steps are one step.

    Raises
    ------
    ProblemError
        For optimizers without one.
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise ProblemError(f"sde: `svag` must be a whole number of at least 1, got {shown(factor)}")
    if factor == 1:
        return optimizer, (1.0,), 1
    if not isinstance(optimizer, SGD | Adam | RMSprop):
        raise ProblemError(f"sde: `svag` must be 1 for {type(optimizer).__name__}, got {factor}")
    if optimizer.sampling == "epochs" or getattr(optimizer, "schedule", None) is not None:
        raise ProblemError("sde: `svag` must be 1 with epochs or a schedule: its gradients are independent")
    values, l2 = fields_of(optimizer), factor * factor
    plain = isinstance(optimizer, SGD) and optimizer.momentum == 0.0
    spread = factor if isinstance(optimizer, SGD) else l2  # of the noise's covariance
    values["learning_rate"] = optimizer.learning_rate / (l2 if isinstance(optimizer, SGD) and not plain else factor)
    if isinstance(optimizer, SGD):
        values["momentum"] = 0.0 if plain else 1.0 - (1.0 - optimizer.momentum) / factor
    else:
        values["epsilon"] = optimizer.epsilon * factor
        for name in ("beta", "beta1", "beta2"):
            if name in values:
                values[name] = 1.0 - (1.0 - values[name]) / l2
        if values.get("initial_square") is not None:
            values["initial_square"] = l2 * values["initial_square"]
    root = float(np.sqrt(2.0 * spread - 1.0))
    return type(optimizer)(**values), (0.5 * (1.0 + root), 0.5 * (1.0 - root)), spread


def check_optimizer(objective: Landscape, optimizer: Stochastic) -> None:
    """Refuse what an optimizer asks for and an objective does not have."""
    if not isinstance(optimizer, get_args(Stochastic)):
        names = ", ".join(kind.__name__ for kind in get_args(Stochastic))
        raise ProblemError(f"sde: `optimizer` must be one of {names}, got {shown(optimizer)}")
    if isinstance(optimizer, SGD) and (optimizer.ridge > 0 or optimizer.weight_decay > 0):
        raise ProblemError(
            "sde: `optimizer` must have no ridge or weight decay here; give the objective a weight_decay"
        )
    if isinstance(optimizer, Adam) and (optimizer.layer_rates or optimizer.bias_layer_rates):
        raise ProblemError("sde: `layer_rates` must be left out here: a state has no layers")
    squared = isinstance(objective, FiniteSum) and objective.pointwise is POINTWISE["mse"]
    if isinstance(optimizer, LabelNoiseSGD) and not squared:
        raise ProblemError('sde: `objective` must be a finite sum with loss "mse" for label noise')
    batch = getattr(optimizer, "batch", None)
    if batch is not None and isinstance(objective, FiniteSum):
        check_batch(batch, getattr(optimizer, "sampling", "subset"), objective.noises)


def checked_start(start: ArrayLike, dimension: int, paths: int) -> Array:
    """Return the start as an array of shape (1, d) or (paths, d)."""
    if isinstance(paths, bool) or not isinstance(paths, int) or paths < 1:
        raise ProblemError(f"sde: `paths` must be a whole number of at least 1, got {shown(paths)}")
    x = np.array(np.atleast_1d(np.asarray(start, float)), order="C")
    x = x[None] if x.ndim == 1 else x
    if x.shape not in ((1, dimension), (paths, dimension)) or not np.all(np.isfinite(x)):
        raise ProblemError(
            f"sde: `start` must hold {dimension} finite numbers (or one row a path), got shape {x.shape}"
        )
    return x


def checked_record(steps: int, record: Sequence[int] | None) -> list[int]:
    """Return the recorded steps."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise ProblemError(f"sde: `steps` must be a whole number from 1 to {MOST_STEPS}, got {shown(steps)}")
    if record is None:
        return list(default_steps(steps))
    rows = [int(k) for k in record]
    if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > steps:
        raise ProblemError(f"sde: `record` must hold ascending steps from 0 to {steps}, got {shown(rows)}")
    return rows


def check_kept(keep: Sequence[str], positions: int) -> None:
    """Refuse unknown names, and more positions than memory should hold."""
    if not keep or set(keep) - {"loss", "position"}:
        raise ProblemError(f'sde: `keep` must hold "loss", "position" or both, got {shown(keep)}')
    if "position" in keep and positions > LARGEST_KEPT:
        raise ProblemError(f"sde: `keep` must leave positions out, got {positions} numbers; record fewer steps")


def clock(optimizer: Stochastic) -> float:
    """Return the time of the equation that a step takes (conventions, section 6)."""
    eta = optimizer.learning_rate
    if isinstance(optimizer, SGD) and optimizer.momentum > 0:
        return float(np.sqrt(eta))
    return eta**2 if isinstance(optimizer, Adam | RMSprop) else eta


def _labelled(
    objective: Landscape, optimizer: Stochastic, values: dict[Kept, Array], recorded: list[int], seed: int, first: int
) -> xr.Dataset:
    dims = {"loss": ("step", "replica"), "position": ("step", "component", "replica")}
    data = {name: (dims[name], array, attributes(name)) for name, array in values.items()}
    replicas = np.arange(first, first + next(iter(values.values())).shape[-1])
    return xr.Dataset(data, coords=coordinates(optimizer, recorded) | {"replica": replicas}, attrs={
        "theory": "sde.run_algorithm", "version": package_version(), "seed": seed, "device": "cpu",
        "objective": objective.name, "optimizer": repr(optimizer),
    })  # fmt: skip


def coordinates(optimizer: Stochastic, recorded: list[int]) -> dict[str, Any]:
    """Return steps and times as coordinates."""
    steps = np.array(recorded)
    times = {"units": "1", "long_name": "time", "symbol": "t"}
    return {
        "step": ("step", steps, {"units": "1", "long_name": "step", "symbol": "k"}),
        "time": ("step", steps * clock(optimizer), times),
    }
