"""Builds the grids of closed-form kernels, for the test that compiles all registered grids to PTX.

One activation for each body: relu, abs and abrelu are leaky relus, step is a sign, hermite a monomial for a compiler.
"""

from __future__ import annotations

from tests.activation_examples import example
from theorysim.equations.activations import activation
from theorysim.equations.duals import dual_of
from theorysim.infinite.blocks.machine import machine_of
from theorysim.infinite.tiles import sample_of, tile_of

CHOSEN = (
    "leaky_relu", "erf", "gelu", "sin", "cos", "linear", "quadratic", "rectified_monomial", "monomial", "exp", "rbf",
    "gaussian", "gabor",
)  # fmt: skip
for one in (*(example(name) for name in CHOSEN), activation("sign", parameters={"derivative": "distribution"})):
    maps = dual_of(one)
    assert maps is not None
    tile_of(maps)
    sample_of(maps)
machine_of(())
machine_of(tuple(maps for maps in map(dual_of, map(activation, ("relu", "erf"))) if maps is not None))
