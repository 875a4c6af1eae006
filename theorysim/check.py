"""A user's own formula, compared with numbers at 50 digits, with quadrature and with Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorysim.errors import ProblemError

_REACH = 14.0  # standard deviations: e^{-98} of the weight lies beyond
_LARGEST_Z = 5.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianMean:
    """The mean of a function of one or two centred Gaussian variables, as the numeric side of a check.

    Attributes
    ----------
    integrand : callable
        ``integrand(z, *parameters)`` or ``integrand(u, v, *parameters)``, of numbers or arrays. It may have kinks
        or jumps at zero of each variable, elsewhere it must be smooth.
    covariance : callable
        From the parameters (in the order of the symbols) to the variance of z, or to the 2 x 2 covariance of (u, v).
    """

    integrand: Callable[..., Any]
    covariance: Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class FormulaCheck:
    """The outcome of a check.

    Attributes
    ----------
    agrees : bool
        The verdict.
    worst_error : float
        Largest error of the formula at 50 digits against the numbers; relative to the larger of |value| and, for
        a Gaussian mean, the mean of |integrand|.
    worst_point : dict
        The parameters where it was met.
    quadrature_error : float
        Largest error estimate of the quadrature, in the same unit (nan for a plain function).
    z_score : float
        Largest |formula - Monte Carlo| in standard errors (nan for a plain function).
    points : int
        Points compared.
    reason : str
        One sentence.
    """

    agrees: bool
    worst_error: float
    worst_point: dict[str, float]
    quadrature_error: float
    z_score: float
    points: int
    reason: str


def check_formula(
    expression: Any,
    symbols: Sequence[Any],
    numeric: Callable[..., Any] | GaussianMean,
    *,
    domain: Mapping[Any, tuple[float, float]] | None = None,
    points: int | Sequence[Sequence[float]] = 12,
    samples: int = 200_000,
    tolerance: float = 1e-8,
    seed: int = 0,
) -> FormulaCheck:
    """Compare a formula with numbers that do not come from it.

    Parameters
    ----------
    expression : sympy expression
        The formula; evaluated at 50 digits.
    symbols : sequence of sympy symbols
        Its parameters, in the order in which `numeric` takes them.
    numeric : callable or GaussianMean
        Either a function of the parameters (your code, your experiment), or a Gaussian mean: then the formula is
        compared with quadrature and with Monte Carlo.
    domain : mapping symbol -> (low, high), optional
        Where to draw the parameters; default (0.1, 2) for positive symbols, (-1, 1) for the others. Points whose
        covariance is not positive semidefinite are drawn again.
    points : int or sequence of points
        Number of random points, or the points themselves.
    samples : int
        Monte Carlo samples per point.
    tolerance : float
        Largest error that still agrees.
    seed : int
        Seed of points and samples.

    Raises
    ------
    ProblemError
        If the expression has other symbols, the domain is empty, or a covariance is not one.

    Examples
    --------
    >>> import sympy as sp
    >>> q1, q2, q12 = sp.symbols("q1 q2", positive=True) + sp.symbols("q12,")
    >>> check_formula(2 * q12**2 + q1 * q2, (q1, q2, q12), GaussianMean(
    ...     lambda u, v, *q: u**2 * v**2, lambda q1, q2, q12: [[q1, q12], [q12, q2]])).agrees
    True
    """
    formula, names = _formula(expression, symbols)
    generator = np.random.default_rng(seed)
    places = _places(symbols, numeric, domain, points, generator)
    worst, worst_place, worst_own, worst_z = 0.0, places[0], math.nan, math.nan
    agrees = True
    for place in places:
        value = formula(place)
        if isinstance(numeric, GaussianMean):
            measured, size, own = _quadrature(numeric, place)
            z = _z_score(numeric, place, value, samples, generator)
            worst_own, worst_z = np.fmax(worst_own, own), np.fmax(worst_z, z)
        else:
            measured, size, own, z = float(numeric(*place)), 0.0, 0.0, 0.0
        error = _relative(value, measured, size)
        agrees = agrees and error <= tolerance + 10.0 * own and z <= _LARGEST_Z
        if error >= worst:
            worst, worst_place = error, place
    return FormulaCheck(
        agrees=agrees,
        worst_error=worst,
        worst_point=dict(zip(names, worst_place, strict=True)),
        quadrature_error=float(worst_own),
        z_score=float(worst_z),
        points=len(places),
        reason=_reason(agrees, worst, tolerance, float(worst_z), len(places)),
    )


def _formula(expression: Any, symbols: Sequence[Any]) -> tuple[Callable[[Sequence[float]], float], list[str]]:
    expression = sp.sympify(expression)
    names = [str(symbol) for symbol in symbols]
    foreign = sorted(str(s) for s in expression.free_symbols - set(symbols))
    if foreign:
        missing = ", ".join(foreign)
        raise ProblemError(f"check_formula: `symbols` must list every symbol of the expression; missing {missing}")
    function = sp.lambdify(list(symbols), expression, "mpmath")

    def value(place: Sequence[float]) -> float:
        with mpmath.workdps(50):
            found = mpmath.mpmathify(function(*[mpmath.mpf(x) for x in place]))
            if abs(mpmath.im(found)) > 1e-30 * (1 + abs(found)):
                return math.nan
            return float(mpmath.re(found))

    return value, names


def _places(
    symbols: Sequence[Any],
    numeric: Callable[..., Any] | GaussianMean,
    domain: Mapping[Any, tuple[float, float]] | None,
    points: int | Sequence[Sequence[float]],
    generator: np.random.Generator,
) -> list[tuple[float, ...]]:
    if not isinstance(points, int):
        given = [tuple(float(x) for x in point) for point in points]
        if not given or any(len(point) != len(symbols) for point in given):
            raise ProblemError(f"check_formula: `points` must hold points of {len(symbols)} numbers, got {points!r}")
        return given
    if points < 1:
        raise ProblemError(f"check_formula: `points` must be positive, got {points}")
    ranges = [_range(symbol, domain) for symbol in symbols]
    found: list[tuple[float, ...]] = []
    for _ in range(1000 * points):
        place = tuple(float(generator.uniform(low, high)) for low, high in ranges)
        if not isinstance(numeric, GaussianMean) or _factor(numeric, place) is not None:
            found.append(place)
        if len(found) == points:
            return found
    raise ProblemError("check_formula: `domain` must hold points with a positive semidefinite covariance; found none")


def _range(symbol: Any, domain: Mapping[Any, tuple[float, float]] | None) -> tuple[float, float]:
    given = (domain or {}).get(symbol, (domain or {}).get(str(symbol)))
    low, high = given if given is not None else ((0.1, 2.0) if symbol.is_positive else (-1.0, 1.0))
    if not low <= high:
        raise ProblemError(f"check_formula: `domain` of {symbol} must be (low, high), got {(low, high)}")
    return float(low), float(high)


def _factor(mean: GaussianMean, place: Sequence[float]) -> Array | None:
    """Return the lower Cholesky factor of the covariance, (1, 1) or (2, 2); None where it is not one."""
    covariance = np.atleast_2d(np.asarray(mean.covariance(*place), dtype=np.float64))
    if covariance.shape not in ((1, 1), (2, 2)):
        shape = covariance.shape
        raise ProblemError(f"check_formula: `covariance` must give one number or a 2 x 2 matrix, got shape {shape}")
    if covariance[0, 0] < 0.0:
        return None
    if covariance.shape == (1, 1):
        return np.sqrt(covariance)
    (a, b), (c, d) = covariance
    left = d - b * b / a if a > 0.0 else d
    if left < 0.0 or b != c or (a == 0.0 and b != 0.0):
        return None
    return np.array([[math.sqrt(a), 0.0], [b / math.sqrt(a) if a > 0.0 else 0.0, math.sqrt(left)]])


def _required_factor(mean: GaussianMean, place: Sequence[float]) -> Array:
    factor = _factor(mean, place)
    if factor is None:
        raise ProblemError(f"check_formula: `covariance` must be positive semidefinite, is not at {tuple(place)}")
    return factor


def _evaluated(integrand: Callable[..., Any], variables: Sequence[Array], place: Sequence[float]) -> Array:
    """Return the integrand on arrays, also of functions written with `math`."""
    try:
        values = integrand(*variables, *place)
    except (TypeError, ValueError):  # scalar code: math.exp of an array, `if z > 0`
        values = np.vectorize(lambda *v: integrand(*v, *place), otypes=[np.float64])(*variables)
    return np.broadcast_to(np.asarray(values, dtype=np.float64), variables[0].shape)


def _panels(low: float, high: float, panels: int, nodes: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(nodes)
    edges = np.linspace(low, high, panels + 1)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1.0 + x)).ravel(), (half * w).ravel()


def _rule(factor: Array, nodes: int) -> tuple[list[Array], Array]:
    """Return nodes and weights of the Gaussian mean; panels end where a variable changes sign, so kinks do no harm."""
    r, wr = _panels(0.0, _REACH, 6, nodes)
    if factor.shape == (1, 1):
        weight = wr * np.exp(-0.5 * r * r) / math.sqrt(2.0 * math.pi)
        return [factor[0, 0] * np.concatenate([r, -r])], np.concatenate([weight, weight])
    turn = math.atan2(-factor[1, 0], factor[1, 1]) % math.pi  # v = 0 here and half a turn on
    borders = sorted({0.5 * math.pi, 1.5 * math.pi, turn, turn + math.pi})
    borders.append(borders[0] + 2.0 * math.pi)
    parts = [_panels(low, high, 2, nodes) for low, high in pairwise(borders)]
    angle, wa = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    x, y = np.cos(angle)[:, None] * r, np.sin(angle)[:, None] * r
    weight = wa[:, None] * (wr * r * np.exp(-0.5 * r * r)) / (2.0 * math.pi)
    return [(factor[0, 0] * x).ravel(), (factor[1, 0] * x + factor[1, 1] * y).ravel()], weight.ravel()


def _quadrature(mean: GaussianMean, place: Sequence[float]) -> tuple[float, float, float]:
    """Return (mean, mean of the size, own relative error)."""
    factor = _required_factor(mean, place)
    results, size = [], 0.0
    for nodes in (20, 28):
        variables, weight = _rule(factor, nodes)
        values = _evaluated(mean.integrand, variables, place)
        results.append(float(values @ weight))
        size = float(np.abs(values) @ weight)
    return results[1], size, abs(results[1] - results[0]) / max(size, 1e-300)


def _z_score(
    mean: GaussianMean, place: Sequence[float], value: float, samples: int, generator: np.random.Generator
) -> float:
    factor = _required_factor(mean, place)
    normals = generator.standard_normal((factor.shape[0], samples))
    values = _evaluated(mean.integrand, list(factor @ normals), place)
    error = float(np.std(values)) / math.sqrt(samples)
    distance = abs(float(np.mean(values)) - value)
    if error == 0.0:
        return 0.0 if distance <= 1e-12 * max(1.0, abs(value)) else math.inf
    return distance / error


def _relative(value: float, measured: float, size: float) -> float:
    if not (math.isfinite(value) and math.isfinite(measured)):
        return math.inf
    scale = max(abs(value), abs(measured), size)
    return abs(value - measured) / scale if scale > 0.0 else 0.0


def _reason(agrees: bool, worst: float, tolerance: float, z: float, points: int) -> str:
    against = "" if math.isnan(z) else f", Monte Carlo within {z:.1f} standard errors"
    if agrees:
        return f"agrees at {points} points: worst error {worst:.1e}{against}"
    return f"disagrees: worst error {worst:.1e}, tolerance {tolerance:.1e}{against}"
