"""Kernels of networks of blocks from the definitions: whole arrays K[a, b, p, q] over samples a, b and positions p, q.

One matrix for each tap of a window; nothing here comes from the package but the names of the blocks' fields.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from theorysim.problem import blocks

Array = NDArray[np.float64]
State = tuple[Array, Array, tuple[int, ...], float]
"""K, Theta, positions along each axis, relative width."""


def taps_of_axis(n: int, taps: int, stride: int, padding: str) -> Array:
    """Return M[k, o, p]: whether tap k of window o lies on position p; shape (taps, windows, n)."""
    windows = (n - taps) // stride + 1 if padding == "valid" else -(-n // stride)
    before = 0 if padding == "valid" else max((windows - 1) * stride + taps - n, 0) // 2
    found = np.zeros((taps, windows, n))
    for k, o in product(range(taps), range(windows)):
        p = o * stride + k - before
        if padding == "circular":
            found[k, o, p % n] = 1.0
        elif 0 <= p < n:
            found[k, o, p] = 1.0
    return found


def taps_of(
    grid: tuple[int, ...], sizes: int | tuple[int, ...], strides: int | tuple[int, ...], padding: str
) -> tuple[Array, tuple[int, ...]]:
    """Return the matrices of all taps, shape (taps, positions after, positions), and the positions after."""
    each = (value if isinstance(value, tuple) else (value,) * len(grid) for value in (sizes, strides))
    matrices, after = np.ones((1, 1, 1)), ()
    for n, size, stride in zip(grid, *each, strict=True):
        axis = taps_of_axis(n, size, stride, padding)
        matrices = np.einsum("kpq,lrs->klprqs", matrices, axis)
        shape = matrices.shape
        matrices = matrices.reshape(shape[0] * shape[1], shape[2] * shape[3], -1)
        after = (*after, axis.shape[1])
    return matrices, after


def own(kernel: Array) -> Array:
    """Return K[a, a, p, p]."""
    return np.einsum("aapp->ap", kernel)


def outer(values: Array) -> Array:
    """Return v[a, p] v[b, q]."""
    return np.einsum("ap,bq->abpq", values, values)


def with_own(kernel: Array, diagonal: Array) -> Array:
    """Return K with other K[a, a, p, p]."""
    changed = kernel.copy()
    np.einsum("aapp->ap", changed)[...] = diagonal
    return changed


def relu(kernel: Array) -> tuple[Array, Array]:
    q, root = own(kernel), np.sqrt(outer(own(kernel)))
    angle = with_own(np.arccos(np.clip(kernel / root, -1.0, 1.0)), np.zeros_like(q))
    value = (root * np.sin(angle) + (np.pi - angle) * kernel) / (2.0 * np.pi)
    return with_own(value, q / 2.0), (np.pi - angle) / (2.0 * np.pi)


def erf(kernel: Array) -> tuple[Array, Array]:
    squares = outer(1.0 + 2.0 * own(kernel))
    return 2.0 / np.pi * np.arcsin(2.0 * kernel / np.sqrt(squares)), 4.0 / np.pi / np.sqrt(squares - 4.0 * kernel**2)


def gelu(kernel: Array) -> tuple[Array, Array]:
    squares, plus = outer(own(kernel)), outer(1.0 + own(kernel))
    d = plus - kernel**2
    root, angle = np.sqrt(d), np.arctan(kernel / np.sqrt(d))
    value = kernel / 4.0 + ((kernel**2 + squares * d) / (plus * root) + kernel * angle) / (2.0 * np.pi)
    slope = kernel / root * (1.0 / d + (1.0 - squares) / plus + 1.0)
    return value, 0.25 + (angle + slope) / (2.0 * np.pi)


DUALS: dict[str, Callable[[Array], tuple[Array, Array]]] = {"relu": relu, "erf": erf, "gelu": gelu}


def _joined(block: blocks.Add | blocks.Concatenate, state: State) -> State:
    ends = [_after(branch, state) for branch in block.branches]
    if isinstance(block, blocks.Add):
        return sum(end[0] for end in ends), sum(end[1] for end in ends), *ends[0][2:]
    width = sum(end[3] for end in ends)
    kernel, theta = (sum(end[3] / width * end[which] for end in ends) for which in (0, 1))
    return kernel, theta, ends[0][2], width


def _weighted(block: blocks.Dense | blocks.Conv, state: State) -> State:
    kernel, theta, grid, _ = state
    if isinstance(block, blocks.Conv):
        taps, grid = taps_of(grid, block.filter, block.stride, block.padding)
        kernel, theta = (
            np.einsum("kpq,abqs,krs->abpr", taps, v, taps, optimize=True) / len(taps) for v in (kernel, theta)
        )
    bias = 0.0 if block.bias_std is None else block.bias_std**2
    rate = block.weight_std**2 if block.weight_rate is None else block.weight_rate
    bias_rate = bias if block.bias_rate is None else block.bias_rate
    theta = rate * kernel + bias_rate + block.weight_std**2 * theta
    return block.weight_std**2 * kernel + bias, theta, grid, block.width


def _attention(block: blocks.Attention, state: State) -> State:
    kernel, theta, grid, _ = state
    scores = np.exp(block.query_std * block.key_std * np.einsum("aapq->apq", kernel))
    scores /= scores.sum(axis=-1, keepdims=True)
    scale, bias = (block.value_std * block.output_std) ** 2, 0.0 if block.bias_std is None else block.bias_std**2
    kernel, theta = (scale * np.einsum("apq,abqs,brs->abpr", scores, v, scores, optimize=True) for v in (kernel, theta))
    return kernel + bias, theta + 2.0 * kernel + bias, grid, block.width


def _pooled(block: blocks.Block, state: State) -> State:
    kernel, theta, grid, width = state
    if isinstance(block, blocks.AveragePool):
        taps, grid = taps_of(grid, block.window, block.stride, "valid")
        mean = taps.mean(axis=0)
        return *(np.einsum("pq,abqs,rs->abpr", mean, v, mean, optimize=True) for v in (kernel, theta)), grid, width
    if isinstance(block, blocks.GlobalAveragePool):
        return *(v.mean(axis=(2, 3), keepdims=True) for v in (kernel, theta)), (), width
    count = kernel.shape[-1]
    return *(np.einsum("abpp->ab", v)[..., None, None] / count for v in (kernel, theta)), (), width * count


def _after(block: blocks.Block, state: State) -> State:
    if isinstance(block, blocks.Chain):
        for part in block.blocks:
            state = _after(part, state)
        return state
    if isinstance(block, blocks.Add | blocks.Concatenate):
        return _joined(block, state)
    if isinstance(block, blocks.Dense | blocks.Conv):
        return _weighted(block, state)
    if isinstance(block, blocks.Attention):
        return _attention(block, state)
    kernel, theta, grid, width = state
    if isinstance(block, blocks.Nonlinearity):
        value, slope = DUALS[block.activation](kernel)
        return value, slope * theta, grid, width
    if isinstance(block, blocks.LayerNorm):
        inverse = outer(1.0 / np.sqrt(own(kernel) + block.epsilon))
        return kernel * inverse, theta * inverse, grid, width
    if isinstance(block, blocks.Dropout):
        return *(with_own(v, own(v) / block.keep) for v in (kernel, theta)), grid, width
    return _pooled(block, state)


def kernels(block: blocks.Block, x1: Array, x2: Array | None = None) -> tuple[Array, Array]:
    """Return the NNGP and the NTK of a network of blocks."""
    x = x1 if x2 is None else np.concatenate((x1, x2))
    flat = x.reshape(len(x), -1, x.shape[-1])
    kernel = np.einsum("apc,bqc->abpq", flat, flat) / x.shape[-1]
    nngp, ntk, *_ = _after(block, (kernel, np.zeros_like(kernel), x.shape[1:-1], 1.0))
    columns = slice(len(x1)) if x2 is None else slice(len(x1), None)
    return nngp[: len(x1), columns, 0, 0], ntk[: len(x1), columns, 0, 0]
