"""Methods for mixed variational inequalities, one small function each.

    find z:  <F(z), y - z> + f(y) - f(z) >= 0 for all y,   that is  0 in F(z) + df(z)

F is given by its values, f by its proximal map; a set enters as the projection on it. A method is a step from state to
state; the first array of a state is where the method stands.

    forward-backward    z+ = prox(z - a F z)
    extragradient       y = prox(z - a F z),  z+ = prox(z - a F y)
    optimistic          z+ = prox(z - 2a F z + a F z-)           with sets: the forward-reflected-backward method
    projected-reflected z+ = prox(z - a F(2z - z-))
    popov               y = prox(z - a F y-),  z+ = prox(z - a F y)
    tseng               y = prox(z - a F z),  z+ = y - a (F y - F z)
    golden-ratio        z+ = prox(m - a_k F z),  m = ((p - 1) z + m-)/p,  a_k from the last two steps
    anchored            extragradient pulled to the start by 1/(k + 2)
    halpern             z+ = z_0/(k + 2) + (k + 1)/(k + 2) T z
    krasnoselskii-mann  z+ = z + r (T z - z)
    douglas-rachford, peaceman-rachford   prox of f and resolvent of F in turn (F affine)

T z = prox(z - a F z). Without f, the optimistic and the projected-reflected iterates and the y of Popov are the same
sequence for a linear F.

Sources  [Korpelevich1976], [Popov1980], [Tseng2000], [Malitsky2020a], [Malitsky2020b], [Yoon2021], [Lieder2021].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread

Array = NDArray[np.float64]
State = tuple[Array, ...]
GOLDEN = 1.5
"""phi of the golden-ratio method."""


@dataclass(frozen=True, eq=False)
class Inequality:
    """A mixed variational inequality.

    Attributes
    ----------
    dimension : int
    operator : callable
        F, from shape (n,) to (n,).
    prox : callable
        (v, a) -> proximal map of a f at v.
    prox_slope : callable or None
        (v, a) -> its derivative where it acts on each entry alone, shape (n,).
    jacobian : callable or None
        z -> dF/dz, shape (n, n).
    affine : pair of ndarray or None
        M, q of F(z) = M z + q.
    box : pair of ndarray or None
        Ends of the box where f is its indicator.
    """

    dimension: int
    operator: Callable[[Array], Array]
    prox: Callable[[Array, float], Array]
    prox_slope: Callable[[Array, float], Array] | None = None
    jacobian: Callable[[Array], Array] | None = None
    affine: tuple[Array, Array] | None = None
    box: tuple[Array, Array] | None = None
    _inverse: dict[float, Array] = field(default_factory=dict, repr=False)

    def forward_backward(self, z: Array, a: float) -> Array:
        """Return prox_{a f}(z - a F z)."""
        return self.prox(z - a * self.operator(z), a)

    def residual(self, z: Array) -> float:
        """Return the natural residual |z - prox_f(z - F z)|: 0 at solutions alone."""
        return float(np.linalg.norm(z - self.forward_backward(z, 1.0)))

    def resolvent(self, v: Array, a: float) -> Array:
        """Return (Id + a F)^{-1} v of an affine F."""
        if self.affine is None:
            raise ValueError("resolvent of an operator that is not affine")
        matrix, shift = self.affine
        if a not in self._inverse:
            with single_thread():
                self._inverse[a] = np.asarray(np.linalg.inv(np.eye(self.dimension) + a * matrix), dtype=np.float64)
        return np.asarray(self._inverse[a] @ (v - a * shift))


@dataclass(frozen=True)
class Method:
    """A method: its first state, its step, and where it stands.

    Attributes
    ----------
    start : callable
        (problem, z0, a) -> state.
    step : callable
        (problem, state, k, a, r) -> state; r is the relaxation.
    read : callable
        (problem, state, a) -> z.
    """

    start: Callable[[Inequality, Array, float], State]
    step: Callable[[Inequality, State, int, float, float], State]
    read: Callable[[Inequality, State, float], Array] = lambda problem, state, a: state[0]


def _alone(problem: Inequality, z: Array, a: float) -> State:
    return (z,)


def _with_start(problem: Inequality, z: Array, a: float) -> State:
    return z, z


def _with_operator(problem: Inequality, z: Array, a: float) -> State:
    return z, problem.operator(z)


def _forward_backward(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    return (problem.forward_backward(state[0], a),)


def _relaxed(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z = state[0]
    return (z + r * (problem.forward_backward(z, a) - z),)


def _halpern(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z, first = state
    return (first + (k + 1) * problem.forward_backward(z, a)) / (k + 2), first


def _extragradient(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z = state[0]
    y = problem.forward_backward(z, a)
    return (problem.prox(z - a * problem.operator(y), a),)


def _optimistic(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z, before = state
    now = problem.operator(z)
    return problem.prox(z - a * (2.0 * now - before), a), now


def _projected_reflected(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z, before = state
    return problem.prox(z - a * problem.operator(2.0 * z - before), a), z


def _popov(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z, before = state
    now = problem.operator(problem.prox(z - a * before, a))
    return problem.prox(z - a * now, a), now


def _tseng(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z = state[0]
    now = problem.operator(z)
    y = problem.prox(z - a * now, a)
    return (y - a * (problem.operator(y) - now),)


def _golden_start(problem: Inequality, z: Array, a: float) -> State:
    """State: z, z-, F z-, mean, (last step size, theta); the first step is a plain one."""
    now = problem.operator(z)
    return problem.prox(z - a * now, a), z, now, z, np.array([a, 1.0])


def _golden_ratio(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z, before, f_before, mean, (last, theta) = state
    now = problem.operator(z)
    change, slope = float(np.sum((z - before) ** 2)), float(np.sum((now - f_before) ** 2))
    largest = (1.0 / GOLDEN + 1.0 / GOLDEN**2) * last
    size = min(largest, GOLDEN * theta / (4.0 * last) * change / slope) if slope > 0.0 else largest
    size = min(size, 1e6)
    mean = ((GOLDEN - 1.0) * z + mean) / GOLDEN
    return problem.prox(mean - size * now, size), z, now, mean, np.array([size, size * GOLDEN / last])


def _anchored(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    z, first = state
    pulled = z + (first - z) / (k + 2)
    y = problem.prox(pulled - a * problem.operator(z), a)
    return problem.prox(pulled - a * problem.operator(y), a), first


def _splitting(problem: Inequality, state: State, k: int, a: float, share: float) -> State:
    u = state[0]
    x = problem.prox(u, a)
    reflected = 2.0 * x - u
    return (u + share * ((2.0 * problem.resolvent(reflected, a) - reflected) - u),)


def _peaceman_rachford(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    return _splitting(problem, state, k, a, 1.0)


def _douglas_rachford(problem: Inequality, state: State, k: int, a: float, r: float) -> State:
    return _splitting(problem, state, k, a, 0.5)


def _through_prox(problem: Inequality, state: State, a: float) -> Array:
    return problem.prox(state[0], a)


METHODS: dict[str, Method] = {
    "forward-backward": Method(_alone, _forward_backward),
    "krasnoselskii-mann": Method(_alone, _relaxed),
    "halpern": Method(_with_start, _halpern),
    "extragradient": Method(_alone, _extragradient),
    "optimistic": Method(_with_operator, _optimistic),
    "projected-reflected": Method(_with_start, _projected_reflected),
    "popov": Method(_with_operator, _popov),
    "tseng": Method(_alone, _tseng),
    "golden-ratio": Method(_golden_start, _golden_ratio),
    "anchored": Method(_with_start, _anchored),
    "peaceman-rachford": Method(_alone, _peaceman_rachford, _through_prox),
    "douglas-rachford": Method(_alone, _douglas_rachford, _through_prox),
}
"""Every method by name."""


@dataclass(frozen=True)
class March:
    """Iterates of a method.

    Attributes
    ----------
    path : ndarray, shape (steps + 1, n)
    residual : ndarray, shape (steps + 1,)
        Natural residual.
    """

    path: Array
    residual: Array


def march(
    problem: Inequality, method: Method, start: Array, *, step: float, relaxation: float, steps: int, tolerance: float,
    sizes: tuple[float, float] = (1e12, 1e-300),
) -> March:  # fmt: skip
    """Run a method until the natural residual is at most `tolerance`, `steps` are done, or the iterates blow up.

    Parameters
    ----------
    sizes : pair of float
        |z| beyond which a run is given up, and a residual below which it is exact.
    """
    state = method.start(problem, start, step)
    path = [method.read(problem, state, step)]
    residual = [problem.residual(path[0])]
    most, least = sizes[0] * (1.0 + float(np.linalg.norm(start))), max(tolerance, sizes[1])
    with np.errstate(over="ignore", invalid="ignore"), single_thread():
        for k in range(steps):
            if residual[-1] <= least or not np.linalg.norm(path[-1]) <= most:
                break
            state = method.step(problem, state, k, step, relaxation)
            path.append(method.read(problem, state, step))
            residual.append(problem.residual(path[-1]))
    return March(np.array(path), np.array(residual))


def fitted_rate(residual: Any, *, floor: float = 1e-12) -> float:
    """Return the factor per step: least squares of log residual over the second half of the steps above `floor`.

    NaN with fewer than three such steps.
    """
    values = np.asarray(residual, float)
    kept = np.flatnonzero(np.isfinite(values) & (values > floor))
    kept = kept[len(kept) // 2 :]
    if len(kept) < 3:
        return math.nan
    return float(np.exp(np.polyfit(kept.astype(float), np.log(values[kept]), 1)[0]))


def period(path: Array, *, longest: int = 64, tolerance: float = 1e-9) -> int:
    """Return the period of the cycle in which a path ends, 0 where it ends in none."""
    last = path[-1]
    size = tolerance * (1.0 + float(np.abs(last).max()))
    for p in range(1, min(longest, (len(path) - 1) // 3) + 1):
        if all(float(np.abs(path[-1 - i] - path[-1 - i - p]).max()) <= size for i in range(p + 1)):
            return p
    return 0
