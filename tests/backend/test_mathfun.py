"""Accuracy against mpmath, edges, and that loops over the functions vectorise."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import mpmath
import numba
import numpy as np
import pytest

from tests.backend.chebyshev_fits import ERFC_INTERVAL, FITS, coefficients
from theorysim.backend import errorfunction, exponential, mathfun, trigonometry

NAMES = [name for name in mathfun.__all__ if name != "sincos"]


def over_array(function: Callable[[float], float]) -> Callable[[Any], Any]:
    @numba.njit(error_model="numpy")
    def loop(x: Any) -> Any:
        y = np.empty_like(x)
        for i in range(x.size):
            y[i] = function(x[i])
        return y

    return loop


LOOPS = {name: over_array(getattr(mathfun, name)) for name in NAMES}


def uniform(low: float, high: float) -> np.ndarray:
    return np.random.default_rng(7).uniform(low, high, 400)


def spread(low: float, high: float) -> np.ndarray:
    """Points of all magnitudes between low and high, of both signs."""
    x = np.exp(np.random.default_rng(8).uniform(math.log(low), math.log(high), 200))
    return np.concatenate([x, -x])


NEAR_MULTIPLES = np.round(uniform(0, 1e6)) * (math.pi / 2)
DOMAINS: dict[str, tuple[float, list[np.ndarray]]] = {  # name: (largest error in ulp, points)
    "exp": (1.0, [uniform(-708, 709), uniform(-1, 1), uniform(-745, -708), spread(1e-300, 1)]),
    "expm1": (2.0, [spread(1e-300, 700), uniform(-2, 2), uniform(-0.4, 0.4)]),
    "log": (1.0, [abs(spread(1e-307, 1e308)), uniform(0.5, 2), 1 + spread(1e-16, 0.3), abs(spread(5e-324, 2e-308))]),
    "log1p": (1.0, [spread(1e-300, 0.99), abs(spread(1e-3, 1e308)), abs(spread(1e-15, 0.5)) - 1, uniform(-0.9, 2)]),
    "tanh": (2.5, [spread(1e-300, 20), uniform(-1, 1)]),
    "erf": (2.6, [spread(1e-300, 6), uniform(-2, 2)]),
    "erfc": (4.6, [uniform(-6, 27.2), uniform(-1, 3), uniform(0.4, 0.6), uniform(26.5, 27.2), spread(1e-20, 1)]),
    "sin": (1.0, [uniform(-10, 10), uniform(-1.6e6, 1.6e6), NEAR_MULTIPLES, spread(1e-300, 1)]),
    "cos": (1.0, [uniform(-10, 10), uniform(-1.6e6, 1.6e6), NEAR_MULTIPLES, spread(1e-300, 1)]),
    "acos": (1.1, [uniform(-1, 1), 1 - abs(spread(1e-16, 0.5)), abs(spread(1e-16, 0.5)) - 1, spread(1e-10, 0.5)]),
    "asin": (2.1, [uniform(-1, 1), 1 - abs(spread(1e-16, 0.5)), spread(1e-300, 0.5)]),
    "atan": (1.0, [uniform(-10, 10), spread(1e-300, 1e300), uniform(-3, 3)]),
}


@pytest.mark.parametrize("name", NAMES)
def test_error_in_units_in_the_last_place(name: str) -> None:
    bound, domains = DOMAINS[name]
    exact = getattr(mpmath, name)
    with mpmath.workdps(40):
        for x in domains:
            for point, value in zip(x, LOOPS[name](x), strict=True):
                truth = exact(mpmath.mpf(float(point)))
                ulp = mpmath.mpf(float(np.spacing(abs(float(truth)))))
                assert abs(mpmath.mpf(float(value)) - truth) <= bound * ulp, (point, value)


INF, NAN = math.inf, math.nan
EDGES: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1.0), (INF, INF), (-INF, 0.0), (709.79, INF), (1e300, INF), (-746.0, 0.0), (-745.0, 5e-324)],
    "expm1": [(INF, INF), (-INF, -1.0), (-1e300, -1.0), (710.0, INF), (0.0, 0.0), (-0.0, -0.0), (5e-324, 5e-324)],
    "log": [(0.0, -INF), (-0.0, -INF), (-1.0, NAN), (-INF, NAN), (INF, INF), (1.0, 0.0)],
    "log1p": [(-1.0, -INF), (-1.5, NAN), (-INF, NAN), (INF, INF), (0.0, 0.0), (-0.0, -0.0), (5e-324, 5e-324)],
    "tanh": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (300.0, 1.0), (5e-324, 5e-324)],
    "erf": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e300, 1.0)],
    "erfc": [(INF, 0.0), (-INF, 2.0), (0.0, 1.0), (28.0, 0.0), (1e300, 0.0), (-1e300, 2.0)],
    "sin": [(0.0, 0.0), (INF, NAN), (1.7e6, NAN)],
    "cos": [(0.0, 1.0), (INF, NAN), (-INF, NAN), (1.7e6, NAN)],
    "acos": [(1.0, 0.0), (-1.0, math.pi), (0.0, math.pi / 2), (1.0 + 2**-52, NAN), (-2.0, NAN), (INF, NAN)],
    "asin": [(1.0, math.pi / 2), (-1.0, -math.pi / 2), (0.0, 0.0), (-0.0, -0.0), (1.5, NAN)],
    "atan": [(INF, math.pi / 2), (-INF, -math.pi / 2), (0.0, 0.0), (-0.0, -0.0), (1e308, math.pi / 2)],
}


@pytest.mark.parametrize("name", NAMES)
def test_edges(name: str) -> None:
    x, expected = np.array([*EDGES[name], (NAN, NAN)]).T
    y = LOOPS[name](np.ascontiguousarray(x))
    np.testing.assert_array_equal(y, expected)
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(y[zeros]), np.signbit(expected[zeros]))


def test_the_log_of_positive_numbers_has_the_bits_of_log() -> None:
    x = np.exp(np.random.default_rng(3).uniform(-700.0, 700.0, 10_000))
    x = np.concatenate([x, 1.0 - x[x < 1e-3], [2.0**-53, 1.0 - 2.0**-53, 1.0]])
    np.testing.assert_array_equal(over_array(exponential.log_positive)(x), over_array(mathfun.log)(x))


def test_sincos_is_the_pair() -> None:
    for x in (-3.0, 0.1, 1e5):
        assert mathfun.sincos(x) == (mathfun.sin(x), mathfun.cos(x))


def test_sincos_turns_is_exact_at_quarters() -> None:
    pairs = [trigonometry.sincos_turns(u) for u in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert pairs == [(0, 1), (1, 0), (0, -1), (-1, 0), (0, 1)]


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_over_the_function_vectorises(name: str) -> None:
    LOOPS[name](np.zeros(1))
    (text,) = LOOPS[name].inspect_llvm().values()
    assert re.search(r"@llvm\.fma\.v\d+f64", text)


@pytest.mark.parametrize("name", FITS)
def test_coefficients_are_the_chebyshev_interpolants(name: str) -> None:
    module = {"EXP": exponential, "LOG": exponential, "ERF": errorfunction, "ERFC": errorfunction}.get(
        name, trigonometry
    )
    assert getattr(module, name) == coefficients(name)


def test_the_map_of_the_complementary_error_function() -> None:
    low, high = ERFC_INTERVAL
    assert float(2 / (high - low)) == errorfunction._SLOPE
    assert float((high + low) / (high - low)) == errorfunction._OFFSET
