"""The network: a multilayer perceptron, its initialisation and its parameterization (conventions, section 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from theorysim.errors import ProblemError
from theorysim.problem.layers import Layers, layers_of
from theorysim.problem.validation import Statement, fields_of, is_real, one_of, shown

if TYPE_CHECKING:
    from theorysim.equations.activations import Activation
    from theorysim.problem.residual import ResidualMLP

    ActivationLike = str | Activation
else:
    ActivationLike = Any

ACTIVATION_NAMES = (
    "relu", "leaky_relu", "abs", "erf", "gelu", "sin", "cos", "linear", "quadratic", "tanh", "sigmoid", "softplus",
    "silu", "swish", "mish", "elu", "selu", "abrelu", "sign", "step", "rectified_monomial", "monomial", "hermite",
    "exp", "rbf", "gaussian", "gabor",
)  # fmt: skip
"""The built-in activations, as in `equations.activations`, which is not loaded for a name alone."""
_INCOMPLETE = ("abrelu", "rectified_monomial", "monomial", "hermite")  # names that need parameters
LARGEST_WIDTH = 10**7
LARGEST_DEPTH = 10_000
DEFAULT_SLOPE = 0.01
"""Slope of leaky relu on the negative side where none is given (as in PyTorch)."""


def checked_activation(value: Any) -> Any:
    """Return an activation as a problem keeps it (a pydantic validator).

    A name; or, with parameters that are not the default ones, an `Activation` that carries name and parameters,
    from itself or from a table ``{"name": "monomial", "degree": 3}``; or a user's own `Activation`.
    """
    if isinstance(value, str) and value not in ACTIVATION_NAMES:
        raise ValueError(one_of(value, ACTIVATION_NAMES))
    if isinstance(value, str) and value not in _INCOMPLETE:
        return value
    # Only something that is no name is worth loading the compiler for.
    from theorysim.equations.activations import Activation, activation, bare

    try:
        if isinstance(value, str):
            value = activation(value)
        elif isinstance(value, Mapping):
            given = dict(value)
            name = given.pop("name", None)
            if not isinstance(name, str) or name not in ACTIVATION_NAMES:
                raise ValueError(f"table's `name` {one_of(name, ACTIVATION_NAMES)}")
            value = activation(name, parameters=given)
    except ProblemError as error:
        raise ValueError(str(error).removeprefix("activation: ")) from None
    if not isinstance(value, Activation):
        raise ValueError(f"must be a name or made by activation(f, df, name=...), got {shown(value)}")
    return value.name if bare(value) else value


def activation_of(network: MLP | ResidualMLP) -> Activation:
    """Return the compiled activation of a network.

    Where nothing below the readout learns, or 0 was chosen as the derivative of a jump, jumps do not count. Else the
    derivative of an activation that jumps is NaN.
    """
    from theorysim.equations.activations import activation, almost_everywhere

    given = network.activation
    chosen = activation(given, network.slope) if isinstance(given, str) else given
    if chosen.differentiable or not network.learns_at_readout_only:
        return chosen
    return almost_everywhere(chosen)


def checked_width(value: Any) -> Any:
    """Return one width, or one for each hidden layer (a pydantic validator)."""
    for width in value if isinstance(value, tuple) else (value,):
        if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= LARGEST_WIDTH:
            raise ValueError(f"must be a whole number from 1 to {LARGEST_WIDTH}, got {shown(width)}")
    return value


def per_layer(value: Any) -> Any:
    """Return one number, or one for each layer, finite and at least 0 (a pydantic validator)."""
    entries = value if isinstance(value, tuple) else (value,)
    for entry in entries:
        if entry is None and entry is value:
            return None
        if isinstance(entry, bool) or not isinstance(entry, int | float):
            raise ValueError(f"must be a number, or one number for each layer, got {shown(entry)}")
        if not is_real(entry) or entry < 0.0:
            raise ValueError(f"must be finite and at least 0, got {shown(entry)}")
    return tuple(float(entry) for entry in entries) if isinstance(value, tuple) else float(value)


def _leaky(given: Any, slope: Any) -> dict[str, Any]:
    """Return name and slope of a leaky relu that was given as a table or an `Activation`: kept as two fields."""
    name = given.get("name") if isinstance(given, Mapping) else getattr(given, "name", None)
    if name != "leaky_relu" or slope is not None:
        return {}
    if isinstance(given, Mapping):
        return {"activation": name, "slope": given.get("slope")} if set(given) <= {"name", "slope"} else {}
    return {"activation": name, "slope": given.slope}


PerLayer = Annotated[float | tuple[float, ...] | None, BeforeValidator(per_layer)]
Widths = Annotated[int | tuple[int, ...], BeforeValidator(checked_width)]


class MLP(Statement):
    """A multilayer perceptron with `depth` hidden layers.

    Parameters
    ----------
    depth : int
        Hidden layers, L.
    width : int or L ints
        Hidden widths; N is the last.
    activation : str, table or Activation
        A built-in name; with parameters a table ``{"name": "monomial", "degree": 3}`` or ``activations.monomial(3)``;
        or one of your own, made by ``activation(f, df, name=...)`` or `activation_from`.
    parameterization : "ntk", "standard" or "mup"
        Output scale and default rates.
    gamma0 : float, optional
        Richness, `mup` only (default 1); 0 is the limit of infinite width first, then gamma0 to 0.
    weight_std : float or L + 1 floats, optional
        Default sqrt 2 for relu, sqrt(2/(1 + slope^2)) for leaky relu (abrelu alike), 1 otherwise.
    bias_std : float or L + 1 floats, optional
        None: no biases; 0: biases that start at 0.
    weight_rates, bias_rates : float or L + 1 floats, optional
        alpha_l, alpha'_l in place of those of the parameterization.
    slope : float, optional
        Negative-side slope, leaky relu only (default 0.01).
    initial_output : "random" or "subtracted"
        What the network computes, or that minus its value at initialisation.
    rates_width : int or L ints, optional
        `standard` only: the width whose rates are kept (frozen rates); default the network's own.
    """

    section: ClassVar[str] = "network"
    depth: int = Field(ge=1, le=LARGEST_DEPTH)
    width: Widths
    activation: Annotated[ActivationLike, BeforeValidator(checked_activation)] = "relu"
    parameterization: Literal["ntk", "standard", "mup"] = "ntk"
    gamma0: float | None = Field(default=None, ge=0.0)
    weight_std: PerLayer = None
    bias_std: PerLayer = None
    weight_rates: PerLayer = None
    bias_rates: PerLayer = None
    slope: float | None = None
    initial_output: Literal["random", "subtracted"] = "random"
    rates_width: Annotated[Widths | None, BeforeValidator(lambda v: v if v is None else checked_width(v))] = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        filled = dict(values)
        filled |= _leaky(filled.get("activation"), filled.get("slope"))
        texts = {name: value for name, value in filled.items() if isinstance(value, str)}
        if texts.get("parameterization") == "mup" and filled.get("gamma0") is None:
            filled["gamma0"] = 1.0
        if texts.get("activation") == "leaky_relu" and filled.get("slope") is None:
            filled["slope"] = DEFAULT_SLOPE
        kept = filled.get("rates_width")
        if isinstance(kept, int | tuple) and kept == filled.get("width"):
            filled["rates_width"] = None
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> MLP:
        self._check_lengths()
        if self.gamma0 is not None and self.parameterization != "mup":
            raise ValueError(
                f'`gamma0` must be left out unless parameterization = "mup", got {self.gamma0!r} with '
                f'"{self.parameterization}"'
            )
        if self.slope is not None and self.activation != "leaky_relu":
            raise ValueError(f'`slope` must be left out unless activation = "leaky_relu", got {self.slope!r}')
        if self.bias_rates is not None and self.bias_std is None:
            raise ValueError("`bias_rates` must come with `bias_std` (0.0: biases start at 0), got no `bias_std`")
        if self.rates_width is not None and (self.parameterization != "standard" or self.weight_rates is not None):
            raise ValueError(
                '`rates_width` must be left out unless parameterization = "standard" without `weight_rates`, '
                f"got {self.rates_width!r}"
            )
        return self

    def _check_lengths(self) -> None:
        for name in ("width", "rates_width"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.depth:
                raise ValueError(
                    f"`{name}` must be one number or {self.depth} (one for each hidden layer), got {len(value)}"
                )
        for name in ("weight_std", "bias_std", "weight_rates", "bias_rates"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != self.depth + 1:
                raise ValueError(
                    f"`{name}` must be one number or {self.depth + 1} (hidden layers and readout), got {len(value)}"
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the hidden layers, n_1 .. n_L."""
        return self.width if isinstance(self.width, tuple) else (self.width,) * self.depth

    @property
    def rates_widths(self) -> tuple[int, ...]:
        """Hidden widths whose rates a `standard` network has."""
        kept = self.width if self.rates_width is None else self.rates_width
        return kept if isinstance(kept, tuple) else (kept,) * self.depth

    @property
    def activation_name(self) -> str:
        """Name of the activation, built in or the user's."""
        return self.activation if isinstance(self.activation, str) else self.activation.name

    @property
    def default_weight_std(self) -> float:
        """The weight_std that stands where none is given."""
        if self.activation == "relu":
            return math.sqrt(2.0)
        if self.activation == "leaky_relu" and self.slope is not None:
            return math.sqrt(2.0 / (1.0 + self.slope**2))
        if self.activation_name == "abrelu":
            slopes = activation_of(self)
            square = slopes.function(1.0) ** 2 + slopes.function(-1.0) ** 2
            return math.sqrt(2.0 / square) if square > 0.0 else 1.0
        return 1.0

    @property
    def learns_at_readout_only(self) -> bool:
        """Whether the rates of all layers below the readout are zero."""
        rates = self.layers(inputs=1, outputs=1)
        return not (rates.weight_rates[:-1].any() or rates.bias_rates[:-1].any())

    @property
    def untrainable(self) -> str | None:
        """Why gradients cannot train this network (its activation jumps), None where they can."""
        if self.activation_name not in ("sign", "step"):
            return None
        chosen = activation_of(self)
        if chosen.differentiable:
            return None
        if dict(chosen.parameters)["derivative"] is None:
            return f"must have an activation with a derivative; {chosen.choice}"
        return (
            f'must have an activation with a derivative; {chosen.name} with derivative = "distribution" has none that '
            'a finite network can use (derivative = "zero" has)'
        )

    def layers(self, *, inputs: int, outputs: int) -> Layers:
        """Return the numbers of every layer for `inputs` inputs and `outputs` outputs."""
        return layers_of(self, inputs, outputs)

    def at_width(self, width: int) -> MLP:
        """Return the same network with last hidden width `width`; `standard` keeps the rates of this one.

        Several widths keep their ratios.
        """
        if isinstance(width, bool) or width < 1:
            raise ProblemError(f"network: `width` must be at least 1, got {shown(width)}")
        ratio = width / self.widths[-1]
        scaled = tuple(max(1, round(each * ratio)) for each in self.widths)
        frozen = self.parameterization == "standard" and self.weight_rates is None
        return MLP(
            **{
                **fields_of(self),
                "width": scaled if isinstance(self.width, tuple) else width,
                "rates_width": (self.width if self.rates_width is None else self.rates_width) if frozen else None,
            }
        )
