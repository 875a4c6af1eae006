"""One parameter, any loss: densities of SGD with Gaussian noise and of its equations, without Monte Carlo.

    steps      x' = x - eta f'(x) + eta s(x) z:   p'(y) = int N(y; x - eta f'(x), (eta s)^2) p(x) dx
    order 1    dX = -f' dt + sqrt(eta) s dW,      order 2    dX = -(f' + (eta/2) f'' f') dt + sqrt(eta) s dW
    means by the backward equation  u_t = b u_x + (D/2) u_xx,  u(0) = phi,  E phi(X_t) = int p_0 u(t)

Limit    eta -> 0 at fixed t = eta k: weak errors O(eta) and O(eta^2).
Valid    losses that confine (f' pushes inwards at the ends of the interval, where paths are reflected).
Error    of the numbers, not of the equations: spectral in `points`; grids double until two of them agree to
         `tolerance`.
Sources  [Li2019] (the equations).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged, ProblemError
from theorysim.problem.validation import is_real, one_of, shown

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
SOURCES = ("Li2019",)
POINTS, MOST_POINTS = 200, 1600
"""Where grids start, doubling until two agree, and where they stop."""


@dataclass(frozen=True, eq=False)
class Problem:
    """SGD on one parameter.

    Parameters
    ----------
    gradient, curvature : callable
        f' and f'', on arrays.
    noise : callable or float
        s: standard deviation of the gradient noise.
    learning_rate, time : float
        eta and t = eta k; t/eta must be whole for `finite`.
    start : (float, float)
        Mean and standard deviation of the Gaussian x_0.
    interval : (float, float)
        Where everything happens.
    """

    gradient: Function
    curvature: Function
    noise: Function | float
    learning_rate: float
    time: float
    start: tuple[float, float]
    interval: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("learning_rate", "time"):
            value = getattr(self, name)
            if not is_real(value) or value <= 0.0:
                raise ProblemError(f"density: `{name}` must be a positive number, got {shown(value)}")
        for name in ("start", "interval"):
            pair = getattr(self, name)
            if len(pair) != 2 or not all(is_real(one) for one in pair):
                raise ProblemError(f"density: `{name}` must be two finite numbers, got {shown(pair)}")
        low, high = self.interval
        if low >= high or self.start[1] <= 0.0:
            raise ProblemError("density: `interval` must ascend and `start` have a positive deviation")
        ends = np.array([low, high])
        pull = np.asarray(self.gradient(ends), float)
        if not pull[0] < 0.0 < pull[1]:
            raise ProblemError(
                f"density: `interval` must end where f' pushes inwards, got f' = {pull[0]:.3g}, {pull[1]:.3g}"
            )
        if np.any(self.deviation(ends) <= 0.0):
            raise ProblemError("density: `noise` must be positive")

    def deviation(self, x: Array) -> Array:
        """Return s(x)."""
        return np.asarray(self.noise(x) if callable(self.noise) else np.full_like(x, self.noise))

    def initial(self, x: Array) -> Array:
        """Return the density of x_0."""
        mean, deviation = self.start
        return np.asarray(np.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * np.sqrt(2.0 * np.pi)))


def limit(
    problem: Problem, observables: Mapping[str, Function], *, order: Literal[1, 2] = 1, points: int = POINTS,
    tolerance: float = 1e-8,
) -> dict[str, float]:  # fmt: skip
    """Return E phi of the equation at the final time, for each observable phi.

    Raises
    ------
    NotConverged
        If a coarser grid differs by more than `tolerance` at 1600 points.
    """
    if order not in (1, 2):
        raise ProblemError(f"density: `order` {one_of(order, ('1', '2'))}")
    return _trusted(lambda n: _backward(problem, observables, order, n), points, tolerance)


def _trusted(solve: Callable[[int], dict[str, float]], points: int, tolerance: float) -> dict[str, float]:
    if isinstance(points, bool) or not isinstance(points, int) or points < 32:
        raise ProblemError(f"density: `points` must be a whole number of at least 32, got {shown(points)}")
    coarse: dict[str, float] = {}
    with single_thread():
        while True:
            fine = solve(points)
            coarse = coarse or solve(3 * points // 4)
            worst = max(abs(fine[name] - coarse[name]) for name in fine)
            if worst <= tolerance:
                return fine
            if 2 * points > MOST_POINTS:
                raise NotConverged("density", points, worst, "a shorter interval or a larger tolerance")
            points, coarse = 2 * points, fine


def _backward(problem: Problem, observables: Mapping[str, Function], order: int, points: int) -> dict[str, float]:
    """Chebyshev collocation, no flux through the ends; the matrix exponential in time."""
    x, first, weights = chebyshev(points, problem.interval)
    slope = problem.gradient(x)
    drift = -slope if order == 1 else -slope * (1.0 + 0.5 * problem.learning_rate * problem.curvature(x))
    spread = 0.5 * problem.learning_rate * problem.deviation(x) ** 2
    inner = slice(1, -1)
    generator = drift[:, None] * first + spread[:, None] * (first @ first)
    # u_x = 0 at both ends gives the values there from those inside
    ends = -np.linalg.solve(first[np.ix_([0, -1], [0, -1])], first[[0, -1], inner])
    reduced = generator[inner, inner] + generator[inner][:, [0, -1]] @ ends
    move = scipy.linalg.expm(problem.time * reduced)
    law = weights * problem.initial(x)
    found = {}
    for name, function in observables.items():
        u = move @ np.asarray(function(x), float)[inner]
        whole = np.concatenate([ends[:1] @ u, u, ends[1:] @ u])
        found[name] = float(law @ whole)
    return found


def chebyshev(points: int, interval: tuple[float, float]) -> tuple[Array, Array, Array]:
    """Return points (ascending), differentiation matrix and quadrature weights (Clenshaw, Curtis) on an interval."""
    n = points - 1
    angle = np.pi * np.arange(n, -1, -1) / n
    x = np.cos(angle)
    sign = np.where(np.arange(points) % 2, -1.0, 1.0)
    sign[[0, -1]] *= 2.0
    gap = np.sin(0.5 * (angle[:, None] + angle)) * np.sin(0.5 * (angle - angle[:, None])) * 2.0  # x_i - x_j, exactly
    matrix = np.outer(sign, 1.0 / sign) / (gap + np.eye(points))
    matrix -= np.diag(matrix.sum(axis=1))
    even = np.arange(0, n + 1, 2)
    share = 2.0 / (1.0 - even**2)
    share[0] = 2.0
    terms = np.cos(np.outer(angle, even)) * share
    terms[:, 0] *= 0.5
    if n % 2 == 0:
        terms[:, -1] *= 0.5
    weights = 2.0 / n * terms.sum(axis=1)
    weights[[0, -1]] *= 0.5
    half = 0.5 * (interval[1] - interval[0])
    return interval[0] + half * (x + 1.0), matrix / half, weights * half


def finite(
    problem: Problem, observables: Mapping[str, Function], *, points: int = POINTS, tolerance: float = 1e-8
) -> dict[str, float]:
    """Return E phi of SGD itself after t/eta steps, for each observable phi: Chapman-Kolmogorov on a grid.

    Raises
    ------
    NotConverged
        If a coarser grid differs by more than `tolerance` at 1600 points.
    """
    steps = problem.time / problem.learning_rate
    if abs(steps - round(steps)) > 1e-6:
        raise ProblemError(f"density: `time` must be a whole number of steps, got {steps:.6g}")
    return _trusted(lambda n: _forward(problem, observables, round(steps), n), points, tolerance)


def _forward(problem: Problem, observables: Mapping[str, Function], steps: int, points: int) -> dict[str, float]:
    """Trapezoidal sums of smooth densities that vanish at the ends converge beyond every power of the spacing."""
    x = np.linspace(*problem.interval, points)
    spacing = x[1] - x[0]
    centre = x - problem.learning_rate * problem.gradient(x)
    width = problem.learning_rate * problem.deviation(x)
    kernel = np.exp(-0.5 * ((x[:, None] - centre) / width) ** 2) * (spacing / (width * np.sqrt(2.0 * np.pi)))
    density = problem.initial(x)
    for _ in range(steps):
        density = kernel @ density
    return {name: float(spacing * (density @ np.asarray(f(x), float))) for name, f in observables.items()}


def slopes(errors: Sequence[float]) -> list[float]:
    """Return log2 of the ratios of successive errors: the order, where the learning rate halves."""
    sizes: Any = np.abs(np.asarray(errors, float))
    return [float(one) for one in np.log2(sizes[:-1] / sizes[1:])]
