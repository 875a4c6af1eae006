"""Two distributions on a circle that play a trigonometric payoff at a temperature: equilibrium, flow and particles.

    l(x, y) = sum_kj L_kj phi_k(x) phi_j(y),   phi = (1, cos x, sin x, cos 2x, sin 2x, ..)
    equilibrium  mu ~ exp(-beta V),  V = int l dnu;   nu ~ exp(beta U),  U = int l dmu
    flow         mu' = (mu V_x)_x + mu_xx/beta,   nu' = -(nu U_y)_y + nu_yy/beta
    gap          max over nu' of L_beta(mu, nu') - min over mu' of L_beta(mu', nu)      (Nikaido-Isoda, 0 there only)

Model    mu descends and nu ascends L_beta = int int l dmu dnu + (Ent mu - Ent nu)/beta; N particles on each side.
Limit    N -> inf: the flow (McKean-Vlasov).
Valid    Any L. The equilibrium is unique, and the flow linearised there decays (the H^-1 norms weighted by mu and nu
         are a Lyapunov function; `equilibrium` computes the spectrum all the same). From afar single-timescale
         descent-ascent need not converge, counterexamples are known: `limit` follows the flow from its start and the
         gap says whether it arrived; nothing global is claimed.
Error    Equilibrium: gap and residual returned. Flow: grid spectral, time 1e-8. Particles: O(1/N), Euler O(step),
         the latter computed (`stepped`).
Sources  [DomingoEnrich2020]; own computations, checked in tests/games.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.integrate
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import single_thread
from theorysim.backend.random import GAME_ANGLES, counters, uniforms
from theorysim.errors import NotConverged
from theorysim.games.torus_equilibrium import equilibrium, gap, linearised
from theorysim.games.torus_payoff import Problem, derivative, features, wrong
from theorysim.observables import labelled
from theorysim.problem.validation import shown
from theorysim.solvers.descent_ascent import TURN, torus_steps
from theorysim.theory import Verdict

__all__ = ["Problem", "equilibrium", "features", "finite", "gap", "limit", "linearised", "stepped", "validity"]

Array = NDArray[np.float64]
OBSERVABLES = ("harmonic", "payoff")
SOURCES = ("DomingoEnrich2020",)
MOST_NUMBERS = 1 << 27


def validity(problem: Problem) -> Verdict:
    """Return whether the flow linearised at the equilibrium decays: its spectral abscissa is negative."""
    rate = float(equilibrium(problem).attrs["abscissa"])
    reason = f"near the equilibrium the flow decays at rate {-rate:.3g}; from afar nothing is promised: read the gap"
    return Verdict(theory="games.torus_game", applies=rate < 0.0, number=rate, threshold=0.0, reason=reason)


def limit(problem: Problem, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu") -> xr.Dataset:
    """Return the flow from the start: ``harmonic`` (step, component; those of mu first) and ``payoff`` (step).

    ``X_error`` is what Euler steps change (`stepped`), and the tolerance of the solver; the O(1/N) of few particles is
    left out. The attribute ``gap`` is that of the last densities.

    Raises
    ------
    NotConverged
        If the solver of the flow gives up.
    """
    table, grid, beta = problem._payoff, problem.grid, problem.inverse_temperature
    phi, d = features(problem.angles, len(table)), derivative(grid)
    heat, slopes = d @ d / beta, d @ phi
    accuracy = 1e-8 if tolerance is None else tolerance

    def change(time: float, flat: Array) -> Array:
        mu, nu = flat.reshape(2, grid)
        down, up = slopes @ (table @ (phi.T @ nu)), slopes @ ((phi.T @ mu) @ table)
        return np.concatenate([d @ (mu * down) + heat @ mu, -d @ (nu * up) + heat @ nu])

    start = np.concatenate([_start(problem, side) for side in range(2)])
    times = problem.step * np.array(problem.recorded)
    with single_thread():
        found: Any = scipy.integrate.solve_ivp(
            change, (0.0, max(float(times[-1]), 1e-300)), start, method="BDF", t_eval=times, rtol=accuracy,
            atol=1e-3 * accuracy,
        )  # fmt: skip
    if not found.success:
        raise NotConverged("games.torus_game", int(found.nfev), np.inf, "a larger grid or a higher temperature")
    weights = found.y.T.reshape(len(times), 2, grid)
    values, euler = _observed(problem, weights @ phi), stepped(problem)
    values |= {f"{name}_error": np.abs(v - euler[name].values) + 10.0 * accuracy for name, v in values.items()}
    mu, nu = np.maximum(weights[-1], 0.0)
    attrs = {"seed": seed, "device": device, "gap": gap(problem, mu / mu.sum(), nu / nu.sum())}
    return _labelled(problem, values, attrs)


def _observed(problem: Problem, harmonics: Array) -> dict[str, Array]:
    """Return the observables of mean features, shape (times, 2, size)."""
    payoff = np.einsum("tk,kj,tj->t", harmonics[:, 0], problem._payoff, harmonics[:, 1])
    return {"harmonic": harmonics[:, :, 1:].reshape(len(harmonics), -1), "payoff": payoff}


def stepped(problem: Problem) -> xr.Dataset:
    """Return what `limit` does for Euler steps of infinitely many particles: the law moves by its harmonics.

    c_k' = e^(-k^2 h/beta) sum_x mu(x) e^(-i k (x - h V'(x))), and so for the other side.
    """
    table, grid, h = problem._payoff, problem.grid, problem.step
    phi = features(problem.angles, len(table))
    slopes = derivative(grid) @ phi
    order = np.arange(grid // 2 + 1)
    fading = np.exp(-(order**2) * h / problem.inverse_temperature)
    weights = np.array([_start(problem, side) for side in range(2)])
    rows, done = [], 0
    with single_thread():
        for k in problem.recorded:
            for _ in range(k - done):
                mu, nu = weights @ phi
                forces = (-slopes @ (table @ nu), slopes @ (mu @ table))
                moved = [np.exp(-1j * np.outer(order, problem.angles + h * f)) for f in forces]
                waves = np.array([fading * (m @ w) for m, w in zip(moved, weights, strict=True)])
                weights = np.fft.irfft(waves, grid, axis=1)
            done = k
            rows.append(weights @ phi)
    return _labelled(problem, _observed(problem, np.array(rows)), {})


def _start(problem: Problem, side: int) -> Array:
    """Return the weights of the start: the trigonometric polynomial with the harmonics of a half circle."""
    order = np.arange(1, problem.grid // 2 + 1)
    waves = np.cos(np.outer(problem.angles - problem.start[side], order)) @ np.sinc(0.5 * order)
    return np.asarray((1.0 + 2.0 * waves) / problem.grid)


def finite(problem: Problem, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Run the particles by Euler steps, at O(particles harmonics) each; replica r is the same however many there are.

    Raises
    ------
    ProblemError
        If `replicas` is no positive whole number or the states exceed one gigabyte.
    """
    count, table = problem.particles, problem._payoff
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not 1 <= replicas < 1 << 31:
        raise wrong("replicas", "be a whole number of at least 1", shown(replicas))
    if 2 * replicas * count > MOST_NUMBERS:
        raise wrong("replicas", f"be at most {MOST_NUMBERS // (2 * count)} for so many particles", replicas)
    z = np.empty((replicas, count, 2))
    for r in range(replicas):
        spread = 0.5 * TURN * (uniforms((count, 2), seed=seed, stream=r, purpose=GAME_ANGLES) - 0.5)
        z[r] = np.mod(np.array(problem.start) + spread, TURN)
    room, bases, rows = np.empty_like(z), np.empty((replicas, count, 4)), np.empty((replicas, 4, len(table)))
    noise = float(np.sqrt(2.0 * problem.step / problem.inverse_temperature))
    _, _, purpose, k0, k1 = counters(seed, replicas, problem.steps, GAME_ANGLES)
    harmonics, done = [], 0
    for k in problem.recorded:
        if k > done:
            arguments = (z, room, bases, rows, table, problem.step, noise, done, k - done, 0, purpose, k0, k1)
            foreach(torus_steps, replicas, *arguments, device=device)
        done = k
        sides = [[features(z[r, :, s], len(table)).mean(axis=0) for s in range(2)] for r in range(replicas)]
        harmonics.append(np.array(sides))
    means = np.array(harmonics)
    payoff = np.array([[mu @ table @ nu for mu, nu in row] for row in means])
    flat = means[:, :, :, 1:].reshape(len(means), replicas, -1).transpose(0, 2, 1)
    values = {"harmonic": flat, "payoff": payoff}
    return _labelled(problem, values, {"seed": seed, "device": device}, np.arange(replicas))


def _labelled(
    problem: Problem, values: dict[str, Array], attrs: dict[str, Any], replicas: NDArray[np.int64] | None = None
) -> xr.Dataset:
    steps = np.array(problem.recorded)
    attrs = {"theory": "games.torus_game", "particles": problem.particles} | attrs
    return labelled(values, steps=steps, time=steps * problem.step, attrs=attrs, replicas=replicas)
