"""What an equation is made of before it is solved: the fields of its state, where it starts, what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.sde.draws import group_size
from theorysim.sde.oracles import Landscape, work
from theorysim.solvers.sde import Fields

Array = NDArray[np.float64]


def same(x: Array) -> Array:
    """Return x: the state is the parameters."""
    return x


@dataclass(frozen=True, eq=False)
class Motion:
    """Fields of a state that holds the parameters.

    Attributes
    ----------
    fields : Fields
    begin : parameters (paths, d) -> states
    show : states -> parameters
    """

    fields: Fields
    begin: Callable[[Array], Array] = same
    show: Callable[[Array], Array] = same


def motion(
    objective: Landscape,
    drift: Callable[[float, Array], Array],
    product: Callable[[float, Array, Array], Array],
    noises: int,
    *,
    step: Callable[[float, Array, float, Array], Array] | None = None,
    copies: int = 1,
    alpha: float | None = None,
    begin: Callable[[Array], Array] = same,
    show: Callable[[Array], Array] = same,
) -> Motion:
    """Return a motion whose state has `copies` times the dimension of the objective."""
    size = copies * objective.dimension
    group = group_size(work(objective) + size)
    fields = Fields(drift=drift, product=product, dimension=size, noises=noises, step=step, alpha=alpha, group=group)
    return Motion(fields, begin, show)
