"""Smooth activations and their derivatives."""

from __future__ import annotations

import sympy as sp

from .activations import DEGREES, LINE, LONG, RATES, SMALLEST, _definition, _derivative, a, b, c, p, r, x
from .claim import Claim, Domain, Proof, Range

WAVES = Domain((Range(-6, 6), Range(0.1, 3.0), Range(0, 3)), edges=((0.0, 1.0, 0.0), (700.0, 1.0, 0.5)))
EXPONENTS = Domain(
    (Range(-6, 6), Range(-1, 1), Range(0.1, 2)), edges=((0.0, 1.0, 1.0), (-700.0, 1.0, 1.0), (700.0, 1.0, 1.0))
)
GELU = x * (1 + sp.erf(x / sp.sqrt(2))) / 2
SIGMOID = 1 / (1 + sp.exp(-x))


def erf() -> Claim:
    """phi(x) = erf(b x), erf(y) = 2/sqrt(pi) int_0^y exp(-s^2) ds."""
    return _definition(sp.erf(b * x), RATES, more=(b,))


def erf_derivative() -> Claim:
    """phi'(x) = 2 b/sqrt(pi) exp(-(b x)^2)."""
    slope = 2 * b * sp.exp(-(b**2) * x**2) / sp.sqrt(sp.pi)
    return _derivative(sp.erf(b * x), slope, RATES, scale=SMALLEST + b**2 * x**2 * slope, more=(b,))


def gelu() -> Claim:
    """phi(x) = x Phi(x), Phi the normal distribution function."""
    return _definition(GELU, LONG, scale=sp.Float("1e-300") + x**2 * sp.Abs(GELU), guard=300)


def gelu_derivative() -> Claim:
    """phi'(x) = Phi(x) + x exp(-x^2/2)/sqrt(2 pi)."""
    slope = (1 + sp.erf(x / sp.sqrt(2))) / 2 + x * sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    return _derivative(GELU, slope, LONG, scale=1)


def sin() -> Claim:
    """phi(x) = sin(b x + c)."""
    return _definition(sp.sin(b * x + c), WAVES, scale=1 + b * sp.Abs(x), more=(b, c))


def sin_derivative() -> Claim:
    """phi'(x) = b cos(b x + c)."""
    slope = b * sp.cos(b * x + c)
    return _derivative(sp.sin(b * x + c), slope, WAVES, scale=b * (1 + b * sp.Abs(x)), more=(b, c))


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


def monomial() -> Claim:
    """phi(x) = x^p."""
    return _definition(x**p, DEGREES, more=(p,))


def monomial_derivative() -> Claim:
    """phi'(x) = p x^(p-1)."""
    return _derivative(x**p, p * x ** (p - 1), DEGREES, more=(p,))


def _hermite(degree: sp.Expr, at: sp.Expr) -> sp.Expr:
    """Return He_n(at)/sqrt(n!) through the physicists' polynomial H_n(z) = 2^(n/2) He_n(sqrt(2) z)."""
    return sp.hermite(degree, at / sp.sqrt(2)) / sp.sqrt(2**degree * sp.factorial(degree))


def _hermite_size(degree: sp.Expr) -> sp.Expr:
    """Return the sum of the sizes of all terms of the polynomial."""
    return (-sp.I) ** degree * _hermite(degree, sp.I * (sp.Abs(x) + 1))


def hermite() -> Claim:
    """phi(x) = He_p(x)/sqrt(p!), E phi^2 = 1 for x ~ N(0, 1); by h_{n+1} = (x h_n - sqrt(n) h_{n-1})/sqrt(n+1)."""
    proof = Proof()
    for n in range(21):
        following = (x * _hermite(n, x) - sp.sqrt(n) * (_hermite(n - 1, x) if n else 0)) / sp.sqrt(n + 1)
        proof.equal(f"recursion, n = {n}", _hermite(n + 1, x), following, sp.Symbol(f"h_{n + 1}"))
    return proof.claim((x, p), _hermite(p, x), DEGREES, scale=_hermite_size(p))


def hermite_derivative() -> Claim:
    """phi'(x) = sqrt(p) He_{p-1}(x)/sqrt((p-1)!)."""
    proof = Proof()
    for n in range(1, 21):
        slope = sp.sqrt(n) * _hermite(n - 1, x)
        proof.equal(f"degree {n}", sp.diff(_hermite(n, x), x), slope, sp.Symbol(f"h_{n}'"))
    return proof.claim((x, p), sp.sqrt(p) * _hermite(p - 1, x), DEGREES, scale=sp.sqrt(p) * _hermite_size(p - 1))


def rbf() -> Claim:
    """phi(x) = sqrt(2) sin(sqrt(2 r) x + pi/4) = sin(sqrt(2 r) x) + cos(sqrt(2 r) x)."""
    y = sp.sqrt(2 * r) * x
    wave = sp.sqrt(2) * sp.sin(y + sp.pi / 4)
    proof = Proof()
    proof.equal("as coded", sp.expand_trig(wave), sp.sin(y) + sp.cos(y), wave)
    return proof.claim((x, r), wave, RATES, scale=1 + sp.Abs(y), tolerance=4e-15)


def rbf_derivative() -> Claim:
    """phi'(x) = 2 sqrt(r) cos(sqrt(2 r) x + pi/4)."""
    y = sp.sqrt(2 * r) * x
    slope = 2 * sp.sqrt(r) * sp.cos(y + sp.pi / 4)
    return _derivative(sp.sqrt(2) * sp.sin(y + sp.pi / 4), slope, RATES, scale=sp.sqrt(r) * (1 + sp.Abs(y)), more=(r,))


def exponential() -> Claim:
    """phi(x) = a e^(b x)."""
    return _definition(a * sp.exp(b * x), EXPONENTS, scale=SMALLEST + _size(), more=(a, b))


def exponential_derivative() -> Claim:
    """phi'(x) = a b e^(b x)."""
    slope = a * b * sp.exp(b * x)
    return _derivative(a * sp.exp(b * x), slope, EXPONENTS, scale=SMALLEST + b * _size(), more=(a, b))


def _size() -> sp.Expr:
    """Return what the rounding of b x does: one unit in the last place of the exponent."""
    return sp.Abs(a * b * x) * sp.exp(b * x)


def gaussian() -> Claim:
    """phi(x) = e^(-r x^2)."""
    spread = r * x**2 * sp.exp(-r * x**2)
    return _definition(sp.exp(-r * x**2), RATES, scale=SMALLEST + spread, more=(r,))


def gaussian_derivative() -> Claim:
    """phi'(x) = -2 r x e^(-r x^2)."""
    slope = -2 * r * x * sp.exp(-r * x**2)
    spread = sp.Abs(slope) * r * x**2
    return _derivative(sp.exp(-r * x**2), slope, RATES, scale=SMALLEST + spread, more=(r,))


def gabor() -> Claim:
    """phi(x) = e^(-x^2) sin(x)."""
    return _definition(sp.exp(-(x**2)) * sp.sin(x), LONG, scale=SMALLEST + (x**2 + x**4) * sp.exp(-(x**2)))


def gabor_derivative() -> Claim:
    """phi'(x) = e^(-x^2) (cos(x) - 2 x sin(x))."""
    slope = sp.exp(-(x**2)) * (sp.cos(x) - 2 * x * sp.sin(x))
    return _derivative(sp.exp(-(x**2)) * sp.sin(x), slope, LONG, scale=SMALLEST + (1 + 2 * x**4) * sp.exp(-(x**2)))


def sigmoid() -> Claim:
    """phi(x) = 1/(1 + e^-x)."""
    return _definition(SIGMOID, LONG, scale=SMALLEST)


def sigmoid_derivative() -> Claim:
    """phi'(x) = e^-|x|/(1 + e^-|x|)^2, even in x."""
    proof = Proof()
    e = sp.exp(-x)
    proof.equal("d phi/dx", sp.Derivative(SIGMOID, x), e / (1 + e) ** 2)
    proof.equal("even", e / (1 + e) ** 2, (e / (1 + e) ** 2).subs(x, -x))
    return proof.claim((x,), e / (1 + e) ** 2, LONG, scale=SMALLEST, tolerance=4e-15)


def softplus() -> Claim:
    """phi(x) = log(1 + e^x)."""
    return _definition(sp.log(1 + sp.exp(x)), LONG, scale=SMALLEST, guard=320)


def softplus_derivative() -> Claim:
    """phi'(x) = 1/(1 + e^-x)."""
    return _derivative(sp.log(1 + sp.exp(x)), SIGMOID, LONG, scale=SMALLEST)


def silu() -> Claim:
    """phi(x) = x/(1 + e^-x)."""
    return _definition(x * SIGMOID, LONG, scale=SMALLEST)


def silu_derivative() -> Claim:
    """phi'(x) = s + x s (1 - s), s = 1/(1 + e^-x)."""
    slope = SIGMOID + x * SIGMOID * (1 - SIGMOID)
    return _derivative(x * SIGMOID, slope, LONG, scale=SMALLEST + SIGMOID, guard=320)


def swish() -> Claim:
    """phi(x) = x/(1 + e^(-b x))."""
    gate = 1 / (1 + sp.exp(-b * x))
    return _definition(x * gate, RATES, scale=SMALLEST + b * x**2 * gate, more=(b,))


def swish_derivative() -> Claim:
    """phi'(x) = s + b x s (1 - s), s = 1/(1 + e^(-b x))."""
    gate = 1 / (1 + sp.exp(-b * x))
    slope = gate + b * x * gate * (1 - gate)
    return _derivative(x * gate, slope, RATES, scale=SMALLEST + (1 + b * sp.Abs(x)) ** 2 * gate, more=(b,), guard=320)


def _mish() -> sp.Expr:
    grown = (1 + sp.exp(x)) ** 2
    return (grown - 1) / (grown + 1)


def mish() -> Claim:
    """phi(x) = x tanh(log(1 + e^x)), coded with e^-|x|."""
    proof = Proof()
    tanh_log = sp.tanh(sp.log(1 + sp.exp(x)))
    proof.equal("tanh(log y) = (y^2 - 1)/(y^2 + 1)", tanh_log.rewrite(sp.exp), _mish(), tanh_log)
    e = sp.Symbol("e", positive=True)
    below = e * (e + 2) / (e * (e + 2) + 2)
    above = (1 + 2 * e) / (1 + 2 * e + 2 * e**2)
    proof.equal("x <= 0, e = e^x", _mish().subs(sp.exp(x), e), below)
    proof.equal("x > 0, e = e^-x", _mish().subs(sp.exp(x), 1 / e), above)
    return proof.claim((x,), x * _mish(), LONG, scale=SMALLEST, guard=320, tolerance=4e-15)


def mish_derivative() -> Claim:
    """phi'(x) = t + x (1 - t^2)/(1 + e^-x), t = tanh(log(1 + e^x)), coded with e^-|x|."""
    proof = Proof()
    slope = _mish() + x * (1 - _mish() ** 2) * SIGMOID
    e = sp.Symbol("e", positive=True)
    changed = (sp.diff(x * _mish(), x) - slope).subs(sp.exp(-x), 1 / e).subs(sp.exp(x), e)
    proof.equal("d phi/dx", sp.simplify(changed), 0, sp.Symbol("dphi/dx"))
    for text, grown in (("x <= 0, e = e^x", e), ("x > 0, e = e^-x", 1 / e)):
        rest = (1 - _mish() ** 2).subs(sp.exp(x), grown) / (1 + 1 / grown)
        n, d = (e * (e + 2), e * (e + 2) + 2) if grown == e else (1 + 2 * e, 1 + 2 * e + 2 * e**2)
        proof.equal(text, rest, 4 * (1 + e) * (e if grown == e else e**2) / d**2)
        proof.equal(f"{text}: t", _mish().subs(sp.exp(x), grown), n / d)
    size = (1 + sp.Abs(x)) * SIGMOID
    return proof.claim((x,), slope, LONG, scale=SMALLEST + size, guard=700, tolerance=4e-15)
