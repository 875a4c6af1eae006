"""The published fixed-point algorithm for deep mean-field theory, written from its equations [Bordelon2022].

    h^l = u^l + sum_{s<t} [A^{l-1} + c Phi^{l-1} Delta] g^l,    z^l = r^l + sum_{s<=t} [B^l + c G^{l+1} Delta] phi(h^l)

Guess the lazy kernels; then, again and again: errors Delta from the tangent kernel, S Gaussian paths of u^l and r^l by
eigenvectors of kernels of size T P, all fields of a path by Picard iteration, responses from the exact Jacobians of
every path, and a damped update of kernels and responses. Flow-Euler convention: f(t+1) = f(t) + (eta/P) K(t) Delta(t).
One output, full batches; all weights of variance 1, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_TOGETHER = 100  # paths whose Jacobians are held at once


@dataclass(frozen=True)
class Toy:
    """A run: input kernel (P, P), targets (P,), and its numbers; phi, phi' and phi'' act on arrays."""

    kernel: Array
    y: Array
    depth: int
    steps: int
    eta: float
    gamma0: float
    phi: tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], Array]]


@dataclass
class State:
    """Kernels of layers 0 .. L + 1 and responses of layers 0 .. L, all over (step, sample), and the errors."""

    features: list[Array]
    gradients: list[Array]
    on_above: list[Array]
    on_below: list[Array]
    delta: Array


def solve(
    toy: Toy, *, paths: int, iterations: int, seed: int, damping: float = 0.5, picard: int = 30
) -> Iterator[State]:
    """Iterate the equations; yields the state after each outer iteration."""
    draw, state = np.random.default_rng(seed), lazy(toy, paths, seed)
    for _ in range(iterations):
        state.delta = errors(toy, state)
        news = [_layer(toy, state, layer, paths, draw, picard) for layer in range(1, toy.depth + 1)]
        for layer, (phi, g, a, b) in enumerate(news, start=1):
            for kernels, new in ((state.features, phi), (state.gradients, g)):
                kernels[layer] = damping * new + (1.0 - damping) * kernels[layer]
            if layer < toy.depth:
                state.on_above[layer] = damping * a + (1.0 - damping) * state.on_above[layer]
            if layer > 1:
                state.on_below[layer - 1] = damping * b + (1.0 - damping) * state.on_below[layer - 1]
        state.delta = errors(toy, state)
        yield state


def lazy(toy: Toy, paths: int, seed: int) -> State:
    """Return the kernels before training at all steps, without responses."""
    draw, size = np.random.default_rng([seed, 1]), toy.steps * len(toy.y)
    ones = np.ones((toy.steps, toy.steps))
    phi, slope, _ = toy.phi
    now, features, slopes = toy.kernel, [toy.kernel], []
    for _ in range(toy.depth):
        h = draw.normal(size=(paths, len(toy.y))) @ _root(now).T
        now = phi(h).T @ phi(h) / paths
        slopes.append(slope(h).T @ slope(h) / paths)
        features.append(now)
    gradients = [np.ones_like(now)]
    for each in reversed(slopes):
        gradients.insert(0, each * gradients[0])
    nothing = [np.zeros((size, size)) for _ in range(toy.depth + 1)]
    return State([np.kron(ones, k) for k in features], [np.kron(ones, k) for k in [now, *gradients]],
                 nothing, list(nothing), np.zeros(size))  # fmt: skip


def errors(toy: Toy, state: State) -> Array:
    """Return y - f at every step, shape (T P,), stepped with the tangent kernel."""
    samples, delta = len(toy.y), toy.y.astype(float)
    rows = []
    for t in range(toy.steps):
        rows.append(delta)
        part = slice(t * samples, (t + 1) * samples)
        tangent = sum(state.gradients[k + 1][part, part] * state.features[k][part, part] for k in range(toy.depth + 1))
        delta = delta - toy.eta / samples * tangent @ delta
    return np.concatenate(rows)


def _layer(toy: Toy, state: State, layer: int, paths: int, draw: np.random.Generator, picard: int):
    """Return new kernels and responses of a layer from sampled paths."""
    samples, size = len(toy.y), len(state.delta)
    step = np.repeat(np.arange(toy.steps), samples)
    before, up_to = step[:, None] > step, step[:, None] >= step
    c = toy.eta * toy.gamma0 / samples
    forward = before * (state.on_above[layer - 1] + c * state.features[layer - 1] * state.delta)
    backward = up_to * state.on_below[layer] + before * c * state.gradients[layer + 1] * state.delta
    u, r = (
        draw.normal(size=(paths, size)) @ _root(k).T for k in (state.features[layer - 1], state.gradients[layer + 1])
    )
    phi, slope, curve = toy.phi
    h, z = u.copy(), r.copy()
    for _ in range(picard):
        h, z = u + (slope(h) * z) @ forward.T, r + phi(h) @ backward.T
    g = slope(h) * z
    a, b = np.zeros((size, size)), np.zeros((size, size))
    for first in range(0, paths, _TOGETHER):
        part = slice(first, first + _TOGETHER)
        of_phi, of_g = _jacobians(slope(h[part]), curve(h[part]) * z[part], forward, backward)
        a, b = a + of_phi, b + of_g
    return phi(h).T @ phi(h) / paths, g.T @ g / paths, a / paths, b / paths


def _jacobians(slope: Array, curved: Array, forward: Array, backward: Array) -> tuple[Array, Array]:
    """Return sums over paths of dphi/dr and dg/du; slope, curved = phi'(h), phi''(h) z of shape (paths, T P)."""
    one = np.eye(slope.shape[1])
    k = slope[:, :, None] * backward * slope[:, None, :] + curved[:, :, None] * one  # dg = k dh + phi' dr
    inverse = np.linalg.inv(one - forward @ k)
    return np.einsum("pi,pij->ij", slope, inverse @ (forward * slope[:, None, :])), np.sum(k @ inverse, axis=0)


def _root(kernel: Array) -> Array:
    sizes, vectors = np.linalg.eigh(kernel)
    return vectors * np.sqrt(np.maximum(sizes, 0.0))


def scaled_tanh(gain: float = 0.8):
    """Return phi = tanh(gain h)/gain and its derivatives."""

    def phi(h: Array) -> Array:
        return np.tanh(gain * h) / gain

    def slope(h: Array) -> Array:
        return 1.0 - np.tanh(gain * h) ** 2

    def curve(h: Array) -> Array:
        return -2.0 * gain * np.tanh(gain * h) * (1.0 - np.tanh(gain * h) ** 2)

    return phi, slope, curve
