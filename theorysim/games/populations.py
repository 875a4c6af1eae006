"""N agents who revise their strategies one at a time, and the flow with Gaussian fluctuations that they become.

    a revision: an agent drawn at random, of strategy i, changes to j with probability r_ij(x); N revisions are a round
    x' = V(x) = sum_ij x_i r_ij (e_j - e_i),   N Cov' = J S + S J^T + D - V V^T,   D = sum x_i r_ij (e_j - e_i)(..)^T
    logit       V = softmax(F/noise) - x
    imitation   V = rate x_i (F_i - x.F): pairwise proportional imitation is the replicator
    smith, bnn  V = rate/n times the rules of these names

Limit    N -> inf: x(t) of the flow, started from the same shares.
Valid    One population, linear payoffs, rate (max F - min F) <= 1. Shares that matter stay far from 0 under imitation
         (N x_i >> 1: what has died out does not return) and payoffs are not alike, as at equilibria; kinks of smith and
         bnn, which are at their equilibria too, stay more than a standard deviation away.
Error    mean: O(1/N), the next term is `share_correction`; variance: O(1/N) relative.
Sources  [Kurtz1978], [Benaim2003], [Sandholm2010].  Proof: derivations/populations.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate
import scipy.special
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.random import GAME_AGENTS, counters
from theorysim.errors import ProblemError
from theorysim.games.rest_points import linearised_flow
from theorysim.games.revising import Agents
from theorysim.observables import labelled
from theorysim.problem.validation import shown
from theorysim.solvers.revising_agents import PROTOCOLS, revise
from theorysim.theory import Verdict

Array = NDArray[np.float64]
OBSERVABLES = ("share",)
__all__ = ["OBSERVABLES", "SOURCES", "Agents", "diffusion", "finite", "limit", "validity", "velocity"]
SOURCES = ("Kurtz1978", "Benaim2003", "Sandholm2010")
_RULES = {"logit": "logit", "imitation": "replicator", "smith": "smith", "bnn": "bnn"}
_KINKED = ("smith", "bnn")
_FEWEST = 10.0  # agents of a strategy below which imitation is no longer Gaussian
_BIAS = 0.3  # bias over standard deviation up to which the expansion is trusted
_EXCESS = 0.2  # relative change of the variance by its own noise up to which imitation is trusted
_DENSE = 61  # times at which a verdict looks at the expansion
_WORK = 2e7  # revisions of one call


@dataclass(frozen=True)
class _Path:
    """Shares, N covariance and N bias (None for kinked rules) at the recorded rounds."""

    shares: Array
    covariance: Array
    bias: Array | None


def validity(problem: Agents) -> Verdict:
    """Return whether fluctuations are small beside what bends the flow: its next order, faces, kinks.

    The number is the largest of: bias over 0.3 standard deviations; under imitation, 10 over the least N x_i, and what
    fluctuations of payoffs add to the variance over a fifth of it (at an equilibrium nobody gains by imitating, and
    the linear noise vanishes); for smith and bnn, standard deviations over the distance of a kink. Up to 1 the theory
    applies.
    """
    number, reason = _on_kink(problem) or _worst(problem, _path(problem, dense=problem.protocol not in _KINKED))
    return Verdict(theory="games.populations", applies=number <= 1.0, number=number, threshold=1.0, reason=reason)


def limit(problem: Agents, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return `share` of the flow, `share_std` at this N, `share_error` and, for smooth rules, `share_correction`.

    Raises
    ------
    ProblemError
        Where a kink of smith or bnn is within a standard deviation: fluctuations are not Gaussian there.
    """
    kink = _on_kink(problem)
    if kink is None:
        path = _path(problem, tolerance=1e-10 if tolerance is None else tolerance)
        if problem.protocol in _KINKED:
            kink = _worst(problem, path)
    if kink is not None and kink[0] > 1.0:
        raise ProblemError(f"games.populations: `protocol` must be smooth here: {kink[1]}; try logit or imitation")
    variance = np.maximum(np.einsum("kii->ki", path.covariance), 0.0) / problem.agents
    values = {"share": path.shares, "share_std": np.sqrt(variance), "share_error": np.full(path.shares.shape, 1e-9)}
    data = _labelled(problem, values)
    if path.bias is not None:
        text = {"units": "1", "long_name": "bias of the mean at this N, to first order", "symbol": r"\delta x"}
        data["share_correction"] = (("step", "strategy"), path.bias / problem.agents, text)
    return data


def finite(problem: Agents, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Return `share` of N agents, `replicas` times; replica r is the same however many there are.

    Raises
    ------
    ProblemError
        For fewer than one replica.
    """
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"games.populations: `replicas` must be a whole number of at least 1, got {shown(replicas)}")
    n, size = problem.game.dimension, problem.agents
    counts = np.tile(np.rint(problem.start * size).astype(np.int64), (replicas, 1))
    payoffs, found, now = np.zeros((replicas, n)), [], 0
    words = counters(seed, 0, 0, GAME_AGENTS)[2:]
    code, noise = PROTOCOLS.index(problem.protocol), float(problem.noise or 1.0)
    for row in problem.record or ():
        goal = row * size
        while now < goal:
            events = min(goal - now, max(1, int(_WORK / replicas)))
            settings = (code, noise, problem.rate, size, now, events, *words)
            foreach(revise, replicas, counts, payoffs, problem.game.matrix, *settings, device=device)
            now += events
        found.append(counts / size)
    return _labelled(problem, {"share": np.array(found).transpose(0, 2, 1)}, np.arange(replicas), seed)


def _labelled(
    problem: Agents, values: dict[str, Array], replicas: NDArray[Any] | None = None, seed: int | None = None
) -> xr.Dataset:
    steps = np.array(problem.record)
    attrs: dict[str, Any] = {"theory": "games.populations", "protocol": problem.protocol, "agents": problem.agents}
    if seed is not None:
        attrs["seed"] = seed
    return labelled(values, steps=steps, time=steps * problem.clock, attrs=attrs, replicas=replicas)


def velocity(problem: Agents, x: Array) -> tuple[Array, Array]:
    """Return V per round, shape (n,), and its Jacobian, shape (n, n)."""
    move, slope = linearised_flow(problem.game, _RULES[problem.protocol], x, problem.noise)
    return problem.clock * move, problem.clock * slope


def diffusion(problem: Agents, x: Array, blur: Array | None = None) -> Array:
    """Return D = sum_ij x_i r_ij (e_j - e_i)(e_j - e_i)^T, shape (n, n).

    Parameters
    ----------
    blur : ndarray, shape (n, n), optional
        Covariance of x over which the gains max(F_j - F_i, 0) of imitation and smith are averaged.
    """
    f, n = problem.game.payoffs_of(x), len(x)
    if problem.protocol == "logit":
        rates = np.tile(velocity(problem, x)[0] + x, (n, 1))
    elif problem.protocol == "bnn":
        rates = np.tile(np.maximum(f - x @ f, 0.0) * problem.clock, (n, 1))
    else:
        gains = problem.clock * _mean_gain(f[None, :] - f[:, None], _widths(problem, x, blur))
        rates = gains * x[None, :] if problem.protocol == "imitation" else gains
    flows = x[:, None] * rates
    np.fill_diagonal(flows, 0.0)
    return np.asarray(np.diag(flows.sum(axis=0) + flows.sum(axis=1)) - flows - flows.T)


def _widths(problem: Agents, x: Array, covariance: Array | None) -> Array:
    """Return the standard deviations of F_j - F_i, shape (n, n)."""
    if covariance is None:
        return np.zeros((len(x), len(x)))
    a = problem.game.payoff_jacobian(x)
    spread = a @ covariance @ a.T
    own = np.diag(spread)
    return np.sqrt(np.maximum(own[:, None] + own[None, :] - 2.0 * spread, 0.0))


def _mean_gain(gain: Array, width: Array) -> Array:
    """Return E max(gain + width z, 0), z standard normal."""
    wide = width > 1e-100
    z = np.clip(gain / np.where(wide, width, 1.0), -1e3, 1e3)
    normal = width * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.where(wide, normal + gain * scipy.special.ndtr(z), np.maximum(gain, 0.0)))


def _path(problem: Agents, *, tolerance: float = 1e-10, dense: bool = False, blur: float = 0.0) -> _Path:
    """Return the solution at the recorded rounds.

    Parameters
    ----------
    dense : bool
        At times between them as well.
    blur : float
        1/N to average the diffusion over the fluctuations themselves: what the linear noise leaves out.
    """
    n, rows = problem.game.dimension, np.array(problem.record, float)
    if dense:
        rows = np.union1d(rows, np.linspace(0.0, rows[-1], _DENSE))
    smooth = problem.protocol not in _KINKED

    def derivative(_: float, state: Array) -> Array:
        x, s, bias = state[:n], state[n : n + n * n].reshape(n, n), state[n + n * n :]
        move, slope = velocity(problem, x)
        spread = slope @ s + s @ slope.T + diffusion(problem, x, blur * s if blur else None) - np.outer(move, move)
        drift = slope @ bias + 0.5 * (_curved(problem, x, s) - slope @ move) if smooth else np.zeros(n)
        return np.concatenate([move, spread.ravel(), drift])

    state = np.concatenate([problem.start, np.zeros(n * n + n)])
    end = max(float(rows[-1]), 1e-12)
    found = scipy.integrate.solve_ivp(derivative, (0.0, end), state, method="DOP853", t_eval=rows, rtol=tolerance,
                                      atol=tolerance)  # fmt: skip
    if not found.success:
        raise FloatingPointError(f"games.populations: the flow could not be integrated: {found.message}")
    path = found.y.T
    covariance = path[:, n : n + n * n].reshape(-1, n, n)
    return _Path(
        path[:, :n], 0.5 * (covariance + covariance.transpose(0, 2, 1)), path[:, n + n * n :] if smooth else None
    )


def _curved(problem: Agents, x: Array, s: Array) -> Array:
    """Return sum_jk S_jk d^2 V/dx_j dx_k: the Jacobian along each axis, times that column of S."""
    h, total = 1e-4, np.zeros(len(x))
    for k, column in enumerate(s.T):
        move = np.zeros(len(x))
        move[k] = h
        total += (velocity(problem, x + move)[1] - velocity(problem, x - move)[1]) @ column / (2.0 * h)
    return total


def _on_kink(problem: Agents) -> tuple[float, str] | None:
    """Return the number and the reason where a kinked rule starts on a kink, as it does at equilibria."""
    if (
        problem.protocol not in _KINKED
        or _nearness(problem, problem.start, np.zeros((problem.game.dimension,) * 2)) < 1e-3
    ):
        return None
    return float("inf"), f"a kink of {problem.protocol} is where the agents start"


def _worst(problem: Agents, path: _Path) -> tuple[float, str]:
    """Return the number of `validity` and its reason."""
    size = problem.agents
    if path.bias is None:
        number = max(_nearness(problem, x, s / size) for x, s in zip(path.shares, path.covariance, strict=True))
        return number, f"a kink of {problem.protocol} comes within {1.0 / max(number, 1e-12):.3g} standard deviations"
    spread = np.sqrt(np.maximum(np.einsum("kii->k", path.covariance), 1e-300) / size)
    bias = np.linalg.norm(path.bias, axis=1) / size / spread
    number = float(np.where(path.covariance.any(axis=(1, 2)), bias, 0.0).max()) / _BIAS
    reason = f"the bias is {number * _BIAS:.3g} standard deviations"
    if problem.protocol == "imitation":
        fewest = float((path.shares[:, problem.start > 0.0] * size).min())
        if _FEWEST / fewest > number:
            number, reason = _FEWEST / fewest, f"a strategy falls to {fewest:.3g} agents and may die out"
        blurred = _path(problem, tolerance=1e-7, dense=True, blur=1.0 / size)
        rows = np.einsum("kii->k", path.covariance) > 0.0
        ratio = np.einsum("kii->k", blurred.covariance)[rows] / np.einsum("kii->k", path.covariance)[rows]
        excess = float((ratio - 1.0).max(initial=0.0))
        if excess / _EXCESS > number:
            number = excess / _EXCESS
            reason = f"payoffs are so alike that fluctuations add {excess:.0%} to the variance"
    return number, reason


def _nearness(problem: Agents, x: Array, covariance: Array) -> float:
    """Return the largest standard deviation of a payoff difference over the difference, where a rate has its kink."""
    a, f = problem.game.payoff_jacobian(x), problem.game.payoffs_of(x)
    if problem.protocol == "smith":
        i, j = np.triu_indices(len(x), 1)
        gaps, slopes = f[i] - f[j], a[i] - a[j]
    else:
        gaps, slopes = f - x @ f, a - (f + a.T @ x)
    widths = np.sqrt(np.maximum(np.einsum("gi,ij,gj->g", slopes, covariance, slopes), 0.0))
    return float(np.max((widths + 1e-12) / np.maximum(np.abs(gaps), 1e-300)))
