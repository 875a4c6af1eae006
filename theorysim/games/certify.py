"""Certificates of existence, uniqueness and convergence for the equilibria of a network game.

    z = rho(W z + b),  slopes of rho in [d-, d+],  Lipschitz constants in D = diag(max |d|)

    existence             rho bounded, or spectral radius of D|W| below 1 (a box is mapped into itself)
    banach-2, -1, -inf    |D W| < 1: unique; best responses converge. In the weighted max norm: spectral radius of D|W|,
                          also for asynchronous best responses
    banach-layers         product over layers of |D_l W_l|_2 < 1: unique, the relaxed network converges
    monotone              m = least eigenvalue of sym(I - W) > 0, rho proximal: unique, forward-backward converges
    layered-lipschitz     theta_L/2^(L-1) < 1, rho proximal: unique
    layered-averaged      smallest alpha < 1: x + lambda (T x - x) converges for lambda in (0, 1/alpha) if there is one
    max-measure           mu_inf(W D) < 1, slopes at least 0: unique; weighted: the largest real part of the spectrum
    p-matrix              all principal minors of I - W positive, rho proximal: unique for every b

Each is sufficient alone; "failed" refutes nothing.

Model    A `NetworkGame` that feeds its output back.
Limit    Infinitely many passes.
Valid    Any continuous activation; rows that need proximal maps say so.
Error    Rounding: norms are inflated by n 1e-15 before they are compared.
Sources  [Combettes2020], [Winston2020], [Davydov2024], [Cottle1992].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.games.network_game import NetworkGame
from theorysim.solvers.linearised import spectral_radius
from theorysim.solvers.minors import LARGEST, smallest_principal_minor

Array = NDArray[np.float64]
_MANY = "unique equilibrium; simultaneous best responses converge"


@dataclass(frozen=True)
class Certificate:
    """One row.

    Attributes
    ----------
    name : str
    number, threshold : float
        What was measured (NaN where it does not apply), and what it must stay below (above, for `above`).
    verdict : str
        "sufficient", "failed" or "not applicable".
    gives : str
        What a sufficient row promises; why a row does not apply.
    """

    name: str
    number: float
    threshold: float
    verdict: str
    gives: str


def certify(game: NetworkGame) -> xr.Dataset:
    """Return every certificate of a network game, dim ``certificate``: number, threshold, verdict, gives.

    Raises
    ------
    ProblemError
        For something else than a network game.
    """
    if not isinstance(game, NetworkGame):
        raise ProblemError(f"games.certify: `game` must be a NetworkGame, got {type(game).__name__}")
    with single_thread():
        rows = [_existence(game), *_banach(game), _monotone(game), *_layered(game), *_measures(game), _minors(game)]
    columns = {
        "number": np.array([row.number for row in rows]),
        "threshold": np.array([row.threshold for row in rows]),
        "verdict": np.array([row.verdict for row in rows]),
        "gives": np.array([row.gives for row in rows]),
    }
    found = xr.Dataset(
        {name: ("certificate", values) for name, values in columns.items()},
        coords={"certificate": [row.name for row in rows]},
    )
    slopes = {
        f"slopes_{layer}": f"{s.name} [{s.low:.6g}, {s.high:.6g}]" for layer, s in enumerate(game.slopes, start=1)
    }
    note = "unrolled: the forward pass is the only equilibrium, and trivial" if game.trivial else ""
    return found.assign_attrs(theory="games.network", note=note, **slopes)


def _below(name: str, number: float, gives: str, threshold: float = 1.0, margin: float = 0.0) -> Certificate:
    good = math.isfinite(number) and number + margin < threshold
    return Certificate(name, number, threshold, "sufficient" if good else "failed", gives)


def _absent(name: str, why: str, threshold: float = 1.0) -> Certificate:
    return Certificate(name, math.nan, threshold, "not applicable", why)


def lipschitz_constants(game: NetworkGame) -> Array:
    """Return max |rho'| of every unit, shape (n,)."""
    return np.concatenate([np.full(len(w), s.lipschitz) for w, s in zip(game.weights, game.slopes, strict=True)])


def _scaled(game: NetworkGame) -> Array | None:
    constants = lipschitz_constants(game)
    return constants[:, None] * game.matrix if np.all(np.isfinite(constants)) else None


def _existence(game: NetworkGame) -> Certificate:
    gives = "an equilibrium exists"
    far = np.array([-1e6, -1e5, 1e5, 1e6])
    values = np.array([[phi.function(float(x)) for x in far] for phi in game.activations])
    with np.errstate(invalid="ignore"):
        bounded = np.all(np.abs(values[:, [0, 3]] - values[:, [1, 2]]) <= 1e-3 * (1.0 + np.abs(values[:, [1, 2]])))
    if bounded:
        return Certificate("existence", 0.0, 1.0, "sufficient", f"{gives}: the activations are bounded")
    scaled = _scaled(game)
    if scaled is None:
        return _absent("existence", "an activation is neither bounded nor Lipschitz")
    return _below("existence", spectral_radius(np.abs(scaled)), f"{gives}: a box is mapped into itself")


def _banach(game: NetworkGame) -> list[Certificate]:
    names = ("banach-2", "banach-1", "banach-inf", "banach-weighted-inf", "banach-layers")
    scaled = _scaled(game)
    if scaled is None:
        return [_absent(name, "an activation is not Lipschitz") for name in names]
    margin = 1e-15 * game.dimension
    numbers = [float(np.linalg.norm(scaled, order)) for order in (2, 1, np.inf)]
    rows = [_below(name, number, _MANY, margin=margin * number) for name, number in zip(names, numbers, strict=False)]
    radius = spectral_radius(np.abs(scaled))
    rows.append(_below(names[3], radius, f"{_MANY}, also asynchronously", margin=margin))
    layers = zip(game.weights, game.slopes, strict=True)
    product = math.prod(float(np.linalg.norm(w, 2)) * s.lipschitz for w, s in layers)
    if game.trivial:
        return [*rows, _absent(names[4], "nothing is fed back")]
    return [*rows, _below(names[4], product, "unique equilibrium; the iterated network converges", margin=margin)]


def _not_proximal(game: NetworkGame) -> str | None:
    bad = next((s for s in game.slopes if not s.proximal), None)
    return None if bad is None else f"{bad.name} is no proximal map: slopes in [{bad.low:.4g}, {bad.high:.4g}]"


def _monotone(game: NetworkGame) -> Certificate:
    why = _not_proximal(game)
    if why is not None:
        return _absent("monotone", why, 0.0)
    m, size = game.monotonicity
    good = m - 1e-15 * game.dimension * size > 0.0
    gives = "unique equilibrium"
    if good:
        gives += f"; forward-backward at step {m / size**2:.6g} has factor {math.sqrt(max(1 - (m / size) ** 2, 0)):.6g}"
    return Certificate("monotone", m, 0.0, "sufficient" if good else "failed", gives)


def layered_constant(weights: tuple[Array, ...]) -> float:
    """Return theta_L: theta_0 = 1, theta_i = sum over k < i of theta_k |W_i ... W_{k+1}|."""
    theta = [1.0]
    for i in range(1, len(weights) + 1):
        product, total = np.eye(len(weights[i - 1])), 0.0
        for k in range(i - 1, -1, -1):
            product = product @ weights[k]
            total += theta[k] * float(np.linalg.norm(product, 2))
        theta.append(total)
    return theta[-1]


def smallest_averagedness(weights: tuple[Array, ...], theta: float) -> float:
    """Return the smallest alpha with |W - 2^L (1 - alpha) I| - |W| + 2 theta <= 2^L alpha, W = W_L ... W_1, or inf.

    The left side minus the right one falls with alpha: bisection in [1/2, 1].
    """
    whole = weights[0]
    for w in weights[1:]:
        whole = w @ whole
    scale, one, size = 2.0 ** len(weights), np.eye(len(whole)), float(np.linalg.norm(whole, 2))

    def excess(alpha: float) -> float:
        return float(np.linalg.norm(whole - scale * (1 - alpha) * one, 2)) - size + 2 * theta - scale * alpha

    low, high = 0.5, 1.0
    if excess(high) > 0.0:
        return math.inf
    if excess(low) <= 0.0:
        return low
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if excess(middle) <= 0.0 else (middle, high)
    return high


def _layered(game: NetworkGame) -> list[Certificate]:
    names = ("layered-lipschitz", "layered-averaged")
    why = "nothing is fed back" if game.trivial else _not_proximal(game)
    if why is not None:
        return [_absent(name, why) for name in names]
    theta = layered_constant(game.weights)
    constant = theta / 2.0 ** (len(game.weights) - 1)
    alpha = smallest_averagedness(game.weights, theta)
    top = f"{1 / alpha:.6g}" if alpha < math.inf else "1/alpha"
    return [
        _below(names[0], constant, "unique equilibrium; the iterated network converges"),
        _below(names[1], alpha, f"the network relaxed by lambda in (0, {top}) converges where an equilibrium exists"),
    ]


def _measures(game: NetworkGame) -> list[Certificate]:
    names = ("max-measure", "max-measure-weighted")
    bad = next((s for s in game.slopes if s.low < -1e-9 or not math.isfinite(s.high)), None)
    if bad is not None:
        why = f"needs slopes from 0 up, {bad.name} has them in [{bad.low:.4g}, {bad.high:.4g}]"
        return [_absent(name, why) for name in names]
    scaled = game.matrix * lipschitz_constants(game)[None, :]
    metzler = np.abs(scaled)
    np.fill_diagonal(metzler, np.diag(scaled))
    gives = "unique equilibrium"
    diagonal = float(np.diag(scaled).min())
    step = f"; damped best responses converge for steps up to {1 / (1 - min(diagonal, 0.0)):.6g}"
    spectral = float(np.linalg.eigvals(metzler).real.max())
    return [
        _below(names[0], float(metzler.sum(axis=1).max()), gives + step),
        _below(names[1], spectral, gives + step, margin=1e-12),
    ]


def _minors(game: NetworkGame) -> Certificate:
    why = _not_proximal(game)
    if why is None and game.dimension > LARGEST:
        why = f"all minors are computed up to {LARGEST} units, got {game.dimension}"
    if why is not None:
        return _absent("p-matrix", why, 0.0)
    smallest = smallest_principal_minor(np.eye(game.dimension) - game.matrix)
    good = smallest > 1e-13
    return Certificate("p-matrix", smallest, 0.0, "sufficient" if good else "failed", "unique equilibrium for every b")
