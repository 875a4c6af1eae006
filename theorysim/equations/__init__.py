"""Scalar closed forms, each compiled once for CPU loops and CUDA grids and bound to its derivation."""

from __future__ import annotations

from theorysim.equations import (
    bandits,
    blocks,
    criticality,
    descent,
    descent_ascent,
    dual_slopes,
    federated,
    finite_width,
    flows,
    game_rates,
    gaussian,
    inequality_rates,
    populations,
    proximal,
    residual,
    scaling,
    spectra,
    stochastic,
    stochastic_games,
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
    "bandits",
    "blocks",
    "criticality",
    "custom",
    "descent",
    "descent_ascent",
    "dual",
    "dual_slopes",
    "equation",
    "federated",
    "finite_width",
    "flows",
    "game_rates",
    "gaussian",
    "inequality_rates",
    "populations",
    "proximal",
    "residual",
    "scaling",
    "spectra",
    "stochastic",
    "stochastic_games",
    "two_layer",
]
