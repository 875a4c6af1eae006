"""Variational inequalities of the user's own: an operator, and a set or a proximal map.

    find z in C:  <F(z), y - z> + f(y) - f(z) >= 0 for all y in C

Model    F from shape (n,) to (n,): a function, or matrix and shift of F(z) = M z + q.
Limit    None: the problem itself.
Valid    C closed and convex, f convex.
Error    That of the solver (`solve`).
Sources  [Facchinei2003].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.variational_inequality import Inequality

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConvexSet:
    """A closed convex set.

    Attributes
    ----------
    project : callable
        v -> its nearest point, shape (n,).
    slope : callable or None
        v -> derivative of the projection where it acts on each entry alone.
    support : callable
        d -> the point of the set furthest along d; raises ProblemError where there is none.
    box : pair of ndarray or None
    """

    project: Callable[[Array], Array]
    slope: Callable[[Array], Array] | None
    support: Callable[[Array], Array]
    box: tuple[Array, Array] | None = None


def box(low: Any, high: Any) -> ConvexSet:
    """Return the box of points between `low` and `high`, numbers or shapes (n,); infinite ends are free."""
    below, above = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    ends: tuple[Array, Array] = (below, above)
    if np.any(np.isnan(ends)) or not np.all(ends[0] <= ends[1]):
        raise ProblemError("games.box: `low` must be at most `high`")

    def support(d: Array) -> Array:
        far = np.where(d > 0.0, ends[1], np.where(d < 0.0, ends[0], np.clip(0.0, *ends)))
        if not np.all(np.isfinite(far)):
            raise ProblemError("games.box: `box` must be bounded for a gap, got an infinite end")
        return far

    return ConvexSet(
        lambda v: np.clip(v, *ends), lambda v: ((v > ends[0]) & (v < ends[1])).astype(float), support, ends
    )


def simplex() -> ConvexSet:
    """Return the set of probability vectors."""

    def project(v: Array) -> Array:
        order = np.sort(v)[::-1]
        levels = (np.cumsum(order) - 1.0) / np.arange(1, len(v) + 1)
        return np.asarray(np.maximum(v - levels[np.count_nonzero(order > levels) - 1], 0.0))

    return ConvexSet(project, None, lambda d: np.eye(len(d))[int(np.argmax(d))])


def ball(radius: float) -> ConvexSet:
    """Return the ball about 0."""
    if not is_real(radius) or radius <= 0.0:
        raise ProblemError(f"games.ball: `radius` must be a positive number, got {shown(radius)}")

    def project(v: Array) -> Array:
        return np.asarray(v * min(1.0, radius / max(float(np.linalg.norm(v)), 1e-300)))

    return ConvexSet(project, None, lambda d: radius * d / max(float(np.linalg.norm(d)), 1e-300))


@dataclass(frozen=True, kw_only=True, eq=False)
class VariationalInequality:
    """A variational inequality.

    Parameters
    ----------
    dimension : int
    operator : callable, optional
        F, shape (n,) to (n,).
    matrix, shift : array_like, shapes (n, n), (n,), optional
        F(z) = matrix z + shift, instead of `operator`.
    over : ConvexSet, optional
        The set: `box`, `simplex`, `ball`; default all of space.
    prox : callable, optional
        (v, a) -> proximal map of a f at v, instead of `over`.
    jacobian : callable, optional
        z -> dF/dz, for Newton's method and local rates.
    lipschitz, monotone : float, optional
        L and m (strong monotonicity) of F, where known; computed for a matrix.

    Raises
    ------
    ProblemError
        If neither or both forms of F are given, or shapes do not fit.
    """

    dimension: int
    operator: Callable[[Array], Array] | None = None
    matrix: Any = None
    shift: Any = None
    over: ConvexSet | None = None
    prox: Callable[[Array, float], Array] | None = None
    jacobian: Callable[[Array], Array] | None = None
    lipschitz: float | None = None
    monotone: float | None = None

    def __post_init__(self) -> None:
        n, where = self.dimension, "games.VariationalInequality"
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ProblemError(f"{where}: `dimension` must be a whole number of at least 1, got {shown(n)}")
        if (self.operator is None) == (self.matrix is None):
            raise ProblemError(f"{where}: `operator` or `matrix` must be given, not both")
        if self.over is not None and self.prox is not None:
            raise ProblemError(f"{where}: `over` or `prox` must be given, not both")
        if self.matrix is None:
            return
        matrix = np.array(self.matrix, float)
        shift = np.zeros(n) if self.shift is None else np.array(self.shift, float)
        if matrix.shape != (n, n) or shift.shape != (n,) or not np.isfinite(matrix.sum() + shift.sum()):
            raise ProblemError(f"{where}: `matrix`, `shift` must be finite, of shapes ({n}, {n}) and ({n},)")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "shift", shift)
        if self.lipschitz is None:
            object.__setattr__(self, "lipschitz", float(np.linalg.norm(matrix, 2)))
        if self.monotone is None:
            object.__setattr__(self, "monotone", float(np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0]))

    @cached_property
    def inequality(self) -> Inequality:
        """The form that solvers take."""
        matrix, shift, over = self.matrix, self.shift, self.over
        free = (np.full(self.dimension, -np.inf), np.full(self.dimension, np.inf))
        if self.operator is None:
            operator, jacobian, affine = (lambda z: matrix @ z + shift), (lambda z: matrix), (matrix, shift)
        else:
            operator, jacobian, affine = self.operator, self.jacobian, None  # type: ignore[assignment]
        if self.prox is not None:
            return Inequality(self.dimension, operator, self.prox, None, jacobian, affine)
        if over is None:
            return Inequality(
                self.dimension, operator, lambda v, a: v, lambda v, a: np.ones(len(v)), jacobian, affine, free
            )
        slope = over.slope
        ends = None
        if over.box is not None:
            low, high = (np.ascontiguousarray(np.broadcast_to(end, self.dimension)) for end in over.box)
            ends = (low, high)
        return Inequality(
            self.dimension, operator, lambda v, a: over.project(v), None if slope is None else lambda v, a: slope(v),
            jacobian, affine, ends,
        )  # fmt: skip
