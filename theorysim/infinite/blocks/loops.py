"""Loops over stretches of flat arrays: the only places where numbers are touched, each compiled once.

A stretch is an array, where it begins, and how long it is: no views, whose bookkeeping would cost more than a short
loop. Indices are unsigned, so that compiled code need not ask whether they count from the end, and vectorises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.bits import fma
from theorysim.backend.compile import compiled
from theorysim.equations.blocks import layer

Array = NDArray[Any]


@compiled
def fill(a: Array, at: int, n: int, value: float) -> None:
    """Write `value`."""
    begin = np.uint64(at)
    for j in range(np.uint64(n)):
        a[begin + j] = value


@compiled
def copy(a: Array, at: int, b: Array, start: int, n: int, constant: float) -> None:
    """Write b + constant."""
    begin, other = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(n)):
        a[begin + j] = b[other + j] + constant


@compiled
def add(a: Array, at: int, b: Array, start: int, n: int, factor: float) -> None:
    """Add factor b."""
    begin, other = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(n)):
        a[begin + j] += factor * b[other + j]


@compiled
def add_masked(a: Array, at: int, b: Array, start: int, n: int, masks: Array, mask: int) -> None:
    """Add b mask, elementwise."""
    begin, other, third = np.uint64(at), np.uint64(start), np.uint64(mask)
    for j in range(np.uint64(n)):
        a[begin + j] += masks[third + j] * b[other + j]


@compiled
def add_three(
    a: Array, at: int, here: int, up: int, down: int, n: int, constant: float, masks: Array, mask_up: int,
    mask_down: int,
) -> None:  # fmt: skip
    """Write a[here] + mask_up a[up] + mask_down a[down] + constant."""
    to, own, one, two = np.uint64(at), np.uint64(here), np.uint64(up), np.uint64(down)
    first, second = np.uint64(mask_up), np.uint64(mask_down)
    for j in range(np.uint64(n)):
        a[to + j] = (constant + a[own + j]) + masks[first + j] * a[one + j] + masks[second + j] * a[two + j]


@compiled
def add_up(a: Array, at: int, start: int, apart: int, count: int, n: int, constant: float) -> None:
    """Write the sum of `count` stretches, `apart` numbers from each other, and of a constant."""
    to, one = np.uint64(at), np.uint64(start)
    two, three = np.uint64(start + apart), np.uint64(start + 2 * apart)
    if count == 3:
        for j in range(np.uint64(n)):
            a[to + j] = ((constant + a[one + j]) + a[two + j]) + a[three + j]
    elif count == 2:
        for j in range(np.uint64(n)):
            a[to + j] = (constant + a[one + j]) + a[two + j]
    else:
        copy(a, at, a, start, n, constant)
        for k in range(1, count):
            add(a, at, a, start + k * apart, n, 1.0)


@compiled
def scale_outer(a: Array, at: int, b: Array, start: int, n: int, factor: float) -> None:
    """Multiply by factor b, elementwise."""
    begin, other = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(n)):
        a[begin + j] *= factor * b[other + j]


@compiled
def add_four_terms(
    a: Array, total: int, base: int, n: int, b: Array, own: int, own_apart: int, c: Array, other: int, apart: int
) -> None:
    """Write ((((total y + t3) y + t2) y + t1) y + t0, y from `base` on, t_k = b_k c_k: four steps of Horner's rule."""
    b0, b1, b2, b3 = b[own], b[own + own_apart], b[own + 2 * own_apart], b[own + 3 * own_apart]
    to, at = np.uint64(total), np.uint64(base)
    c0, c1, c2, c3 = (
        np.uint64(other),
        np.uint64(other + apart),
        np.uint64(other + 2 * apart),
        np.uint64(other + 3 * apart),
    )
    for j in range(np.uint64(n)):
        y = a[at + j]
        high = fma(fma(a[to + j], y, b3 * c[c3 + j]), y, b2 * c[c2 + j])
        a[to + j] = fma(fma(high, y, b1 * c[c1 + j]), y, b0 * c[c0 + j])


@compiled
def scaled(a: Array, at: int, b: Array, start: int, n: int, factor: float) -> None:
    """Write factor b."""
    begin, other = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(n)):
        a[begin + j] = factor * b[other + j]


@compiled
def begun(
    a: Array, kernel: int, tangent: int, n: int, weight: float, constant: float, rate: float, bias: float
) -> None:
    """Write Theta' = rate K + bias, then K' = weight K + constant: `affine` for Theta = 0."""
    first, second = np.uint64(kernel), np.uint64(tangent)
    for j in range(np.uint64(n)):
        a[first + j], a[second + j] = layer(a[first + j], 1.0, 0.0, weight, constant, rate, bias)


@compiled
def affine(
    a: Array, kernel: int, tangent: int, n: int, weight: float, constant: float, rate: float, bias: float
) -> None:
    """Write Theta' = rate K + bias + weight Theta, then K' = weight K + constant."""
    first, second = np.uint64(kernel), np.uint64(tangent)
    for j in range(np.uint64(n)):
        a[first + j], a[second + j] = layer(a[first + j], 1.0, a[second + j], weight, constant, rate, bias)
