"""Slopes of activations are measured; proximal maps are those of their f."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.equations import ACTIVATIONS, activation, custom
from theorysim.errors import ProblemError
from theorysim.games.activations import checked_proximal, named, potential, prox, slopes

# the table of the notes: range of the slopes, and whether a proximal map
TABLE = [
    ("relu", 0.0, 1.0, True), ("hardtanh", 0.0, 1.0, True), ("relu6", 0.0, 1.0, True), ("tanh", 0.0, 1.0, True),
    ("sigmoid", 0.0, 0.25, True), ("arctan", 0.0, 2 / math.pi, True), ("isru", 0.0, 1.0, True),
    ("softsign", 0.0, 1.0, True), ("softplus", 0.0, 1.0, True), ("elu", 0.0, 1.0, True), ("linear", 1.0, 1.0, True),
    ("selu", 0.0, 1.7580993408473766, False), ("gelu", -0.128904145, 1.128904145, False),
    ("silu", -0.099839320, 1.099839320, False), ("mish", -0.112526122, 1.088498161, False),
    ("sin", -1.0, 1.0, False), ("abs", -1.0, 1.0, False), ("erf", 0.0, 2 / math.sqrt(math.pi), False),
    ("exp", 0.0, math.inf, False), ("quadratic", -math.inf, math.inf, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "low", "high", "proximal"), TABLE)
def test_slopes_of_the_table(name, low, high, proximal):
    found = slopes(named(name))
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert found.proximal == proximal


def test_parameters_and_powers():
    assert slopes(named("leaky_relu", {"slope": 0.1})).low == 0.1
    assert slopes(named("soft_threshold", {"threshold": 0.5})).proximal
    assert slopes(activation("rectified_monomial", parameters={"degree": 2})).high == math.inf
    wave = slopes(activation("sin", parameters={"rate": 3.0, "phase": 1.0}))
    assert (wave.low, wave.high) == (pytest.approx(-3.0, abs=1e-9), pytest.approx(3.0, abs=1e-9))
    for jumping in ("sign", "step"):
        assert slopes(ACTIVATIONS[jumping]).high == math.inf


def test_averagedness():
    assert slopes(named("relu")).averagedness == 0.5
    assert slopes(named("leaky_relu", {"slope": 0.5})).averagedness == 0.25
    assert slopes(named("sin")).averagedness == pytest.approx(1.0)
    assert math.isnan(slopes(named("gelu")).averagedness)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("gelu", "-0.1289, 1.129"), ("silu", "-0.09984, 1.1"), ("mish", "-0.1125, 1.088"), ("selu", "1.758")],
)
def test_what_is_no_proximal_map_is_refused_with_its_range(name, shown):
    for refusing in (checked_proximal, potential, lambda a: prox(a, [1.0], 0.5)):
        with pytest.raises(ProblemError, match=shown):
            refusing(named(name))


def test_a_users_own_activation():
    own = custom(lambda x: 0.5 * math.tanh(x), lambda x: 0.5 / math.cosh(x) ** 2, "half_tanh_of_games")
    assert slopes(own).high == pytest.approx(0.5)
    assert checked_proximal(own).averagedness == 0.5


PROXIMAL = ["relu", "tanh", "sigmoid", "arctan", "isru", "softsign", "softplus", "elu", "hardtanh"]


@pytest.mark.parametrize("name", PROXIMAL)
@pytest.mark.parametrize("a", [0.01, 0.3650138783, 1.0, 40.0])
def test_prox_of_a_f_is_the_least(name, a):
    """No other point has a smaller a f(y) + (y - v)^2/2; at a = 1 it is the activation."""
    phi = named(name)
    f = potential(phi)
    v = np.array([-3.0, -0.7, 0.0, 0.4, 2.5])
    y = prox(phi, v, a)

    def cost(u: float, place: float) -> float:
        return a * f(u) + 0.5 * (u - place) ** 2

    for place, best in zip(v, y, strict=True):
        around = [best + d for d in (-0.3, -1e-2, -1e-4, 1e-4, 1e-2, 0.3)]
        assert all(cost(u, place) >= cost(best, place) - 1e-14 for u in around)
        assert cost(best + 0.01, place) + cost(best - 0.01, place) > 2 * cost(best, place)
    if a == 1.0:
        np.testing.assert_allclose(y, [phi.function(float(place)) for place in v], atol=1e-15)


def test_prox_of_a_f_is_not_prox_of_f():
    """The trap of the notes: tanh at a != 1 solves y + a (atanh y - y) = v."""
    v, a = np.linspace(-2, 2, 41), 0.3650138783
    y = prox(named("tanh"), v, a)
    np.testing.assert_allclose(y + a * (np.arctanh(y) - y), v, atol=1e-13)
    assert np.abs(y - np.tanh(v)).max() > 0.02
    np.testing.assert_allclose(prox(named("soft_threshold", {"threshold": 0.5}), [1.0], 2.0), [0.0], atol=1e-15)
    np.testing.assert_allclose(prox(named("leaky_relu", {"slope": 0.5}), [-1.0], 3.0), [-0.25], atol=1e-15)


def test_wrong_names_and_numbers():
    with pytest.raises(ProblemError, match="did you mean"):
        named("hardtan")
    with pytest.raises(ProblemError, match="threshold"):
        named("soft_threshold")
    with pytest.raises(ProblemError, match="scale"):
        prox(named("tanh"), [0.0], 0.0)
    with pytest.raises(ProblemError, match="closed form"):
        potential(activation("erf", parameters={"rate": 0.5}))
