"""Blocks: wrong ones with the line that their author reads, what fits together, JSON."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import theorysim as ts
from theorysim.errors import ProblemError
from theorysim.problem import blocks as b
from theorysim.problem.features import Features, network

KINDS = (
    "dense, conv, activation, layer_norm, dropout, average_pool, global_average_pool, flatten, attention, chain, add, "
    "concatenate"
)
RELU, ERF, DENSE, CONV, GAP, FLAT = (
    b.activation("relu"), b.activation("erf"), b.dense(), b.conv(filter=3), b.global_average_pool(), b.flatten(),
)  # fmt: skip
IMAGE, SEQUENCE, VECTOR = (4, 4, 2), (5, 2), (5,)
ALL = b.chain(
    b.conv(filter=(2, 3), stride=2, padding="circular", weight_std=1.5, bias_std=0.0, weight_rate=2.0, bias_rate=1.0),
    b.activation("leaky_relu", slope=0.2),
    b.concatenate(b.chain(b.dense(width=0.5), b.activation({"name": "monomial", "degree": 3})), b.dense(bias_std=0.1)),
    b.residual(b.chain(b.dropout(0.7), b.attention(query_std=1.2, bias_std=0.3, width=1.5))),
    DENSE,
    b.layer_norm(epsilon=0.1),
    b.activation({"name": "sign", "derivative": "zero"}),
    b.add(b.average_pool(2, stride=1), b.chain(CONV, b.average_pool((2, 2), stride=(1, 1)))),
    b.add(b.chain(GAP, DENSE), b.chain(FLAT, DENSE)),
)
"""Every block, every field."""

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: b.dense(weight_std=-1.0), "dense: `weight_std` must be at least 0, got -1.0"),
    (lambda: b.dense(weight_std=float("nan")), "dense: `weight_std` must be finite, got nan"),
    (lambda: b.dense(weight_std=1e200), "dense: `weight_std` must be at most 1e+150, got 1e+200"),
    (lambda: b.dense(bias_std=True), "dense: `bias_std` must be a number, got True"),
    (lambda: b.dense(weight_rate=-1.0), "dense: `weight_rate` must be at least 0, got -1.0"),
    (lambda: b.dense(bias_rate=1.0),
     "dense: `bias_rate` must come with `bias_std` (0.0: biases start at 0), got no `bias_std`"),
    (lambda: b.dense(width=0), "dense: `width` must be positive, got 0"),
    (lambda: b.Dense(weightstd=1.0), "dense: unknown key `weightstd` (did you mean \"weight_std\"?)"),
    (lambda: b.conv(filter=0), "conv: `filter` must be a whole number from 1 to 1000, got 0"),
    (lambda: b.conv(filter=(3, 2.0)), "conv: `filter` must be a whole number from 1 to 1000, got 2.0"),
    (lambda: b.conv(filter=(3, 3, 3)), "conv: `filter` must be one number, or one for each axis of positions, got 3"),
    (lambda: b.conv(filter=3, stride="2"), 'conv: `stride` must be a whole number from 1 to 1000, got "2"'),
    (lambda: b.conv(filter=3, padding="SAME"),
     'conv: `padding` must be one of same, valid, circular; got "SAME" (did you mean "same"?)'),
    (lambda: b.Conv(), "conv: `filter` must be given"),
    (lambda: b.activation("rleu"), 'got "rleu" (did you mean "relu"?)'),
    (lambda: b.activation("monomial"),
     "activation: `activation` monomial must be given its `degree`, a whole number from 1 to 20"),
    (lambda: b.activation("relu", slope=0.1),
     'activation: `slope` must be left out unless the function is "leaky_relu", got 0.1'),
    (lambda: b.layer_norm(epsilon=-1.0), "layer_norm: `epsilon` must be at least 0, got -1.0"),
    (lambda: b.dropout(0.0), "dropout: `keep` must be positive, got 0.0"),
    (lambda: b.dropout(1.1), "dropout: `keep` must be at most 1, got 1.1"),
    (lambda: b.average_pool(0), "average_pool: `window` must be a whole number from 1 to 1000, got 0"),
    (lambda: b.average_pool(2, stride=1.5), "average_pool: `stride` must be a whole number from 1 to 1000, got 1.5"),
    (lambda: b.attention(query_std=-1.0), "attention: `query_std` must be at least 0, got -1.0"),
    (lambda: b.chain(b.dense), "chain: `blocks` must hold blocks (made by theorysim.problem.blocks), got <function"),
    (lambda: b.Chain(blocks=3), "chain: `blocks` must be a list of blocks, got 3"),
    (lambda: b.add(DENSE), "add: `branches` must be a list of at least 2, got "),
    (lambda: b.residual(None), "add: `branches` must hold blocks (made by theorysim.problem.blocks), got None"),
    (lambda: b.concatenate(DENSE, 3), "concatenate: `branches` must hold blocks"),
]  # fmt: skip

TEXTS: list[tuple[Any, str]] = [
    ("[", "blocks: not JSON: "),
    (3, "blocks: not JSON: "),
    ("[" * 100_000, "blocks: not JSON: "),
    ("[1]", "blocks: the text must hold blocks (made by theorysim.problem.blocks), got [1]"),
    ('{"kind": ["dense"]}', "blocks: the text must hold blocks"),
    ('{"kind": "dens"}',
     f'blocks: the text must hold blocks, whose `kind` must be one of {KINDS}; got "dens" (did you mean "dense"?)'),
    ('{"kind": "dense", "weightstd": 1}', 'dense: unknown key `weightstd` (did you mean "weight_std"?)'),
    ('{"kind": "dense", "weight_std": NaN}', "dense: `weight_std` must be finite, got nan"),
    ('{"kind": "chain", "blocks": [{"kind": "conv"}]}', "chain: `blocks` conv: `filter` must be given"),
]  # fmt: skip

GAUSSIAN = "needs Gaussian features of one variance (it must follow `dense`, `conv` or `attention`, with only sums, "
CENTRED = "needs features of mean zero (it must follow `dense`, `conv` or `attention`), got others"
MANY = "infinitely many channels"
UNCORRELATED = "needs uncorrelated branches: all but one must end with `dense`, `conv` or `attention` of their own"
MISFITS: list[tuple[b.Block, tuple[int, ...], str]] = [
    (b.chain(CONV, GAP), VECTOR, "`conv` at blocks[0] needs sequences or images, got vectors"),
    (b.chain(GAP, DENSE), VECTOR, "`global_average_pool` at blocks[0] needs sequences or images, got vectors"),
    (b.chain(FLAT, DENSE), VECTOR, "`flatten` at blocks[0] needs sequences or images, got vectors"),
    (b.attention(), VECTOR, "`attention` needs sequences or images, got vectors"),
    (b.average_pool(2), VECTOR, "`average_pool` needs sequences or images, got vectors"),
    (CONV, IMAGE, "the network must end with `flatten` or `global_average_pool` (then `dense`), got 16 positions"),
    (b.chain(), VECTOR, "the network must have a layer with weights, got none"),
    (b.chain(RELU, DENSE), VECTOR, f"`activation` at blocks[0] {GAUSSIAN}"),
    (b.chain(DENSE, RELU, ERF, DENSE), VECTOR, f"`activation` at blocks[2] {GAUSSIAN}"),
    (b.chain(DENSE, b.dropout(0.5), RELU, DENSE), VECTOR, f"`activation` at blocks[2] {GAUSSIAN}"),
    (b.chain(CONV, FLAT, RELU, DENSE), IMAGE, f"`activation` at blocks[2] {GAUSSIAN}"),
    (b.chain(b.concatenate(DENSE, DENSE), RELU, DENSE), VECTOR, f"`activation` at blocks[1] {GAUSSIAN}"),
    (b.chain(b.layer_norm(), DENSE), VECTOR, f"`layer_norm` at blocks[0] {CENTRED}"),
    (b.chain(DENSE, RELU, b.layer_norm(), DENSE), VECTOR, f"`layer_norm` at blocks[2] {CENTRED}"),
    (b.chain(b.dropout(0.5), DENSE), VECTOR, f"`dropout` at blocks[0] needs {MANY}"),
    (b.chain(b.residual(DENSE), DENSE), VECTOR, f"`add` at blocks[0] needs {MANY}"),
    (b.chain(b.concatenate(b.chain(), DENSE), DENSE), VECTOR, f"`concatenate` at blocks[0] needs {MANY}"),
    (b.add(b.dense(width=2.0), DENSE), VECTOR, "`add` needs branches of equal `width`, got 2 and 1"),
    (b.chain(b.add(CONV, b.conv(filter=3, stride=2)), GAP), IMAGE,
     "`add` at blocks[0] needs branches with equal positions, got (4, 4) and (2, 2)"),
    (b.chain(DENSE, b.residual(RELU), DENSE), VECTOR, f"`add` at blocks[1] {UNCORRELATED}"),
    (b.chain(DENSE, RELU, b.residual(b.chain(DENSE, RELU)), DENSE), VECTOR, f"`add` at blocks[2] {UNCORRELATED}"),
    (b.chain(CONV, b.average_pool(9), GAP), IMAGE,
     "`average_pool` at blocks[1] needs a `window` of at most 4 positions, got 9"),
    (b.chain(CONV, b.average_pool((2, 2)), GAP), SEQUENCE,
     "`average_pool` at blocks[1] needs as many numbers in `window` as axes of positions, 1, got (2, 2)"),
    (b.chain(CONV, b.average_pool(2, stride=(1, 1)), GAP), SEQUENCE,
     "`average_pool` at blocks[1] needs as many numbers in `stride` as axes of positions, 1, got (1, 1)"),
    (b.chain(b.conv(filter=(3,)), GAP), IMAGE,
     "`conv` at blocks[0] needs as many numbers in `filter` as axes of positions, 2, got (3,)"),
    (b.chain(b.conv(filter=9, padding="valid"), GAP), IMAGE,
     '`conv` at blocks[0] needs a `filter` of at most 4 positions with padding "valid", got 9'),
    (b.chain(b.conv(filter=5, padding="circular"), GAP), IMAGE,
     '`conv` at blocks[0] needs a `filter` of at most 4 positions with padding "circular", got 5'),
    (b.chain(DENSE, b.residual(b.chain(DENSE, b.residual(b.chain(RELU, CONV)))), DENSE), VECTOR,
     "`conv` at blocks[1].branches[1].blocks[1].branches[1].blocks[1] needs sequences or images, got vectors"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "line"), WRONG)
def test_wrong_blocks(build: Callable[[], object], line: str) -> None:
    with pytest.raises(ProblemError) as caught:
        build()
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "line"), TEXTS)
def test_wrong_json(text: Any, line: str) -> None:
    with pytest.raises(ProblemError) as caught:
        b.from_json(text)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("block", "shape", "line"), MISFITS)
def test_blocks_that_do_not_fit(block: b.Block, shape: tuple[int, ...], line: str) -> None:
    with pytest.raises(ProblemError) as caught:
        network(block, shape)
    assert str(caught.value).startswith(f"blocks: {line}") and "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(), (2, 2, 2, 2), (0,), (3, 0)])
def test_wrong_samples(shape: tuple[int, ...]) -> None:
    with pytest.raises(ProblemError, match="blocks: samples must have shape"):
        network(DENSE, shape)


def test_json_keeps_every_block_and_field() -> None:
    assert b.from_json(b.to_json(ALL)) == ALL
    assert set(KINDS.split(", ")) == {word for word in KINDS.split(", ") if f'"kind": "{word}"' in b.to_json(ALL)}
    assert b.from_json(b.to_json(b.chain())) == b.chain()


def test_own_activations_have_no_json() -> None:
    own = ts.activation(lambda x: x * x, lambda x: 2.0 * x, name="squared")
    with pytest.raises(ProblemError, match="the activation squared, your own, cannot be written"):
        b.to_json(b.chain(DENSE, b.activation(own)))
    with pytest.raises(ProblemError, match="`to_json` must be given a block, got 3"):
        b.to_json(3)  # type: ignore[arg-type]


def test_chains_in_chains_are_one() -> None:
    assert b.chain(b.chain(DENSE, RELU), b.chain(), DENSE) == b.chain(DENSE, RELU, DENSE)
    assert b.residual(DENSE) == b.add(b.chain(), DENSE)


def test_lists_and_numpy_numbers_are_taken() -> None:
    assert b.conv(filter=[3, 2], stride=np.int64(2)) == b.conv(filter=(3, 2), stride=2)
    assert b.average_pool(2) == b.average_pool(2, stride=2)
    assert b.activation("leaky_relu").slope == 0.01


def test_blocks_are_frozen_and_hashable() -> None:
    assert len({ALL, b.from_json(b.to_json(ALL))}) == 1
    with pytest.raises(ValueError, match="frozen"):
        DENSE.weight_std = 2.0


def test_default_rates() -> None:
    assert b.dense(weight_std=2.0, bias_std=3.0).rates == (4.0, 9.0)
    assert b.dense(weight_std=2.0, bias_std=0.0, weight_rate=7.0, bias_rate=1.0).rates == (7.0, 1.0)
    assert b.conv(filter=3, weight_std=2.0).rates == (4.0, 0.0)


def test_positions_and_widths() -> None:
    out = [part.out for part in network(ALL, (9, 8, 3)).parts]
    assert [features.positions for features in out] == [*[(5, 4)] * 7, (4, 3), ()]
    assert [features.width for features in out] == [1.0, 1.0, 1.5, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert network(b.chain(b.conv(filter=2, padding="valid", stride=2), FLAT), (5, 1)).out.width == 2.0
    assert Features((4,)).grid == (4, 1) and Features(()).count == 1


@pytest.mark.parametrize(
    "block",
    [
        b.chain(DENSE, b.residual(b.chain(RELU, DENSE)), RELU, DENSE),  # sums of Gaussian features are Gaussian
        b.chain(DENSE, RELU, b.residual(DENSE), DENSE),  # one branch of any features
        b.chain(DENSE, b.residual(b.chain(DENSE, ERF)), b.layer_norm(), DENSE),  # odd: uncorrelated, of mean zero
        b.chain(DENSE, ERF, b.dropout(0.5), b.layer_norm(), DENSE),
        b.chain(DENSE, b.activation("linear"), RELU, b.dropout(1.0), DENSE),
        b.chain(b.dropout(1.0), DENSE, b.dropout(1.0), RELU, DENSE),
    ],
)
def test_blocks_that_fit(block: b.Block) -> None:
    assert network(block, VECTOR).out.count == 1


def test_examples_of_the_documentation_run() -> None:
    assert doctest.testmod(b) == (0, 5)
    assert ts.blocks is b
