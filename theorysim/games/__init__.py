"""Networks as games: equilibria, certificates, dynamics that converge, and how far from a potential game they are."""

from __future__ import annotations

from theorysim.games import activations, residuals
from theorysim.games.attention import AttentionBlock
from theorysim.games.certify import certify
from theorysim.games.equilibria import along_gain, equilibria
from theorysim.games.federated import Client, Federated, federated_map
from theorysim.games.inequality import VariationalInequality, ball, box, simplex
from theorysim.games.network import NetworkGame
from theorysim.games.potentialness import cycle_defects, harmonic_share, potentialness, rotational_share
from theorysim.games.solve import solve

__all__ = [
    "AttentionBlock",
    "Client",
    "Federated",
    "NetworkGame",
    "VariationalInequality",
    "activations",
    "along_gain",
    "ball",
    "box",
    "certify",
    "cycle_defects",
    "equilibria",
    "federated_map",
    "harmonic_share",
    "potentialness",
    "residuals",
    "rotational_share",
    "simplex",
    "solve",
]
