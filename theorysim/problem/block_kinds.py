"""The kinds of blocks: frozen, validated statements. `theorysim.problem.blocks` has a function for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from theorysim.problem.network import DEFAULT_SLOPE, checked_activation
from theorysim.problem.validation import Statement, one_of, shown

if TYPE_CHECKING:
    from theorysim.equations.activations import Activation

    ActivationLike = str | Activation
else:
    ActivationLike = Any

LARGEST_WINDOW = 1000
LARGEST_WIDTH = 1e6
LARGEST = 1e150
"""Of a standard deviation or a rate: its square is a number still."""
Padding = Literal["same", "valid", "circular"]


def window(value: Any) -> Any:
    """Return one whole number, or one for each axis of positions (a pydantic validator)."""
    for size in value if isinstance(value, tuple) else (value,):
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_WINDOW:
            raise ValueError(f"must be a whole number from 1 to {LARGEST_WINDOW}, got {shown(size)}")
    if isinstance(value, tuple) and len(value) not in (1, 2):
        raise ValueError(f"must be one number, or one for each axis of positions, got {len(value)}")
    return value


Window = Annotated[int | tuple[int, ...], BeforeValidator(window)]
Std = Annotated[float, Field(ge=0.0, le=LARGEST)]
MaybeStd = Annotated[float | None, Field(ge=0.0, le=LARGEST)]
Width = Annotated[float, Field(gt=0.0, le=LARGEST_WIDTH)]


class _Weighted(Statement):
    """Weights and biases of a layer, and how much they contribute to the tangent kernel."""

    weight_std: Std = 1.0
    bias_std: MaybeStd = None
    weight_rate: MaybeStd = None
    bias_rate: MaybeStd = None
    width: Width = 1.0

    @model_validator(mode="after")
    def _rate_of_something(self) -> _Weighted:
        if self.bias_rate is not None and self.bias_std is None:
            raise ValueError("`bias_rate` must come with `bias_std` (0.0: biases start at 0), got no `bias_std`")
        return self

    @property
    def bias(self) -> float:
        """Standard deviation of the biases, 0 where there are none."""
        return 0.0 if self.bias_std is None else self.bias_std

    @property
    def rates(self) -> tuple[float, float]:
        """alpha, alpha' of the tangent kernel."""
        weight = self.weight_std**2 if self.weight_rate is None else self.weight_rate
        return weight, self.bias**2 if self.bias_rate is None else self.bias_rate


class Dense(_Weighted):
    """See `blocks.dense`."""

    section: ClassVar[str] = "dense"
    kind: Literal["dense"] = "dense"


class Conv(_Weighted):
    """See `blocks.conv`."""

    section: ClassVar[str] = "conv"
    kind: Literal["conv"] = "conv"
    filter: Window
    stride: Window = 1
    padding: Padding = "same"


class Nonlinearity(Statement):
    """See `blocks.activation`."""

    section: ClassVar[str] = "activation"
    kind: Literal["activation"] = "activation"
    activation: Annotated[ActivationLike, BeforeValidator(checked_activation)]
    slope: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _default_slope(cls, values: Any) -> Any:
        leaky = isinstance(values.get("activation"), str) and values["activation"] == "leaky_relu"
        return {**values, "slope": DEFAULT_SLOPE} if leaky and values.get("slope") is None else values

    @model_validator(mode="after")
    def _slope_of_leaky_relu(self) -> Nonlinearity:
        if self.slope is not None and self.activation != "leaky_relu":
            raise ValueError(f'`slope` must be left out unless the function is "leaky_relu", got {self.slope!r}')
        return self


class LayerNorm(Statement):
    """See `blocks.layer_norm`."""

    section: ClassVar[str] = "layer_norm"
    kind: Literal["layer_norm"] = "layer_norm"
    epsilon: Std = 1e-12


class Dropout(Statement):
    """See `blocks.dropout`."""

    section: ClassVar[str] = "dropout"
    kind: Literal["dropout"] = "dropout"
    keep: float = Field(gt=0.0, le=1.0)


class AveragePool(Statement):
    """See `blocks.average_pool`."""

    section: ClassVar[str] = "average_pool"
    kind: Literal["average_pool"] = "average_pool"
    window: Window
    stride: Window


class GlobalAveragePool(Statement):
    """See `blocks.global_average_pool`."""

    section: ClassVar[str] = "global_average_pool"
    kind: Literal["global_average_pool"] = "global_average_pool"


class Flatten(Statement):
    """See `blocks.flatten`."""

    section: ClassVar[str] = "flatten"
    kind: Literal["flatten"] = "flatten"


class Attention(Statement):
    """See `blocks.attention`."""

    section: ClassVar[str] = "attention"
    kind: Literal["attention"] = "attention"
    query_std: Std = 1.0
    key_std: Std = 1.0
    value_std: Std = 1.0
    output_std: Std = 1.0
    bias_std: MaybeStd = None
    width: Width = 1.0

    @property
    def bias(self) -> float:
        """Standard deviation of the biases of the output, 0 where there are none."""
        return 0.0 if self.bias_std is None else self.bias_std


def composed(value: Any) -> Any:
    """Return a tuple of blocks; those written as mappings (from JSON) are built (a pydantic validator)."""
    if not isinstance(value, tuple | list):
        raise ValueError(f"must be a list of blocks, got {shown(value)}")
    return tuple(built(item) for item in value)


class Chain(Statement):
    """See `blocks.chain`."""

    section: ClassVar[str] = "chain"
    kind: Literal["chain"] = "chain"
    blocks: Annotated[tuple[Any, ...], BeforeValidator(composed)] = ()


class Add(Statement):
    """See `blocks.add`."""

    section: ClassVar[str] = "add"
    kind: Literal["add"] = "add"
    branches: Annotated[tuple[Any, ...], BeforeValidator(composed), Field(min_length=2)]


class Concatenate(Statement):
    """See `blocks.concatenate`."""

    section: ClassVar[str] = "concatenate"
    kind: Literal["concatenate"] = "concatenate"
    branches: Annotated[tuple[Any, ...], BeforeValidator(composed), Field(min_length=2)]


Block = (
    Dense | Conv | Nonlinearity | LayerNorm | Dropout | AveragePool | GlobalAveragePool | Flatten | Attention
    | Chain | Add | Concatenate
)  # fmt: skip
"""Every block; `chain`, `add` and `concatenate` hold others."""

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Block.__args__}
_BY_KIND = {kind.model_fields["kind"].default: kind for kind in _KINDS.values()}


def is_block(value: Any) -> bool:
    """Return whether a value is a block."""
    return type(value) in _KINDS.values()


def built(value: Any) -> Any:
    """Return a block, made from its table of fields where it is none yet."""
    if isinstance(value, dict) and isinstance(value.get("kind"), str):
        if value["kind"] not in _BY_KIND:
            raise ValueError(f"must hold blocks, whose `kind` {one_of(value['kind'], _BY_KIND)}")
        return _BY_KIND[value["kind"]](**value)
    if not is_block(value):
        raise ValueError(f"must hold blocks (made by theorysim.problem.blocks), got {shown(value)}")
    return value
