"""Noisy descent-ascent and extragradient on affine games: moments of the algorithms and of their equations.

    F(z) = K (z - z*) + R xi;   descent-ascent z' = z - e F(z);   extragradient z' = z - e F(z - e F(z)), samples apart
    order 1   dZ = -K (Z - z*) dt + sqrt(e) R dW          order 2   drift -(K + (e/2) K^2) (Z - z*),  time t = e k

Model    One affine operator (a quadratic game near its equilibrium), Gaussian noise of constant covariance R R^T.
Limit    `limit` the algorithm itself, averaged over its noise, exactly; `equation` its equations, e -> 0 at fixed time.
Valid    e below `critical_step`: above it nothing is stationary, whatever the equation of order 1 says.
Error    `limit` rounding. Stationary variance: order 1 misses a share e (mu^2 + w^2)/(2 mu) of it (rotation w, friction
         mu), order 2 is right in w and on the wrong side in mu.
Sources  [Lu2022] for order 2 without noise; own derivation, proof: derivations/stochastic_games.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_NOISE, counters
from theorysim.errors import ProblemError
from theorysim.observables import labelled
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.linear_motion import Motion, of_diffusion
from theorysim.solvers.noisy_steps import descent_ascent_steps, extragradient_steps
from theorysim.solvers.sde import Ensemble, Equation, integrate
from theorysim.theory import Verdict

Array = NDArray[np.float64]
OBSERVABLES = ("position", "square_distance")
SOURCES = ("Lu2022",)
METHODS = ("descent-ascent", "extragradient")
ORDERS = (1, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """An affine game, its noise, and a run.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        K, the Jacobian of F: ((mu, w), (-w, mu)) is a rotation with friction.
    step : float
        e.
    noise : float or array_like, shape (d, d)
        R; a number s is s times the identity.
    steps : int
    method : {"descent-ascent", "extragradient"}
    start, centre : array_like, shape (d,), optional
        z_0 and z*; default 0.
    record : sequence of int, optional
        Steps to keep, ascending; default about 30.

    Raises
    ------
    ProblemError
        For shapes, names or numbers that do not fit.
    """

    matrix: ArrayLike
    step: float
    noise: Any = 1.0
    steps: int
    method: str = "descent-ascent"
    start: ArrayLike | None = None
    centre: ArrayLike | None = None
    record: Sequence[int] | None = None
    _tables: tuple[Array, Array, Array, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        k = np.atleast_2d(np.asarray(self.matrix, float))
        d = len(k)
        if k.shape != (d, d) or not np.all(np.isfinite(k)):
            raise _wrong("matrix", "be square and finite", f"shape {k.shape}")
        if not is_real(self.step) or self.step <= 0.0:
            raise _wrong("step", "be a positive number", shown(self.step))
        root = np.asarray(self.noise, float)
        root = float(root) * np.eye(d) if root.ndim == 0 else root
        if root.shape != (d, d) or not np.all(np.isfinite(root)):
            raise _wrong("noise", f"be a number or of shape ({d}, {d}), finite", f"shape {root.shape}")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or not 1 <= self.steps < 1 << 31:
            raise _wrong("steps", "be a whole number of at least 1", shown(self.steps))
        if self.method not in METHODS:
            raise _wrong("method", f"be one of {', '.join(METHODS)}", shown(self.method))
        start, centre = (_vector(n, getattr(self, n), d) for n in ("start", "centre"))
        if self.record is not None:
            rows = list(self.record)
            if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > self.steps:
                raise _wrong("record", f"hold ascending steps from 0 to {self.steps}", shown(rows))
        object.__setattr__(self, "_tables", (k, root, start, centre))

    @property
    def recorded(self) -> list[int]:
        """The recorded steps."""
        return list(default_steps(self.steps) if self.record is None else self.record)

    @property
    def iteration(self) -> tuple[Array, Array]:
        """The matrix of a step, shape (d, d), and the covariance of what noise adds."""
        k, root, _, _ = self._tables
        e, one = self.step, np.eye(len(k))
        noise = e * e * root @ root.T
        if self.method == "descent-ascent":
            return one - e * k, noise
        return one - e * k + e * e * k @ k, noise + e * e * k @ noise @ k.T

    @property
    def radius(self) -> float:
        """Spectral radius of a step: stable below 1."""
        return float(np.abs(np.linalg.eigvals(self.iteration[0])).max())


def _wrong(name: str, must: str, got: Any) -> ProblemError:
    return ProblemError(f"games.stochastic: `{name}` must {must}, got {got}")


def _vector(name: str, value: Any, size: int) -> Array:
    vector = np.zeros(size) if value is None else np.atleast_1d(np.asarray(value, float))
    if vector.shape != (size,) or not np.all(np.isfinite(vector)):
        raise _wrong(name, f"hold {size} finite numbers", f"shape {vector.shape}")
    return vector


def validity(problem: Problem) -> Verdict:
    """Return whether the algorithm is stable: its moments then tend to a stationary law."""
    radius = problem.radius
    applies = radius < 1.0
    bound = critical_step(problem)
    reason = f"factor {radius:.4g} per step; the largest stable step is {bound:.4g}"
    return Verdict(theory="games.stochastic", applies=applies, number=radius, threshold=1.0, reason=reason)


def critical_step(problem: Problem) -> float:
    """Return the step up to which the method is stable: 0 where an eigenvalue of K has no positive real part."""
    return min(_edge(complex(k), problem.method) for k in np.linalg.eigvals(problem._tables[0]))


def _edge(k: complex, method: str) -> float:
    mu, w, size = k.real, k.imag, abs(k) ** 2
    if method == "descent-ascent":
        return 2.0 * mu / size if mu > 0.0 else 0.0
    # (1 - |1 - e k + e^2 k^2|^2)/e as a polynomial in e
    roots = np.roots([-size * size, 2.0 * mu * size, w * w - 3.0 * mu * mu, 2.0 * mu])
    positive = [r.real for r in roots if abs(r.imag) < 1e-9 * abs(r) and r.real > 1e-12]
    rises = mu > 0.0 or (mu == 0.0 and w != 0.0)
    return float(min(positive)) if positive and rises else 0.0


def stationary(problem: Problem) -> xr.Dataset:
    """Return the stationary ``covariance`` of the algorithm, and ``first_order``, ``second_order`` of its equations.

    An equation without a stationary law gives infinity. Attributes: ``critical_step``, ``radius``.

    Raises
    ------
    ProblemError
        If the algorithm has none (see `validity`).
    """
    verdict = validity(problem)
    if not verdict.applies:
        raise _wrong("step", f"be below the critical {critical_step(problem):.4g}", f"{problem.step:.4g}")
    with single_thread():
        found = {"covariance": scipy.linalg.solve_discrete_lyapunov(*problem.iteration)}
        for order, name in zip(ORDERS, ("first_order", "second_order"), strict=True):
            drift, noise = drift_matrix(problem, order), _diffusion(problem)
            stable = np.linalg.eigvals(drift).real.max() < 0.0
            full = np.full_like(drift, np.inf)
            found[name] = scipy.linalg.solve_continuous_lyapunov(drift, -noise) if stable else full
    attrs = {"critical_step": critical_step(problem), "radius": verdict.number}
    return xr.Dataset({n: (("component", "component_other"), m) for n, m in found.items()}, attrs=attrs)


def drift_matrix(problem: Problem, order: int) -> Array:
    """Return the matrix of the drift of the equation of an order: -K, and -K -+ (e/2) K^2 (+ for extragradient)."""
    if order not in ORDERS or isinstance(order, bool):
        raise _wrong("order", "be 1 or 2", shown(order))
    k = problem._tables[0]
    sign = -1.0 if problem.method == "descent-ascent" else 1.0
    return -k if order == 1 else -k + sign * 0.5 * problem.step * k @ k


def _diffusion(problem: Problem) -> Array:
    root = problem._tables[1]
    return np.asarray(problem.step * root @ root.T)


def limit(problem: Problem, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return the algorithm averaged over its noise: ``position`` (step, component), ``square_distance`` from z* (step).

    ``X_std`` is one standard deviation of a run, ``X_error`` zero: nothing is approximated.

    Raises
    ------
    FloatingPointError
        If the moments overflow: the algorithm diverges.
    """
    return _moments(problem, Motion(*problem.iteration), {"seed": seed, "device": device})


def equation(problem: Problem, order: int) -> xr.Dataset:
    """Return the same of the equation of an order at the times e k of the recorded steps, exactly."""
    motion = of_diffusion(drift_matrix(problem, order), _diffusion(problem), problem.step)
    return _moments(problem, motion, {"order": order})


def _moments(problem: Problem, motion: Motion, attrs: dict[str, Any]) -> xr.Dataset:
    _, _, start, centre = problem._tables
    mean, spread, done = start - centre, np.zeros((len(start), len(start))), 0
    rows: dict[str, list[Any]] = {f"{n}{k}": [] for n in OBSERVABLES for k in ("", "_std", "_error")}
    with single_thread(), np.errstate(over="ignore", invalid="ignore"):
        for k in problem.recorded:
            part = motion.repeated(k - done)
            mean, spread, done = part.matrix @ mean, part.matrix @ spread @ part.matrix.T + part.noise, k
            squares = float(mean @ mean + np.trace(spread))
            wide = float(4.0 * mean @ spread @ mean + 2.0 * np.trace(spread @ spread))
            values = (centre + mean, np.sqrt(np.maximum(np.diag(spread), 0.0)), np.zeros_like(mean))
            for name, value in zip(rows, (*values, squares, np.sqrt(max(wide, 0.0)), 0.0), strict=True):
                rows[name].append(value)
    return _labelled(problem, {n: np.array(v) for n, v in rows.items()}, attrs)


def finite(problem: Problem, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Run the algorithm; replica r is the same run however many there are.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not 1 <= replicas < 1 << 31:
        raise _wrong("replicas", "be a whole number of at least 1", shown(replicas))
    k, root, start, centre = problem._tables
    z = np.repeat(start[None], replicas, axis=0)
    room = np.empty((replicas, 3, 2 * len(start)))
    steps_of = descent_ascent_steps if problem.method == "descent-ascent" else extragradient_steps
    tables = [np.ascontiguousarray(t) for t in (k, root, centre)]
    _, _, purpose, k0, k1 = counters(seed, replicas, problem.steps, GAME_NOISE)
    positions, done = [], 0
    for step in problem.recorded:
        if step > done:
            arguments = (z, room, *tables, problem.step, done, step - done, 0, purpose, k0, k1)
            foreach(steps_of, replicas, *arguments, device=device)
        done = step
        positions.append(z.T.copy())
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.array([((p - centre[:, None]) ** 2).sum(axis=0) for p in positions])
    values = {"position": np.array(positions), "square_distance": squares}
    return _labelled(problem, values, {"seed": seed, "device": device}, np.arange(replicas))


def _linear_drift(t: float, x: Any, constants: Any, out: Any) -> None:
    d = x.shape[0]
    for a in range(d):
        total = 0.0
        for b in range(d):
            total += constants[0, a, b] * (x[b] - constants[2, 0, b])
        out[a] = total


def _constant_diffusion(t: float, x: Any, constants: Any, out: Any) -> None:
    for a in range(x.shape[0]):
        for b in range(x.shape[0]):
            out[a, b] = constants[1, a, b]


def simulate(
    problem: Problem, order: int, *, paths: int, seed: int, substeps: int = 8, scheme: str = "srk2", device: str = "cpu"
) -> Ensemble:
    """Return paths of the equation of an order at the times e k of the recorded steps (0 left out).

    Parameters
    ----------
    substeps : int
        Steps of the scheme in each step of the algorithm.
    """
    _, root, start, centre = problem._tables
    d = len(start)
    constants = np.zeros((3, d, d))
    constants[0], constants[1], constants[2, 0] = drift_matrix(problem, order), np.sqrt(problem.step) * root, centre
    model = Equation(drift=_linear_drift, diffusion=_constant_diffusion, dimension=d, noises=d, kind="additive",
                     constants=constants) if d > 1 else _single(problem, order)  # fmt: skip
    times = [problem.step * k for k in problem.recorded if k > 0]
    dt = problem.step / substeps
    return integrate(model, start, times, dt=dt, paths=paths, seed=seed, scheme=scheme, device=device)


def _number_drift(t: float, x: float, constants: Any) -> float:
    return float(constants[0] * (x - constants[2]))


def _number_diffusion(t: float, x: float, constants: Any) -> float:
    return float(constants[1])


def _single(problem: Problem, order: int) -> Equation:
    _, root, _, centre = problem._tables
    constants = (drift_matrix(problem, order)[0, 0], np.sqrt(problem.step) * root[0, 0], centre[0])
    return Equation(drift=_number_drift, diffusion=_number_diffusion, kind="additive", constants=constants)


def _labelled(
    problem: Problem, values: dict[str, Array], attrs: dict[str, Any], replicas: NDArray[np.int64] | None = None
) -> xr.Dataset:
    steps = np.array(problem.recorded)
    attrs = {"theory": "games.stochastic", "method": problem.method} | attrs
    return labelled(values, steps=steps, time=steps * problem.step, attrs=attrs, replicas=replicas)
