"""Activations in two pieces that meet at 0, and their derivatives.

At a kink the derivative takes the value that deep-learning frameworks use (0 for relu at 0, `a` for leaky relu
at 0, 0 for abs at 0); a jump takes the middle (0 for sign, 1/2 for step). Sets of measure zero in every limit.

Sources  [Klambauer2017] for selu. Proof: derivations/piecewise.py.
"""

from __future__ import annotations

from theorysim.backend.mathfun import exp as _exp
from theorysim.backend.mathfun import expm1 as _expm1
from theorysim.equations.registry import equation

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The constants for which mean 0 and variance 1 are a fixed point of selu."""


@equation("piecewise.relu")
def relu(x: float) -> float:
    """Return max(x, 0)."""
    return x if x > 0.0 else 0.0


@equation("piecewise.relu_derivative")
def relu_derivative(x: float) -> float:
    """Return 1 for x > 0, else 0."""
    return 1.0 if x > 0.0 else 0.0


@equation("piecewise.leaky_relu")
def leaky_relu(x: float, a: float) -> float:
    """Return x for x > 0, else a x."""
    return x if x > 0.0 else a * x


@equation("piecewise.leaky_relu_derivative")
def leaky_relu_derivative(x: float, a: float) -> float:
    """Return 1 for x > 0, else a."""
    return 1.0 if x > 0.0 else a


@equation("piecewise.abrelu")
def abrelu(x: float, a: float, b: float) -> float:
    """Return b x for x > 0, else a x."""
    return b * x if x > 0.0 else a * x


@equation("piecewise.abrelu_derivative")
def abrelu_derivative(x: float, a: float, b: float) -> float:
    """Return b for x > 0, else a."""
    return b if x > 0.0 else a


@equation("piecewise.absolute")
def absolute(x: float) -> float:
    """Return |x|."""
    return abs(x)


@equation("piecewise.absolute_derivative")
def absolute_derivative(x: float) -> float:
    """Return the sign of x, 0 at 0."""
    return (1.0 if x > 0.0 else 0.0) - (1.0 if x < 0.0 else 0.0)


@equation("piecewise.sign")
def sign(x: float) -> float:
    """Return 1 for x > 0, -1 for x < 0, 0 at 0."""
    return (1.0 if x > 0.0 else 0.0) - (1.0 if x < 0.0 else 0.0)


@equation("piecewise.step")
def step(x: float) -> float:
    """Return 1 for x > 0, 0 for x < 0, 1/2 at 0."""
    return 1.0 if x > 0.0 else (0.0 if x < 0.0 else 0.5)


@equation("piecewise.jump_derivative")
def jump_derivative(x: float) -> float:
    """Return 0, the derivative of sign and step everywhere but at their jump."""
    return 0.0


@equation("piecewise.rectified_monomial")
def rectified_monomial(x: float, p: int) -> float:
    """Return x^p for x > 0, else 0 (p >= 1)."""
    positive = x if x > 0.0 else 0.0
    y = 1.0
    for _ in range(p):
        y *= positive
    return y


@equation("piecewise.rectified_monomial_derivative")
def rectified_monomial_derivative(x: float, p: int) -> float:
    """Return p x^(p-1) for x > 0, else 0 (p >= 1)."""
    positive = x if x > 0.0 else 0.0
    y = 1.0 * p
    for _ in range(p - 1):
        y *= positive
    return y if x > 0.0 else 0.0


@equation("piecewise.elu")
def elu(x: float, a: float) -> float:
    """Return x for x > 0, else a (e^x - 1)."""
    return x if x > 0.0 else a * _expm1(x)


@equation("piecewise.elu_derivative")
def elu_derivative(x: float, a: float) -> float:
    """Return 1 for x > 0, else a e^x."""
    return 1.0 if x > 0.0 else a * _exp(x)


@equation("piecewise.selu")
def selu(x: float) -> float:
    """Return scale times elu with the constants `SELU_SCALE`, `SELU_ALPHA`."""
    return SELU_SCALE * (x if x > 0.0 else SELU_ALPHA * _expm1(x))


@equation("piecewise.selu_derivative")
def selu_derivative(x: float) -> float:
    """Return the derivative of selu."""
    return SELU_SCALE * (1.0 if x > 0.0 else SELU_ALPHA * _exp(x))
