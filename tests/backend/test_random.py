"""Known answers, purity, uniformity and moments of the random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from scipy import stats

from theorysim.backend import random
from theorysim.errors import ProblemError

U = np.uint64
ADDRESS = {"seed": 20, "stream": 3, "step": 5, "purpose": random.DATA}
LEAST_P = 1e-4  # one fixed seed per test: a correct generator fails one test in 10 000

# Random123, kat_vectors: philox4x32 10 <counter> <key> <answer>
KNOWN = [
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], answer: str) -> None:
    words = random.philox(*map(U, counter), *map(U, key))
    assert " ".join(f"{int(w):08x}" for w in words) == answer


def test_the_counter_is_block_stream_step_purpose_and_the_key_is_the_seed() -> None:
    seed = 0x0123456789ABCDEF
    u = random.uniforms(6, seed=seed, stream=7, step=9, purpose=2)
    words = random.philox(U(2), U(7), U(9), U(2), U(0x89ABCDEF), U(0x01234567))
    for value, high, low in ((u[4], words[0], words[1]), (u[5], words[2], words[3])):
        bits = (int(high) << 32 | int(low)) >> 12
        assert value == (2 * bits + 1) * 2.0**-53


def test_uniforms_are_inside_the_unit_interval() -> None:
    ones = U(0xFFFFFFFF)
    assert random.unit_interval(U(0), U(0)) == 2.0**-53
    assert random.unit_interval(ones, ones) == 1.0 - 2.0**-53


@pytest.mark.parametrize("fill", [random.normals, random.uniforms])
@pytest.mark.parametrize("size", [1, 2, 7, 4095, 4096, 4097, 12289])
def test_an_array_is_a_prefix_of_a_longer_one(fill: Callable[..., Any], size: int) -> None:
    longer = fill((3, 6001), **ADDRESS).ravel()
    np.testing.assert_array_equal(fill(size, **ADDRESS), longer[:size])


@pytest.mark.parametrize("fill", [random.normals, random.uniforms])
def test_same_bits_for_any_number_of_threads(fill: Callable[..., Any]) -> None:
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = fill(100_001, **ADDRESS)
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(fill(100_001, **ADDRESS), one)


@pytest.mark.parametrize("other", [{"seed": 21}, {"stream": 4}, {"step": 6}, {"purpose": random.NOISE}])
def test_another_address_gives_independent_numbers(other: dict[str, int]) -> None:
    x = random.normals(100_000, **ADDRESS)
    y = random.normals(100_000, **(ADDRESS | other))
    assert not np.any(x == y)
    assert abs(np.mean(x * y)) < 4 / np.sqrt(x.size)


def test_normals_are_normal() -> None:
    x = random.normals(1_000_000, **ADDRESS)
    assert stats.kstest(x, "norm").pvalue > LEAST_P
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(x**power) - moment) < 4 * np.sqrt(variance / x.size)
    assert abs(np.mean(x[:-1] * x[1:])) < 4 / np.sqrt(x.size)
    pairs = x.reshape(-1, 2)  # the two of a Box-Muller pair share a radius: their squares must not correlate
    assert abs(np.mean((pairs[:, 0] ** 2 - 1) * (pairs[:, 1] ** 2 - 1))) < 4 * 2 / np.sqrt(len(pairs))


def test_uniforms_are_uniform() -> None:
    x = random.uniforms(1_000_000, **ADDRESS)
    counts = np.bincount((x * 1000).astype(int), minlength=1000)
    assert stats.chisquare(counts).pvalue > LEAST_P


def test_integers_are_uniform() -> None:
    x = random.integers(7, 70_000, **ADDRESS)
    assert x.dtype == np.int64
    assert stats.chisquare(np.bincount(x, minlength=7)).pvalue > LEAST_P


def test_integers_reach_both_ends_of_a_large_range() -> None:
    n = 2**32 - 1
    x = random.integers(n, 1000, **ADDRESS) / n
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() < 1


def test_every_ordered_subset_is_equally_likely() -> None:
    codes = [int(a * 5 + b) for a, b in (random.subset(5, 2, seed=1, stream=s, purpose=3) for s in range(20_000))]
    counts = np.bincount(codes, minlength=25).reshape(5, 5)
    assert np.all(np.diag(counts) == 0)
    assert stats.chisquare(counts[~np.eye(5, dtype=bool)]).pvalue > LEAST_P


def test_every_permutation_is_equally_likely() -> None:
    draws = (random.permutation(4, seed=1, stream=0, step=k, purpose=3) for k in range(12_000))
    counts = np.unique([int(d @ [64, 16, 4, 1]) for d in draws], return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > LEAST_P


def test_a_subset_has_no_repetition_and_a_permutation_has_everything() -> None:
    assert len(set(random.subset(1000, 400, **ADDRESS))) == 400
    np.testing.assert_array_equal(np.sort(random.permutation(1000, **ADDRESS)), np.arange(1000))
    assert random.subset(10, 0, **ADDRESS).shape == (0,)


def test_drawing_a_subset_leaves_the_pool_as_it_was() -> None:
    pool, out = np.arange(50)[::-1] * 3, np.empty(30, np.int64)
    random.draw_subset(pool, out, *random.counters(**ADDRESS))
    np.testing.assert_array_equal(pool, np.arange(50)[::-1] * 3)
    np.testing.assert_array_equal(out, (49 - random.subset(50, 30, **ADDRESS)) * 3)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"seed": -1}, "seed"), ({"seed": 2**64}, "seed"), ({"stream": 2**32}, "stream"), ({"step": -1}, "step")],
)
def test_an_address_outside_the_counter_is_refused(wrong: dict[str, int], named: str) -> None:
    with pytest.raises(ProblemError, match=rf"^{named}: `{named}` must be in"):
        random.normals(2, **(ADDRESS | wrong))


def test_impossible_subsets_are_refused() -> None:
    with pytest.raises(ProblemError, match=r"^size: "):
        random.subset(3, 4, **ADDRESS)
    with pytest.raises(ProblemError, match=r"^n: "):
        random.integers(0, 4, **ADDRESS)


@pytest.mark.parametrize("replace", [False, True])
def test_many_choices_are_the_single_ones(replace: bool) -> None:
    one = random.integers if replace else random.subset
    found = random.choices(20, 6, seed=2**40 + 1, streams=[5, 0, 9], purpose=3, first=4, steps=3, replace=replace)
    for k, step in enumerate(range(4, 7)):
        for r, stream in enumerate([5, 0, 9]):
            np.testing.assert_array_equal(found[k, r], one(20, 6, seed=2**40 + 1, stream=stream, purpose=3, step=step))
    with pytest.raises(ProblemError, match="`size` must be in"):
        random.choices(5, 6, seed=0, streams=[0], purpose=3, first=0, steps=1, replace=False)
    with pytest.raises(ProblemError, match="`step` must be in"):
        random.choices(9, 6, seed=0, streams=[0], purpose=3, first=2**32 - 1, steps=2, replace=replace)
