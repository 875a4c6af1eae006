"""Means, covariances and mean losses of an optimizer and of its equation, exactly, and a finite ensemble beside them.

Limit    eta -> 0 at fixed time: `limit` is the equation, `exact` the algorithm.
Valid    objectives whose moments close (`quadratic`, `least_squares`).
Error    rounding; `finite` draws runs of the algorithm.
Sources  [Li2019], [Li2024]. Proof: derivations/stochastic.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend import random
from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.problem.record import default_steps
from theorysim.problem.validation import shown
from theorysim.sde.linear import Diffusion, Recursion, stationary
from theorysim.sde.model import Model
from theorysim.sde.objectives import Objective
from theorysim.sde.optimizers import SPSA

Array = NDArray[np.float64]
Key = dict[str, int]
OBSERVABLES = ("mean", "covariance", "loss")
SOURCES = ("Li2019", "Li2024")
MOST_STEPS = 10_000_000


@dataclass(frozen=True, eq=False)
class Run:
    """A model from a start, for some steps.

    Parameters
    ----------
    model : Model
    start : array_like, shape (d,)
        Parameters before the first step; the velocity is zero.
    steps : int
    record : sequence of int, optional
        Steps at which moments are wanted, ascending; default: log-spaced, 0 and the last included.
    """

    model: Model
    start: ArrayLike
    steps: int
    record: Sequence[int] | None = None
    _start: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        d = self.model.objective.dimension
        start = np.atleast_1d(np.asarray(self.start, float))
        if start.shape != (d,) or not np.all(np.isfinite(start)):
            raise ProblemError(f"sde: `start` must hold {d} finite numbers, got shape {start.shape}")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or not 1 <= self.steps <= MOST_STEPS:
            raise ProblemError(f"sde: `steps` must be a whole number from 1 to {MOST_STEPS}, got {shown(self.steps)}")
        object.__setattr__(self, "_start", start)
        if self.record is not None:
            rows = list(self.record)
            if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > self.steps:
                raise ProblemError(f"sde: `record` must hold ascending steps from 0 to {self.steps}, got {shown(rows)}")

    @property
    def recorded(self) -> list[int]:
        """The recorded steps."""
        return list(default_steps(self.steps) if self.record is None else self.record)

    @property
    def state(self) -> Array:
        """The initial state, whose velocity is zero."""
        size, d = len(self.model.algorithm.matrix), len(self._start)
        state = np.zeros(size)
        state[size - 1 - d : size - 1], state[-1] = self._start, 1.0
        return state


def limit(run: Run) -> xr.Dataset:
    """Return ``mean``, ``covariance`` and ``loss`` of the equation at the times of the recorded steps.

    Returns
    -------
    Dataset
        ``mean`` over step, component; ``covariance`` over step, component, component_other; ``loss`` over step.

    Raises
    ------
    FloatingPointError
        If the equation is unstable at this learning rate.
    """
    return _labelled(run, run.model.equation)


def exact(run: Run) -> xr.Dataset:
    """Return the same of the algorithm itself, over its random batches: no simulation.

    Raises
    ------
    FloatingPointError
        If the algorithm diverges.
    """
    return _labelled(run, run.model.algorithm)


def _labelled(run: Run, system: Any) -> xr.Dataset:
    model = run.model
    state = run.state
    moments = [model.show @ m @ model.show.T for m in system.moments(np.outer(state, state), run.recorded)]
    if not np.all(np.isfinite(moments)):
        raise FloatingPointError("sde: the moments are not finite; the optimizer diverges at this learning rate")
    means = np.array([m[:-1, -1] for m in moments])
    covariances = np.array([m[:-1, :-1] for m in moments]) - means[:, :, None] * means[:, None, :]
    losses = np.array([model.objective.loss(m) for m in moments])
    return _dataset(run, {
        "mean": (("step", "component"), means),
        "covariance": (("step", "component", "component_other"), covariances),
        "loss": ("step", losses),
    })  # fmt: skip


def _dataset(run: Run, variables: dict[str, Any]) -> xr.Dataset:
    steps = np.array(run.recorded)
    coords = {"step": steps, "time": ("step", steps * run.model.clock)}
    attrs = {"order": str(run.model.order), "equation": run.model.latex()}
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def finite(run: Run, *, replicas: int, seed: int) -> xr.Dataset:
    """Run the algorithm `replicas` times; replica r is the same run however many there are.

    Returns
    -------
    Dataset
        ``position`` over step, component, replica and ``loss`` over step, replica.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"sde: `replicas` must be a whole number of at least 1, got {shown(replicas)}")
    model, d = run.model, run.model.objective.dimension
    system, noise = model.algorithm, _noise_of(model)
    states = np.repeat(run.state[:, None], replicas, axis=1)
    recorded, positions = set(run.recorded), []
    for step in range(run.recorded[-1] + 1):
        if step in recorded:
            positions.append((model.show @ states)[:d])
        x = (system.look @ states)[:d]
        xi = [
            noise(x[:, r], {"seed": seed, "stream": r, "step": step, "purpose": random.MOMENTS})
            for r in range(replicas)
        ]
        with np.errstate(over="ignore", invalid="ignore"):
            states = system.matrix @ states - system.kick @ np.array(xi).T
    found = np.array(positions)
    if not np.all(np.isfinite(found)):
        raise FloatingPointError("sde: a run is not finite; the optimizer diverges at this learning rate")
    o = model.objective
    losses = 0.5 * np.einsum("kir,ij,kjr->kr", found, o.hessian, found) + o.constant
    losses -= np.einsum("i,kir->kr", o.slope, found)
    return _dataset(run, {"position": (("step", "component", "replica"), found), "loss": (("step", "replica"), losses)})


def _noise_of(model: Model) -> Callable[[Array, Key], Array]:
    """Return what a random gradient of one run has beyond the mean one: a function of position and counters."""
    o, optimizer = model.objective, model.optimizer
    if isinstance(optimizer, SPSA):
        return partial(_of_probes, o, optimizer.probes)
    if optimizer.batch is None:
        return lambda x, key: np.zeros(len(x))
    if o.samples is None:
        return partial(_gaussian, _root(o.covariance), np.sqrt(o.multiplicative), optimizer.batch)
    draw = random.integers if optimizer.sampling == "replacement" else random.subset
    return partial(_of_batch, o, o.samples, draw, optimizer.batch)


def _of_probes(o: Objective, probes: int, x: Array, key: Key) -> Array:
    gradient = o.hessian @ x - o.slope
    z = random.normals((probes, len(x)), **key)
    return np.asarray((z * (z @ gradient)[:, None]).mean(axis=0) - gradient)


def _gaussian(root: Array, multiple: float, batch: int, x: Array, key: Key) -> Array:
    xi = random.normals(len(x) + 1, **key)
    return np.asarray((root @ xi[1:] + multiple * xi[0] * x) / np.sqrt(batch))


def _of_batch(o: Objective, samples: Array, draw: Callable[..., Any], batch: int, x: Array, key: Key) -> Array:
    rows = samples[draw(len(samples), batch, **key)]
    residual = rows[:, :-1] @ x + rows[:, -1]
    return np.asarray(rows[:, :-1].T @ residual / batch - o.hessian @ x + o.slope)


def _root(covariance: Array) -> Array:
    values, basis = np.linalg.eigh(covariance)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0.0)))


def stationary_covariance(model: Model, system: Recursion | Diffusion | None = None) -> Array:
    """Return the stationary covariance of the parameters, shape (d, d).

    Parameters
    ----------
    model : Model
    system : Recursion or Diffusion, optional
        `model.equation` (default) or `model.algorithm`.

    Raises
    ------
    FloatingPointError
        If the steps or the equation are unstable: nothing is stationary.
    """
    one = model.equation if system is None else system
    if one.growth() >= (1.0 if isinstance(one, Recursion) else 0.0):
        raise FloatingPointError("sde: nothing is stationary at this learning rate: second moments grow")
    with single_thread():
        moment: Array = model.show @ stationary(one) @ model.show.T
    mean = moment[:-1, -1]
    return np.asarray(moment[:-1, :-1] - np.outer(mean, mean))
