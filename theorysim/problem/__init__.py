"""Problems: what is asked. Frozen, validated where they are built, written as TOML and JSON."""

from __future__ import annotations

from theorysim.problem import data
from theorysim.problem.data import Data
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import GD, SGD, Adam, GradientFlow, Optimizer
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.samples import Samples
from theorysim.problem.schedule import Cosine, PowerLaw, Schedule, Warmup
from theorysim.problem.training import Training

__all__ = [
    "GD",
    "MLP",
    "SGD",
    "Adam",
    "Cosine",
    "Data",
    "GradientFlow",
    "Layers",
    "Optimizer",
    "PowerLaw",
    "ResidualMLP",
    "Samples",
    "Schedule",
    "Training",
    "Warmup",
    "data",
]
