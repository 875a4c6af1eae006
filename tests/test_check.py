"""check_formula: true formulas pass, planted errors do not, questions without sense are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from theorysim.check import GaussianMean, check_formula
from theorysim.errors import ProblemError

q1, q2 = sp.symbols("q1 q2", positive=True)
q12 = sp.Symbol("q12", real=True)
PAIR = (q1, q2, q12)
ANGLE = sp.acos(q12 / sp.sqrt(q1 * q2))
RELU = sp.sqrt(q1 * q2) * (sp.sin(ANGLE) + (sp.pi - ANGLE) * sp.cos(ANGLE)) / (2 * sp.pi)


def _covariance(a, b, c):
    return [[a, c], [c, b]]


NEGATIVE = GaussianMean(lambda z, q: z, lambda q: -q)
RELU_MEAN = GaussianMean(lambda u, v, *q: np.maximum(u, 0) * np.maximum(v, 0), _covariance)


def test_relu_kernel_agrees_in_spite_of_its_kinks():
    found = check_formula(RELU, PAIR, RELU_MEAN)
    assert found.agrees and found.worst_error < 1e-12 and found.z_score < 5 and found.points == 12
    assert "agrees" in found.reason


@pytest.mark.parametrize("factor", [2, sp.Rational(1000001, 1000000)])
def test_a_planted_factor_is_rejected(factor):
    found = check_formula(factor * RELU, PAIR, RELU_MEAN)
    assert not found.agrees and "disagrees" in found.reason
    assert set(found.worst_point) == {"q1", "q2", "q12"}


def test_monte_carlo_alone_would_reject_a_factor_of_two():
    assert check_formula(2 * RELU, PAIR, RELU_MEAN, points=3).z_score > 50


def test_jumps_and_one_variable():
    orthant = GaussianMean(lambda u, v, *q: (u > 0) * (v > 0), _covariance)
    assert check_formula((sp.pi - ANGLE) / (2 * sp.pi), PAIR, orthant).agrees
    s = sp.Symbol("s", positive=True)
    wave = GaussianMean(lambda z, s: np.cos(z), lambda s: s)
    assert check_formula(sp.exp(-s / 2), (s,), wave).agrees
    assert not check_formula(sp.exp(-s), (s,), wave).agrees


def test_scalar_integrands_are_vectorised():
    s = sp.Symbol("s", positive=True)
    scalar = GaussianMean(lambda z, s: math.exp(-z) if z > 0 else math.exp(z), lambda s: s)
    formula = sp.exp(s / 2) * sp.erfc(sp.sqrt(s / 2))
    assert check_formula(formula, (s,), scalar, points=3, samples=10_000).agrees


def test_code_of_ones_own():
    x = sp.Symbol("x")
    assert check_formula(sp.sin(x) ** 2, (x,), lambda x: 0.5 * (1 - math.cos(2 * x))).agrees
    wrong = check_formula(sp.sin(x) ** 2, (x,), lambda x: 0.5 * (1 + math.cos(2 * x)))
    assert not wrong.agrees and math.isnan(wrong.z_score)
    assert not check_formula(x, (x,), lambda x: math.nan).agrees


def test_chosen_points_and_domain():
    x = sp.Symbol("x")
    found = check_formula(x**2, (x,), lambda x: x * x, points=[[0.0], [1e10]])
    assert found.agrees and found.points == 2
    found = check_formula(sp.sqrt(x), (x,), math.sqrt, domain={x: (2.0, 3.0)})
    assert found.agrees and 2 <= found.worst_point["x"] <= 3


def test_complex_values_disagree():
    x = sp.Symbol("x")
    assert not check_formula(sp.sqrt(x), (x,), lambda x: 1.0, points=[[-1.0]]).agrees


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"expression": q1 * q2, "symbols": (q1,), "numeric": float}, "symbols"),
        ({"expression": q1, "symbols": (q1,), "numeric": float, "points": 0}, "points"),
        ({"expression": q1, "symbols": (q1,), "numeric": float, "points": [[1.0, 2.0]]}, "points"),
        ({"expression": q1, "symbols": (q1,), "numeric": float, "domain": {q1: (2.0, 1.0)}}, "domain"),
        ({"expression": q1, "symbols": (q1,), "numeric": NEGATIVE}, "covariance"),
        ({"expression": q1, "symbols": (q1,), "numeric": NEGATIVE, "points": [[1]]}, "covariance"),
        ({"expression": q1, "symbols": (q1,), "numeric": GaussianMean(lambda z, q: z, lambda q: [1, 2, 3])}, "2 x 2"),
    ],
)
def test_refusals(arguments, word):
    with pytest.raises(ProblemError, match=word):
        check_formula(**arguments)
