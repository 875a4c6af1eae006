"""Every simple block on finitely many channels: its values, and the pullback of cotangents through it.

Values have shape (B, P, n): samples, positions, channels. Cotangents df_c/dy have shape (O, B, P, n) for O outputs c. A
pullback returns the cotangents of its input; a layer with weights also adds its part of the tangent kernel,

    Theta(x, x') += (1/O) sum_c sum_{p, p'} [a v_p(x) . v_p'(x') + a'] g_cp(x) . g_cp'(x'),

a = alpha/fan_in, a' = alpha', where v_p is what the weights multiply at position p: no Jacobian (samples x parameters)
is ever formed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.finite.elementwise import loops
from theorysim.problem import blocks
from theorysim.problem.features import Node, padding_before, per_axis

Array = NDArray[np.float64]
Pullback = Callable[[Array, Array], Array]
Passed = tuple[Array, Pullback]


def weighted(views: Array, weights: Array, bias: Array, rates: tuple[float, float]) -> Passed:
    """Return views W + b, shape (B, P, n), and its pullback to `views`, shape (B, P, fan_in)."""
    rate = rates[0] / weights.shape[0]

    def pull(g: Array, theta: Array) -> Array:
        add_tangents(theta, views, g, rate, rates[1])
        return np.asarray(g @ weights.T)

    return views @ weights + bias, pull


def add_tangents(theta: Array, views: Array, g: Array, rate: float, bias_rate: float) -> None:
    """Add the part of one layer to the tangent kernel, shape (B, B)."""
    samples, positions = views.shape[:2]
    if rate == 0.0 and bias_rate == 0.0:
        return
    gram = rate * _gram(views) + bias_rate
    for each in g:
        products = (gram * _gram(each)).reshape(samples, positions, samples, positions)
        theta += products.sum(axis=(1, 3)) / len(g)


def _gram(values: Array) -> Array:
    flat = values.reshape(-1, values.shape[-1])
    return np.asarray(flat @ flat.T)


def windows(node: Node, sizes: tuple[int, ...], strides: tuple[int, ...], before: tuple[int, ...], around: bool) -> Any:
    """Return the input positions of every window, shape (P_out, taps), and which are inside the image."""
    index, inside = np.zeros((1, 1), int), np.ones((1, 1), bool)
    for n, out, f, s, b in zip(node.inn.grid, node.out.grid, sizes, strides, before, strict=True):
        at = np.arange(out)[:, None] * s - b + np.arange(f)
        within = (at >= 0) & (at < n)
        at = at % n if around else np.clip(at, 0, n - 1)
        index = (index[:, None, :, None] * n + at[None, :, None, :]).reshape(len(index) * out, -1)
        inside = (inside[:, None, :, None] & (within | around)[None, :, None, :]).reshape(len(inside) * out, -1)
    return index, inside


def gathered(x: Array, index: Any, inside: Any) -> Passed:
    """Return the values in every window, shape (B, P_out, taps n), 0 outside, and its pullback."""
    mask = inside[..., None].astype(float)

    def pull(g: Array, theta: Array) -> Array:
        del theta
        g = g.reshape(*g.shape[:2], *index.shape, -1) * mask
        total = np.zeros((*g.shape[:2], x.shape[1], g.shape[-1]))
        for k in range(index.shape[1]):
            inner = inside[:, k]  # within a tap no position comes twice
            total[:, :, index[inner, k]] += g[:, :, inner, k]
        return total

    return (x[:, index] * mask).reshape(len(x), len(index), -1), pull


def convolved(node: Node, block: blocks.Conv, x: Array, weights: Array, bias: Array) -> Passed:
    """Return a convolution and its pullback."""
    filters, strides = (_two(per_axis(block, field, node.inn)) for field in ("filter", "stride"))
    before = tuple(padding_before(block, n, f, s) for n, f, s in zip(node.inn.grid, filters, strides, strict=True))
    views, back = gathered(x, *windows(node, filters, strides, before, block.padding == "circular"))
    y, pull = weighted(views, weights, bias, block.rates)
    return y, lambda g, theta: back(pull(g, theta), theta)


def pooled(node: Node, block: blocks.AveragePool, x: Array) -> Passed:
    """Return means over windows and their pullback."""
    sizes, strides = (_two(per_axis(block, field, node.inn)) for field in ("window", "stride"))
    index, inside = windows(node, sizes, strides, (0, 0), False)
    views, back = gathered(x, index, inside)
    taps, channels = index.shape[1], x.shape[2]

    def pull(g: Array, theta: Array) -> Array:
        return back(np.tile(g / taps, taps), theta)

    return views.reshape(len(x), len(index), taps, channels).mean(axis=2), pull


def _two(several: tuple[int, ...]) -> tuple[int, ...]:
    return (*several, 1)[:2]


def averaged(x: Array) -> Passed:
    """Return the mean over positions and its pullback."""
    count = x.shape[1]
    return x.mean(axis=1, keepdims=True), lambda g, theta: np.repeat(g / count, count, axis=2)


def flattened(x: Array) -> Passed:
    """Return all positions as channels and the pullback."""
    return x.reshape(len(x), 1, -1), lambda g, theta: g.reshape(len(g), *x.shape)


def activated(activation: Activation, x: Array) -> Passed:
    """Return phi(x) and its pullback."""
    slope = np.array(x, order="C").reshape(1, -1, x.shape[-1])
    value = np.empty_like(slope)
    loops(activation).value_and_slope(slope, np.zeros((1, x.shape[-1])), value)
    return value.reshape(x.shape), lambda g, theta: g * slope.reshape(x.shape)


def normalised(block: blocks.LayerNorm, x: Array) -> Passed:
    """Return x minus its mean over channels, over sqrt(variance + epsilon), and the pullback."""
    deviation = x - x.mean(axis=-1, keepdims=True)
    root = np.sqrt((deviation**2).mean(axis=-1, keepdims=True) + block.epsilon)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 1e-150)
    y = deviation * inverse

    def pull(g: Array, theta: Array) -> Array:
        del theta
        along = (g * y).mean(axis=-1, keepdims=True)
        return np.asarray((g - g.mean(axis=-1, keepdims=True) - y * along) * inverse)

    return y, pull


def dropped(block: blocks.Dropout, x: Array, uniforms: Array) -> Passed:
    """Return x times a mask of 0 and 1/keep, and the pullback."""
    mask = (uniforms < block.keep) / block.keep
    return x * mask, lambda g, theta: np.asarray(g * mask)


def attended(block: blocks.Attention, x: Array, weights: Iterator[Array]) -> Passed:
    """Return softmax self-attention and its pullback; queries and keys are made by one matrix, keys scaled."""
    query, value, output, bias = (next(weights) for _ in range(4))
    channels = query.shape[1]
    scale = block.query_std * block.key_std / channels
    q = x @ query
    logits = scale * q @ q.swapaxes(1, 2)
    scores = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    v, pull_value = weighted(x, value, np.zeros(value.shape[1]), (block.value_std**2, 0.0))
    y, pull_output = weighted(scores @ v, output, bias, (block.output_std**2, block.bias**2))

    def pull(g: Array, theta: Array) -> Array:
        mixed = pull_output(g, theta)
        up = mixed @ v.swapaxes(1, 2)  # df/dscores
        up = scores * (up - (up * scores).sum(axis=-1, keepdims=True))
        to_query = scale * (up + up.swapaxes(2, 3)) @ q
        add_tangents(theta, x, to_query, 1.0 / len(query), 0.0)
        return np.asarray(pull_value(scores.swapaxes(1, 2) @ mixed, theta) + to_query @ query.T)

    return y, pull
