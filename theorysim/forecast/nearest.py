"""The nearest limit: of the theories that apply, the best one's answer, and its curves as control variate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from theorysim.errors import StabilityWarning
from theorysim.forecast.twins import Controls
from theorysim.forecast.width import Known
from theorysim.problem import GradientFlow, Training
from theorysim.theories import theory
from theorysim.theory import Verdict

Array = np.ndarray[Any, np.dtype[np.float64]]


FAR = 0.75
"""Share of its validity beyond which a limit misleads: features move, and curves in 1/N need not be monotone."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """What a theory contributes to a forecast.

    Attributes
    ----------
    theory : str
        Dotted name.
    limit : Dataset
        Its limit, the point at 1/N = 0.
    controls : callable or None
        Its curves for given initial outputs, minus their known mean.
    share : float
        Largest step size over the largest stable one; nan where stability is no question.
    distance : float
        The verdict's number over its threshold: what 1/N must be compared with.
    """

    theory: str
    limit: xr.Dataset
    controls: Controls | None
    share: float
    distance: float

    @property
    def stable(self) -> bool:
        """Whether the limit is stable: an unstable one is no point to interpolate from."""
        return not self.share > 1.0

    @property
    def far(self) -> bool:
        """Whether the network is so far from the limit that the limit says little about it."""
        return self.distance > FAR

    @property
    def usable(self) -> bool:
        """Whether the limit may be the point at 1/N = 0."""
        return self.stable and not self.far

    def known(self, name: str) -> Known | None:
        """Return the limit of one observable, None where the theory does not predict it."""
        if name not in self.limit or not self.usable:
            return None
        value, std, error = (self.limit[f"{name}{kind}"].values for kind in ("", "_std", "_error"))
        return Known(value, std, error, of_width=self.limit.attrs.get("scatter") == "width")


def nearest(training: Training, verdicts: Sequence[Verdict], seed: int, tolerance: float | None) -> Nearest | None:
    """Return the best theory's contribution: of those that apply, the one furthest inside its validity."""
    good = sorted((v for v in verdicts if v.applies), key=lambda v: v.number / v.threshold)
    for verdict in good:
        module = theory(verdict.theory)
        with warnings.catch_warnings():
            # the verdict on the learning rate says it
            warnings.simplefilter("ignore", StabilityWarning)
            try:
                limit = getattr(module, "rough_limit", module.limit)(training, seed=seed, tolerance=tolerance)
                share = _share(training, limit)
                start = Nearest(verdict.theory, limit, None, share, verdict.number / verdict.threshold)
                if not start.usable:
                    return start
                return replace(start, controls=_controls(module, training, limit))
            except FloatingPointError:
                # the limit diverges although the network may not: twins alone then
                continue
    return None


def _share(training: Training, limit: xr.Dataset) -> float:
    """Return the largest step size over the largest stable one."""
    stable = limit.attrs.get("largest_stable_learning_rate", math.nan)
    if isinstance(training.optimizer, GradientFlow):
        return math.nan
    return float(np.max(training.optimizer.step_sizes(training.steps or 1))) / float(stable)


def _controls(module: Any, training: Training, limit: xr.Dataset) -> Controls | None:
    """Return the control variate of a theory that can start at given outputs; None if f_0 has no scatter."""
    propagate = getattr(module, "propagate", None)
    if propagate is None or training.network.initial_output == "subtracted":
        return None
    # single networks are propagated without batch noise, so their known mean is the one without it
    quiet = module.propagated_mean(training, precision="single")
    known = {str(name): limit[name].values for name in limit} if quiet is None else quiet

    def controls(start: Array, start_test: Array) -> Mapping[str, Array]:
        curves = propagate(training, start, start_test)
        return {name: curve - known[name][:, None] for name, curve in curves.items() if name in known}

    return controls
