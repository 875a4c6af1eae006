"""Smooth activations and their derivatives, without cancellation or overflow in the tails.

Proof: derivations/smooth.py.
"""

from __future__ import annotations

import math

from theorysim.backend.mathfun import cos as _cos
from theorysim.backend.mathfun import erf as _erf
from theorysim.backend.mathfun import erfc as _erfc
from theorysim.backend.mathfun import exp as _exp
from theorysim.backend.mathfun import log1p as _log1p
from theorysim.backend.mathfun import sin as _sin
from theorysim.backend.mathfun import sincos as _sincos
from theorysim.backend.mathfun import tanh as _tanh
from theorysim.equations.registry import equation

_SQRT_HALF = math.sqrt(0.5)
_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
_ONE_OVER_SQRT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)


@equation("smooth.linear")
def linear(x: float) -> float:
    """Return x."""
    return x


@equation("smooth.linear_derivative")
def linear_derivative(x: float) -> float:
    """Return 1."""
    return 1.0


@equation("smooth.quadratic")
def quadratic(x: float) -> float:
    """Return x^2."""
    return x * x


@equation("smooth.quadratic_derivative")
def quadratic_derivative(x: float) -> float:
    """Return 2 x."""
    return 2.0 * x


@equation("smooth.monomial")
def monomial(x: float, p: int) -> float:
    """Return x^p."""
    y = 1.0
    for _ in range(p):
        y *= x
    return y


@equation("smooth.monomial_derivative")
def monomial_derivative(x: float, p: int) -> float:
    """Return p x^(p-1), p >= 1."""
    y = 1.0 * p
    for _ in range(p - 1):
        y *= x
    return y


@equation("smooth.hermite")
def hermite(x: float, k: int) -> float:
    """Return the Hermite polynomial He_k(x)/sqrt(k!), whose square has mean 1 for x ~ N(0, 1)."""
    before, now = 0.0, 1.0
    for n in range(k):
        before, now = now, (x * now - math.sqrt(1.0 * n) * before) / math.sqrt(n + 1.0)
    return now


@equation("smooth.hermite_derivative")
def hermite_derivative(x: float, k: int) -> float:
    """Return sqrt(k) He_{k-1}(x)/sqrt((k-1)!), k >= 1."""
    return math.sqrt(1.0 * k) * hermite(x, k - 1)


@equation("smooth.erf")
def erf(x: float, b: float) -> float:
    """Return erf(b x), erf(y) = 2/sqrt(pi) int_0^y exp(-s^2) ds."""
    return _erf(b * x)


@equation("smooth.erf_derivative")
def erf_derivative(x: float, b: float) -> float:
    """Return 2 b/sqrt(pi) exp(-(b x)^2)."""
    y = b * x
    return b * _TWO_OVER_SQRT_PI * _exp(-y * y)


@equation("smooth.gelu")
def gelu(x: float) -> float:
    """Return x Phi(x), Phi the normal distribution function (exact, not the tanh approximation)."""
    return 0.5 * x * _erfc(-_SQRT_HALF * x)


@equation("smooth.gelu_derivative")
def gelu_derivative(x: float) -> float:
    """Return Phi(x) + x exp(-x^2/2)/sqrt(2 pi)."""
    return 0.5 * _erfc(-_SQRT_HALF * x) + _ONE_OVER_SQRT_TWO_PI * x * _exp(-0.5 * x * x)


@equation("smooth.sin")
def sin(x: float, b: float, c: float) -> float:
    """Return sin(b x + c)."""
    return _sin(b * x + c)


@equation("smooth.sin_derivative")
def sin_derivative(x: float, b: float, c: float) -> float:
    """Return b cos(b x + c)."""
    return b * _cos(b * x + c)


@equation("smooth.cos")
def cos(x: float) -> float:
    """Return cos(x)."""
    return _cos(x)


@equation("smooth.cos_derivative")
def cos_derivative(x: float) -> float:
    """Return -sin(x)."""
    return -_sin(x)


@equation("smooth.rbf")
def rbf(x: float, g: float) -> float:
    """Return sqrt(2) sin(sqrt(2 g) x + pi/4), as the sum of a sine and a cosine."""
    s, c = _sincos(math.sqrt(2.0 * g) * x)
    return s + c


@equation("smooth.rbf_derivative")
def rbf_derivative(x: float, g: float) -> float:
    """Return 2 sqrt(g) cos(sqrt(2 g) x + pi/4)."""
    b = math.sqrt(2.0 * g)
    s, c = _sincos(b * x)
    return b * (c - s)


@equation("smooth.exponential")
def exponential(x: float, a: float, b: float) -> float:
    """Return a e^(b x)."""
    return a * _exp(b * x)


@equation("smooth.exponential_derivative")
def exponential_derivative(x: float, a: float, b: float) -> float:
    """Return a b e^(b x)."""
    return a * b * _exp(b * x)


@equation("smooth.gaussian")
def gaussian(x: float, r: float) -> float:
    """Return e^(-r x^2)."""
    return _exp(-r * x * x)


@equation("smooth.gaussian_derivative")
def gaussian_derivative(x: float, r: float) -> float:
    """Return -2 r x e^(-r x^2)."""
    return -2.0 * r * x * _exp(-r * x * x)


@equation("smooth.gabor")
def gabor(x: float) -> float:
    """Return e^(-x^2) sin(x)."""
    return _exp(-x * x) * _sin(x)


@equation("smooth.gabor_derivative")
def gabor_derivative(x: float) -> float:
    """Return e^(-x^2) (cos(x) - 2 x sin(x))."""
    s, c = _sincos(x)
    return _exp(-x * x) * (c - 2.0 * x * s)


@equation("smooth.tanh")
def tanh(x: float) -> float:
    """Return tanh(x)."""
    return _tanh(x)


@equation("smooth.tanh_derivative")
def tanh_derivative(x: float) -> float:
    """Return 1/cosh(x)^2 = 4 e^{-2|x|}/(1 + e^{-2|x|})^2, which keeps its digits in the tails."""
    e = _exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


@equation("smooth.sigmoid")
def sigmoid(x: float) -> float:
    """Return 1/(1 + e^-x)."""
    e = _exp(-abs(x))
    return (1.0 if x > 0.0 else e) / (1.0 + e)


@equation("smooth.sigmoid_derivative")
def sigmoid_derivative(x: float) -> float:
    """Return e^-|x|/(1 + e^-|x|)^2."""
    e = _exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


@equation("smooth.softplus")
def softplus(x: float) -> float:
    """Return log(1 + e^x)."""
    return (x if x > 0.0 else 0.0) + _log1p(_exp(-abs(x)))


@equation("smooth.softplus_derivative")
def softplus_derivative(x: float) -> float:
    """Return 1/(1 + e^-x)."""
    return sigmoid(x)


@equation("smooth.swish")
def swish(x: float, b: float) -> float:
    """Return x/(1 + e^(-b x))."""
    return x * sigmoid(b * x)


@equation("smooth.swish_derivative")
def swish_derivative(x: float, b: float) -> float:
    """Return s + b x s (1 - s), s = 1/(1 + e^(-b x))."""
    y = b * x
    return sigmoid(y) * (1.0 + y * sigmoid(-y))


@equation("smooth.silu")
def silu(x: float) -> float:
    """Return x/(1 + e^-x)."""
    return x * sigmoid(x)


@equation("smooth.silu_derivative")
def silu_derivative(x: float) -> float:
    """Return s + x s (1 - s), s = 1/(1 + e^-x)."""
    return sigmoid(x) * (1.0 + x * sigmoid(-x))


@equation("smooth.mish")
def mish(x: float) -> float:
    """Return x tanh(log(1 + e^x)), as a ratio of polynomials of e^-|x|."""
    e = _exp(-abs(x))
    n = 1.0 + 2.0 * e if x > 0.0 else e * (e + 2.0)
    return x * (n / (n + 2.0 * e * e if x > 0.0 else n + 2.0))


@equation("smooth.mish_derivative")
def mish_derivative(x: float) -> float:
    """Return t + x (1 - t^2)/(1 + e^-x), t = tanh(log(1 + e^x)); 1 - t^2 without a difference."""
    e = _exp(-abs(x))
    n = 1.0 + 2.0 * e if x > 0.0 else e * (e + 2.0)
    d = n + 2.0 * e * e if x > 0.0 else n + 2.0
    rest = 4.0 * (1.0 + e) * (e * e if x > 0.0 else e) / (d * d)
    return n / d + x * rest
