"""The vocabulary of architectures beyond the MLP: frozen blocks, composed by `chain`, `residual`, `add`, `concatenate`.

>>> import numpy as np
>>> from theorysim import blocks, kernels
>>> net = blocks.chain(
...     blocks.conv(filter=3, weight_std=1.4),
...     blocks.activation("relu"),
...     blocks.residual(blocks.chain(blocks.conv(filter=3), blocks.activation("relu"), blocks.conv(filter=3))),
...     blocks.global_average_pool(),
...     blocks.dense(),
... )
>>> images = np.random.default_rng(0).normal(size=(4, 8, 8, 3))
>>> kernels.ntk(net, images).sizes
Frozen({'sample': 4, 'sample_other': 4})

Inputs are (n, channels), (n, length, channels) or (n, height, width, channels), samples first and channels last. Every
block acts on the channels of each position, or on the positions; `infinite.blocks` gives the kernels of the network
with infinitely many channels, `finite.blocks` networks with finitely many.

A block with weights W ~ N(0, weight_std^2/fan_in), fan_in = channels (times the positions of a filter), and biases
b ~ N(0, bias_std^2) contributes `weight_rate` and `bias_rate` to the tangent kernel (conventions, section 1). The rates
default to weight_std^2 and bias_std^2 (parameterization `ntk`); 0 freezes the parameters; `weight_rate` = fan_in,
`bias_rate` = 1 is `standard`.
"""

from __future__ import annotations

import json
from typing import Any

from theorysim.errors import ProblemError
from theorysim.problem.block_kinds import (
    ActivationLike,
    Add,
    Attention,
    AveragePool,
    Block,
    Chain,
    Concatenate,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    LayerNorm,
    Nonlinearity,
    Padding,
    built,
    is_block,
)
from theorysim.problem.validation import shown

__all__ = [
    "Add",
    "Attention",
    "AveragePool",
    "Block",
    "Chain",
    "Concatenate",
    "Conv",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "LayerNorm",
    "Nonlinearity",
    "activation",
    "add",
    "attention",
    "average_pool",
    "chain",
    "concatenate",
    "conv",
    "dense",
    "dropout",
    "flatten",
    "from_json",
    "global_average_pool",
    "is_block",
    "layer_norm",
    "residual",
    "to_json",
]


def dense(
    *,
    weight_std: float = 1.0,
    bias_std: float | None = None,
    weight_rate: float | None = None,
    bias_rate: float | None = None,
    width: float = 1.0,
) -> Dense:
    """Return a fully connected layer, applied to the channels of every position.

    Parameters
    ----------
    weight_std : float
        W ~ N(0, weight_std^2/channels).
    bias_std : float, optional
        b ~ N(0, bias_std^2); None: no biases, 0: biases that start at 0.
    weight_rate, bias_rate : float, optional
        alpha, alpha' of the tangent kernel; defaults weight_std^2, bias_std^2. 0: frozen.
    width : float
        Channels, relative to the other layers of the network; matters for `concatenate` only.
    """
    return Dense(weight_std=weight_std, bias_std=bias_std, weight_rate=weight_rate, bias_rate=bias_rate, width=width)


def conv(
    *,
    filter: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    padding: Padding = "same",
    weight_std: float = 1.0,
    bias_std: float | None = None,
    weight_rate: float | None = None,
    bias_rate: float | None = None,
    width: float = 1.0,
) -> Conv:
    """Return a convolution over positions (a sequence or an image).

    Parameters
    ----------
    filter : int or a pair of ints
        Positions of the filter along each axis; W ~ N(0, weight_std^2/(channels x positions of the filter)), also
        where part of the filter lies on the padding.
    stride : int or a pair of ints
        Distance between the positions of the output.
    padding : "same", "valid" or "circular"
        Zeros around the image so that stride 1 keeps its size (as in TensorFlow and JAX; with an even filter the extra
        zero is at the end); none; or the image repeated.
    weight_std, bias_std, weight_rate, bias_rate, width
        As for `dense`.
    """
    return Conv(
        filter=filter, stride=stride, padding=padding, weight_std=weight_std, bias_std=bias_std,
        weight_rate=weight_rate, bias_rate=bias_rate, width=width,
    )  # fmt: skip


def activation(function: ActivationLike, *, slope: float | None = None) -> Nonlinearity:
    """Return an activation function, applied to every number.

    Parameters
    ----------
    function : str, table or Activation
        As the `activation` of an MLP: a name, a table ``{"name": "monomial", "degree": 3}``, or one of your own.
    slope : float, optional
        Negative-side slope, leaky relu only (default 0.01).
    """
    return Nonlinearity(activation=function, slope=slope)


def layer_norm(*, epsilon: float = 1e-12) -> LayerNorm:
    """Return the normalisation of every position: minus its mean over channels, over sqrt(variance + epsilon)."""
    return LayerNorm(epsilon=epsilon)


def dropout(keep: float) -> Dropout:
    """Return dropout: every number is kept with probability `keep` and divided by it, else 0.

    Two samples have different masks; a sample has one mask, so the self-kernels grow by 1/keep.
    """
    return Dropout(keep=keep)


def average_pool(window: int | tuple[int, ...], *, stride: int | tuple[int, ...] | None = None) -> AveragePool:
    """Return means over windows of positions, without padding; the stride defaults to the window."""
    return AveragePool(window=window, stride=window if stride is None else stride)


def global_average_pool() -> GlobalAveragePool:
    """Return the mean over all positions."""
    return GlobalAveragePool()


def flatten() -> Flatten:
    """Return all positions side by side, as channels."""
    return Flatten()


def attention(
    *,
    query_std: float = 1.0,
    key_std: float = 1.0,
    value_std: float = 1.0,
    output_std: float = 1.0,
    bias_std: float | None = None,
    width: float = 1.0,
) -> Attention:
    """Return softmax self-attention with logits query.key/channels and tied queries.

    Queries are query_std W x, keys key_std W x with the *same* W (entries N(0, 1/channels)): only then do the logits
    have a limit with this scaling, query_std key_std Sigma(x, x), in which the number of heads does not matter (finite
    networks have one). Values and the output layer have weights of their own, in the `ntk` parameterization.

    Parameters
    ----------
    query_std, key_std, value_std, output_std : float
        Standard deviations, times 1/sqrt(channels), of the four weight matrices.
    bias_std : float, optional
        Of the biases of the output layer.
    width : float
        Channels of the output, relative to the other layers.
    """
    return Attention(
        query_std=query_std, key_std=key_std, value_std=value_std, output_std=output_std, bias_std=bias_std, width=width
    )


def chain(*blocks: Block) -> Chain:
    """Return blocks applied one after the other, the first first; without blocks, the identity."""
    parts: list[Block] = []
    for block in blocks:
        parts += block.blocks if isinstance(block, Chain) else [block]
    return Chain(blocks=tuple(parts))


def add(*branches: Block) -> Add:
    """Return the sum of branches that see the same input; a block used twice has two sets of weights."""
    return Add(branches=branches)


def residual(block: Block) -> Add:
    """Return x + block(x)."""
    return Add(branches=(Chain(), block))


def concatenate(*branches: Block) -> Concatenate:
    """Return the channels of branches that see the same input, side by side."""
    return Concatenate(branches=branches)


def to_json(block: Block) -> str:
    """Return a network as JSON.

    Raises
    ------
    ProblemError
        If it has an activation of the user's own, which has no text, or is no block.
    """
    if not is_block(block):
        raise ProblemError(f"blocks: `to_json` must be given a block, got {shown(block)}")
    return json.dumps(_table(block))


def _table(value: Any) -> Any:
    """Return a block as nested tables; activations with parameters as MLP writes them."""
    if isinstance(value, tuple):
        return [_table(item) for item in value]
    if is_block(value):
        fields = {name: _table(getattr(value, name)) for name in type(value).model_fields}
        return {name: field for name, field in fields.items() if field is not None}
    if value is None or isinstance(value, str | int | float):
        return value
    if value.expression or not value.parameters:
        raise ProblemError(f"blocks: the activation {value.name}, your own, cannot be written as JSON")
    return {"name": value.name, **{name: given for name, given in value.parameters if given is not None}}


def from_json(text: str) -> Block:
    """Return the network that `to_json` wrote.

    Raises
    ------
    ProblemError
        If the text is not one.
    """
    try:
        block: Block = built(json.loads(text))
    except (json.JSONDecodeError, TypeError, RecursionError) as problem:
        raise ProblemError(f"blocks: not JSON: {problem}") from None
    except ProblemError:
        raise
    except ValueError as problem:
        raise ProblemError(f"blocks: the text {problem}") from None
    return block
