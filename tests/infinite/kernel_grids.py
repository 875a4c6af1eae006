"""Builds the grids of every closed-form kernel, for the test that compiles all registered grids to PTX."""

from __future__ import annotations

from theorysim.equations.duals import DUALS, dual
from theorysim.infinite.tiles import sample_of, tile_of

leaky = dual("leaky_relu", 0.1)
assert leaky is not None
for maps in (*DUALS.values(), leaky):
    tile_of(maps)
    sample_of(maps)
