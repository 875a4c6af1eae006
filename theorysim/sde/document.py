"""An optimizer on an objective as a TOML document: what `theorysim sde` simulates.

[data]       as for a training run
[objective]  name = "linear" (loss = "mse" | "logistic" | "cross-entropy") | "diagonal-network" | "network"
[network]    the fields of MLP, for name = "network"
[optimizer]  name = "sgd" | "adam" | "rmsprop" | "sign-sgd" | "sgld" | "local-sgd" | "label-noise-sgd" | "spsa" |
             "heavy-tailed-sgd", then its fields
[equation]   steps; order, start (a number, one a parameter; default 0, for a network its initialisation), paths,
             substeps, scheme
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import Field

from theorysim.errors import ProblemError
from theorysim.problem.document import check_sections, data_of, network_of, optimizer_of, parsed, text_of
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.validation import Statement, one_of
from theorysim.sde.algorithms import run_algorithm
from theorysim.sde.factorised import diagonal_network
from theorysim.sde.finite_sums import FiniteSum
from theorysim.sde.linear_models import linear_model
from theorysim.sde.optimizers import SGLD, SPSA, HeavyTailedSGD, LabelNoiseSGD, LocalSGD, RMSprop, SignSGD
from theorysim.sde.paths import PathModel, simulated
from theorysim.sde.perceptrons import initial_states, network
from theorysim.sde.simulation import simulate
from theorysim.sde.trust import Trust, trust

Array = NDArray[np.float64]
SECTIONS, MORE = ("data", "objective", "optimizer", "equation"), ("network",)
OBJECTIVES = {"linear": linear_model, "diagonal-network": diagonal_network, "network": network}
OPTIMIZERS: dict[str, Any] = {
    "sgd": SGD, "adam": Adam, "rmsprop": RMSprop, "sign-sgd": SignSGD, "sgld": SGLD, "local-sgd": LocalSGD,
    "label-noise-sgd": LabelNoiseSGD, "spsa": SPSA, "heavy-tailed-sgd": HeavyTailedSGD,
}  # fmt: skip


class Settings(Statement):
    """How an equation is simulated.

    Parameters
    ----------
    steps : int
        Of the algorithm.
    order : 1, 2 or "hessian-aware"
    start : float or sequence of float, optional
        Parameters at step 0: one number for all, or one for each.
    paths : int
        Of the equation; the algorithm is run as often.
    substeps, scheme
        Of the solver.
    """

    section: ClassVar[str] = "equation"
    steps: int = Field(ge=1)
    order: Literal[1, 2, "hessian-aware"] = 1
    start: float | tuple[float, ...] | None = None
    paths: int = Field(default=200, ge=2)
    substeps: int = Field(default=8, ge=1)
    scheme: Literal["euler", "talay-tubaro"] = "euler"


@dataclass(frozen=True, eq=False)
class Stated:
    """What a document states: an equation, and how it is simulated beside its algorithm."""

    model: PathModel
    settings: Settings

    def start(self, seed: int) -> Array:
        """Return the parameters at step 0, shape (d,), or (paths, d) of networks."""
        given, size = self.settings.start, self.model.objective.dimension
        if given is None and isinstance(self.model.objective, FiniteSum) and _is_network(self.model.objective):
            return initial_states(self.model.objective, seed=seed, paths=self.settings.paths)
        return np.full(size, given or 0.0) if given is None or isinstance(given, float) else np.array(given)

    def equation(self, seed: int, progress: Any = None) -> xr.Dataset:
        """Return the loss along paths of the equation."""
        s = self.settings
        return simulate(self.model, self.start(seed), s.steps, paths=s.paths, seed=seed, substeps=s.substeps,
                        scheme=s.scheme, progress=progress)  # fmt: skip

    def algorithm(self, seed: int) -> xr.Dataset:
        """Return the loss along runs of the algorithm itself, independent of the paths but for their start."""
        m, s = self.model, self.settings
        return run_algorithm(m.objective, m.optimizer, self.start(seed), s.steps, paths=s.paths, seed=seed + 1)

    def trust(self, seed: int) -> Trust:
        """Return the report on whether the equation describes the steps."""
        return trust(self.model, self.start(seed), self.settings.steps, paths=self.settings.paths, seed=seed)


def from_toml(text: str, folder: str | Path | None = None) -> Stated:
    """Return what a TOML text states.

    Raises
    ------
    ProblemError
        If the text is not TOML, or states no equation.
    """
    content = parsed(text)
    check_sections(content, SECTIONS, MORE)
    objective = _objective(content, folder)
    optimizer, settings = optimizer_of(content["optimizer"], OPTIMIZERS), Settings(**content["equation"])
    return Stated(simulated(objective, optimizer, settings.order), settings)


def read(path: str | Path) -> Stated:
    """Return what a TOML file states; its folder is where a relative data path starts."""
    path = Path(path)
    return from_toml(text_of(path), path.parent)


def _objective(content: Mapping[str, Any], folder: str | Path | None) -> FiniteSum:
    fields = dict(content["objective"])
    name = fields.pop("name", None)
    if name not in OBJECTIVES:
        raise ProblemError(f"objective: `name` {one_of(name, OBJECTIVES)}")
    _check_keys(fields, name)
    data = data_of(content["data"], folder)
    if (name == "network") != ("network" in content):
        raise ProblemError('problem: section [network] must be given for the objective "network" and for no other')
    if name != "network":
        return OBJECTIVES[name](data, **fields)  # type: ignore[operator, no-any-return]
    stated = network_of(content["network"])
    if not isinstance(stated, MLP):
        raise ProblemError("network: `kind` must be left out for an objective")
    return network(data, stated, **fields)


def _check_keys(fields: Mapping[str, Any], name: str) -> None:
    known = {"linear": ("loss", "intercept", "weight_decay"), "network": ("loss", "weight_decay")}
    for key in fields:
        if key not in known.get(name, ("weight_decay",)):
            raise ProblemError(f"objective: `{key}` {one_of(key, known.get(name, ('weight_decay',)))}")


def _is_network(objective: FiniteSum) -> bool:
    return objective.name.startswith("network")
