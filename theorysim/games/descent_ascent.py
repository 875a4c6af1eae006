"""Langevin descent-ascent of many particles on a quadratic payoff: the mean-field law, and what N particles add.

    dX^i = -(1/N) sum_j grad_x l(X^i, Y^j) dt + sqrt(2/beta) dW,  Y^j ascends,  l = x.A x/2 + x.C y - y.B y/2
    means z = (X, Y): dz = -K z dt + sqrt(2/(beta N)) dW, K = ((A, C), (-C^T, B));  differences: rates A and B

Model    N particles on each side; A, B symmetric; Gaussian start. Temperature 1/beta makes strategies mixed.
Limit    N -> inf: independent particles with Gaussian laws (McKean-Vlasov), exact in time.
Valid    A, B > 0, where the law tends to the only entropic equilibrium, variances A^-1/beta and B^-1/beta. For other
         payoffs single-timescale descent-ascent converges near an equilibrium and need not from afar (counterexamples
         are known): nothing global is claimed there, see `games.torus_game`.
Error    Exactly known: means none, variances 1/N, payoff O(1/N); of Euler steps O(step), exactly known as well.
Sources  [DomingoEnrich2020]; own derivation, proof: derivations/descent_ascent.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_PARTICLES, counters, normals
from theorysim.equations.descent_ascent import mean_rate
from theorysim.games.quadratic_payoff import Problem, wrong
from theorysim.observables import labelled
from theorysim.problem.validation import shown
from theorysim.solvers.descent_ascent import quadratic_steps
from theorysim.solvers.linear_motion import Motion, of_diffusion
from theorysim.theory import Verdict

__all__ = ["Problem", "exact", "finite", "limit", "stationary", "validity"]

Array = NDArray[np.float64]
OBSERVABLES = ("particle_mean", "particle_variance", "payoff")
SOURCES = ("DomingoEnrich2020",)
MOST_NUMBERS = 1 << 27


def validity(problem: Problem) -> Verdict:
    """Return whether there is an entropic equilibrium: A and B positive definite."""
    least = float(np.linalg.eigvalsh(problem.own_rate).min())
    applies = least > 0.0
    reason = (
        "the payoff is convex-concave and quadratic: the law converges from any Gaussian start"
        if applies
        else "a side has a direction without curvature: its particles spread without end, there is no equilibrium"
    )
    return Verdict(theory="games.descent_ascent", applies=applies, number=-least, threshold=0.0, reason=reason)


def _motion(rate: Array, problem: Problem, scheme: str) -> Motion:
    """Return a step of dz = -rate z dt + sqrt(2/beta) dW."""
    h, one = problem.step, np.eye(len(rate))
    heat = 2.0 / problem.inverse_temperature * one
    return Motion(one - h * rate, h * heat) if scheme == "euler" else of_diffusion(-rate, heat, h)


class _Law(NamedTuple):
    """Mean, covariance of the differences (N -> inf) and N times the covariance of the empirical means."""

    mean: Array
    own: Array
    shared: Array


def _laws(problem: Problem, scheme: str) -> Iterator[_Law]:
    start = problem._tables[3]
    spread = problem.start_variance * np.eye(len(start))
    with single_thread():
        each, all_ = _motion(problem.own_rate, problem, scheme), _motion(problem.mean_rate, problem, scheme)
        for k in problem.recorded:
            own, shared = each.repeated(k), all_.repeated(k)
            yield _Law(
                shared.matrix @ start,
                own.matrix @ spread @ own.matrix.T + own.noise,
                shared.matrix @ spread @ shared.matrix.T + shared.noise,
            )


def _expected(problem: Problem, law: _Law, particles: float) -> tuple[Array, Array, float]:
    """Return the expected observables of N particles a side (inf: the mean field)."""
    share = 1.0 / particles
    payoff, curvature = _payoff(problem)
    value = 0.5 * law.mean @ payoff @ law.mean + 0.5 * (1.0 - share) * np.trace(curvature @ law.own)
    return law.mean, (1.0 - share) * np.diag(law.own), float(value + 0.5 * share * np.trace(payoff @ law.shared))


def _payoff(problem: Problem) -> tuple[Array, Array]:
    """Return H and D with payoff = z.H z/2 + (1/N) sum of (z_i - z).D (z_i - z)/2, z the means."""
    a, b, c, _ = problem._tables
    return np.block([[a, c], [c.T, -b]]), np.asarray(scipy.linalg.block_diag(a, -b))


def _spread(problem: Problem, law: _Law) -> tuple[Array, Array, float]:
    """Return the standard deviations of the observables of N particles a side: all of them are Gaussian forms."""
    count = problem.particles
    payoff, curvature = _payoff(problem)
    shared = law.shared / count
    push, mixed, own = payoff @ law.mean, payoff @ shared, curvature @ law.own
    variance = push @ shared @ push + 0.5 * np.trace(mixed @ mixed)
    variance += 0.5 * (count - 1) / count**2 * np.trace(own @ own)
    mean, own_spread = np.sqrt(np.diag(shared)), np.diag(law.own) * np.sqrt(2.0 * (count - 1)) / count
    return mean, own_spread, float(np.sqrt(max(variance, 0.0)))


def limit(problem: Problem, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return the mean-field law at the recorded steps; the particles do not enter but in ``X_std`` and ``X_error``.

    Returns
    -------
    Dataset
        ``particle_mean``, ``particle_variance`` (step, component; the p descending ones first) and ``payoff`` (step),
        each with ``X_std`` at N particles and ``X_error``, the exactly known bias of N particles and of the scheme.
    """
    rows: dict[str, list[Any]] = {f"{n}{k}": [] for n in OBSERVABLES for k in ("", "_std", "_error")}
    for law, stepped in zip(_laws(problem, "exact"), _laws(problem, problem.scheme), strict=True):
        found, spread = _expected(problem, law, np.inf), _spread(problem, law)
        finite_ = _expected(problem, stepped, problem.particles)
        for name, x, s, y in zip(OBSERVABLES, found, spread, finite_, strict=True):
            for kind, value in (("", x), ("_std", s), ("_error", np.abs(np.asarray(y) - np.asarray(x)))):
                rows[name + kind].append(value)
    return _labelled(problem, {k: np.array(v) for k, v in rows.items()}, {"seed": seed, "device": device})


def exact(problem: Problem) -> xr.Dataset:
    """Return the expectations of N particles and of the scheme themselves, with ``X_std`` and no ``X_error``."""
    rows: dict[str, list[Any]] = {f"{n}{k}": [] for n in OBSERVABLES for k in ("", "_std")}
    for law in _laws(problem, problem.scheme):
        spread = _spread(problem, law)
        for name, x, s in zip(OBSERVABLES, _expected(problem, law, problem.particles), spread, strict=True):
            rows[name].append(x)
            rows[f"{name}_std"].append(s)
    return _labelled(problem, {k: np.array(v) for k, v in rows.items()}, {})


def finite(problem: Problem, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Run the particles; replica r is the same run however many there are, at O(particles) per step.

    Raises
    ------
    ProblemError
        If `replicas` is no positive whole number or the states exceed one gigabyte.
    """
    size, count = sum(problem.sides), problem.particles
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not 1 <= replicas < 1 << 31:
        raise wrong("replicas", "be a whole number of at least 1", shown(replicas))
    if replicas * count * size > MOST_NUMBERS:
        raise wrong("replicas", f"be at most {MOST_NUMBERS // (count * size)} for so many particles", replicas)
    z = np.empty((replicas, count, size))
    for r in range(replicas):
        z[r] = normals((count, size), seed=seed, stream=r, purpose=GAME_PARTICLES)
    z = problem._tables[3] + np.sqrt(problem.start_variance) * z
    rows: dict[str, list[Array]] = {name: [] for name in OBSERVABLES}
    done, move = 0, _mover(problem, z, seed, device)
    for k in problem.recorded:
        move(done, k - done)
        done = k
        for name, value in zip(OBSERVABLES, _measured(problem, z), strict=True):
            rows[name].append(value)
    values = {name: np.array(each) for name, each in rows.items()}
    return _labelled(problem, values, {"seed": seed, "device": device}, np.arange(replicas))


def _mover(problem: Problem, z: Array, seed: int, device: str) -> Any:
    """Return what takes some steps of all replicas, in place."""
    with single_thread():
        own, shared = (_motion(rate, problem, problem.scheme) for rate in (problem.own_rate, problem.mean_rate))
        own_root, shared_root = (np.linalg.cholesky(m.noise) for m in (own, shared))
    tables = [own.matrix, own_root, shared.matrix - own.matrix, shared_root - own_root]
    tables = [np.ascontiguousarray(t) for t in tables]
    room, rows = np.empty_like(z), np.empty((len(z), 4, z.shape[2]))
    _, _, purpose, k0, k1 = counters(seed, len(z), problem.steps, GAME_PARTICLES)

    def move(first: int, steps: int) -> None:
        if steps:
            arguments = (z, room, rows, *tables, first, steps, 0, purpose, k0, k1)
            foreach(quadratic_steps, len(z), *arguments, device=device)

    return move


def _measured(problem: Problem, z: Array) -> tuple[Array, Array, Array]:
    """Return the observables of all replicas, replica last; one by one: the bits of each are its own."""
    payoff, curvature = _payoff(problem)
    means, variances, values = np.empty(z[:, 0].shape), np.empty(z[:, 0].shape), np.empty(len(z))
    with single_thread():
        for r, states in enumerate(z):
            mean = states.mean(axis=0)
            apart = states - mean
            own = apart.T @ apart / len(states)
            means[r], variances[r] = mean, np.diag(own)
            values[r] = 0.5 * (mean @ payoff @ mean + np.sum(curvature * own))
    return means.T, variances.T, values


def stationary(problem: Problem) -> xr.Dataset:
    """Return the equilibrium: ``variance`` of a particle (N -> inf), ``mean_covariance`` S, ``eigenvalue`` of K.

    ``pair_covariance`` = S - variance/N is what two particles of the system share: the error of independence. One
    dimension a side: the attributes ``slowest_rate`` and ``frequency`` of the means.

    Raises
    ------
    ProblemError
        If there is no equilibrium (see `validity`).
    """
    verdict = validity(problem)
    if not verdict.applies:
        raise wrong("a, b", "be positive definite", f"least eigenvalue {-verdict.number:.3g}")
    count, beta = problem.particles, problem.inverse_temperature
    with single_thread():
        own = np.linalg.inv(problem.own_rate) / beta
        source = 2.0 / (beta * count) * np.eye(len(own))
        s = scipy.linalg.solve_continuous_lyapunov(problem.mean_rate, source)
        values = np.sort_complex(np.linalg.eigvals(problem.mean_rate))
    pair = ("component", "component_other")
    out = xr.Dataset({
        "variance": (pair, own), "mean_covariance": (pair, s), "pair_covariance": (pair, s - own / count),
        "eigenvalue_real": ("mode", values.real), "eigenvalue_imag": ("mode", values.imag),
    })  # fmt: skip
    if problem.sides == (1, 1):
        a, b, c = (float(t[0, 0]) for t in problem._tables[:3])
        out.attrs["slowest_rate"], out.attrs["frequency"] = mean_rate(a, b, c)
    return out


def _labelled(
    problem: Problem, values: dict[str, Array], attrs: dict[str, Any], replicas: NDArray[np.int64] | None = None
) -> xr.Dataset:
    steps = np.array(problem.recorded)
    attrs = {"theory": "games.descent_ascent", "particles": problem.particles, "scheme": problem.scheme} | attrs
    out = labelled(values, steps=steps, time=steps * problem.step, attrs=attrs, replicas=replicas)
    p, q = problem.sides
    return out.assign_coords(side=("component", ["descent"] * p + ["ascent"] * q))
