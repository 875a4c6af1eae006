"""A user's function with a gradient, and quadratics: noise is Gaussian, given as a product.

    gradient of one sample   grad f(x) + product(x, w),  w ~ N(0, 1) in `noises` dimensions

Limit    none.
Valid    any differentiable f; the optimizer sees Gaussian gradient noise, divided by sqrt B on a batch.
Error    Hessian products by central differences unless given.
Sources  noisy gradient oracles as in [Malladi2022].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.validation import shown
from theorysim.sde.finite_sums import FiniteSum, central_difference
from theorysim.sde.linear_models import Linear
from theorysim.sde.objectives import Objective
from theorysim.sde.pointwise import POINTWISE

Array = NDArray[np.float64]
MOST_NOISES = 512


@dataclass(frozen=True, eq=False)
class Function:
    """A differentiable function with Gaussian gradient noise; made by `function`.

    Attributes
    ----------
    loss : X (paths, d) -> (paths,)
    gradient : X -> (paths, d)
    dimension : int
    product : (X, W) -> (paths, d)
        Noise of one sample's gradient for W (paths, noises).
    noises : int
    curvature : (X, V) -> H V, or None
    """

    loss: Callable[[Array], Array]
    gradient: Callable[[Array], Array]
    dimension: int
    product: Callable[[Array, Array], Array]
    noises: int
    curvature: Callable[[Array, Array], Array] | None = None
    name: str = "function"

    def drift_and_product(self, x: Array, xi: Array, drift: float, noise: float) -> Array:
        """Return drift grad f + noise product(x, xi)."""
        return drift * self.gradient(x) + noise * self.product(x, xi)

    def hessian_product(self, x: Array, v: Array) -> Array:
        """Return H v, shape (paths, d)."""
        return self.curvature(x, v) if self.curvature is not None else central_difference(self.gradient, x, v)

    def variance(self, x: Array) -> Array:
        """Return the diagonal of the covariance of one sample's gradient, shape (paths, d)."""
        total = np.zeros_like(x)
        for k in range(self.noises):
            unit = np.zeros((len(x), self.noises))
            unit[:, k] = 1.0
            total += self.product(x, unit) ** 2
        return total

    def strength(self, batch: int | None, sampling: str) -> float:
        """Return the covariance of a batch's gradient over that of one sample's: 1/B."""
        return 0.0 if batch is None else 1.0 / batch


def function(
    loss: Callable[[Array], Array],
    gradient: Callable[[Array], Array],
    dimension: int,
    *,
    covariance: ArrayLike = 0.0,
    product: Callable[[Array, Array], Array] | None = None,
    noises: int | None = None,
    hessian_product: Callable[[Array, Array], Array] | None = None,
) -> Function:
    """Return a user's function as an objective.

    Parameters
    ----------
    loss : callable
        X of shape (paths, d) -> (paths,).
    gradient : callable
        X -> (paths, d).
    dimension : int
        d.
    covariance : array_like, scalar or shape (d, d)
        Of one sample's gradient, where it does not depend on x.
    product : callable, optional
        (X, W) -> (paths, d) with W (paths, noises) standard normal, in place of `covariance`.
    noises : int
        With `product`.
    hessian_product : callable, optional
        (X, V) -> H V; default: central differences of the gradient.

    Raises
    ------
    ProblemError
        If shapes do not fit, or the gradient is not that of the loss (at one random point where both are finite).
    """
    if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
        raise ProblemError(f"sde: `dimension` must be a whole number of at least 1, got {shown(dimension)}")
    _check_gradient(loss, gradient, dimension)
    if product is None:
        root = _root(covariance, dimension)
        return Function(loss, gradient, dimension, lambda x, w: np.asarray(w @ root), dimension, hessian_product)
    if isinstance(noises, bool) or not isinstance(noises, int) or not 1 <= noises <= MOST_NOISES:
        raise ProblemError(f"sde: `noises` must be a whole number from 1 to {MOST_NOISES}, got {shown(noises)}")
    point = _points(dimension)
    if np.shape(product(point, np.ones((len(point), noises)))) != point.shape:
        raise ProblemError(f"sde: `product` must return shape (paths, {dimension}) for W of shape (paths, {noises})")
    return Function(loss, gradient, dimension, product, noises, hessian_product)


def _points(dimension: int) -> Array:
    """Return two points that are nothing special."""
    return np.asarray(np.cos(np.arange(1.0, 2 * dimension + 1)).reshape(2, dimension))


def _check_gradient(loss: Callable[[Array], Array], gradient: Callable[[Array], Array], dimension: int) -> None:
    x = _points(dimension)
    value, slope = np.asarray(loss(x)), np.asarray(gradient(x))
    if value.shape != (2,) or slope.shape != x.shape:
        raise ProblemError(
            f"sde: `loss` and `gradient` must return shapes (paths,) and (paths, {dimension}) for blocks of states, "
            f"got {value.shape} and {slope.shape} for 2 paths"
        )
    v = np.sin(np.arange(1.0, 2 * dimension + 1)).reshape(2, dimension)
    step = 1e-5
    there, back = np.asarray(loss(x + step * v)), np.asarray(loss(x - step * v))
    along, scale = (slope * v).sum(axis=1), np.abs(slope * v).sum(axis=1) + np.abs(value)
    wrong = np.abs((there - back) / (2.0 * step) - along) > 1e-4 * scale + 1e-10
    if np.any(wrong & np.isfinite(there + back + along)):
        raise ProblemError(
            f"sde: `gradient` must be that of `loss`, got slope {along[0]:.6g} where the loss rises by "
            f"{(there[0] - back[0]) / (2.0 * step):.6g}"
        )


def _root(covariance: ArrayLike, dimension: int) -> Array:
    """Return a symmetric root of a constant covariance."""
    c = np.asarray(covariance, float)
    c = float(c) * np.eye(dimension) if c.ndim == 0 else c
    if c.shape != (dimension, dimension) or not np.all(np.isfinite(c)) or not np.allclose(c, c.T):
        raise ProblemError(f"sde: `covariance` must be a number or symmetric of shape {(dimension, dimension)}")
    values, basis = np.linalg.eigh(c)
    if values[0] < -1e-12 * max(1.0, values[-1]):
        raise ProblemError("sde: `covariance` must be positive semidefinite, got an eigenvalue below 0")
    return np.asarray((basis * np.sqrt(np.maximum(values, 0.0))) @ basis.T)


def sampled(objective: Objective) -> FiniteSum | Function:
    """Return an objective of the moments route (`quadratic`, `least_squares`) in the form whose paths are run."""
    if objective.samples is not None:
        a, target = objective.samples[:, :-1], -objective.samples[:, -1:]
        return FiniteSum(Linear(np.ascontiguousarray(a), 1), POINTWISE["mse"], target, 0.0, "least squares")
    h, b, root = objective.hessian, objective.slope, _root(objective.covariance, objective.dimension)
    multiple = np.sqrt(objective.multiplicative)
    return Function(
        loss=lambda x: np.asarray(0.5 * ((x @ h) * x).sum(axis=1) - x @ b + objective.constant),
        gradient=lambda x: x @ h - b,
        dimension=objective.dimension,
        product=lambda x, w: w[:, 1:] @ root + multiple * w[:, :1] * x,
        noises=objective.dimension + 1,
        curvature=lambda x, v: v @ h,
        name="quadratic",
    )
