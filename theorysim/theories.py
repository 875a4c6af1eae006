"""The registry of theories: dotted names, imported only when asked for.

A new theory enters a forecast by adding its name to `TRAINING`: `forecast` has no list of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from theorysim.errors import ProblemError

if TYPE_CHECKING:
    from theorysim.theory import Theory

TRAINING: tuple[str, ...] = (
    "kernels.mlp", "meanfield.linear", "meanfield.two_layer", "meanfield.deep", "meanfield.residual",
)  # fmt: skip
"""Theories whose problem is a `Training`; `forecast` asks each of them for its verdict."""

ALL: tuple[str, ...] = (
    *TRAINING, "meanfield.fluctuations", "meanfield.transfer", "sde.moments", "sde.adaptive", "sde.volterra",
    "sde.slow_flows", "sde.diagonal", "sde.edge", "games.network", "games.populations",
    "games.descent_ascent", "games.torus_game", "games.stochastic", "games.learning.agents",
)  # fmt: skip
"""Every theory of the package."""


def theory(name: str) -> Theory:
    """Return the module of a theory by its dotted name.

    Raises
    ------
    ProblemError
        If no theory has that name.
    """
    if name not in ALL:
        raise ProblemError(f'theory: must be one of {", ".join(ALL)}; got "{name}"')
    return cast("Theory", import_module(f"theorysim.{name}"))
