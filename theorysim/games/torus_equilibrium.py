"""The entropic equilibrium of a game on the torus: densities, their gap, and the flow linearised there.

mu ~ exp(-beta V),  V = int l dnu;   nu ~ exp(beta U),  U = int l dmu
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged
from theorysim.games.torus_payoff import Problem, derivative, features
from theorysim.solvers.descent_ascent import TURN

Array = NDArray[np.float64]


def equilibrium(problem: Problem, *, tolerance: float = 1e-12, iterations: int = 200) -> xr.Dataset:
    """Return the entropic equilibrium: ``descent``, ``ascent`` densities over ``angle``.

    Damped Newton steps on mean features = mean features of the best responses, from high temperature downwards; its
    matrix 1 + (a product of positive matrices) is never singular. Damped best responses alone turn around the
    equilibrium at low temperature and take tens of thousands of steps.

    Attributes: ``gap`` (Nikaido-Isoda), ``residual``, ``payoff``, ``iterations``, ``abscissa`` of the linearised flow.

    Raises
    ------
    NotConverged
        If the residual of the mean features stays above `tolerance`.
    """
    table, beta = problem._payoff, problem.inverse_temperature
    phi = features(problem.angles, len(table))
    scale = max(float(np.abs(table).max()), 1e-300)
    stages = max(0, int(np.ceil(np.log2(beta * scale)))) if np.isfinite(beta * scale) else 0
    means, used, residual = np.zeros((2, len(table))), 0, np.inf
    with single_thread():
        for stage in range(stages, -1, -1):
            means, count, residual = _newton(phi, table, beta * 0.5**stage, means, tolerance, iterations)
            used += count
        if residual > tolerance:
            raise NotConverged("games.torus_game", used, residual, "a higher temperature or a larger grid")
        return _equilibrium(problem, _responses(phi, table, beta, means), residual, used)


def _newton(
    phi: Array, table: Array, beta: float, means: Array, tolerance: float, iterations: int
) -> tuple[Array, int, float]:
    """Return mean features (2, size) that are those of the best responses to them, steps and residual."""
    miss = _miss(phi, table, beta, means)
    for k in range(iterations):
        size = float(np.abs(miss).max())
        if size <= tolerance:
            return means, k, size
        spreads = [_covariance(phi, w) for w in _responses(phi, table, beta, means)]
        one = np.eye(len(table))
        matrix = np.block([[one, beta * spreads[0] @ table], [-beta * spreads[1] @ table.T, one]])
        move = np.linalg.solve(matrix, miss.ravel()).reshape(means.shape)
        share = 1.0
        while share > 1e-9:
            tried = _miss(phi, table, beta, means + share * move)
            if float(np.linalg.norm(tried)) <= (1.0 - 0.1 * share) * float(np.linalg.norm(miss)):
                break
            share *= 0.5
        else:
            return means, k, size
        means, miss = means + share * move, tried
    return means, iterations, float(np.abs(miss).max())


def _miss(phi: Array, table: Array, beta: float, means: Array) -> Array:
    mu, nu = _responses(phi, table, beta, means)
    return np.stack([mu @ phi, nu @ phi]) - means


def _covariance(phi: Array, weights: Array) -> Array:
    centred = phi - weights @ phi
    return np.asarray(centred.T @ (weights[:, None] * centred))


def _responses(phi: Array, table: Array, beta: float, means: Array) -> tuple[Array, Array]:
    """Return the entropic best responses to mean features (2, size), as weights on the grid."""
    return _gibbs(-beta * phi @ (table @ means[1])), _gibbs(beta * phi @ (means[0] @ table))


def _gibbs(exponent: Array) -> Array:
    weights = np.exp(exponent - exponent.max())
    return np.asarray(weights / weights.sum())


def gap(problem: Problem, mu: Array, nu: Array) -> float:
    """Return the Nikaido-Isoda error of weights on the grid, shape (grid,) each, summing to 1: 0 at equilibrium."""
    beta, phi = problem.inverse_temperature, features(problem.angles, len(problem._payoff))
    values = phi @ problem._payoff @ phi.T
    up, down = beta * mu @ values, -beta * values @ nu
    entropies = sum(float(np.sum(w[w > 0.0] * np.log(w[w > 0.0]))) for w in (mu, nu))
    return (entropies + _log_sum(up) + _log_sum(down)) / beta


def _log_sum(exponent: Array) -> float:
    top = float(exponent.max())
    return top + float(np.log(np.sum(np.exp(exponent - top))))


def _equilibrium(problem: Problem, densities: tuple[Array, Array], residual: float, iterations: int) -> xr.Dataset:
    mu, nu = densities
    phi = features(problem.angles, len(problem._payoff))
    spectrum = np.linalg.eigvals(linearised(problem, mu, nu))
    scale = problem.grid / TURN
    labels = {"units": "1", "long_name": "density"}
    return xr.Dataset(
        {"descent": ("angle", scale * mu, labels), "ascent": ("angle", scale * nu, labels)},
        coords={"angle": problem.angles},
        attrs={
            "gap": gap(problem, mu, nu), "residual": residual, "iterations": iterations,
            "payoff": float(mu @ phi @ problem._payoff @ (nu @ phi)), "abscissa": float(spectrum.real.max()),
        },
    )  # fmt: skip


def linearised(problem: Problem, mu: Array, nu: Array) -> Array:
    """Return the generator of the flow linearised at weights mu, nu, on changes without mass: 2 grid - 2 rows."""
    grid, beta = problem.grid, problem.inverse_temperature
    phi, d = features(problem.angles, len(problem._payoff)), derivative(grid)
    values = phi @ problem._payoff @ phi.T
    heat = d @ d / beta
    rows = [
        [heat + d @ np.diag(d @ (values @ nu)), d @ np.diag(mu) @ d @ values],
        [-d @ np.diag(nu) @ d @ values.T, heat - d @ np.diag(d @ (values.T @ mu))],
    ]
    massless = np.linalg.qr(np.column_stack([np.ones(grid), np.eye(grid)[:, 1:]]))[0][:, 1:]
    return np.block([[massless.T @ block @ massless for block in row] for row in rows])
