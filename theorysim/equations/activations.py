"""Activation functions phi and their derivatives phi': one object for each name and choice of parameters.

The bodies are in `piecewise` and `smooth`; a user's own come by `custom`, or from an expression (`expression`).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from theorysim.backend.compile import body, user_function
from theorysim.equations import piecewise, smooth
from theorysim.errors import ProblemError

if TYPE_CHECKING:
    from theorysim.equations.duals import Dual

Body = Callable[..., float]
Value = float | int | str | None


@dataclass(frozen=True, repr=False)
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
    parameters : tuple of (name, value)
        All parameters of a built-in activation, in the order of `PARAMETERS`.
    maps : Dual or None
        Closed dual maps of a user's own activation; those of built-in ones are found by `duals.dual_of`.
    route : str
        How the kernels of a user's own expression are computed, and how accurately.
    expression : str
        The expression it was made from, in x.
    """

    name: str
    function: Callable[[float], float]
    derivative: Callable[[float], float]
    slope: float | None = None
    parameters: tuple[tuple[str, Value], ...] = ()
    maps: Dual | None = None
    route: str = ""
    expression: str = ""

    def __repr__(self) -> str:
        """Return the name and the parameters."""
        return f"Activation({', '.join([self.name, *(f'{name}={value!r}' for name, value in self.parameters)])})"

    @property
    def differentiable(self) -> bool:
        """Whether `derivative` is all of phi': False for sign and step unless ``derivative="zero"`` was chosen."""
        return dict(self.parameters).get("derivative", "zero") == "zero"

    @property
    def choice(self) -> str:
        """Why an activation that jumps has no tangent kernel and no training, and what can be chosen."""
        return (
            f"{self.name} jumps, so that its derivative counts only once chosen: derivative = "
            '"zero" (0 almost everywhere: only the readout learns) or "distribution" (the limit of steep smooth '
            "functions: tangent kernels between different inputs alone)"
        )


@dataclass(frozen=True)
class Parameter:
    """What a parameter of an activation can be; `default` None: it must be given, or is one of `words`."""

    default: float | None = None
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    words: tuple[str, ...] = ()

    def checked(self, value: Any) -> Value:
        """Return the value as it is kept.

        Raises
        ------
        ValueError
            With what it must be.
        """
        if self.words:
            if value is not None and value not in self.words:
                raise ValueError(f"one of {', '.join(self.words)}")
            return value  # type: ignore[no-any-return]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high or not math.isfinite(value) or (self.whole and value % 1):
            raise ValueError(self._wanted)
        return int(value) if self.whole else float(value)

    @property
    def _wanted(self) -> str:
        kind = "a whole number" if self.whole else "a finite number"
        if self.high < math.inf:
            return f"{kind} from {self.low:g} to {self.high:g}"
        return kind if self.low == -math.inf else f"{kind} of at least {self.low:g}"


@dataclass(frozen=True)
class _Kind:
    """The bodies of an activation, and its parameters in the order in which they take them."""

    function: Body
    derivative: Body
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


_DEGREE = Parameter(low=1, high=20, whole=True)
_RATE = Parameter(1.0, low=1e-6, high=1e6)
_NUMBER = Parameter(low=-1e6, high=1e6)
_JUMP = Parameter(words=("zero", "distribution"))

_KINDS: dict[str, _Kind] = {
    "relu": _Kind(piecewise.relu, piecewise.relu_derivative),
    "leaky_relu": _Kind(piecewise.leaky_relu, piecewise.leaky_relu_derivative, {"slope": _NUMBER}),
    "abs": _Kind(piecewise.absolute, piecewise.absolute_derivative),
    "erf": _Kind(smooth.erf, smooth.erf_derivative, {"rate": _RATE}),
    "gelu": _Kind(smooth.gelu, smooth.gelu_derivative),
    "sin": _Kind(smooth.sin, smooth.sin_derivative, {"rate": _RATE, "phase": Parameter(0.0, -100.0, 100.0)}),
    "cos": _Kind(smooth.cos, smooth.cos_derivative),
    "linear": _Kind(smooth.linear, smooth.linear_derivative),
    "quadratic": _Kind(smooth.quadratic, smooth.quadratic_derivative),
    "tanh": _Kind(smooth.tanh, smooth.tanh_derivative),
    "sigmoid": _Kind(smooth.sigmoid, smooth.sigmoid_derivative),
    "softplus": _Kind(smooth.softplus, smooth.softplus_derivative),
    "silu": _Kind(smooth.silu, smooth.silu_derivative),
    "swish": _Kind(smooth.swish, smooth.swish_derivative, {"beta": _RATE}),
    "mish": _Kind(smooth.mish, smooth.mish_derivative),
    "elu": _Kind(piecewise.elu, piecewise.elu_derivative, {"alpha": Parameter(1.0, -1e6, 1e6)}),
    "selu": _Kind(piecewise.selu, piecewise.selu_derivative),
    "abrelu": _Kind(piecewise.abrelu, piecewise.abrelu_derivative, {"below": _NUMBER, "above": _NUMBER}),
    "sign": _Kind(piecewise.sign, piecewise.jump_derivative, {"derivative": _JUMP}),
    "step": _Kind(piecewise.step, piecewise.jump_derivative, {"derivative": _JUMP}),
    "rectified_monomial": _Kind(
        piecewise.rectified_monomial, piecewise.rectified_monomial_derivative, {"degree": _DEGREE}
    ),
    "monomial": _Kind(smooth.monomial, smooth.monomial_derivative, {"degree": _DEGREE}),
    "hermite": _Kind(smooth.hermite, smooth.hermite_derivative, {"degree": _DEGREE}),
    "exp": _Kind(
        smooth.exponential, smooth.exponential_derivative, {"scale": Parameter(1.0, -1e6, 1e6), "rate": _RATE}
    ),
    "rbf": _Kind(smooth.rbf, smooth.rbf_derivative, {"gamma": _RATE}),
    "gaussian": _Kind(smooth.gaussian, smooth.gaussian_derivative, {"rate": _RATE}),
    "gabor": _Kind(smooth.gabor, smooth.gabor_derivative),
}

PARAMETERS: dict[str, Mapping[str, Parameter]] = {name: kind.parameters for name, kind in _KINDS.items()}
"""The parameters of every built-in activation, by name."""

NAMES: tuple[str, ...] = tuple(_KINDS)
"""Every name that `activation` accepts."""


def activation(name: str, slope: float | None = None, parameters: Mapping[str, Any] | None = None) -> Activation:
    """Return the activation called `name`; equal parameters give the same compiled functions.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    slope : float or None
        Slope for x < 0: required by ``"leaky_relu"``, refused by the others.
    parameters : mapping, optional
        Values of `PARAMETERS`; those with a default may be left out.

    Raises
    ------
    ProblemError
        If the name or a parameter is unknown, wrong or missing.
    """
    if name not in _KINDS:
        raise ProblemError(f'activation: must be one of {", ".join(NAMES)}; got "{name}"{_meant(name, NAMES)}')
    given = dict(parameters or {}) | ({} if slope is None else {"slope": slope})
    known = PARAMETERS[name]
    for unknown in (key for key in given if key not in known):
        has = f"takes {', '.join(f'`{key}`' for key in known)}" if known else "takes no parameters"
        raise ProblemError(f"activation: {name} {has}, got `{unknown}`{_meant(unknown, known)}")
    values: dict[str, Value] = {}
    for key, parameter in known.items():
        if key not in given and parameter.default is None and not parameter.words:
            raise ProblemError(f"activation: {name} must be given its `{key}`, {parameter._wanted}")
        try:
            values[key] = parameter.checked(given.get(key, parameter.default))
        except ValueError as error:
            raise ProblemError(f"activation: {name} must have as `{key}` {error}, got {given[key]!r}") from None
    return _activation(name, tuple(values.items()))


@cache
def _activation(name: str, parameters: tuple[tuple[str, Value], ...]) -> Activation:
    kind = _KINDS[name]
    values = tuple(value for key, value in parameters if not PARAMETERS[name][key].words)
    slope = dict(parameters).get("slope")
    function, derivative = _bound(kind.function, values), _bound(kind.derivative, values)
    found = Activation(name, function, derivative, slope, parameters)  # type: ignore[arg-type]
    return found if found.differentiable else replace(found, derivative=_undefined)


@body
def _undefined(x: float) -> float:
    """Return NaN: whoever uses a derivative that was not chosen must not go on with 0."""
    return math.nan


@cache
def _bound(function: Body, values: tuple[Value, ...]) -> Body:
    """Return a body of x alone."""
    if not values:
        return function

    @body
    def bound(x: float) -> float:
        return function(x, *values)

    return bound


def almost_everywhere(chosen: Activation) -> Activation:
    """Return the activation whose jumps do not count in its derivative; itself if it has none."""
    return chosen if chosen.differentiable else activation(chosen.name, parameters={"derivative": "zero"})


def bare(chosen: Activation) -> bool:
    """Return whether the name alone stands for a built-in activation: all parameters at their defaults."""
    known = PARAMETERS.get(chosen.name)
    return known is not None and all(value == known[key].default for key, value in chosen.parameters)


ACTIVATIONS: dict[str, Activation] = {
    name: activation(name)
    for name, known in PARAMETERS.items()
    if all(parameter.words or parameter.default is not None for parameter in known.values())
}
"""The activations that need no parameter, with the defaults of the optional ones."""


def _meant(word: object, known: Any) -> str:
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""


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
    for what, given in (("function", function), ("derivative", derivative)):
        if not hasattr(given, "__code__") and not hasattr(given, "py_func"):
            raise ProblemError(f"activation: `{what}` must be a Python function, `def` or `lambda`, got {given!r}")
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
