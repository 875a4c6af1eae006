"""A trigonometric payoff on the torus, and what two sides of particles start from.

l(x, y) = sum_kj L_kj phi_k(x) phi_j(y),   phi = (1, cos x, sin x, cos 2x, sin 2x, ..)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.descent_ascent import TURN

Array = NDArray[np.float64]
MOST_HARMONICS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A payoff on the torus, particles and a start.

    Parameters
    ----------
    payoff : array_like, shape (2 h + 1, 2 h + 1)
        L, in the order 1, cos, sin, cos 2, sin 2, .. of x (rows) and y (columns).
    inverse_temperature : float
        beta.
    particles : int
        N on each side.
    step : float
        Time of an Euler step of the particles.
    steps : int
    start : tuple of two floats
        Each side starts uniformly on the half circle around this angle.
    grid : int
        Points of the circle, odd.
    record : sequence of int, optional
        Steps to keep.

    Raises
    ------
    ProblemError
        For shapes or numbers that do not fit.
    """

    payoff: ArrayLike
    inverse_temperature: float
    particles: int = 1000
    step: float = 0.01
    steps: int = 1000
    start: tuple[float, float] = (0.0, 0.0)
    grid: int = 65
    record: Sequence[int] | None = None
    _payoff: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table = np.atleast_2d(np.asarray(self.payoff, float))
        size = len(table)
        if table.shape != (size, size) or size % 2 == 0 or size > 2 * MOST_HARMONICS + 1:
            raise wrong("payoff", f"be square, of odd size up to {2 * MOST_HARMONICS + 1}", f"shape {table.shape}")
        if not np.all(np.isfinite(table)):
            raise wrong("payoff", "be finite", "NaN or infinity")
        for name in ("inverse_temperature", "step"):
            if not is_real(getattr(self, name)) or getattr(self, name) <= 0.0:
                raise wrong(name, "be a positive number", shown(getattr(self, name)))
        for name, least in (("particles", 1), ("steps", 1), ("grid", 4 * size + 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 1 << 31:
                raise wrong(name, f"be a whole number of at least {least}", shown(value))
        if self.grid % 2 == 0:
            raise wrong("grid", "be odd", self.grid)
        if len(self.start) != 2 or not all(is_real(x) for x in self.start):
            raise wrong("start", "hold two angles", shown(self.start))
        rows = self.recorded
        if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > self.steps:
            raise wrong("record", f"hold ascending steps from 0 to {self.steps}", shown(rows))
        object.__setattr__(self, "_payoff", np.ascontiguousarray(table))

    @property
    def recorded(self) -> list[int]:
        """The recorded steps."""
        return list(default_steps(self.steps) if self.record is None else self.record)

    @property
    def angles(self) -> Array:
        """The grid, shape (grid,)."""
        return TURN * np.arange(self.grid) / self.grid


def wrong(name: str, must: str, got: Any) -> ProblemError:
    """Return the one-line error of a field."""
    return ProblemError(f"games.torus_game: `{name}` must {must}, got {got}")


def features(angles: Array, size: int) -> Array:
    """Return phi at angles, shape (angles, size)."""
    out = np.ones((len(angles), size))
    for k in range(1, size, 2):
        out[:, k], out[:, k + 1] = np.cos((k + 1) // 2 * angles), np.sin((k + 1) // 2 * angles)
    return out


def derivative(grid: int) -> Array:
    """Return the matrix of d/dx of trigonometric polynomials on an odd grid."""
    difference = np.arange(grid)[:, None] - np.arange(grid)[None]
    safe = np.where(difference == 0, 1, difference)
    return np.where(difference == 0, 0.0, 0.5 * (-1.0) ** difference / np.sin(np.pi * safe / grid))
