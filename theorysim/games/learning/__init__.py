"""Learning agents: bandits solved exactly and simulated, what no agent can beat, and what imitating one costs."""

from __future__ import annotations

from theorysim.games.learning import agents
from theorysim.games.learning.dynamic_program import expected_best, optimal_regret, regret
from theorysim.games.learning.ensembles import bernoulli, gaussian
from theorysim.games.learning.gittins import gittins_index
from theorysim.games.learning.imitation import imitation_gap
from theorysim.games.learning.instance_optimal import end_of_optimism, graves_lai
from theorysim.games.learning.linear import linucb
from theorysim.games.learning.problem import BayesBandit
from theorysim.games.learning.slopes import lai_robbins, minimax_bound
from theorysim.games.learning.tabular import Episodes, river, ucb_vi

__all__ = [
    "BayesBandit",
    "Episodes",
    "agents",
    "bernoulli",
    "end_of_optimism",
    "expected_best",
    "gaussian",
    "gittins_index",
    "graves_lai",
    "imitation_gap",
    "lai_robbins",
    "linucb",
    "minimax_bound",
    "optimal_regret",
    "regret",
    "river",
    "ucb_vi",
]
