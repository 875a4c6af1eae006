"""Paths of the equation of an optimizer: their loss and parameters, beside those of the algorithm.

Limit    learning rate -> 0: the equation.
Valid    every `PathModel`, and a `Model` by its paths.
Error    `loss_error`, `position_error`: one standard error of the paths. The solver errs by 1/substeps of the
         difference of equation and algorithm ("euler"), 1/substeps^2 ("talay-tubaro", error bars 2.2 times).
Sources  none beyond those of the equations; schemes in `solvers.sde`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.observables import OBSERVABLES, attributes
from theorysim.problem.provenance import package_version
from theorysim.problem.validation import one_of, shown
from theorysim.sde.algorithms import Kept, check_kept, checked_record, checked_start, coordinates
from theorysim.sde.model import Model
from theorysim.sde.motion import Motion
from theorysim.sde.paths import PathModel, simulated
from theorysim.solvers.sde import Ensemble, integrate

Array = NDArray[np.float64]
Scheme = Literal["euler", "talay-tubaro"]
LARGEST_COVARIANCE = 1 << 25
ROUNDING = 1e-9
"""Relative lengthening of a step, so that rounded times do not ask for one more."""


def simulate(
    model: PathModel | Model,
    start: ArrayLike,
    steps: int,
    *,
    paths: int,
    seed: int,
    record: Sequence[int] | None = None,
    keep: Sequence[Kept] = ("loss",),
    substeps: int = 8,
    scheme: Scheme = "euler",
    first_path: int = 0,
    progress: Callable[[float], None] | None = None,
) -> xr.Dataset:
    """Simulate paths of an equation up to the time of so many steps.

    Parameters
    ----------
    model : PathModel or Model
    start : array_like, shape (d,) or (paths, d)
        Parameters at time 0; memories start as those of the algorithm.
    steps : int
        Steps of the algorithm.
    paths, seed : int
        Path r is the same however many there are.
    record : sequence of int, optional
        Steps at whose times the paths are seen; default: log-spaced.
    keep : "loss", "position"
    substeps : int
        Steps of the solver in the time of one of the algorithm.
    scheme : "euler" or "talay-tubaro"
        The latter extrapolates from the step and its half; heavy tails have their own.
    first_path : int
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    Dataset
        ``loss`` (step): mean over paths, with ``loss_error``, ``loss_std`` and ``loss_std_error``; with "position" the
        same of ``position`` (step, component) and ``covariance`` (step, component, component_other). Ready for
        `ts.compare` with the Dataset of `run_algorithm`.

    Raises
    ------
    ProblemError
        If an argument does not fit.
    FloatingPointError
        If a path is not finite.
    """
    if isinstance(model, Model):
        model = simulated(model.objective, model.optimizer, model.order)
    if not isinstance(model, PathModel):
        raise ProblemError(f"sde: `model` must be made by from_optimizer, got {shown(model)}")
    if isinstance(substeps, bool) or not isinstance(substeps, int) or substeps < 1:
        raise ProblemError(f"sde: `substeps` must be a whole number of at least 1, got {shown(substeps)}")
    if scheme not in ("euler", "talay-tubaro"):
        raise ProblemError(f"sde: `scheme` {one_of(scheme, ('euler', 'talay-tubaro'))}")
    x0, recorded = checked_start(start, model.objective.dimension, paths), checked_record(steps, record)
    check_kept(keep, 0)
    motion, positions = model.motion(steps), "position" in keep
    if positions and motion.fields.dimension**2 * len(recorded) > LARGEST_COVARIANCE:
        raise ProblemError("sde: `keep` must leave positions out: the covariances are too large; record fewer steps")
    with single_thread():
        found = integrate(
            motion.fields, np.roll(_begun(motion, x0), first_path % len(x0), axis=0),
            np.array(recorded) * model.clock, dt=model.clock / substeps * (1.0 + ROUNDING), paths=paths, seed=seed,
            scheme="levy" if motion.fields.alpha is not None else scheme,
            statistics=("mean", "covariance") if positions else ("mean",),
            observables=_seen(model, motion, positions), first_path=first_path, progress=progress,
        )  # fmt: skip
    return _dataset(model, found, recorded, keep, seed)


def _begun(motion: Motion, x0: Array) -> Array:
    """Return the initial states, made group by group."""
    size = motion.fields.group
    return np.concatenate([motion.begin(x0[i : i + size]) for i in range(0, len(x0), size)])


def _seen(model: PathModel, motion: Motion, positions: bool) -> Callable[[Array], Array]:
    """Return states -> (loss, parameters if wanted)."""

    def look(z: Array) -> Array:
        x = motion.show(z)
        loss = model.objective.loss(x)[:, None]
        return np.hstack([loss, x]) if positions else loss

    return look


def _dataset(model: PathModel, found: Ensemble, recorded: list[int], keep: Sequence[Kept], seed: int) -> xr.Dataset:
    seen, data = found.observed, dict[str, Any]()
    assert seen is not None
    rows: dict[str, tuple[tuple[str, ...], Any]] = {
        "loss": (("step",), 0),
        "position": (("step", "component"), slice(1, None)),
    }
    for name in keep:
        dims, columns = rows[name]
        std = np.sqrt(np.maximum(seen.variance[:, columns], 0.0))
        of_std = seen.variance_error[:, columns] / (2.0 * np.where(std > 0.0, std, 1.0))
        data |= {
            name: (dims, seen.mean[:, columns], attributes(name)),
            f"{name}_error": (dims, seen.standard_error[:, columns], attributes(f"{name}_error")),
            f"{name}_std": (dims, std, attributes(f"{name}_std")),
            f"{name}_std_error": (dims, of_std, _label("standard error of the standard deviation: ", name)),
        }
    if "position" in keep:
        spread = seen.covariance[:, 1:, 1:]
        data["covariance"] = (("step", "component", "component_other"), spread, _label("covariance of ", "position"))
    return xr.Dataset(data, coords=coordinates(model.optimizer, recorded), attrs={
        "theory": "sde.simulate", "version": package_version(), "seed": seed, "device": "cpu", "paths": found.count,
        "order": str(model.order), "equation": model.latex(), "parameters": str(model.parameters()),
    })  # fmt: skip


def _label(text: str, name: str) -> dict[str, str]:
    row = OBSERVABLES[name]
    return {"units": row.unit, "long_name": f"{text}{row.long_name}"}
