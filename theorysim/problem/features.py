"""What every block of a network makes of its input: positions, relative width, and what its limit needs.

The limit of infinitely many channels is a statement about features that are Gaussian, or have mean zero, or come from
independent weights. Where a block needs what its input has not, the kernel maps would be wrong, and it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from theorysim.errors import ProblemError
from theorysim.problem import blocks
from theorysim.problem.validation import shown

if TYPE_CHECKING:
    from theorysim.equations.activations import Activation

_ODD = ("linear", "erf", "sin", "tanh", "sign")


class _Misfit(ProblemError):
    """A block that does not fit its input; `inside` adds where in the network it is, so that ``network.`` finds it."""

    def __init__(self, kind: str, needs: str, place: str = "") -> None:
        super().__init__(f"blocks: `{kind}`{f' at {place}' if place else ''} needs {needs}")
        self.kind, self.needs, self.place = kind, needs, place

    def inside(self, outer: str) -> _Misfit:
        return _Misfit(self.kind, self.needs, f"{outer}.{self.place}" if self.place else outer)


@dataclass(frozen=True)
class Features:
    """Features between two blocks.

    Attributes
    ----------
    positions : tuple of ints
        () for vectors, (length,) for sequences, (height, width) for images.
    channels : int
        Channels of the inputs of the network; 0 once there are infinitely many.
    width : float
        Relative number of channels, once there are infinitely many.
    gaussian : bool
        Whether all features are Gaussian with one covariance, as activations need.
    odd : tuple of bools
        Whether flipping the sign of some weights flips the features: of any weights (so that their mean over channels
        is zero), and for each enclosing `add`, of weights inside the branch (so that branches are uncorrelated).
    """

    positions: tuple[int, ...]
    channels: int = 0
    width: float = 1.0
    gaussian: bool = False
    odd: tuple[bool, ...] = (False,)

    @property
    def count(self) -> int:
        """Number of positions."""
        return self.grid[0] * self.grid[1]

    @property
    def grid(self) -> tuple[int, int]:
        """Positions as rows and columns: (1, 1) for vectors, (length, 1) for sequences."""
        height, width = (*self.positions, 1, 1)[:2]
        return height, width


@dataclass(frozen=True)
class Node:
    """A block in its place.

    Attributes
    ----------
    block : blocks.Block
    inn, out : Features
    parts : tuple of Nodes
        Steps of a chain, branches of a sum or concatenation.
    """

    block: blocks.Block
    inn: Features
    out: Features
    parts: tuple[Node, ...] = ()


def inputs(shape: tuple[int, ...]) -> Features:
    """Return the features that are samples of shape (channels,), (length, channels) or (height, width, channels).

    Raises
    ------
    ProblemError
        For another number of axes, or an empty one.
    """
    if len(shape) not in (1, 2, 3) or min(shape) < 1:
        raise ProblemError(
            f"blocks: samples must have shape (channels,), (length, channels) or (height, width, channels), got {shape}"
        )
    return Features(positions=shape[:-1], channels=shape[-1])


def network(block: blocks.Block, shape: tuple[int, ...]) -> Node:
    """Return a network in its place, for samples of the given shape.

    Raises
    ------
    ProblemError
        Where a block does not fit its input, or the network ends with positions left.
    """
    node = placed(block, inputs(shape))
    if node.out.count > 1:
        raise ProblemError(
            f"blocks: the network must end with `flatten` or `global_average_pool` (then `dense`), "
            f"got {node.out.count} positions at its end"
        )
    if node.out.channels:
        raise ProblemError("blocks: the network must have a layer with weights, got none")
    return node


def placed(block: blocks.Block, inn: Features) -> Node:
    """Return a block in its place."""
    if isinstance(block, blocks.Chain):
        steps: list[Node] = []
        for k, part in enumerate(block.blocks):
            steps.append(_part(f"blocks[{k}]", part, steps[-1].out if steps else inn))
        return Node(block, inn, steps[-1].out if steps else inn, tuple(steps))
    if isinstance(block, blocks.Add | blocks.Concatenate):
        branched = replace(inn, odd=(*inn.odd, False))
        branches = tuple(_part(f"branches[{k}]", part, branched) for k, part in enumerate(block.branches))
        return Node(block, inn, _joined(block, [branch.out for branch in branches]), branches)
    return Node(block, inn, _after(block, inn))


def _part(place: str, block: blocks.Block, inn: Features) -> Node:
    try:
        return placed(block, inn)
    except _Misfit as misfit:
        inner = misfit
    raise inner.inside(place)


def _after(block: blocks.Block, inn: Features) -> Features:
    if isinstance(block, blocks.Dense):
        return _linear(inn, block.width)
    if isinstance(block, blocks.Conv):
        return replace(_linear(inn, block.width), positions=_strided(block, inn))
    if isinstance(block, blocks.Attention):
        return _linear(_with_positions(block, inn), block.width)
    if isinstance(block, blocks.Nonlinearity):
        return _activated(block, inn)
    if isinstance(block, blocks.LayerNorm):
        if not inn.odd[0]:
            _refuse(block, "features of mean zero (it must follow `dense`, `conv` or `attention`)", "others")
        return inn
    if isinstance(block, blocks.Dropout):
        return _dropped(block, inn)
    if isinstance(block, blocks.AveragePool):
        return replace(_with_positions(block, inn), positions=_pooled(block, inn))
    if isinstance(block, blocks.GlobalAveragePool):
        return replace(_with_positions(block, inn), positions=())
    assert isinstance(block, blocks.Flatten)
    flat = replace(_with_positions(block, inn), positions=(), gaussian=inn.gaussian and inn.count == 1)
    return replace(flat, channels=inn.channels * inn.count, width=inn.width * inn.count)


def _linear(inn: Features, width: float) -> Features:
    return replace(inn, channels=0, width=width, gaussian=True, odd=(True,) * len(inn.odd))


def _activated(block: blocks.Nonlinearity, inn: Features) -> Features:
    name = block.activation if isinstance(block.activation, str) else block.activation.name
    if name == "linear":
        return inn
    if not inn.gaussian:
        _refuse(
            block,
            "Gaussian features of one variance (it must follow `dense`, `conv` or `attention`, with only sums, "
            "pools and `layer_norm` in between)",
            "others",
        )
    kept = isinstance(block.activation, str) and name in _ODD
    return replace(inn, gaussian=False, odd=inn.odd if kept else (False,) * len(inn.odd))


def _dropped(block: blocks.Dropout, inn: Features) -> Features:
    if block.keep == 1.0:
        return inn
    if inn.channels:  # masks of a few channels do not average out
        _refuse(block, "infinitely many channels (a layer with weights before it)", "the raw inputs")
    return replace(inn, gaussian=False)


def _joined(block: blocks.Add | blocks.Concatenate, outs: list[Features]) -> Features:
    if any(out.channels for out in outs):
        _refuse(block, "infinitely many channels in every branch (a layer with weights before it)", "the raw inputs")
    if len({out.positions for out in outs}) > 1:
        _refuse(block, "branches with equal positions", " and ".join(str(out.positions) for out in outs))
    odd = tuple(all(flags) for flags in zip(*(out.odd[:-1] for out in outs), strict=True))
    if isinstance(block, blocks.Concatenate):
        return replace(outs[0], width=sum(out.width for out in outs), gaussian=False, odd=odd)
    if len({out.width for out in outs}) > 1:
        _refuse(block, "branches of equal `width`", " and ".join(f"{out.width:g}" for out in outs))
    if sum(not out.odd[-1] for out in outs) > 1:
        _refuse(
            block,
            "uncorrelated branches: all but one must end with `dense`, `conv` or `attention` of their own (and odd "
            "activations at most)",
            f"{sum(not out.odd[-1] for out in outs)} that do not",
        )
    return replace(outs[0], gaussian=all(out.gaussian for out in outs), odd=odd)


def _with_positions(block: Any, inn: Features) -> Features:
    if not inn.positions:
        _refuse(block, "sequences or images", "vectors")
    return inn


def per_axis(block: Any, field: str, inn: Features) -> tuple[int, ...]:
    """Return a filter, window or stride as one number for each axis of positions."""
    value = getattr(block, field)
    several = value if isinstance(value, tuple) else (value,) * len(inn.positions)
    if len(several) != len(inn.positions):
        _refuse(block, f"as many numbers in `{field}` as axes of positions, {len(inn.positions)}", shown(value))
    return several


def _strided(block: blocks.Conv, inn: Features) -> tuple[int, ...]:
    _with_positions(block, inn)
    sizes = []
    for n, f, s in zip(inn.positions, per_axis(block, "filter", inn), per_axis(block, "stride", inn), strict=True):
        if block.padding == "valid" and f > n:
            _refuse(block, f'a `filter` of at most {n} positions with padding "valid"', str(f))
        if block.padding == "circular" and f > n:
            _refuse(block, f'a `filter` of at most {n} positions with padding "circular"', str(f))
        sizes.append((n - f) // s + 1 if block.padding == "valid" else -(-n // s))
    return tuple(sizes)


def _pooled(block: blocks.AveragePool, inn: Features) -> tuple[int, ...]:
    sizes = []
    for n, f, s in zip(inn.positions, per_axis(block, "window", inn), per_axis(block, "stride", inn), strict=True):
        if f > n:
            _refuse(block, f"a `window` of at most {n} positions", str(f))
        sizes.append((n - f) // s + 1)
    return tuple(sizes)


def padding_before(block: blocks.Conv, size: int, filter: int, stride: int) -> int:
    """Return how many positions of padding precede an axis of `size` positions."""
    if block.padding == "valid":
        return 0
    return max((-(-size // stride) - 1) * stride + filter - size, 0) // 2


def _refuse(block: Any, wanted: str, got: str) -> None:
    raise _Misfit(block.kind, f"{wanted}, got {got}")


def activation_of(block: blocks.Nonlinearity) -> Activation:
    """Return the compiled activation of a block."""
    from theorysim.equations.activations import activation  # the compiler: not for a name alone

    return activation(block.activation, block.slope) if isinstance(block.activation, str) else block.activation
