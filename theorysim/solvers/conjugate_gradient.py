"""Conjugate gradients for (A + ridge) x = y with several right sides, A symmetric, positive semidefinite, by products.

Error    The residual y - (A + ridge) x is computed afresh at the end. It bounds the error of the image:
         |A x - A x*| <= |residual| (2-norm), because A (A + ridge)^-1 has no eigenvalue above 1. For all other
         functions of x the solver goes on until the residual is `_BEYOND` times smaller than asked, and returns the
         last change of x: an estimate of the error *before* it, hence generous for what is returned; to which the
         rounding of the product that uses x must be added.
Sources  Hestenes & Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import NotConverged
from theorysim.solvers.products import Product

Array = NDArray[np.float64]

_BEYOND = 10.0  # how much smaller than the tolerance the residual is made
_RESTARTS = 20
_STALLED = 0.5  # a restart that leaves more than this share of the residual has met rounding


@dataclass(frozen=True, eq=False)
class Solution:
    """Solution of (A + ridge) x = y.

    Attributes
    ----------
    x : ndarray, shape (n, c)
    change : ndarray, shape (n, c)
        What x gained while the residual fell from the tolerance to a tenth of it.
    residual : ndarray, shape (c,)
        |y - (A + ridge) x|, 2-norm, computed afresh.
    rounding : ndarray, shape (c,)
        Bound on the rounding of one more product with x: unit roundoff times sqrt(n) |A + ridge| |x|.
    iterations : int
        Products used.
    """

    x: Array
    change: Array
    residual: Array
    rounding: Array
    iterations: int


def solve(
    product: Product,
    target: Array,
    *,
    ridge: float = 0.0,
    tolerance: float = 1e-8,
    most: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Solution:
    """Solve (A + ridge) x = y.

    Parameters
    ----------
    product : callable
        v -> A v, shape (n, c); all right sides share a product.
    target : ndarray, shape (n, c)
        y.
    tolerance : float
        Wanted |residual|/|y| of each column.
    most : int, optional
        Most products (default 20 n + 100).
    progress : callable, optional
        Called with the fraction of the digits reached.

    Raises
    ------
    NotConverged
        If the tolerance is below what rounding allows, or `most` products are not enough.
    ArithmeticError
        If A + ridge has a negative eigenvalue.
    """
    size = np.linalg.norm(target, axis=0)
    budget = _Budget(product, ridge, 20 * len(target) + 100 if most is None else most, tolerance, size, progress)
    first = _to(budget, np.zeros_like(target), target, tolerance)
    x = _to(budget, first, target, tolerance / _BEYOND)
    residual = np.linalg.norm(target - budget.apply(x), axis=0)
    rounding = np.finfo(np.float64).eps * np.sqrt(len(x)) * budget.largest * np.linalg.norm(x, axis=0)
    return Solution(x, x - first, residual, rounding, budget.used)


class _Budget:
    """Products that may still be made, how far the residual has fallen, and the largest Rayleigh quotient met."""

    def __init__(
        self, product: Product, ridge: float, most: int, tolerance: float, size: Array,
        progress: Callable[[float], None] | None,
    ) -> None:  # fmt: skip
        self.product, self.ridge, self.most, self.used, self.largest = product, ridge, most, 0, 0.0
        self.goal, self.size, self.progress = tolerance / _BEYOND, np.where(size > 0.0, size, 1.0), progress

    def apply(self, v: Array) -> Array:
        """Return (A + ridge) v."""
        self.used += 1
        return np.asarray(self.product(v) + self.ridge * v)

    def spent(self, residual: Array) -> bool:
        """Report progress; return whether no product is left."""
        worst = float(np.max(residual / self.size))
        if self.progress is not None and worst < 1.0:
            self.progress(min(1.0, float(np.log(max(worst, self.goal)) / np.log(self.goal))))
        return self.used >= self.most

    def failure(self, worst: float) -> NotConverged:
        """Return the exception for the residual reached."""
        advice = f"a tolerance above {_BEYOND * worst:.1g} or a larger ridge"
        return NotConverged("conjugate gradients", self.used, worst, advice)


def _to(budget: _Budget, x: Array, target: Array, tolerance: float) -> Array:
    """Return an x whose true residual is within the tolerance: restarted wherever the carried residual strayed."""
    allowed, before = tolerance * np.linalg.norm(target, axis=0), np.inf
    for _ in range(_RESTARTS):
        residual = target - budget.apply(x) if x.any() else target.copy()
        worst = float(np.max(np.linalg.norm(residual, axis=0) / budget.size))
        if np.all(np.linalg.norm(residual, axis=0) <= allowed):
            return x
        if worst > _STALLED * before:
            break
        x, before = _run(budget, x, residual, 0.5 * allowed), worst
    raise budget.failure(worst)


def _run(budget: _Budget, x: Array, residual: Array, allowed: Array) -> Array:
    """Return x after conjugate gradients until the carried residual of each column is within `allowed`."""
    x, residual = x.copy(), residual.copy()
    squared = np.sum(residual**2, axis=0)
    direction = residual.copy()
    active = np.flatnonzero(np.sqrt(squared) > allowed)
    while len(active):
        p = direction[:, active]
        image = budget.apply(p)
        curvature = np.sum(p * image, axis=0)
        if np.any(curvature <= 0.0):
            raise ArithmeticError("conjugate gradients: the matrix plus ridge has an eigenvalue that is not positive")
        budget.largest = max(budget.largest, float(np.max(curvature / np.sum(p * p, axis=0))))
        length = squared[active] / curvature
        x[:, active] += length * p
        residual[:, active] -= length * image
        new = np.sum(residual[:, active] ** 2, axis=0)
        direction[:, active] = residual[:, active] + new / squared[active] * p
        squared[active] = new
        if budget.spent(np.sqrt(squared)):
            raise budget.failure(float(np.max(np.sqrt(squared) / budget.size)))
        active = active[np.sqrt(new) > allowed[active]]
    return x
