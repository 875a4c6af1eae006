"""Rest points of populations: logit equilibria, and how rules behave near rest points.

    replicator              dV/dx = diag(F - x.F) + diag(x) (A - 1 (F + A^T x)^T)
    logit, discrete-logit   (diag(q) - q q^T) A/eta, less 1 for logit;  q = softmax(F/eta)
    projection              A less its mean over strategies
    multiplicative-weights  y = x e^(h F)/Z:  diag(y/x) + h diag(y) A, less y times its sum

Model    `PopulationGame`.
Limit    Small deviations.
Valid    Smooth rules; the rates of bnn and smith have kinks at equilibria, best responses jump there.
Error    Rounding.
Sources  [Sandholm2010], [Hofbauer1998].  Proof: derivations/populations.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import NotConverged, ProblemError
from theorysim.games.population import PopulationGame, membership
from theorysim.problem.validation import is_real, one_of, shown

Array = NDArray[np.float64]
_REST = 1e-7  # velocity up to which a point counts as at rest
SMOOTH = ("replicator", "logit", "projection", "discrete-logit", "multiplicative-weights")
"""Rules that have a linearisation at rest points."""


def logit_responses(game: PopulationGame, shares: Array, noise: float) -> Array:
    """Return softmax(F/noise) of each population, shape (n,)."""
    f = game.payoffs_of(shares) / noise
    return np.concatenate([_softmax(f[a:b]) for a, b in pairwise(game.ends)])


def _softmax(f: Array) -> Array:
    weights = np.exp(f - f.max())
    return np.asarray(weights / weights.sum())


def logit_equilibrium(game: PopulationGame, *, noise: float, start: Any, steps: int = 100) -> Array:
    """Return x = softmax(F(x)/noise), by Newton's method from `start`, shape (n,).

    Raises
    ------
    NotConverged
        If `steps` do not suffice.
    """
    x, residual = game.checked(start), np.inf
    one = np.eye(len(x))
    for _ in range(steps):
        response = logit_responses(game, x, noise)
        residual = float(np.abs(response - x).max())
        if residual <= 1e-14:
            return x
        slope = _covariance(game, response) @ game.payoff_jacobian(x) / noise
        move = np.linalg.lstsq(one - slope, response - x, rcond=None)[0]
        share = min(1.0, float(np.min(np.where(move < 0.0, -0.9 * x / np.minimum(move, -1e-300), 1.0))))
        x = x + share * move
    if residual <= 1e-11:
        return x
    raise NotConverged("games.logit_equilibrium", steps, residual, "another start")


def _covariance(game: PopulationGame, q: Array) -> Array:
    """Return diag(q) - q q^T of each population: the derivative of softmax."""
    return np.asarray(scipy.linalg.block_diag(*(np.diag(q[a:b]) - np.outer(q[a:b], q[a:b]) for a, b in
                                                pairwise(game.ends))))  # fmt: skip


def multipliers(
    game: PopulationGame, dynamics: str, at: Any, *, noise: float | None = None, step: float | None = None
) -> NDArray[np.complex128]:
    """Return the eigenvalues of a rule's linearisation at a rest point, along the shares: sum 0 in each population.

    Parameters
    ----------
    dynamics : str
        One of `SMOOTH`. Rates of the continuous rules: stable where real parts are negative; factors per round of
        discrete-logit and multiplicative-weights: stable inside the unit circle.
    at : array_like, shape (n,)
    noise : float, optional
        eta of logit and discrete-logit.
    step : float, optional
        h of multiplicative-weights.

    Returns
    -------
    ndarray, shape (n - populations,), the largest real part or modulus first

    Raises
    ------
    ProblemError
        For another rule, or a point that is not at rest.
    """
    if dynamics not in SMOOTH:
        raise ProblemError(f"games.multipliers: `dynamics` {one_of(dynamics, SMOOTH)}; others have kinks there")
    needed = {"logit": ("noise", noise), "discrete-logit": ("noise", noise), "multiplicative-weights": ("step", step)}
    if dynamics in needed:
        name, value = needed[dynamics]
        if not is_real(value) or not value > 0.0:  # type: ignore[operator]
            raise ProblemError(f"games.multipliers: `{name}` must be a positive number, got {shown(value)}")
    x = game.checked(at)
    velocity, jacobian = _LINEARISED[dynamics](game, x, noise if noise is not None else step)
    if float(np.abs(velocity).max()) > _REST:
        raise ProblemError(f"games.multipliers: `at` must be a rest point, got velocity {np.abs(velocity).max():.3g}")
    basis = scipy.linalg.block_diag(*(scipy.linalg.null_space(np.ones((1, n))) for n in game.strategies))
    with single_thread():
        found = np.linalg.eigvals(basis.T @ jacobian @ basis).astype(complex)
    discrete = dynamics in ("discrete-logit", "multiplicative-weights")
    return np.asarray(found[np.argsort(-(np.abs(found) if discrete else found.real), kind="stable")])


def linearised_flow(game: PopulationGame, rule: str, x: Array, noise: float | None) -> tuple[Array, Array]:
    """Return x' and its Jacobian at any x off the kinks: of replicator, logit, projection, smith and bnn."""
    return _LINEARISED[rule](game, x, noise)


def _of_replicator(game: PopulationGame, x: Array, _: float | None) -> tuple[Array, Array]:
    f, slope, member = game.payoffs_of(x), game.payoff_jacobian(x), membership(game)
    mean = member @ (member.T @ (x * f))
    mean_slope = member @ (member.T @ (np.diag(f) + x[:, None] * slope))
    return x * (f - mean), np.diag(f - mean) + x[:, None] * (slope - mean_slope)


def _of_logit(game: PopulationGame, x: Array, noise: float | None) -> tuple[Array, Array]:
    move, slope = _of_discrete_logit(game, x, noise)
    return move, slope - np.eye(len(x))


def _of_discrete_logit(game: PopulationGame, x: Array, noise: float | None) -> tuple[Array, Array]:
    assert noise is not None
    q = logit_responses(game, x, noise)
    return q - x, _covariance(game, q) @ game.payoff_jacobian(x) / noise


def _of_projection(game: PopulationGame, x: Array, _: float | None) -> tuple[Array, Array]:
    if np.any(x <= 0.0):
        raise ProblemError("games.multipliers: `at` must be inside the simplex, projection has a kink at its faces")
    member = membership(game)
    centred = np.eye(len(x)) - (member / member.sum(axis=0)) @ member.T
    return centred @ game.payoffs_of(x), centred @ game.payoff_jacobian(x)


def _of_weights(game: PopulationGame, x: Array, step: float | None) -> tuple[Array, Array]:
    assert step is not None
    f, member = step * game.payoffs_of(x), membership(game)
    grown = np.exp(f - f.max())
    grown = grown / (member @ (member.T @ (x * grown)))  # e^(h f)/Z
    y = x * grown
    slope = np.diag(grown) + y[:, None] * (step * game.payoff_jacobian(x))
    return y - x, slope - y[:, None] * (member @ (member.T @ slope))


def _of_smith(game: PopulationGame, x: Array, _: float | None) -> tuple[Array, Array]:
    f, a = game.payoffs_of(x), game.payoff_jacobian(x)
    same = membership(game) @ membership(game).T
    gain = same * np.maximum(f[:, None] - f[None, :], 0.0)  # of i over j
    leads = same * (f[:, None] > f[None, :])
    into, out = leads * x[None, :], leads.T * x[:, None]
    slope = gain - np.diag(gain.sum(axis=0)) + (into.sum(axis=1) + out.sum(axis=1))[:, None] * a - (into + out) @ a
    return gain @ x - x * gain.sum(axis=0), slope


def _of_bnn(game: PopulationGame, x: Array, _: float | None) -> tuple[Array, Array]:
    f, a, member = game.payoffs_of(x), game.payoff_jacobian(x), membership(game)
    excess = f - member @ (member.T @ (x * f))
    k = np.maximum(excess, 0.0)
    slope = (excess > 0.0)[:, None] * (a - member @ (member.T @ (np.diag(f) + x[:, None] * a)))
    total = member @ (member.T @ k)
    return k - x * total, slope - np.diag(total) - x[:, None] * (member @ (member.T @ slope))


_LINEARISED: dict[str, Callable[[PopulationGame, Array, float | None], tuple[Array, Array]]] = {
    "replicator": _of_replicator,
    "logit": _of_logit,
    "discrete-logit": _of_discrete_logit,
    "projection": _of_projection,
    "multiplicative-weights": _of_weights,
    "smith": _of_smith,
    "bnn": _of_bnn,
}
