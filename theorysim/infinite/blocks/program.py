"""From a network of blocks to the program that the compiled machine runs for every pair of samples.

The state of a pair (x, x') is two arrays, K[p, p'] and Theta[p, p'], over positions p of x and p' of x'. Where nothing
downstream mixes positions differently on the two sides (pools and attention do, a convolution or `flatten` does not),
only p = p' is carried: P numbers, not P^2.

    dense, conv    K' = sw^2 A(K) + sb^2,   Theta' = alpha A(K) + alpha' + sw^2 A(Theta)
    activation     K' = T(K),               Theta' = Tdot(K) Theta

with A the mean over the positions of the filter (`dense`: the identity).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from theorysim.equations.activations import Activation
from theorysim.equations.duals import dual_of
from theorysim.infinite.blocks.instructions import (
    ACTIVATE,
    ADD,
    AFFINE,
    COLUMNS,
    CONVOLVE,
    COPY,
    DIAGONAL,
    DROP,
    EXPAND,
    INPUT,
    LEFT,
    NORMALISE,
    OUTPUT,
    RECORD_OF_ACTIVATION,
    RIGHT,
    ROWS,
    ROWS_OF_EXPANSION,
    SCORE,
    Axis,
    Instruction,
    Program,
)
from theorysim.problem import blocks
from theorysim.problem.features import Node, activation_of, padding_before, per_axis


@dataclass(frozen=True)
class _State:
    """Where K and Theta of a pair are, for how many positions of x, and of x' (1: only p = p')."""

    kernel: int
    tangent: int
    left: int
    right: int

    @property
    def full(self) -> bool:
        return self.right > 1

    @property
    def size(self) -> int:
        return self.left * self.right


def compiled_program(network: Node, *, derivative: Callable[[Activation], Activation]) -> Program:
    """Return the program of a network in its place.

    Parameters
    ----------
    network : Node
    derivative : callable
        From an activation to the same with the derivative that counts.
    """
    writer = _Writer(derivative)
    count = network.inn.count
    state = writer.input(count, count if _needs_all(network, False) else 1)
    state = writer.write(network, state, False)
    writer.emit(OUTPUT, state)
    return Program(
        instructions=tuple(writer.instructions),
        closed=tuple(writer.closed),
        expanded=tuple(writer.expanded),
        buffers=writer.buffers,
        size=writer.size,
        middle=writer.middle,
        record=max(1, writer.record),
        positions=count,
        channels=network.inn.channels,
    )


def _needs_all(node: Node, after: bool) -> bool:
    """Return whether a block needs all (p, p') of its input, if what follows does (`after`) or does not."""
    if node.inn.count == 1:
        return False
    if isinstance(node.block, blocks.AveragePool | blocks.GlobalAveragePool | blocks.Attention):
        return True
    if isinstance(node.block, blocks.Flatten):
        return False
    if isinstance(node.block, blocks.Chain):
        for part in reversed(node.parts):
            after = _needs_all(part, after)
        return after
    if isinstance(node.block, blocks.Add | blocks.Concatenate):
        return any(_needs_all(part, after) for part in node.parts)
    return after


@dataclass
class _Writer:
    """Writes instructions; buffers that are free again are reused, the last one first (it is in the cache)."""

    derivative: Callable[[Activation], Activation]
    instructions: list[Instruction] = field(default_factory=list)
    closed: list[Activation] = field(default_factory=list)
    expanded: list[Activation] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    buffers: int = 0
    size: int = 1
    record: int = 0
    masks: int = 0
    middle: int = 0

    def emit(self, code: int, state: _State, **numbers: Any) -> None:
        """Append a step on both arrays of a state."""
        place = Instruction(code, state.kernel, state.tangent, state.left, state.right)
        self.instructions.append(replace(place, **numbers))

    def buffer(self) -> int:
        """Return a free buffer."""
        if self.free:
            return self.free.pop()
        self.buffers += 1
        return self.buffers - 1

    def mapped(self, code: int, state: _State, left: int, right: int, constants: Sequence[float] = (0.0, 0.0),
               **numbers: Any) -> _State:  # fmt: skip
        """Append a linear map of either array into another buffer; return the state after it."""
        after = []
        for source, constant in zip((state.kernel, state.tangent), constants, strict=True):
            target = self.buffer()
            self.instructions.append(
                Instruction(code, source, target, state.left, state.right, constant=constant, **numbers)
            )
            self.free.append(source)
            after.append(target)
        self.size = max(self.size, left * right)
        return _State(after[0], after[1], left, right)

    def input(self, left: int, right: int) -> _State:
        """Start with x.x'/channels and Theta = 0."""
        state = _State(self.buffer(), self.buffer(), left, right)
        self.size = state.size
        self.emit(INPUT, state)
        return state

    def write(self, node: Node, state: _State, after: bool) -> _State:
        """Write a block; return the state after it, with all (p, p') if `after`, else with p = p' alone."""
        if state.full and not _needs_all(node, after):
            state = self.mapped(DIAGONAL, state, state.left, 1)
        if isinstance(node.block, blocks.Chain):
            return self._chain(node, state, after)
        if isinstance(node.block, blocks.Add | blocks.Concatenate):
            return self._branches(node, state, after)
        state = self._simple(node, state)
        return self.mapped(DIAGONAL, state, state.left, 1) if state.full and not after else state

    def _chain(self, node: Node, state: _State, after: bool) -> _State:
        wanted = [after]
        for part in reversed(node.parts[1:]):
            wanted.append(_needs_all(part, wanted[-1]))
        for part, follows in zip(node.parts, reversed(wanted), strict=False):
            state = self.write(part, state, follows)
        return state

    def _branches(self, node: Node, state: _State, after: bool) -> _State:
        total = node.out.width
        shares = [part.out.width / total if isinstance(node.block, blocks.Concatenate) else 1.0 for part in node.parts]
        ends: list[_State] = []
        for k, (part, share) in enumerate(zip(node.parts, shares, strict=True)):
            own = state if k == len(shares) - 1 else self._copy(state)
            ends.append(self.affine(self.write(part, own, after), share))
            if len(ends) == 2:
                self._add(ends)
        return ends[0]

    def _copy(self, state: _State) -> _State:
        copy = replace(state, kernel=self.buffer(), tangent=self.buffer())
        for source, target in ((state.kernel, copy.kernel), (state.tangent, copy.tangent)):
            self.instructions.append(Instruction(COPY, source, target, state.left, state.right))
        return copy

    def _add(self, ends: list[_State]) -> None:
        """Add the second state to the first."""
        first, second = ends[0], ends.pop()
        for source, target in ((second.kernel, first.kernel), (second.tangent, first.tangent)):
            self.instructions.append(Instruction(ADD, source, target, first.left, first.right))
            self.free.append(source)

    def _simple(self, node: Node, state: _State) -> _State:
        block = node.block
        if isinstance(block, blocks.Dense):
            return self.affine(state, block.weight_std**2, block.bias**2, *block.rates)
        if isinstance(block, blocks.Conv):
            return self._conv(node, block, state)
        if isinstance(block, blocks.Nonlinearity):
            return self._activation(block, state)
        if isinstance(block, blocks.LayerNorm):
            self.emit(NORMALISE, state, record=self.recorded(state.left), constant=block.epsilon)
            return state
        if isinstance(block, blocks.Dropout):
            self.emit(DROP, state, weight=1.0 / block.keep)
            return state
        if isinstance(block, blocks.Attention):
            return self._attention(block, state)
        if isinstance(block, blocks.AveragePool):
            windows, strides = per_axis(block, "window", node.inn), per_axis(block, "stride", node.inn)
            return self._pool(state, node.inn.grid, (*windows, 1)[:2], (*strides, 1)[:2])
        return self._mean(state)

    def affine(
        self, state: _State, weight: float, constant: float = 0.0, rate: float = 0.0, bias: float = 0.0
    ) -> _State:
        """Write K' = weight K + constant, Theta' = rate K + bias + weight Theta, into the step before if it can be."""
        if (weight, constant, rate, bias) == (1.0, 0.0, 0.0, 0.0):
            return state
        last = self.instructions[-1]
        plain = (last.weight, last.constant, last.rate, last.bias) == (1.0, 0.0, 0.0, 0.0)
        here = (last.source, last.target) == (state.kernel, state.tangent)
        if last.code in (INPUT, ACTIVATE, EXPAND) and plain and here:
            self.instructions[-1] = replace(last, weight=weight, constant=constant, rate=rate, bias=bias)
        else:
            self.emit(AFFINE, state, weight=weight, constant=constant, rate=rate, bias=bias)
        return state

    def recorded(self, numbers: int) -> int:
        """Reserve numbers in the record of every sample."""
        self.record += numbers
        return self.record - numbers

    def _activation(self, block: blocks.Nonlinearity, state: _State) -> _State:
        chosen = self.derivative(activation_of(block))
        if chosen.name == "linear":
            return state
        code, known = (ACTIVATE, self.closed) if dual_of(chosen) is not None else (EXPAND, self.expanded)
        if chosen not in known:
            known.append(chosen)
        if code == EXPAND:
            self.middle = max(self.middle, ROWS_OF_EXPANSION * state.right)
        place = self.recorded(RECORD_OF_ACTIVATION * state.left)
        self.emit(code, state, index=known.index(chosen), record=place)
        return state

    def _conv(self, node: Node, block: blocks.Conv, state: _State) -> _State:
        filters = (*per_axis(block, "filter", node.inn), 1)[:2]
        strides = (*per_axis(block, "stride", node.inn), 1)[:2]
        taps = filters[0] * filters[1]
        weight_rate, bias_rate = block.rates
        state = self.affine(state, block.weight_std**2 / taps, 0.0, weight_rate / taps)
        if taps == 1 and strides == (1, 1):
            return self.affine(state, 1.0, block.bias**2, 0.0, bias_rate)
        (height, width), (height_out, width_out) = node.inn.grid, node.out.grid
        slow = self._axis(block, height, width, filters[0], strides[0], height_out, width * state.right)
        between = height_out * width if state.full else 1
        fast = self._axis(block, width, 1, filters[1], strides[1], width_out, width * between)
        self.middle = max(self.middle, width * state.right)
        return self.mapped(
            CONVOLVE, state, node.out.count, node.out.count if state.full else 1, (block.bias**2, bias_rate),
            slow=slow, fast=fast, wrap=int(block.padding == "circular"),
        )  # fmt: skip

    def _axis(self, block: blocks.Conv, size: int, unit: int, taps: int, stride: int, out: int, span: int) -> Axis:
        """Return an axis of a convolution, with masks of `span` positions."""
        mask, self.masks = self.masks, self.masks + 2 * taps * span
        return Axis(size, unit, taps, stride, padding_before(block, size, taps, stride), out, mask)

    def _pool(self, state: _State, grid: tuple[int, int], windows: tuple[int, ...], strides: tuple[int, ...]) -> _State:
        """Write means over windows, on the left and on the right."""
        if not state.full:  # one position
            return state
        state = self.affine(state, 1.0 / (windows[0] * windows[1]) ** 2)
        for code in (ROWS, COLUMNS):
            shape = list(grid)
            for axis in (0, 1):
                if windows[axis] == strides[axis] == 1:
                    continue
                size, unit = shape[axis], shape[1] if axis == 0 else 1
                shape[axis] = (size - windows[axis]) // strides[axis] + 1
                count = shape[0] * shape[1]
                left, right = (count, state.right) if code == ROWS else (state.left, count)
                along = Axis(size, unit, windows[axis], strides[axis], 0, shape[axis])
                state = self.mapped(code, state, left, right, slow=along)
        return state

    def _mean(self, state: _State) -> _State:
        """Write the mean over all positions (p = p'), or all pairs of positions."""
        if state.left == 1:
            return state
        count, codes = state.left, (ROWS, COLUMNS) if state.full else (ROWS,)
        state = self.affine(state, 1.0 / count ** len(codes))
        for code in codes:
            right = state.right if code == ROWS else 1
            state = self.mapped(code, state, 1, right, slow=Axis(count, taps=count))
        return state

    def _attention(self, block: blocks.Attention, state: _State) -> _State:
        positions = state.left
        if positions > 1:
            record = self.recorded(positions * (positions + 2))
            self.emit(SCORE, state, record=record, weight=block.query_std * block.key_std)
            for code in (LEFT, RIGHT):
                state = self.mapped(code, state, positions, positions, record=record)
        value, output = block.value_std**2, block.output_std**2
        return self.affine(state, value * output, block.bias**2, 2.0 * value * output, block.bias**2)
