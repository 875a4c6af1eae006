"""Activation functions and their derivatives: the derivative is what sympy differentiates."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

x, a = sp.symbols("x a", real=True)
LINE = Domain((Range(-6, 6),), edges=((0.0,), (1e-9,), (-1e-9,), (-30.0,), (30.0,)))
SLOPES = Domain((Range(-6, 6), Range(-1, 1)), edges=((0.0, 0.1), (-1.0, 0.0)))
GELU = x * (1 + sp.erf(x / sp.sqrt(2))) / 2


def _split(above: sp.Expr, below: sp.Expr) -> sp.Expr:
    return sp.Piecewise((above, x > 0), (below, True))


def _definition(formula: sp.Expr, domain: Domain = LINE, scale: sp.Expr | int = 0) -> Claim:
    proof = Proof()
    proof.note("definition", formula)
    symbols = (x,) if domain is LINE else (x, a)
    return proof.claim(symbols, formula, domain, tolerance=5e-16 * 4, scale=scale)


def _derivative(of: sp.Expr, formula: sp.Expr, domain: Domain = LINE, scale: sp.Expr | int = 0) -> Claim:
    proof = Proof()
    proof.equal("d phi/dx", sp.Derivative(of, x), formula)
    symbols = (x,) if domain is LINE else (x, a)
    return proof.claim(symbols, formula, domain, tolerance=4e-15, scale=scale)


def relu() -> Claim:
    """phi(x) = max(x, 0)."""
    return _definition(_split(x, sp.Integer(0)))


def relu_derivative() -> Claim:
    """phi'(x) = 1 for x > 0, else 0."""
    return _derivative(_split(x, sp.Integer(0)), _split(sp.Integer(1), sp.Integer(0)))


def leaky_relu() -> Claim:
    """phi(x) = x for x > 0, else a x."""
    return _definition(_split(x, a * x), SLOPES)


def leaky_relu_derivative() -> Claim:
    """phi'(x) = 1 for x > 0, else a."""
    return _derivative(_split(x, a * x), _split(sp.Integer(1), a), SLOPES)


def absolute() -> Claim:
    """phi(x) = |x|."""
    return _definition(sp.Abs(x))


def absolute_derivative() -> Claim:
    """phi'(x) = sign(x)."""
    return _derivative(sp.Abs(x), sp.sign(x))


def erf() -> Claim:
    """phi(x) = erf(x) = 2/sqrt(pi) int_0^x exp(-s^2) ds."""
    return _definition(sp.erf(x))


def erf_derivative() -> Claim:
    """phi'(x) = 2/sqrt(pi) exp(-x^2)."""
    return _derivative(sp.erf(x), 2 * sp.exp(-(x**2)) / sp.sqrt(sp.pi), scale=sp.Float("1e-14"))


def gelu() -> Claim:
    """phi(x) = x Phi(x), Phi the normal distribution function."""
    return _definition(GELU, scale=sp.Abs(x))


def gelu_derivative() -> Claim:
    """phi'(x) = Phi(x) + x exp(-x^2/2)/sqrt(2 pi)."""
    slope = (1 + sp.erf(x / sp.sqrt(2))) / 2 + x * sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    return _derivative(GELU, slope, scale=1)


def sin() -> Claim:
    """phi(x) = sin(x)."""
    return _definition(sp.sin(x))


def sin_derivative() -> Claim:
    """phi'(x) = cos(x)."""
    return _derivative(sp.sin(x), sp.cos(x))


def cos() -> Claim:
    """phi(x) = cos(x)."""
    return _definition(sp.cos(x))


def cos_derivative() -> Claim:
    """phi'(x) = -sin(x)."""
    return _derivative(sp.cos(x), -sp.sin(x))


def linear() -> Claim:
    """phi(x) = x."""
    return _definition(x)


def linear_derivative() -> Claim:
    """phi'(x) = 1."""
    return _derivative(x, sp.Integer(1))


def quadratic() -> Claim:
    """phi(x) = x^2."""
    return _definition(x**2)


def quadratic_derivative() -> Claim:
    """phi'(x) = 2 x."""
    return _derivative(x**2, 2 * x)


def tanh() -> Claim:
    """phi(x) = tanh(x)."""
    return _definition(sp.tanh(x))


def tanh_derivative() -> Claim:
    """phi'(x) = 1/cosh(x)^2 = 4 e^{-2x}/(1 + e^{-2x})^2, even in x."""
    e = sp.exp(-2 * x)
    proof = Proof()
    proof.equal("d tanh/dx", sp.Derivative(sp.tanh(x), x), 1 / sp.cosh(x) ** 2)
    coded = 4 * e / (1 + e) ** 2
    proof.equal("in exponentials", (1 / sp.cosh(x) ** 2).rewrite(sp.exp), coded)
    proof.equal("even", coded, coded.subs(x, -x))
    return proof.claim((x,), 1 / sp.cosh(x) ** 2, LINE, tolerance=4e-15)
