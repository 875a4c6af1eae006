"""Activations in two pieces, and their derivatives."""

from __future__ import annotations

import sympy as sp

from .activations import DEGREES, LINE, LONG, SMALLEST, _definition, _derivative, a, b, p, x
from .claim import Claim, Domain, Proof, Range

SLOPES = Domain((Range(-6, 6), Range(-1, 1)), edges=((0.0, 0.1), (-1.0, 0.0)))
FACTORS = Domain((Range(-6, 6), Range(-1, 1), Range(0.1, 2.0)), edges=((0.0, 0.1, 1.0), (-1.0, 0.0, 1.0)))
SELU_ALPHA, SELU_SCALE = sp.Rational(1.6732632423543772), sp.Rational(1.0507009873554805)


def _split(above: sp.Expr, below: sp.Expr) -> sp.Expr:
    return sp.Piecewise((above, x > 0), (below, True))


def relu() -> Claim:
    """phi(x) = max(x, 0)."""
    return _definition(_split(x, sp.Integer(0)))


def relu_derivative() -> Claim:
    """phi'(x) = 1 for x > 0, else 0."""
    return _derivative(_split(x, sp.Integer(0)), _split(sp.Integer(1), sp.Integer(0)))


def leaky_relu() -> Claim:
    """phi(x) = x for x > 0, else a x."""
    return _definition(_split(x, a * x), SLOPES, more=(a,))


def leaky_relu_derivative() -> Claim:
    """phi'(x) = 1 for x > 0, else a."""
    return _derivative(_split(x, a * x), _split(sp.Integer(1), a), SLOPES, more=(a,))


def absolute() -> Claim:
    """phi(x) = |x|."""
    return _definition(sp.Abs(x))


def absolute_derivative() -> Claim:
    """phi'(x) = sign(x)."""
    return _derivative(sp.Abs(x), sp.sign(x))


def abrelu() -> Claim:
    """phi(x) = b x for x > 0, else a x."""
    return _definition(_split(b * x, a * x), FACTORS, more=(a, b))


def abrelu_derivative() -> Claim:
    """phi'(x) = b for x > 0, else a."""
    return _derivative(_split(b * x, a * x), _split(b, a), FACTORS, more=(a, b))


def sign() -> Claim:
    """phi(x) = 1 for x > 0, -1 for x < 0, 0 at 0."""
    return _definition(sp.sign(x))


def step() -> Claim:
    """phi(x) = 1 for x > 0, 0 for x < 0, 1/2 at 0, that is (1 + sign x)/2."""
    return _definition((1 + sp.sign(x)) / 2)


def jump_derivative() -> Claim:
    """phi' = 0 on either side of the jump of sign and step (the derivative almost everywhere)."""
    proof = Proof()
    for side in (sp.Symbol("x", positive=True), sp.Symbol("x", negative=True)):
        for phi in (sp.sign(side), (1 + sp.sign(side)) / 2):
            proof.equal("on one side", sp.Derivative(phi, side), 0, sp.Symbol("phi'"))
    return proof.claim((x,), sp.Integer(0), LINE)


def rectified_monomial() -> Claim:
    """phi(x) = x^p for x > 0, else 0."""
    return _definition(_split(x**p, sp.Integer(0)), DEGREES, more=(p,))


def rectified_monomial_derivative() -> Claim:
    """phi'(x) = p x^(p-1) for x > 0, else 0."""
    return _derivative(_split(x**p, sp.Integer(0)), _split(p * x ** (p - 1), sp.Integer(0)), DEGREES, more=(p,))


def elu() -> Claim:
    """phi(x) = x for x > 0, else a (e^x - 1)."""
    return _definition(_split(x, a * (sp.exp(x) - 1)), SLOPES, more=(a,))


def elu_derivative() -> Claim:
    """phi'(x) = 1 for x > 0, else a e^x."""
    return _derivative(_split(x, a * (sp.exp(x) - 1)), _split(sp.Integer(1), a * sp.exp(x)), SLOPES, more=(a,))


def _selu() -> sp.Expr:
    return SELU_SCALE * _split(x, SELU_ALPHA * (sp.exp(x) - 1))


def selu() -> Claim:
    """phi(x) = scale (x for x > 0, else alpha (e^x - 1)): mean 0, variance 1 is a fixed point of E phi, E phi^2.

    Source: Klambauer et al. (2017) for the constants, which are checked here by integration.
    """
    proof = Proof()
    proof.note("definition", _selu())
    normal = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    for power, wanted in ((1, 0), (2, 1)):
        parts = (SELU_ALPHA * (sp.exp(x) - 1), (x, -sp.oo, 0)), (x, (x, 0, sp.oo))
        mean = sum(sp.integrate(sp.expand(part**power) * normal, where) for part, where in parts) * SELU_SCALE**power
        proof.checked(f"E phi^{power} = {wanted} to the digits of the constants", sp.N(mean, 50), wanted, 1e-15)
    return proof.claim((x,), _selu(), LONG, tolerance=2e-15)


def selu_derivative() -> Claim:
    """phi'(x) = scale (1 for x > 0, else alpha e^x)."""
    return _derivative(_selu(), SELU_SCALE * _split(sp.Integer(1), SELU_ALPHA * sp.exp(x)), LONG, scale=SMALLEST)
