"""Builds the grids of the march, for the test that compiles all registered grids to PTX."""

from __future__ import annotations

from theorysim.equations.activations import activation
from theorysim.meanfield.neurons import activate_one

for name in ("tanh", "gelu"):
    activate_one(activation(name))
