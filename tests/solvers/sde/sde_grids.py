"""Builds grids of the ensemble, for the test that compiles all registered grids to PTX, and for the simulator."""

from __future__ import annotations

from tests.solvers.sde.sde_equations import crossed, levy_number, ornstein_uhlenbeck, pushed
from theorysim.solvers.sde.loops import grid_of_one_component, grid_of_several_components

grid_of_one_component(ornstein_uhlenbeck().code, "euler", "normal")
grid_of_one_component(ornstein_uhlenbeck().code, "implicit", "two")
grid_of_one_component(levy_number().code, "levy", "stable")
grid_of_several_components(crossed().code, "general", "srk2", "three")
grid_of_several_components(crossed().code, "general", "implicit", "normal")
grid_of_several_components(pushed().code, "additive", "srk2", "normal")
