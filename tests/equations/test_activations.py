"""Activations: the registry, factories and refusals; their formulas are compared in test_derivations.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.equations import ACTIVATIONS, activation, custom, dual
from theorysim.equations.activations import NAMES
from theorysim.errors import ProblemError


def test_every_name_gives_an_activation():
    for name in NAMES:
        chosen = activation(name, 0.2 if name == "leaky_relu" else None)
        assert chosen.name == name
        assert math.isfinite(chosen.function(0.7)) and math.isfinite(chosen.derivative(-0.7))


def test_leaky_relu_is_one_object_per_slope():
    leaky = activation("leaky_relu", 0.1)
    assert leaky is activation("leaky_relu", 0.1)
    assert leaky.function(-2.0) == -0.2 and leaky.derivative(-2.0) == 0.1 and leaky.function(3.0) == 3.0


@pytest.mark.parametrize(
    ("name", "slope", "word"), [("rleu", None, "rleu"), ("relu", 0.1, "slope"), ("leaky_relu", None, "slope")]
)
def test_refusals_name_the_field(name, slope, word):
    with pytest.raises(ProblemError, match=word):
        activation(name, slope)


def test_custom_activation_is_compiled_and_checked():
    swish = custom(
        lambda x: x / (1.0 + math.exp(-x)),
        lambda x: 1.0 / (1.0 + math.exp(-x)) + x * math.exp(-x) / (1.0 + math.exp(-x)) ** 2,
        name="swish",
    )
    assert swish.function(1.0) == pytest.approx(1.0 / (1.0 + math.exp(-1.0)), rel=1e-15)
    with pytest.raises(ProblemError, match="derivative"):
        custom(math.tanh, lambda x: 1.0 - math.tanh(x), name="wrong")
    with pytest.raises(ProblemError, match="built-in"):
        custom(math.tanh, math.cosh, name="tanh")


def test_custom_activation_may_have_a_kink():
    custom(lambda x: abs(x), lambda x: 1.0 if x > 0.0 else -1.0, name="mine")


@pytest.mark.parametrize("name", NAMES)
def test_duals_are_means_over_gaussians(name):
    """T and Tdot against two-dimensional quadrature in polar coordinates, from the compiled activation itself."""
    from theorysim.check import GaussianMean, _quadrature

    slope = 0.2 if name == "leaky_relu" else None
    maps, phi = dual(name, slope), activation(name, slope)
    if maps is None:
        assert name == "tanh"
        return
    place = (1.3, 0.7, -0.4)
    found = maps.pair(place[2], *maps.prepare(place[0]), *maps.prepare(place[1]))
    own = maps.diagonal(place[0])
    for k, f in enumerate((phi.function, phi.derivative)):
        pair = GaussianMean(lambda u, v, *q, f=f: f(u) * f(v), lambda a, b, c: [[a, c], [c, b]])
        single = GaussianMean(lambda u, *q, f=f: f(u) ** 2, lambda a, b, c: a)
        # numba loops over scalars only: vectorised here
        pair = GaussianMean(np.vectorize(pair.integrand, otypes=[float]), pair.covariance)
        single = GaussianMean(np.vectorize(single.integrand, otypes=[float]), single.covariance)
        assert found[k] == pytest.approx(_quadrature(pair, place)[0], abs=1e-11)
        assert own[k] == pytest.approx(_quadrature(single, place)[0], abs=1e-11)


def test_table_has_no_parameters():
    assert all(entry.slope is None and entry.name == name for name, entry in ACTIVATIONS.items())
