"""Activations: the registry, factories and refusals; their formulas are compared in test_derivations.py."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.activation_examples import ALL, PARAMETERS, example
from theorysim.equations import ACTIVATIONS, activation, custom
from theorysim.equations.activations import NAMES, bare
from theorysim.equations.activations import PARAMETERS as KNOWN
from theorysim.equations.duals import dual_of
from theorysim.errors import ProblemError

SERIES = ("tanh", "sigmoid", "softplus", "silu", "swish", "mish", "elu", "selu")
LARGE = (-700.0, -300.0, -40.0, -1e-3, 0.0, 1e-3, 40.0, 300.0, 700.0)


@pytest.mark.parametrize("name", ALL)
def test_every_name_gives_an_activation(name):
    chosen = example(name)
    assert chosen.name == name and chosen is example(name)
    assert dict(chosen.parameters) == PARAMETERS.get(name, {}) and bare(chosen) == (name not in PARAMETERS)
    for x in LARGE:
        assert math.isfinite(chosen.function(x)) and math.isfinite(chosen.derivative(x))
    for x in (-1.3, -0.4, 0.5, 1.7):
        step = 1e-6
        slope = (chosen.function(x + step) - chosen.function(x - step)) / (2 * step)
        assert chosen.derivative(x) == pytest.approx(slope, rel=1e-8, abs=1e-9)


def test_every_parameter_is_in_an_example():
    assert {name: set(known) for name, known in KNOWN.items() if known} == {k: set(v) for k, v in PARAMETERS.items()}


def test_names_with_equal_meaning():
    for x in (-2.0, 0.3, 1.1):
        assert activation("swish").function(x) == activation("silu").function(x)
        assert activation("exp").function(x) == pytest.approx(math.exp(x), rel=1e-15)
        assert activation("monomial", parameters={"degree": 2}).function(x) == activation("quadratic").function(x)
        assert activation("erf").function(x) == pytest.approx(math.erf(x), rel=1e-15)
        assert activation("elu").function(x) == pytest.approx(x if x > 0 else math.expm1(x), rel=1e-15)
        cube = activation("rectified_monomial", parameters={"degree": 3}).function(x)
        assert cube == pytest.approx(max(x, 0.0) ** 3, rel=1e-15)


def test_a_derivative_that_was_not_chosen_is_not_zero():
    for name in ("sign", "step"):
        assert not activation(name).differentiable and math.isnan(activation(name).derivative(0.3))
        zero = activation(name, parameters={"derivative": "zero"})
        assert zero.differentiable and zero.derivative(0.3) == 0.0
        assert not activation(name, parameters={"derivative": "distribution"}).differentiable
    assert activation("sign").function(-2.0) == -1.0 and activation("step").function(0.0) == 0.5


def test_leaky_relu_is_one_object_per_slope():
    leaky = activation("leaky_relu", 0.1)
    assert leaky is activation("leaky_relu", 0.1)
    assert leaky.function(-2.0) == -0.2 and leaky.derivative(-2.0) == 0.1 and leaky.function(3.0) == 3.0


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("rleu", None, 'must be one of relu, .*; got "rleu" .did you mean "relu"'),
        ("relu", {"slope": 0.1}, "relu takes no parameters, got `slope`"),
        ("leaky_relu", None, "leaky_relu must be given its `slope`, a finite number"),
        ("monomial", None, "monomial must be given its `degree`, a whole number from 1 to 20"),
        ("monomial", {"degree": 2.5}, "monomial must have as `degree` a whole number from 1 to 20, got 2.5"),
        ("monomial", {"degree": True}, "must have as `degree` a whole number"),
        ("hermite", {"degree": 21}, "got 21"),
        ("elu", {"alfa": 2.0}, 'elu takes `alpha`, got `alfa` .did you mean "alpha"'),
        ("exp", {"rate": math.nan}, "exp must have as `rate` a finite number"),
        ("swish", {"beta": "2"}, "must have as `beta` a finite number"),
        ("sign", {"derivative": "delta"}, "must have as `derivative` one of zero, distribution, got 'delta'"),
    ],
)
def test_refusals_name_the_field(name, given, words):
    with pytest.raises(ProblemError, match=words):
        activation(name, parameters=given)


def test_custom_activation_is_compiled_and_checked():
    swish = custom(
        lambda x: x / (1.0 + math.exp(-x)),
        lambda x: 1.0 / (1.0 + math.exp(-x)) + x * math.exp(-x) / (1.0 + math.exp(-x)) ** 2,
        name="my swish",
    )
    assert swish.function(1.0) == pytest.approx(1.0 / (1.0 + math.exp(-1.0)), rel=1e-15)
    with pytest.raises(ProblemError, match="derivative"):
        custom(lambda x: math.tanh(x), lambda x: 1.0 - math.tanh(x), name="wrong")
    with pytest.raises(ProblemError, match="`function` must be a Python function, `def` or `lambda`"):
        custom(math.tanh, lambda x: 1.0 - math.tanh(x) ** 2, name="mine")
    with pytest.raises(ProblemError, match="built-in"):
        custom(math.tanh, math.cosh, name="tanh")


def test_custom_activation_may_have_a_kink():
    custom(lambda x: abs(x), lambda x: 1.0 if x > 0.0 else -1.0, name="mine")


@pytest.mark.parametrize("name", ALL)
def test_duals_are_means_over_gaussians(name):
    """T and Tdot against two-dimensional quadrature in polar coordinates, from the compiled activation itself."""
    from theorysim.check import GaussianMean, _quadrature

    phi = example(name)
    maps = dual_of(phi)
    assert (maps is None) == (name in SERIES)
    if maps is None:
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
        assert found[k] == pytest.approx(_quadrature(pair, place)[0], abs=1e-11, rel=1e-11)
        assert own[k] == pytest.approx(_quadrature(single, place)[0], abs=1e-11, rel=1e-11)


def test_table_needs_no_parameters():
    assert all(entry.slope is None and entry.name == name and bare(entry) for name, entry in ACTIVATIONS.items())
    assert set(NAMES) - set(ACTIVATIONS) == {"leaky_relu", "abrelu", "rectified_monomial", "monomial", "hermite"}
