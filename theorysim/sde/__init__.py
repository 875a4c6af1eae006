"""SGD and its relatives as stochastic differential equations."""

from __future__ import annotations

from theorysim.sde import moments
from theorysim.sde.model import Model, from_optimizer, svag
from theorysim.sde.moments import Run, stationary_covariance
from theorysim.sde.objectives import Objective, least_squares, quadratic
from theorysim.sde.optimizers import SPSA
from theorysim.sde.validity import Validity, linear_scaling_limit, validity

__all__ = [
    "SPSA",
    "Model",
    "Objective",
    "Run",
    "Validity",
    "from_optimizer",
    "least_squares",
    "linear_scaling_limit",
    "moments",
    "quadratic",
    "stationary_covariance",
    "svag",
    "validity",
]
