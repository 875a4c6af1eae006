"""Activations from expressions: code, closed duals against quadrature, the route that is named, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sympy as sp

import theorysim as ts
from theorysim.check import check_formula
from theorysim.equations.activations import activation
from theorysim.equations.duals import dual_of
from theorysim.equations.gaussian_integrals import Q1, Q2, Q12, X, mean_of_product, terms_of
from theorysim.errors import ProblemError
from theorysim.infinite.expression import activation_from
from theorysim.infinite.recursion import kernels_of
from theorysim.problem import MLP

x = sp.Symbol("x")
LAYERS = MLP(depth=2, width=4, weight_std=0.9, bias_std=0.2).layers(inputs=4, outputs=1)
INPUTS = np.random.default_rng(1).normal(size=(6, 4))
CLOSED = [
    1 + x - x**3 / 3,
    (x**2 + 1) * sp.exp(-(x**2) / 2 + x / 3),
    x * sp.cos(2 * x + 1) * sp.exp(-(x**2) / 5) + sp.sinh(x) / 3,
    sp.sin(x) ** 2 * sp.exp(-x / 2),
]


@pytest.mark.parametrize(("phi", "planted"), [*((phi, 1.0) for phi in CLOSED), (CLOSED[1], 1.0 + 1e-6)], ids=str)
def test_closed_means_are_means(phi: sp.Expr, planted: float) -> None:
    """The expressions for T and Tdot against quadrature and Monte Carlo; a planted part in a million is rejected."""
    for function in (phi, sp.diff(phi, x)):
        formula = mean_of_product(terms_of(function.subs(x, X)))
        numeric = sp.lambdify(x, function, "numpy")
        mean = ts.GaussianMean(lambda u, v, *q, f=numeric: f(u) * f(v) + 0.0 * u, lambda a, b, c: [[a, c], [c, b]])
        domain = {Q1: (0.1, 2.0), Q2: (0.1, 2.0), Q12: (-1.0, 1.0)}
        found = check_formula(planted * formula, (Q1, Q2, Q12), mean, domain=domain, points=4, samples=20_000)
        assert found.agrees == (planted == 1.0), found.reason


@pytest.mark.parametrize(
    ("phi", "name", "parameters"),
    [
        (x**3, "monomial", {"degree": 3}),
        (sp.sin(2 * x + sp.Rational(3, 10)), "sin", {"rate": 2.0, "phase": 0.3}),
        (sp.exp(-(x**2)) * sp.sin(x), "gabor", None),
        (sp.exp(-2 * x**2), "gaussian", {"rate": 2.0}),
    ],
)
def test_known_kernels_are_found_again(phi: sp.Expr, name: str, parameters: dict[str, float] | None) -> None:
    mine, theirs = activation_from(phi), activation(name, parameters=parameters)
    assert mine.route.startswith("closed form")
    for one, other in ((mine.function, theirs.function), (mine.derivative, theirs.derivative)):
        for at in (-1.7, 0.0, 0.4):
            assert one(at) == pytest.approx(other(at), rel=1e-14, abs=1e-15)
    one, other = dual_of(mine), dual_of(theirs)
    assert one is not None and other is not None
    for q1, q2, q12 in ((1.3, 0.8, 0.5), (2.0, 2.0, -1.9), (0.0, 1.0, 0.0)):
        there, back = (maps.pair(q12, *maps.prepare(q1), *maps.prepare(q2)) for maps in (one, other))
        assert there == pytest.approx(back, rel=1e-13, abs=1e-15)
        assert one.diagonal(q1) == pytest.approx(other.diagonal(q1), rel=1e-13)


def test_kernels_of_a_closed_form() -> None:
    mine, theirs = activation_from(sp.exp(-(x**2)) * sp.sin(x)), activation("gabor")
    one, other = (kernels_of(LAYERS, chosen, INPUTS) for chosen in (mine, theirs))
    np.testing.assert_allclose(one.nngp, other.nngp, rtol=1e-12)
    np.testing.assert_allclose(one.ntk, other.ntk, rtol=1e-12)
    assert one.ntk_error == 0.0


def test_anything_else_goes_through_series_and_says_so() -> None:
    mine = activation_from(x / (1 + sp.exp(-x)), name="my silu")
    assert "Hermite series" in mine.route and "relative errors at variance 1" in mine.route
    one, other = kernels_of(LAYERS, mine, INPUTS), kernels_of(LAYERS, activation("silu"), INPUTS)
    np.testing.assert_allclose(one.ntk, other.ntk, rtol=1e-11)
    assert 0.0 < one.ntk_error < 1e-9


def test_kinks_are_allowed() -> None:
    mine, relu = activation_from(sp.Max(x, 0)), activation("relu")
    for at in (-2.0, 0.5, 3.0):
        assert mine.function(at) == relu.function(at) and mine.derivative(at) == relu.derivative(at)
    assert mine.name == "Max(0, x)" and isinstance(mine.derivative(1.0), float)


def test_equal_expressions_are_equal_activations_and_documents_name_them() -> None:
    one, other = activation_from(x * sp.exp(-(x**2))), activation_from(sp.Symbol("t") * sp.exp(-(sp.Symbol("t") ** 2)))
    assert one == other and hash(one) == hash(other)
    assert one != activation_from(x * sp.exp(-2 * x**2))
    run = ts.Training(
        data=ts.data.gaussian(dim=3, train=4, test=2),
        network=MLP(depth=1, width=8, activation=one),
        optimizer=ts.GD(learning_rate=0.1),
        steps=2,
    )
    written = json.loads(run.to_json())["network"]["activation"]
    assert written["custom"] == "x*exp(-x**2)" and len(written["fingerprint"]) == 64
    with pytest.raises(ProblemError, match="activation_from"):
        ts.Training.from_json(run.to_json())
    assert np.isfinite(ts.train(run, replicas=2, seed=0)["train_loss"]).all()


@pytest.mark.parametrize(
    ("phi", "words"),
    [
        ("x**2", r'`expression` must be a sympy expression of one symbol, got "x\*\*2"'),
        (x * sp.Symbol("y"), "of one symbol"),
        (sp.Integer(3), "of one symbol"),
        (sp.sqrt(x), "must be finite"),
        (1 / x, "must be finite"),
        (1 / (x - sp.Rational(1, 3)), "mean square"),
        (sp.exp(x**2 / 100), r"must not grow like e\^\(x\^2\)"),
        (sp.Heaviside(x), "must be continuous, jumps at x = 0"),
        (sp.Piecewise((0, x < 1), (x, True)), "jumps at x = 1"),
        (sp.I * x, "must be real"),
        (sp.gamma(x), "made of exp, .*; got gamma"),
        (sp.Function("exp")(x), "made of exp"),
        (sp.Derivative(sp.sin(x), x), "got Derivative"),
    ],
)
def test_refusals(phi: object, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        activation_from(phi)


def test_names_of_built_in_activations_are_taken() -> None:
    with pytest.raises(ProblemError, match='got "relu"'):
        activation_from(sp.Max(x, 0), name="relu")
