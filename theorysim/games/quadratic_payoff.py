"""A quadratic payoff x.A x/2 + x.C y - y.B y/2, and two sides of particles that descend and ascend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, shown

Array = NDArray[np.float64]
SCHEMES = ("exact", "euler")


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A quadratic payoff, particles and a start.

    Parameters
    ----------
    a, b, c : float or array_like, shapes (p, p), (q, q), (p, q)
        Curvatures, symmetric, and the coupling.
    inverse_temperature : float
        beta.
    particles : int
        N on each side, at least 2.
    step : float
        Time of a step.
    steps : int
    start_mean : array_like, shape (p + q,), optional
        Default 0.
    start_variance : float
        Of every component of every particle.
    scheme : {"exact", "euler"}
        How the particles step: "exact" has the law of the equation at any `step`.
    record : sequence of int, optional
        Steps to keep, ascending; default about 30.

    Raises
    ------
    ProblemError
        For shapes or numbers that do not fit, and where Euler steps are unstable.
    """

    a: Any
    b: Any
    c: Any
    inverse_temperature: float
    particles: int
    step: float
    steps: int
    start_mean: ArrayLike | None = None
    start_variance: float = 0.0
    scheme: str = "exact"
    record: Sequence[int] | None = None
    _tables: tuple[Array, Array, Array, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_numbers(self)
        a, b, c = (np.atleast_2d(np.asarray(m, float)) for m in (self.a, self.b, self.c))
        p, q = len(a), len(b)
        if a.shape != (p, p) or b.shape != (q, q) or c.shape != (p, q):
            raise wrong("c", f"have the shape ({p}, {q}) of square `a` and `b`", f"{a.shape}, {b.shape}, {c.shape}")
        if not all(np.all(np.isfinite(m)) for m in (a, b, c)):
            raise wrong("a, b, c", "be finite", "NaN or infinity")
        for name, m in (("a", a), ("b", b)):
            if not np.allclose(m, m.T, rtol=1e-12, atol=0.0):
                raise wrong(name, "be symmetric", shown(m.tolist()))
        start = np.zeros(p + q) if self.start_mean is None else np.atleast_1d(np.asarray(self.start_mean, float))
        if start.shape != (p + q,) or not np.all(np.isfinite(start)):
            raise wrong("start_mean", f"hold {p + q} finite numbers", f"shape {start.shape}")
        object.__setattr__(self, "_tables", (a, b, c, start))
        if self.scheme == "euler":
            _check_euler(self)

    @property
    def recorded(self) -> list[int]:
        """The recorded steps."""
        return list(default_steps(self.steps) if self.record is None else self.record)

    @property
    def sides(self) -> tuple[int, int]:
        """Dimensions (p, q) of the strategies."""
        return len(self._tables[0]), len(self._tables[1])

    @property
    def own_rate(self) -> Array:
        """blockdiag(A, B): how a difference between particles of a side decays."""
        return np.asarray(scipy.linalg.block_diag(self._tables[0], self._tables[1]))

    @property
    def mean_rate(self) -> Array:
        """K, shape (p + q, p + q): how the means decay."""
        a, b, c, _ = self._tables
        return np.block([[a, c], [-c.T, b]])


def wrong(name: str, must: str, got: Any) -> ProblemError:
    """Return the one-line error of a field."""
    return ProblemError(f"games.descent_ascent: `{name}` must {must}, got {got}")


def _check_numbers(problem: Problem) -> None:
    for name, least in (("particles", 2), ("steps", 1)):
        value = getattr(problem, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 1 << 31:
            raise wrong(name, f"be a whole number of at least {least}", shown(value))
    for name in ("inverse_temperature", "step"):
        if not is_real(getattr(problem, name)) or getattr(problem, name) <= 0.0:
            raise wrong(name, "be a positive number", shown(getattr(problem, name)))
    if not is_real(problem.start_variance) or problem.start_variance < 0.0:
        raise wrong("start_variance", "be a number of at least 0", shown(problem.start_variance))
    if problem.scheme not in SCHEMES:
        raise wrong("scheme", 'be "exact" or "euler"', shown(problem.scheme))
    if problem.record is not None:
        rows = list(problem.record)
        if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > problem.steps:
            raise wrong("record", f"hold ascending steps from 0 to {problem.steps}", shown(rows))


def _check_euler(problem: Problem) -> None:
    for rate in (problem.own_rate, problem.mean_rate):
        values = np.linalg.eigvals(rate)
        grown = np.abs(1.0 - problem.step * values)
        if np.any((grown >= 1.0) & (values.real > 0.0)):
            raise wrong("step", 'be small enough for scheme "euler"', f"{problem.step:g} (factor {grown.max():.3g})")
