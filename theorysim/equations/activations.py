"""Activation functions phi and their derivatives phi', as compiled bodies.

At a kink the derivative takes the value that deep-learning frameworks use (0 for relu at 0, `a` for leaky relu
at 0, 0 for abs at 0); a set of measure zero in every limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from theorysim.backend.compile import body, user_function
from theorysim.backend.mathfun import cos as _cos
from theorysim.backend.mathfun import erf as _erf
from theorysim.backend.mathfun import exp as _exp
from theorysim.backend.mathfun import sin as _sin
from theorysim.backend.mathfun import tanh as _tanh
from theorysim.equations.registry import equation
from theorysim.errors import ProblemError

_SQRT_HALF = math.sqrt(0.5)
_TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
_ONE_OVER_SQRT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)


@equation("activations.relu")
def relu(x: float) -> float:
    """Return max(x, 0)."""
    return x if x > 0.0 else 0.0


@equation("activations.relu_derivative")
def relu_derivative(x: float) -> float:
    """Return 1 for x > 0, else 0."""
    return 1.0 if x > 0.0 else 0.0


@equation("activations.leaky_relu")
def leaky_relu(x: float, a: float) -> float:
    """Return x for x > 0, else a x."""
    return x if x > 0.0 else a * x


@equation("activations.leaky_relu_derivative")
def leaky_relu_derivative(x: float, a: float) -> float:
    """Return 1 for x > 0, else a."""
    return 1.0 if x > 0.0 else a


@equation("activations.absolute")
def absolute(x: float) -> float:
    """Return |x|."""
    return abs(x)


@equation("activations.absolute_derivative")
def absolute_derivative(x: float) -> float:
    """Return the sign of x, 0 at 0."""
    return (1.0 if x > 0.0 else 0.0) - (1.0 if x < 0.0 else 0.0)


@equation("activations.erf")
def erf(x: float) -> float:
    """Return erf(x) = 2/sqrt(pi) int_0^x exp(-s^2) ds."""
    return _erf(x)


@equation("activations.erf_derivative")
def erf_derivative(x: float) -> float:
    """Return 2/sqrt(pi) exp(-x^2)."""
    return _TWO_OVER_SQRT_PI * _exp(-x * x)


@equation("activations.gelu")
def gelu(x: float) -> float:
    """Return x Phi(x), Phi the normal distribution function (exact, not the tanh approximation)."""
    return 0.5 * x * (1.0 + _erf(_SQRT_HALF * x))


@equation("activations.gelu_derivative")
def gelu_derivative(x: float) -> float:
    """Return Phi(x) + x exp(-x^2/2)/sqrt(2 pi)."""
    return 0.5 * (1.0 + _erf(_SQRT_HALF * x)) + _ONE_OVER_SQRT_TWO_PI * x * _exp(-0.5 * x * x)


@equation("activations.sin")
def sin(x: float) -> float:
    """Return sin(x)."""
    return _sin(x)


@equation("activations.sin_derivative")
def sin_derivative(x: float) -> float:
    """Return cos(x)."""
    return _cos(x)


@equation("activations.cos")
def cos(x: float) -> float:
    """Return cos(x)."""
    return _cos(x)


@equation("activations.cos_derivative")
def cos_derivative(x: float) -> float:
    """Return -sin(x)."""
    return -_sin(x)


@equation("activations.linear")
def linear(x: float) -> float:
    """Return x."""
    return x


@equation("activations.linear_derivative")
def linear_derivative(x: float) -> float:
    """Return 1."""
    return 1.0


@equation("activations.quadratic")
def quadratic(x: float) -> float:
    """Return x^2."""
    return x * x


@equation("activations.quadratic_derivative")
def quadratic_derivative(x: float) -> float:
    """Return 2 x."""
    return 2.0 * x


@equation("activations.tanh")
def tanh(x: float) -> float:
    """Return tanh(x)."""
    return _tanh(x)


@equation("activations.tanh_derivative")
def tanh_derivative(x: float) -> float:
    """Return 1/cosh(x)^2 = 4 e^{-2|x|}/(1 + e^{-2|x|})^2, which keeps its digits in the tails."""
    e = _exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


@dataclass(frozen=True)
class Activation:
    """An activation function: compiled phi and phi' of one number.

    Attributes
    ----------
    name : str
        The name a user types.
    function, derivative : callable
        Compiled bodies, float -> float.
    slope : float or None
        The slope for x < 0 of a leaky relu.
    """

    name: str
    function: Callable[[float], float]
    derivative: Callable[[float], float]
    slope: float | None = None


ACTIVATIONS: dict[str, Activation] = {
    name: Activation(name, function, derivative)
    for name, function, derivative in (
        ("relu", relu, relu_derivative),
        ("abs", absolute, absolute_derivative),
        ("erf", erf, erf_derivative),
        ("gelu", gelu, gelu_derivative),
        ("sin", sin, sin_derivative),
        ("cos", cos, cos_derivative),
        ("linear", linear, linear_derivative),
        ("quadratic", quadratic, quadratic_derivative),
        ("tanh", tanh, tanh_derivative),
    )
}
"""The activations without a parameter; `leaky_relu` needs a slope: use `activation`."""

NAMES: tuple[str, ...] = (*ACTIVATIONS, "leaky_relu")
"""Every name that `activation` accepts."""


@cache
def leaky(slope: float) -> Activation:
    """Return the leaky relu that multiplies negative inputs by `slope`."""

    @body
    def function(x: float) -> float:
        return leaky_relu(x, slope)

    @body
    def derivative(x: float) -> float:
        return leaky_relu_derivative(x, slope)

    return Activation("leaky_relu", function, derivative, slope)


def activation(name: str, slope: float | None = None) -> Activation:
    """Return the activation called `name`.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    slope : float or None
        Slope for x < 0: required by ``"leaky_relu"``, refused by the others.

    Raises
    ------
    ProblemError
        If the name is unknown, or the slope is missing or superfluous.
    """
    if name not in NAMES:
        raise ProblemError(f'activation: must be one of {", ".join(NAMES)}; got "{name}"')
    if name != "leaky_relu":
        if slope is not None:
            raise ProblemError(f'activation: "{name}" takes no `slope`, got {slope}')
        return ACTIVATIONS[name]
    if slope is None or not math.isfinite(slope):
        raise ProblemError(f'activation: "leaky_relu" needs a finite `slope`, got {slope}')
    return leaky(float(slope))


def custom(function: Callable[[float], float], derivative: Callable[[float], float], name: str) -> Activation:
    """Return a user's own activation.

    Parameters
    ----------
    function, derivative : callable
        phi and phi': plain Python functions of one float, written with `math` and arithmetic.
    name : str
        What tables and files call it; must not be the name of a built-in activation.

    Raises
    ------
    ProblemError
        If the name is taken, or `derivative` is not the derivative of `function`.
    """
    if name in NAMES:
        raise ProblemError(f'activation: `name` must not be that of a built-in activation, got "{name}"')
    _check_derivative(function, derivative, name)
    return Activation(name, user_function(function), user_function(derivative))


def _check_derivative(function: Callable[[float], Any], derivative: Callable[[float], Any], name: str) -> None:
    """Compare the derivative with central differences; points beside a kink may fail, most must not."""
    step = 1e-5
    points = [0.37 * k + 0.0123 for k in range(-9, 9)]
    wrong = 0
    for x in points:
        slope = (function(x + step) - function(x - step)) / (2.0 * step)
        wrong += not abs(slope - derivative(x)) <= 1e-4 * (1.0 + abs(slope))
    if 3 * wrong > len(points):
        raise ProblemError(
            f'activation: `derivative` must be the derivative of `function`; "{name}" differs at {wrong} of '
            f"{len(points)} points"
        )
