"""Two inputs through the layers: the limit against closed dual maps, and random networks against the limit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim import kernels
from theorysim.equations.duals import DUALS

WIDTH, REPLICAS, DEPTH = 512, 32, 8
CASES = {"chaotic": ("tanh", 2.5, 0.3), "ordered": ("erf", 1.0, 0.3), "critical": ("relu", math.sqrt(2.0), 0.0)}


@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "sin", "cos", "linear"])
def test_limit_equals_the_closed_recursion(name):
    w, v, c = 1.69, 0.04, -0.3
    found = kernels.signals(name, math.sqrt(w), math.sqrt(v), 12, input_variance=1.5, input_correlation=c)
    q, q12 = 1.5 * w + v, 1.5 * w * c + v
    maps = DUALS[name]
    for variance, correlation, error in zip(found.variance, found.correlation, found.correlation_error, strict=True):
        assert float(variance) == pytest.approx(q, rel=1e-13)
        assert abs(float(correlation) - q12 / q) <= 2.0 * float(error) + 3e-14
        t = maps.pair(q12, *maps.prepare(q), *maps.prepare(q))[0]
        q, q12 = w * maps.diagonal(q)[0] + v, w * t + v
    assert float(found.correlation_error.max()) < 1e-11


def test_limit_ends_where_the_phase_says():
    for name, sw, sb in CASES.values():
        end = kernels.signals(name, sw, sb, 120).isel(layer=-1)
        phase = kernels.phase(name, sw, sb)
        assert float(end.variance) == pytest.approx(float(phase.q_star), rel=1e-9)
        tolerance = 1e-9 if math.isfinite(phase.xi_c) else 5e-3  # at the critical point 1 - c falls as 1/depth^2
        assert float(end.correlation) == pytest.approx(float(phase.c_star), abs=tolerance)


def test_equal_and_dead_signals_stay_finite():
    alike = kernels.signals("tanh", 2.5, 0.0, 6, input_correlation=1.0)
    assert np.all(alike.correlation == 1.0)
    dead = kernels.signals("relu", 0.0, 0.0, 4)
    assert np.isfinite(dead.variance).all() and np.isfinite(dead.correlation).all()
    with pytest.raises(FloatingPointError, match="grows without bound"):
        kernels.signals("exp", 2.0, 0.0, 50)


@pytest.fixture(scope="module")
def networks():
    """Return the measured signals of each case."""
    return {
        case: kernels.finite_signals(*settings, DEPTH, width=WIDTH, replicas=REPLICAS, seed=4)
        for case, settings in CASES.items()
    }


def z_scores(finite, limit):
    """Return (mean - limit)/standard error of both observables, all layers."""
    means, errors = finite.mean("replica"), finite.std("replica", ddof=1) / math.sqrt(REPLICAS)
    return np.array([(means[name] - limit[name]) / errors[name] for name in ("variance", "correlation")])


@pytest.mark.parametrize("case", CASES)
def test_random_networks_follow_the_limit(networks, case):
    limit = kernels.signals(*CASES[case], DEPTH)
    assert np.abs(z_scores(networks[case], limit)).max() < 4


@pytest.mark.parametrize("case", CASES)
def test_a_planted_error_is_rejected(networks, case):
    """Power: weights 6 % larger in the theory alone."""
    name, sw, sb = CASES[case]
    assert np.abs(z_scores(networks[case], kernels.signals(name, 1.06 * sw, sb, DEPTH))).max() > 4


def test_correlation_length_of_random_networks(networks):
    """ln(1 - c) of the ordered networks falls by 1/xi_c a layer, within four standard errors; 20 % off is rejected."""
    logs = np.log(1.0 - networks["ordered"].correlation.values[3:])
    slopes = np.polyfit(np.arange(len(logs)), logs, 1)[0]
    measured, error = slopes.mean(), slopes.std(ddof=1) / math.sqrt(REPLICAS)
    xi = float(kernels.phase(*CASES["ordered"]).xi_c)
    assert abs(measured + 1.0 / xi) < 4 * error
    assert abs(measured + 1.0 / (1.2 * xi)) > 4 * error


def test_replicas_are_the_same_alone_and_together():
    few = kernels.finite_signals("tanh", 1.5, 0.1, 3, width=32, replicas=2, seed=1)
    many = kernels.finite_signals("tanh", 1.5, 0.1, 3, width=32, replicas=5, seed=1)
    assert np.array_equal(few.variance, many.variance[:, :2])
    assert few.variance.dims == ("layer", "replica") and list(few.layer) == [1, 2, 3]
