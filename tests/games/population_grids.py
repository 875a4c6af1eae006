"""Builds the grids of populations, for the test that compiles all registered grids to PTX."""

from __future__ import annotations

from theorysim.solvers import population_adaptive, population_flows, population_plays

population_flows.grid("replicator", "rk4", 4, 2)
for rule in ("best-response", "logit", "projection", "bnn", "smith"):
    population_flows.grid(rule, "euler", 3, 1)  # the text of a rule is the same for any steps and sizes
for rule in ("replicator", "logit"):
    population_adaptive.grid(rule)
for rule in ("stochastic-fictitious-play", "dual-averaging", "regret-matching-plus", "delayed-best-response"):
    population_plays.grid(rule)
