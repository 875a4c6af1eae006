"""The instructions of the compiled machine, and programs of them."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from theorysim.equations.activations import Activation

(INPUT, AFFINE, ACTIVATE, EXPAND, NORMALISE, DROP, COPY, ADD, CONVOLVE, ROWS, COLUMNS, DIAGONAL, SCORE, LEFT, RIGHT,
 OUTPUT) = range(16)  # fmt: skip
"""What an instruction does; `machine` has a line for each."""


RECORD_OF_ACTIVATION = 6
"""Numbers of each position that an activation keeps: q, two prepared from it, T and Tdot of the sample with itself,
Theta."""
ROWS_OF_EXPANSION = 4
"""Rows that the sums of a series need beside the state."""


@dataclass(frozen=True)
class Axis:
    """Windows along an axis of positions.

    Attributes
    ----------
    size, unit : int
        Positions, and how far apart neighbours are in the order of all positions.
    taps, stride, before, out : int
        Windows of `taps` positions, `out` of them; that of output o begins at o stride - before.
    mask : int
        Where the masks of a convolution begin.
    """

    size: int = 1
    unit: int = 1
    taps: int = 1
    stride: int = 1
    before: int = 0
    out: int = 1
    mask: int = 0


@dataclass(frozen=True)
class Instruction:
    """One step of a program.

    Attributes
    ----------
    code : int
    source, target : int
        Buffers. Steps on both arrays of a state have K in `source` and Theta in `target`.
    left, right : int
        Positions of x and of x' before the step; `right` is 1 where only p = p' is carried.
    index : int
        Which activation.
    record : int
        Where its numbers of each sample begin in the sample's record.
    slow, fast : Axis
        Windows along both axes of an image; one axis at a time for `ROWS` and `COLUMNS` (in `slow`).
    wrap : int
        1 where a convolution goes around.
    series : tuple of ints
        Of an `EXPAND`, for phi and for phi': where the coefficients begin in a sample's record, how many there are, and
        the two flags of `infinite.series.Series`. Empty until the variances are known.
    weight, constant, rate, bias : float
        K' = weight K + constant, Theta' = rate K + bias + weight Theta.
    """

    code: int
    source: int = 0
    target: int = 0
    left: int = 1
    right: int = 1
    index: int = 0
    record: int = 0
    slow: Axis = Axis()
    fast: Axis = Axis()
    wrap: int = 0
    series: tuple[int, ...] = ()
    weight: float = 1.0
    constant: float = 0.0
    rate: float = 0.0
    bias: float = 0.0

    @property
    def numbers(self) -> tuple[list[int], list[float]]:
        """The fields as the machine reads them: whole numbers, then real ones."""
        whole = [self.code, self.source, self.target, self.left, self.right, self.index, self.record, self.wrap]
        whole += [*astuple(self.slow), *astuple(self.fast)] if self.code != EXPAND else [*self.series, *[0] * 14][:14]
        return whole, [self.weight, self.constant, self.rate, self.bias]


@dataclass(frozen=True)
class Program:
    """A network as the machine runs it.

    Attributes
    ----------
    instructions : tuple of Instruction
    closed, expanded : tuple of Activation
        Those with closed dual maps and the others, by `Instruction.index` of `ACTIVATE` and of `EXPAND`.
    buffers, size, middle : int
        How many arrays of how many numbers a pair needs at most, and how many numbers between the two axes of a
        convolution.
    record : int
        Numbers that are kept of each sample.
    positions, channels : int
        Of an input.
    """

    instructions: tuple[Instruction, ...]
    closed: tuple[Activation, ...]
    expanded: tuple[Activation, ...]
    buffers: int
    size: int
    middle: int
    record: int
    positions: int
    channels: int
