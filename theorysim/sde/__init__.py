"""SGD and its relatives as stochastic differential equations."""

from __future__ import annotations

from theorysim.sde import adaptive, density, diagonal, edge, implicit, moments, slow_flows, volterra, zeroth_order
from theorysim.sde.algorithms import run_algorithm
from theorysim.sde.factorised import diagonal_network, matrix_factorisation
from theorysim.sde.finite_sums import FiniteSum
from theorysim.sde.functions import Function, function
from theorysim.sde.linear_models import linear_model
from theorysim.sde.model import Model, svag
from theorysim.sde.moments import Run, stationary_covariance
from theorysim.sde.objectives import Objective, least_squares, quadratic
from theorysim.sde.optimizers import (
    SGLD,
    SPSA,
    HeavyTailedSGD,
    LabelNoiseSGD,
    LocalSGD,
    RMSprop,
    SignSGD,
)
from theorysim.sde.paths import PathModel, from_optimizer, simulated
from theorysim.sde.perceptrons import initial_states, network
from theorysim.sde.simulation import simulate
from theorysim.sde.symbolic import Symbolic, symbolic
from theorysim.sde.trust import Trust, trust
from theorysim.sde.validity import Validity, linear_scaling_limit, validity

__all__ = [
    "SGLD",
    "SPSA",
    "FiniteSum",
    "Function",
    "HeavyTailedSGD",
    "LabelNoiseSGD",
    "LocalSGD",
    "Model",
    "Objective",
    "PathModel",
    "RMSprop",
    "Run",
    "SignSGD",
    "Symbolic",
    "Trust",
    "Validity",
    "adaptive",
    "density",
    "diagonal",
    "diagonal_network",
    "edge",
    "from_optimizer",
    "function",
    "implicit",
    "initial_states",
    "least_squares",
    "linear_model",
    "linear_scaling_limit",
    "matrix_factorisation",
    "moments",
    "network",
    "quadratic",
    "run_algorithm",
    "simulate",
    "simulated",
    "slow_flows",
    "stationary_covariance",
    "svag",
    "symbolic",
    "trust",
    "validity",
    "volterra",
    "zeroth_order",
]
