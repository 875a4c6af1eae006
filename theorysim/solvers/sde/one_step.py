"""One step of a scheme with noise that is given: weak errors by exact enumeration, and loops of one's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.solvers.sde.equation import Equation
from theorysim.solvers.sde.loops import stepping
from theorysim.solvers.sde.schemes import plan_of
from theorysim.solvers.sde.vector_steps import ROWS, SQUARES

Array = NDArray[np.float64]


def one_step(
    equation: Equation,
    x: Any,
    dt: float,
    noise: Any,
    *,
    scheme: str = "euler",
    signs: Any = None,
    time: float = 0.0,
) -> Array:
    """Return the states after one step, shape (paths, dimension).

    Parameters
    ----------
    equation : Equation
    x : array_like, shape (paths, dimension)
    dt : float
    noise : array_like, shape (paths, noises)
        Increments in units of sqrt(dt) (dt^(1/alpha) for stable noise).
    scheme : str
        As for `integrate`.
    signs : array_like, shape (paths, noises - 1), optional
        The signs of the pairs that ``"srk2"`` draws for noise that does not commute; default: zeros, a scheme of
        order 1.
    time : float
        The time of x.

    Raises
    ------
    ProblemError
        If the shapes do not fit, or the scheme does not fit the equation.
    """
    plan = plan_of(equation, scheme, None)
    new: Array = np.array(x, float)
    w = np.ascontiguousarray(noise, float)
    d, m = equation.dimension, equation.noises
    v = np.zeros((len(new), m - 1)) if signs is None else np.ascontiguousarray(signs, float)
    if new.shape != (len(new), d) or w.shape != (len(new), m) or v.shape != (len(new), m - 1):
        raise ProblemError(
            f"one_step: `x`, `noise`, `signs` must have the shapes (n, {d}), (n, {m}), (n, {m - 1}), "
            f"got {new.shape}, {w.shape}, {v.shape}"
        )
    equation.check(time, new[0])
    scale = math.sqrt(dt) if equation.alpha is None else dt ** (1.0 / equation.alpha)
    room = (np.zeros((ROWS, d)), np.zeros((SQUARES, d, equation.columns)), np.zeros((d, d)))
    stepping(equation, plan.scheme)(time, dt, scale, new, w, v, equation.constants, *room)
    if not np.isfinite(new).all():
        raise FloatingPointError(f"one_step: the state is not finite after dt {dt:g}")
    return new
