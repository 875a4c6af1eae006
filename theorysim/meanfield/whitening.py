"""A random weight matrix between two populations, known only where it has acted: whitened directions on both sides.

    W(0) = std sum_i upper_i lower_i^T / S

over directions i of two kinds. Forward: lower_i is a direction of features phi below, upper_i the fresh normal
vector that W makes of it. Backward: upper_i is a direction of gradients g above, lower_i what W^T makes of it. The
coefficient <lower_i phi> of a feature is a covariance for the first kind; for the second it is, by Stein's lemma,
the response of phi to the noise that it received from above. So W(0) phi = noise + response and W(0)^T g alike,
without a Jacobian. What training adds, sum_s g(s) Delta(s) phi(s)^T, lives on the same directions: a small matrix.

With n' neurons above n, ratio = n'/n: W entries have variance std^2/n, so that the vectors made of upper directions
are larger by sqrt(ratio).

Proof: derivations/march.py (`stein`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import POPULATIONS
from theorysim.meanfield.deviation import Deviation, Rule
from theorysim.solvers.gaussian_process import Rows, Span, directions, standard_normals

Array = NDArray[np.float64]
SPARE = 1 << 20  # numbers of directions that are drawn for an evaluation and forgotten


@dataclass(frozen=True)
class Noise:
    """Where random numbers come from: the key of a run and the stream of a replica."""

    seed: int
    stream: int

    def draw(self, place: int, rows: int, samples: int, first: int = 0) -> Array:
        """Return standard normals, shape (rows, samples), of one place of the network."""
        purpose = POPULATIONS + place
        return standard_normals((rows, samples), seed=self.seed, stream=self.stream, purpose=purpose, first=first)


class Side:
    """One side of the matrix: its vectors there, one for each direction, and the span of all noise and directions."""

    def __init__(self, span: Span, place: int) -> None:
        self.span, self.place, self.rows = span, place, Rows(span.samples)


class Coupling:
    """The weights between two hidden layers.

    Parameters
    ----------
    below, above : Span
        Of the two populations.
    number : int
        Of the matrix: the key of its random numbers.
    std, ratio : float
    noise : Noise
    tolerance : float
        Share of the variance of a feature that may be dropped.
    """

    def __init__(
        self, below: Span, above: Span, number: int, *, std: float, ratio: float, noise: Noise, tolerance: float
    ) -> None:
        self.lower, self.upper = Side(below, 2 * number), Side(above, 2 * number + 1)
        self.std, self.ratio, self.noise, self.tolerance = std, ratio, noise, tolerance
        self.forward = np.zeros(0, bool)
        self.learnt = Deviation((0, 0))

    @property
    def rank(self) -> int:
        """Number of directions."""
        return len(self.forward)

    def of_features(self, phi: Array) -> Array:
        """Return the coefficients of features, shape (n, rank); new features make new directions."""
        return self._coefficients(phi, self.lower, self.upper, True)

    def of_gradients(self, g: Array) -> Array:
        """Return the coefficients of gradients, shape (n, rank); new gradients make new directions."""
        return self._coefficients(g, self.upper, self.lower, False)

    def _coefficients(self, rows: Array, own: Side, other: Side, forward: bool) -> Array:
        samples = rows.shape[1]
        found = rows @ own.rows.values.T / samples
        covariances = np.where(self.forward == forward, found, 0.0)
        new, added = directions(rows, own.rows.values, covariances, self.tolerance)
        if not len(new):
            return np.asarray(found)
        own.span.include(new)
        made = other.span.fresh(self.noise.draw(other.place, len(new), samples, self.rank))
        own.rows.append(new)
        other.rows.append(made)
        self.forward = np.append(self.forward, np.full(len(new), forward))
        return np.concatenate([found, added], axis=1)

    def up(self, coefficients: Array, start: Array, learnt: Array) -> Array:
        """Return W phi, shape (n, S).

        Parameters
        ----------
        coefficients : ndarray, shape (n, rank)
        start, learnt : ndarray, shape (n,)
            What each row sees of W(0) and of what was learnt.
        """
        direct = np.where(self.forward, self.std, self.std / np.sqrt(self.ratio))
        mixed = start[:, None] * coefficients * direct + learnt[:, None] * coefficients @ self._memory.T
        return np.asarray(mixed @ self.upper.rows.values)

    def of_pairs(self, phi: Array, start: Array, learnt: Array) -> Array:
        """Return W phi of inputs seen twice, all of them first one way and then the other, shape (2 n, S).

        What features have outside the directions meets two fresh vectors, the same for all inputs: each pair has the
        right law, different inputs together have not. No direction is made.
        """
        samples, half = phi.shape[1], len(phi) // 2
        coefficients = phi @ self.lower.rows.values.T / samples
        known = np.where(self.forward, coefficients, 0.0)
        (now, then), (known_now, known_then) = np.split(phi, 2), np.split(known, 2)
        own = np.sqrt(_rest(then, then, known_then, known_then))
        shared = np.where(own > 0.0, _rest(now, then, known_now, known_then) / np.where(own > 0.0, own, 1.0), 0.0)
        alone = np.sqrt(np.maximum(_rest(now, now, known_now, known_now) - shared**2, 0.0))
        spread = np.zeros((2 * half, 2))
        spread[:half, 0], spread[:half, 1], spread[half:, 0] = shared, alone, own
        h = self.up(coefficients, start, learnt)
        h += (self.std * start[:, None] * spread) @ self._spare(samples)
        return h

    def _spare(self, samples: int) -> Array:
        """Return two normal vectors outside everything known above."""
        drawn = self.upper.span.outside(self.noise.draw(self.upper.place, 2, samples, SPARE))
        return np.asarray(drawn / np.sqrt(np.mean(drawn**2, axis=1, keepdims=True)))

    def down(self, coefficients: Array, start: float) -> Array:
        """Return W^T g, shape (n, S)."""
        direct = start * np.where(self.forward, self.std * self.ratio, self.std * np.sqrt(self.ratio))
        mixed = coefficients * direct + self.ratio * coefficients @ self._memory
        return np.asarray(mixed @ self.lower.rows.values)

    def learn(self, of_gradients: Array, of_features: Array, rule: Rule) -> None:
        """Take a step along sum g phi^T; the coefficients of g carry its weights."""
        g = np.where(self.forward, 0.0, of_gradients)
        phi = np.zeros_like(g)  # directions that came after the features are of the other kind
        phi[:, : of_features.shape[1]] = np.where(self.forward[: of_features.shape[1]], of_features, 0.0)
        self.learnt.advance(g.T @ phi, rule)

    @property
    def _memory(self) -> Array:
        return self.learnt.grown((self.rank, self.rank))

    def mark(self) -> tuple[int, ...]:
        """Return what `release` needs to forget all directions that come later."""
        return self.rank, *(side.span.rows.count for side in (self.lower, self.upper))

    def release(self, mark: tuple[int, ...]) -> None:
        """Forget all directions since the mark; nothing may have been learnt in between."""
        rank, *counts = mark
        self.forward = self.forward[:rank]
        for side, count in zip((self.lower, self.upper), counts, strict=True):
            side.rows.count, side.span.rows.count = rank, count
        self.learnt.shrink((rank, rank))


def _rest(one: Array, other: Array, known: Array, known_other: Array) -> Array:
    """Return <one other> outside the known directions, row by row, not below zero where the two are the same."""
    rest: Array = np.einsum("is,is->i", one, other) / one.shape[1] - np.einsum("ik,ik->i", known, known_other)
    return np.maximum(rest, 0.0) if one is other else rest
