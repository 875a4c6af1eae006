"""Homogenized SGD: the loss curve of one-sample SGD on large least squares, from a spectrum.

    f = |A x - b|^2/(2n),  x' = x - eta a_i (a_i.x - b_i) (+ heavy ball),  t = k/n
    f(t) = f_flow(eta t) + int_0^t K(t - s) f(s) ds,   K(t) = (eta^2/n) sum_j lam_j^2 e^(-2 eta lam_j t)

Limit    n, d -> inf at fixed n/d and fixed eta |A|^2; f then concentrates on this curve.
Valid    eta below `largest_learning_rate`; eigenvectors of A^T A that are delocalised among samples.
Error    O(n^-1/2) (2.7 % at n = 200, d = 100, measured). The equation itself: K is a sum of
         exponentials, so it is a linear system, diagonal plus rank one, solved to rounding up to 1500 modes and to
         1e-10 beyond (Gaussian quadrature of the spectrum). Heavy ball: rounding, in O(steps modes).
Sources  [Paquette2021], [Paquette2022]; momentum: arXiv 2106.03696, here in steps. Proof of the largest learning rate:
         derivations/flows.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend import random
from theorysim.backend.linalg import eigh, single_thread
from theorysim.equations.flows import sampling_gain
from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, shown

Array = NDArray[np.float64]
OBSERVABLES = ("loss",)
SOURCES = ("Paquette2021", "Paquette2022")
DENSE = 1500
"""Modes up to which every one is kept."""
BIN_RATIO, BIN_NODES = 1.5, 5


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the loss curve depends on; made by `of_data` and `power_law`.

    Attributes
    ----------
    eigenvalues : ndarray, shape (modes,)
        lam_j of A^T A, positive.
    squares : ndarray, shape (modes,)
        Squared projections of the initial residual A x0 - b on the left singular vectors.
    rest : float
        Squared residual outside their span: what no x removes.
    samples : int
        n.
    """

    eigenvalues: Array
    squares: Array
    rest: float
    samples: int

    def __post_init__(self) -> None:
        lam, sq = np.asarray(self.eigenvalues, float), np.asarray(self.squares, float)
        if lam.ndim != 1 or lam.size == 0 or not np.all(np.isfinite(lam)) or np.any(lam <= 0.0):
            raise ProblemError("volterra: `eigenvalues` must be positive finite numbers in one dimension")
        if sq.shape != lam.shape or not np.all(np.isfinite(sq)) or np.any(sq < 0.0):
            raise ProblemError(f"volterra: `squares` must hold {lam.size} numbers of at least 0, got shape {sq.shape}")
        if not is_real(self.rest) or self.rest < 0.0:
            raise ProblemError(f"volterra: `rest` must be a number of at least 0, got {shown(self.rest)}")
        if isinstance(self.samples, bool) or not isinstance(self.samples, int) or self.samples < 1:
            raise ProblemError(f"volterra: `samples` must be a whole number of at least 1, got {shown(self.samples)}")
        object.__setattr__(self, "eigenvalues", lam)
        object.__setattr__(self, "squares", sq)


def of_data(a: ArrayLike, b: ArrayLike, start: ArrayLike | None = None) -> Spectrum:
    """Return the spectrum of least squares |a x - b|^2/(2n) from `start` (default 0).

    Parameters
    ----------
    a : array_like, shape (n, d)
    b : array_like, shape (n,)
    start : array_like, shape (d,), optional
    """
    matrix, target = np.asarray(a, float), np.asarray(b, float)
    if matrix.ndim != 2 or matrix.size == 0 or target.shape != (len(matrix),):
        raise ProblemError(f"volterra: `a`, `b` must have shapes (n, d), (n,), got {matrix.shape} and {target.shape}")
    x = np.zeros(matrix.shape[1]) if start is None else np.asarray(start, float)
    if x.shape != (matrix.shape[1],):
        raise ProblemError(f"volterra: `start` must hold {matrix.shape[1]} numbers, got shape {x.shape}")
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(target)) and np.all(np.isfinite(x))):
        raise ProblemError("volterra: `a`, `b` and `start` must be finite, got NaN or infinity")
    residual = matrix @ x - target
    with single_thread():
        left, values, _ = scipy.linalg.svd(matrix, full_matrices=False)
    kept = values > 1e-12 * values[0]
    squares = (left[:, kept].T @ residual) ** 2
    rest = max(float(residual @ residual - squares.sum()), 0.0)
    return Spectrum(values[kept] ** 2, squares, rest, len(matrix))


def power_law(*, modes: int, samples: int, decay: float, source: float, noise: float = 0.0) -> Spectrum:
    """Return lam_j = n j^-decay (a population spectrum j^-decay) with squared residuals n j^-source.

    Parameters
    ----------
    modes, samples : int
    decay, source : float
        Exponents; the loss of gradient flow then falls as t^-((source - 1)/decay).
    noise : float
        Variance of the labels that no mode explains: rest = n noise.
    """
    for name, count in (("modes", modes), ("samples", samples)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ProblemError(f"volterra: `{name}` must be a whole number of at least 1, got {shown(count)}")
    for name, value in (("decay", decay), ("source", source), ("noise", noise)):
        if not is_real(value) or value < 0.0:
            raise ProblemError(f"volterra: `{name}` must be a number of at least 0, got {shown(value)}")
    j = np.arange(1.0, modes + 1.0)
    return Spectrum(samples * j**-decay, samples * j**-source, samples * noise, samples)


def limit(spectrum: Spectrum, times: ArrayLike, *, learning_rate: float, momentum: float = 0.0) -> xr.DataArray:
    """Return the mean loss f at the times k/n.

    Parameters
    ----------
    spectrum : Spectrum
    times : array_like, shape (times,)
        Ascending, at least 0; with momentum whole numbers of steps over n.
    learning_rate : float
        eta.
    momentum : float
        beta of heavy ball; its equation advances in steps, each mode with its three second moments.

    Raises
    ------
    FloatingPointError
        If the loss overflows (learning rate beyond the largest stable one).
    """
    moments = _checked_times(times)
    _check_rate(learning_rate, momentum)
    if momentum:
        found = _heavy_ball(spectrum, moments, learning_rate, momentum)
    else:
        found = _solved(spectrum, moments, learning_rate)
    if not np.all(np.isfinite(found)):
        raise FloatingPointError("volterra: the loss is not finite; the learning rate is beyond the largest stable one")
    return _labelled(moments, found)


def _labelled(times: Array, loss: Array) -> xr.DataArray:
    attrs = {"units": "1", "long_name": "mean loss", "symbol": "f"}
    return xr.DataArray(loss, dims="time", coords={"time": times}, name="loss", attrs=attrs)


def _solved(spectrum: Spectrum, times: Array, eta: float) -> Array:
    """Solve f = F + K * f, F and K sums of exponentials: q' = (sqrt(g) sqrt(g)^T - rates) q + sqrt(g) F."""
    lam, n = spectrum.eigenvalues, spectrum.samples
    rates, gains = _nodes(2.0 * eta * lam, eta * eta * lam * lam / n)
    falls, losses = _nodes(2.0 * eta * lam, spectrum.squares / (2 * n))
    falls, losses = np.append(falls, 0.0), np.append(losses, spectrum.rest / (2 * n))
    root = np.sqrt(gains)
    values, basis = eigh(np.outer(root, root) - np.diag(rates))
    weights = np.outer((root @ basis) ** 2, losses)
    return np.array([np.exp(-falls * t) @ losses + np.sum(weights * _difference(values, -falls, t)) for t in times])


def _difference(x: Array, y: Array, t: float) -> Array:
    """Return (e^(x t) - e^(y t))/(x - y), t e^(x t) where they are equal, for all pairs."""
    gap = x[:, None] - y
    near = np.abs(gap) * t < 1.0
    close = np.where(near, gap, 0.0)
    ratio = np.where(close == 0.0, t, np.expm1(close * t) / np.where(close == 0.0, 1.0, close))
    with np.errstate(over="ignore", invalid="ignore"):
        far = (np.exp(x * t)[:, None] - np.exp(y * t)) / np.where(near, 1.0, gap)
    return np.asarray(np.where(near, np.exp(y * t) * ratio, far))


def _nodes(rates: Array, masses: Array) -> tuple[Array, Array]:
    """Return few exponentials for many: Gaussian quadrature of the masses in bins of rates of ratio 1.5.

    Five nodes a bin: sums of masses times e^(-rate t) change by less than 2e-11 of the total, at any t.
    """
    if rates.size <= DENSE:
        return rates[masses > 0.0], masses[masses > 0.0]
    bins = np.floor(np.log(rates / rates.min()) / np.log(BIN_RATIO)).astype(int)
    parts = [_gauss(rates[bins == one], masses[bins == one]) for one in np.unique(bins)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _gauss(points: Array, masses: Array) -> tuple[Array, Array]:
    """Return nodes and weights of a discrete measure: Lanczos, re-orthogonalised."""
    points, masses = points[masses > 0.0], masses[masses > 0.0]
    if points.size <= BIN_NODES:
        return points, masses
    total = masses.sum()
    vectors, diagonal, off = [np.sqrt(masses / total)], [], []
    for k in range(BIN_NODES):
        image = points * vectors[k]
        diagonal.append(float(image @ vectors[k]))
        for one in vectors:
            image = image - (image @ one) * one
        off.append(float(np.linalg.norm(image)))
        if off[-1] <= 1e-12 * points.max():  # all masses on k + 1 points
            break
        vectors.append(image / off[-1])
    nodes, basis = scipy.linalg.eigh_tridiagonal(np.array(diagonal), np.array(off[: len(diagonal) - 1]))
    return np.asarray(nodes, float), np.asarray(total * basis[0] ** 2, float)


def _heavy_ball(spectrum: Spectrum, times: Array, eta: float, beta: float) -> Array:
    """Advance E x^2, E x v, E v^2 of every mode by steps, fed by the loss of all."""
    lam, n = spectrum.eigenvalues, spectrum.samples
    steps = times * n
    if np.abs(steps - np.round(steps)).max() > 1e-6:
        raise ProblemError(f"volterra: `times` must be whole numbers of steps over {n} with momentum")
    h, rest = lam / n, spectrum.rest / (2 * n)
    xx, xv, vv = spectrum.squares / lam, np.zeros_like(lam), np.zeros_like(lam)
    found, done = [], 0
    with np.errstate(over="ignore", invalid="ignore"):
        for stop in np.round(steps).astype(int):
            for _ in range(stop - done):
                noise = 2.0 * eta * eta * h * (0.5 * float(h @ xx) + rest)
                new = beta * beta * vv - 2.0 * beta * eta * h * xv + (eta * h) ** 2 * xx + noise
                cross = beta * xv - eta * h * xx  # E x v'
                xx, xv, vv = xx + 2.0 * cross + new, cross + new, new
            done = stop
            found.append(0.5 * float(h @ xx) + rest)
    return np.array(found)


def largest_learning_rate(spectrum: Spectrum, momentum: float = 0.0) -> float:
    """Return eta at which the loss stops being bounded: the gains of sampling sum to 1 over the modes.

    Without momentum 2n/tr A^T A, where steps are small for every mode; with it the exact condition of the steps.
    """
    _check_rate(1.0, momentum)
    lam, n = spectrum.eigenvalues, spectrum.samples
    if momentum == 0.0:
        return float(2.0 * n / lam.sum())
    h = lam / n

    def excess(eta: float) -> float:
        return sum(sampling_gain(eta * float(one), momentum) for one in h) - 1.0

    low, high = 0.0, 2.0 * (1.0 + momentum) / float(h.max()) * (1.0 - 1e-12)
    return float(scipy.optimize.brentq(excess, low, high, xtol=1e-300, rtol=1e-14))


def finite(
    a: ArrayLike, b: ArrayLike, times: Sequence[float], *, learning_rate: float, momentum: float = 0.0,
    start: ArrayLike | None = None, replicas: int, seed: int,
) -> xr.DataArray:  # fmt: skip
    """Run SGD itself, one sample drawn with replacement in each step; return f over time and replica.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    spectrum = of_data(a, b, start)  # checks
    moments = _checked_times(times)
    _check_rate(learning_rate, momentum)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"volterra: `replicas` must be a whole number of at least 1, got {shown(replicas)}")
    matrix, target, n = np.asarray(a, float), np.asarray(b, float), spectrum.samples
    x = np.tile(np.zeros(matrix.shape[1]) if start is None else np.asarray(start, float), (replicas, 1))
    v, found, done = np.zeros_like(x), [], 0
    with single_thread(), np.errstate(over="ignore", invalid="ignore"):
        for stop in np.round(moments * n).astype(int):
            for k in range(done, stop):
                rows = random.integers(n, replicas, seed=seed, stream=0, step=k, purpose=random.HOMOGENIZED)
                residual = np.einsum("ri,ri->r", matrix[rows], x) - target[rows]
                v = momentum * v - learning_rate * matrix[rows] * residual[:, None]
                x = x + v
            done = stop
            found.append(((x @ matrix.T - target) ** 2).sum(axis=1) / (2 * n))
    loss = np.array(found)
    if not np.all(np.isfinite(loss)):
        raise FloatingPointError("volterra: a run is not finite; SGD diverges at this learning rate")
    return xr.DataArray(loss, dims=("time", "replica"), coords={"time": moments}, name="loss")


def _checked_times(times: ArrayLike) -> Array:
    found = np.atleast_1d(np.asarray(times, float))
    if found.ndim != 1 or not np.all(np.isfinite(found)) or np.any(np.diff(found) <= 0.0) or found[0] < 0.0:
        raise ProblemError("volterra: `times` must be ascending numbers of at least 0")
    return found


def _check_rate(learning_rate: float, momentum: float) -> None:
    if not is_real(learning_rate) or learning_rate <= 0.0:
        raise ProblemError(f"volterra: `learning_rate` must be a positive number, got {shown(learning_rate)}")
    if not is_real(momentum) or not 0.0 <= momentum < 1.0:
        raise ProblemError(f"volterra: `momentum` must be in [0, 1), got {shown(momentum)}")
