"""Infinite-width kernel dynamics: NNGP and NTK, and the learning curves they predict."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from theorysim.finite.kernels import (
    empirical_nngp,
    empirical_ntk,
    jacobian_product,
    ntk_product,
    transposed_jacobian_product,
)
from theorysim.finite.movement import checkpoint_movement, kernel_change, movement
from theorysim.kernels import mlp
from theorysim.kernels.blocks import blockwise
from theorysim.kernels.converged import converged
from theorysim.kernels.corrections import finite_width, finite_width_covariance, relu_moments
from theorysim.kernels.criticality import phase, phase_diagram
from theorysim.kernels.dynamics import dynamics, largest_stable_learning_rate
from theorysim.kernels.edge_of_chaos import critical_line, universality
from theorysim.kernels.gram_spectra import leading_modes, spectral_density
from theorysim.kernels.initialisation import recommended_initialisation
from theorysim.kernels.large import descend
from theorysim.kernels.lazy_scatter import prediction_scatter
from theorysim.kernels.linearized import linearized
from theorysim.kernels.matrices import nngp, ntk
from theorysim.kernels.monte_carlo import monte_carlo
from theorysim.kernels.plan import plan
from theorysim.kernels.propagation import finite_signals, signals
from theorysim.kernels.spectra import cube_spectrum, sphere_spectrum
from theorysim.kernels.stored import stored_kernels

__all__ = [
    "blockwise",
    "checkpoint_movement",
    "converged",
    "critical_line",
    "cube_spectrum",
    "descend",
    "dynamics",
    "empirical_nngp",
    "empirical_ntk",
    "finite_signals",
    "finite_width",
    "finite_width_covariance",
    "jacobian_product",
    "kernel_change",
    "largest_stable_learning_rate",
    "leading_modes",
    "linearized",
    "mlp",
    "monte_carlo",
    "movement",
    "nngp",
    "ntk",
    "ntk_product",
    "phase",
    "phase_diagram",
    "plan",
    "prediction_scatter",
    "recommended_initialisation",
    "relu_moments",
    "signals",
    "spectral_density",
    "sphere_spectrum",
    "stored_kernels",
    "transposed_jacobian_product",
    "universality",
]


def __getattr__(name: str) -> ModuleType:
    """Load `kernels.sklearn` when it is first asked for: scikit-learn takes a second."""
    if name == "sklearn":
        return import_module("theorysim.kernels.sklearn")
    raise AttributeError(f"module 'theorysim.kernels' has no attribute {name!r}")
