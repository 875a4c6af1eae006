"""Scalar closed forms, each compiled once for CPU loops and CUDA grids and bound to its derivation."""

from __future__ import annotations

from theorysim.equations import (
    blocks,
    criticality,
    descent,
    dual_slopes,
    federated,
    finite_width,
    flows,
    gaussian,
    inequality_rates,
    proximal,
    residual,
    scaling,
    spectra,
    stochastic,
    two_layer,
)
from theorysim.equations.activations import ACTIVATIONS, Activation, activation, custom
from theorysim.equations.duals import DUALS, Dual, dual
from theorysim.equations.registry import REGISTRY, equation

__all__ = [
    "ACTIVATIONS",
    "DUALS",
    "REGISTRY",
    "Activation",
    "Dual",
    "activation",
    "blocks",
    "criticality",
    "custom",
    "descent",
    "dual",
    "dual_slopes",
    "equation",
    "federated",
    "finite_width",
    "flows",
    "gaussian",
    "inequality_rates",
    "proximal",
    "residual",
    "scaling",
    "spectra",
    "stochastic",
    "two_layer",
]
