"""The mean-field limit along an axis of problems that share their random numbers: richness or learning rate.

Common random numbers: differences along the axis are known far better than each value.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.observables import axis
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of, is_real, one_of, shown

THEORIES = ("deep", "linear", "two_layer")


def sweep(
    training: Training,
    *,
    gamma0: Iterable[float] | None = None,
    learning_rate: Iterable[float] | None = None,
    theory: str = "deep",
    seed: int = 0,
    size: Any = None,
) -> xr.Dataset:
    """Return the limit at several richnesses or learning rates, with the same noise.

    Parameters
    ----------
    training : Training
    gamma0, learning_rate : iterable of float
        One of them: the axis.
    theory : "deep", "linear" or "two_layer"
    seed : int
        Of the random numbers of all of them.
    size : Size, optional
        Samples, replicas and truncation of every march (`meanfield.deep` only); by default those that the middle of the
        axis needs.

    Returns
    -------
    Dataset
        Observables of the theory over the axis and ``step``.

    Raises
    ------
    ProblemError
        If none or both axes are given, or hold something that is not a number.
    FloatingPointError
        If training diverges somewhere.
    """
    if theory not in THEORIES:
        raise ProblemError(f"meanfield: `theory` {one_of(theory, THEORIES)}")
    module = import_module(f"theorysim.meanfield.{theory}")
    name, numbers = _axis(gamma0, learning_rate)
    if name == "learning_rate" and not isinstance(training.optimizer, SGD):
        raise ProblemError("meanfield: `learning_rate` needs SGD or GD, got gradient flow")
    each = [_at(training, name, number) for number in numbers]
    limit = partial(module.limit, seed=seed, **_sizes(module, each[len(each) // 2], size))
    parts = [limit(one).drop_vars("time") for one in each]
    joined: xr.Dataset = xr.concat(parts, dim=axis(name, numbers), combine_attrs="drop_conflicts")
    return joined.assign_attrs(problem=training.to_json())


def _axis(gamma0: Iterable[float] | None, learning_rate: Iterable[float] | None) -> tuple[str, list[float]]:
    if (gamma0 is None) == (learning_rate is None):
        raise ProblemError("meanfield: one of `gamma0` and `learning_rate` must be given")
    name, given = ("gamma0", gamma0) if learning_rate is None else ("learning_rate", learning_rate)
    numbers = list(given or ())
    if not numbers or not all(is_real(number) for number in numbers):
        raise ProblemError(f"meanfield: `{name}` must hold at least one finite number, got {shown(numbers)}")
    return name, [float(np.float64(number)) for number in numbers]


def _at(training: Training, name: str, number: float) -> Training:
    if name == "learning_rate":
        return training.at_learning_rate(number)
    network = type(training.network)(**{**fields_of(training.network), "gamma0": number})
    return Training(**{**fields_of(training), "network": network})


def _sizes(module: ModuleType, middle: Training, size: Any) -> dict[str, Any]:
    """Return how much every march samples: the same, or their noise would not be."""
    if module.__name__.endswith("deep"):
        return {"size": size or module.default_size(middle, module.TOLERANCE)}
    if size is not None:
        raise ProblemError("meanfield: `size` must be left out but for the deep theory")
    return {}
