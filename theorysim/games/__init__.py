"""Networks as games: equilibria, certificates, dynamics that converge, and how far from a potential game they are."""

from __future__ import annotations

from theorysim.games import (
    activations,
    descent_ascent,
    learning,
    network,
    populations,
    residuals,
    stochastic,
    torus_game,
)
from theorysim.games.attention import AttentionBlock
from theorysim.games.bimatrix import lemke_howson, nash_equilibria, zero_sum
from theorysim.games.certify import certify
from theorysim.games.differentiable import min_max
from theorysim.games.dynamics import DYNAMICS
from theorysim.games.equilibria import along_gain, equilibria
from theorysim.games.federated import Client, Federated, federated_map
from theorysim.games.inequality import VariationalInequality, ball, box, simplex
from theorysim.games.matrix import MatrixGame
from theorysim.games.network import Passes
from theorysim.games.network_game import NetworkGame
from theorysim.games.population import PopulationGame
from theorysim.games.potentialness import cycle_defects, harmonic_share, potentialness, rotational_share
from theorysim.games.rest_points import logit_equilibrium, multipliers
from theorysim.games.simulate import simulate
from theorysim.games.solve import solve
from theorysim.games.training import along_training, of_training

__all__ = [
    "DYNAMICS",
    "AttentionBlock",
    "Client",
    "Federated",
    "MatrixGame",
    "NetworkGame",
    "Passes",
    "PopulationGame",
    "VariationalInequality",
    "activations",
    "along_gain",
    "along_training",
    "ball",
    "box",
    "certify",
    "cycle_defects",
    "descent_ascent",
    "equilibria",
    "federated_map",
    "harmonic_share",
    "learning",
    "lemke_howson",
    "logit_equilibrium",
    "min_max",
    "multipliers",
    "nash_equilibria",
    "network",
    "of_training",
    "populations",
    "potentialness",
    "residuals",
    "rotational_share",
    "simplex",
    "simulate",
    "solve",
    "stochastic",
    "torus_game",
    "zero_sum",
]
