"""Covariance that minibatches add to infinitely wide networks: the exact second-moment recursion.

In dual coordinates a (outputs move by Theta a) one step with noise reads, mode by mode,

    u' = beta u + x a + xi,   a' = a - eta (lead (x a + xi) + look u'),   x = kappa (w + ridge)
    E xi xi^T = kappa^2 s [P diag(C) - C],   C = E r r^T,   s = (P-B)/(B(P-1)) or 1/B

so every pair of modes evolves alone but for V = U^T diag(C) U. V is evaluated at nodes and is linear between
them; with a node at every step the recursion is exact. Elsewhere products of matrices are in single precision, a
thousand times finer than the nodes. Modes whose noise cannot matter are left out.

Valid    squared loss; sampling "subset" or "replacement".
Sources  proof by enumeration of all batches: derivations/descent.py (second moments).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import mirrored, single_thread
from theorysim.equations.descent import replacement_noise, subset_noise
from theorysim.infinite.ensemble import train_law
from theorysim.infinite.filters import filter_of
from theorysim.infinite.modes import Modes
from theorysim.infinite.noise_steps import ROOM, row, row_at_once
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
NEGLECTED = 1e-4  # share of the batch noise that the omitted modes may carry
EXACT_STEPS = 64  # up to this many steps every step is a node
DECAY = 0.28  # a node at the latest where the mean squared residual has changed by this share
NODE_ERROR = DECAY**2 / 4  # of the noise: twice that of a line, as V at a node is that of a predicted state


def noise_strength(optimizer: SGD, samples: int) -> float:
    """Return s: gradient covariance of a batch over that of one sample (0 for full batches)."""
    if optimizer.batch is None:
        return 0.0
    if optimizer.sampling == "replacement":
        return replacement_noise(optimizer.batch)
    return subset_noise(samples, optimizer.batch)


def leading_modes(modes: Modes, optimizer: SGD, kappa: float, total: int) -> int:
    """Return K, the number of leading modes that carry all but the share NEGLECTED of the batch noise."""
    values = modes.eigenvalues
    rate = 2 * kappa * values * float(np.max(optimizer.step_sizes(total)))
    weight = np.maximum(values**2 / modes.samples, np.mean(modes.cross**2, axis=1) if modes.cross.size else 0.0)
    power = weight / np.maximum(rate, 1.0 / total)
    rest = np.cumsum(power[::-1])[::-1]
    return int(np.count_nonzero(rest > NEGLECTED * rest[0]))


@dataclass(eq=False)
class BatchNoise:
    """State of the recursion for K modes: covariances of (a, u) pairs, all (K, K).

    `advance` is the only mutation; a fresh state is all zeros (batches have not been drawn yet).
    """

    modes: Modes
    optimizer: SGD
    kappa: float
    target: Array
    total: int
    strength: float
    keep: int
    kind: Any = np.float64
    aa: Array = field(init=False)
    au: Array = field(init=False)
    ua: Array = field(init=False)
    uu: Array = field(init=False)

    def __post_init__(self) -> None:
        self.aa, self.au, self.ua, self.uu = np.zeros((4, self.keep, self.keep))
        wanted = self.modes.vectors.T @ self.target
        start = self.modes.prior + wanted @ wanted.T / self.target.shape[1]
        self.power = np.diagonal(start).copy()  # E r^2 of all modes at the start
        self._start = np.ascontiguousarray(start[: self.keep, : self.keep])
        self._values = np.ascontiguousarray(self.modes.eigenvalues[: self.keep])
        self._vectors = np.ascontiguousarray(self.modes.vectors[:, : self.keep], self.kind)
        self._used = self.modes.rounded() if self.kind is np.float32 else self.modes
        self._pull = np.zeros_like(self.aa)
        self._node: Array | None = None
        self.seen: dict[int, Array] = {}

    def residual(self, steps: Array, keep: int | None = None) -> Array:
        """Return the residual of the leading modes at given steps."""
        values = self.modes.eigenvalues[:keep]
        response = filter_of(self.optimizer, values, self.kappa, steps, self.total)
        return response.residual(values, self.optimizer.ridge)

    @property
    def covariance(self) -> Array:
        """The covariance of the dual coordinates, as precise as the products with it should be."""
        return np.asarray(mirrored(self.aa.astype(self.kind)))

    def second_moment(self, step: int) -> Array:
        """Return E r^2 of each training sample at a step, averaged over outputs, batch noise included."""
        law = train_law(self._used, self.residual(np.array([step], float))[0], self.target, self.covariance)
        return np.mean((law.mean - self.target) ** 2, axis=1) + law.std**2  # type: ignore[no-any-return]

    def advance(self, first: int, last: int, stops: Steps) -> Iterator[tuple[int, Array]]:
        """Move the state from node `first` to node `last`; yield each of the `stops` on the way and its covariance.

        V is predicted at the next node, and corrected once.
        """
        inside = stops[(stops > first) & (stops < last)]
        if last > first + 1 and not len(inside) and self._at_once(first, last):
            self._leap(first, last)
            yield from ((int(stop), self.covariance) for stop in stops)
            return
        before = self._turned(first) if self._node is None else self._node
        after = before
        if last > first + 1:  # V at the first step is all that one step needs
            saved = [a.copy() for a in self._moved]
            self._block(first, last, (first, last), before, before)
            after = self._turned(last)
            for array, values in zip(self._moved, saved, strict=True):
                array[...] = values
        for low, high in pairwise(np.unique(np.concatenate([[first], stops, [last]]))):
            self._block(int(low), int(high), (first, last), before, after)
            if high in stops:
                yield int(high), self.covariance
        self._node = self._turned(last) if last == first + 1 else after

    def _leap(self, first: int, last: int) -> None:
        """Move from node to node at once: the state is linear in V at the later node."""
        before = self._turned(first) if self._node is None else self._node
        self._block(first, last, (first, last), before, before)
        self._node = self._turned(last)
        self.aa += self._pull * (self._node - before)

    @property
    def _moved(self) -> tuple[Array, ...]:
        """The arrays that steps change: without momentum only one."""
        return (self.aa, self.au, self.ua, self.uu) if self.optimizer.momentum else (self.aa,)

    def _at_once(self, first: int, last: int) -> bool:
        """Whether the steps are equal, without momentum and ridge: they then cost the logarithm of their number."""
        sizes = np.asarray(self.optimizer.step_sizes(self.total), float)[first:last]
        return self.optimizer.momentum == 0.0 and self.optimizer.ridge == 0.0 and bool(np.all(sizes == sizes[0]))

    def _turned(self, step: int) -> Array:
        """Return V = U^T diag(second moment) U of the leading modes at a step."""
        self.seen = {step: self.second_moment(step)}
        weighted = np.sqrt(self.seen[step]).astype(self.kind)[:, None] * self._vectors
        with single_thread():
            return np.asarray(weighted.T @ weighted, float)

    def _block(self, first: int, last: int, nodes: tuple[int, int], before: Array, after: Array) -> None:
        """Step from `first` to `last`, with V between its values at the two nodes."""
        opt = self.optimizer
        steps = np.arange(first, last, dtype=float)
        sizes = np.ascontiguousarray(np.asarray(opt.step_sizes(self.total), float)[first:last])
        lead, look = (1.0, opt.momentum) if opt.nesterov else (0.0, 1.0)
        plain = self._at_once(first, last)
        left = np.ascontiguousarray(self.residual(steps[:1] if plain else steps, self.keep))
        span = 1.0 / (nodes[1] - nodes[0])
        numbers = (self.kappa, opt.ridge, opt.momentum, lead, look, self.strength, self.modes.samples,
                   (first - nodes[0]) * span, span)  # fmt: skip
        given = (self._values, left, sizes, np.array(numbers), before, after, self._start)
        if plain:
            foreach(row_at_once, self.keep, *given, np.empty((self.keep, ROOM)), self.aa, self._pull)
        else:
            foreach(row, self.keep, *given, self.aa, self.au, self.ua, self.uu)


def nodes_of(noise: BatchNoise, recorded: Steps) -> Steps:
    """Return the steps at which V is evaluated: all of a short run, else wherever the residual has changed.

    Recorded steps are preferred: the state has to be known there anyway.
    """
    last = int(recorded[-1])
    if last <= EXACT_STEPS:
        return np.arange(last + 1)
    trial = np.unique(np.concatenate([np.arange(16), np.geomspace(1, last, 1000).astype(int), recorded]))
    parts = np.array_split(trial, 1 + len(trial) // 256)
    power = np.concatenate([noise.residual(part.astype(float)) ** 2 @ noise.power for part in parts])
    level = np.cumsum(np.abs(np.diff(np.log(power + 1e-300), prepend=np.log(power[0] + 1e-300)))) / DECAY
    wanted, nodes = np.isin(trial, recorded), [0]
    while nodes[-1] < len(trial) - 1:
        here = nodes[-1]
        far = max(here + 1, int(np.searchsorted(level, level[here] + 1.0, side="right")) - 1)
        near = max(here + 1, int(np.searchsorted(level, level[here] + 0.5)))
        stops = np.flatnonzero(wanted[near : far + 1])
        nodes.append(near + int(stops[-1]) if len(stops) else far)
    return trial[nodes]


def noise_covariances(
    modes: Modes, optimizer: SGD, kappa: float, target: Array, recorded: Steps, total: int
) -> Iterator[tuple[Array, Array | None]]:
    """Yield the covariance of the dual coordinates of the leading modes at each recorded step, (K, K).

    In single precision where the recursion is not exact. Beside it, at a node: the second moment of the residuals,
    (P,), as exact as nodes are.

    Parameters
    ----------
    modes : Modes
    optimizer : SGD
        With `batch`; sampling "subset" or "replacement".
    kappa : float
        1/(P C).
    target : ndarray, shape (P, C)
    recorded : ndarray of int, shape (steps,)
        Ascending, starting at 0.
    total : int
        Steps of the whole run.
    """
    keep = leading_modes(modes, optimizer, kappa, total)
    strength = noise_strength(optimizer, modes.samples)
    kind = np.float64 if recorded[-1] <= EXACT_STEPS else np.float32
    state = BatchNoise(modes, optimizer, kappa, target, total, strength, keep, kind)
    if recorded[0] == 0:
        yield state.covariance, None
    for low, high in pairwise(nodes_of(state, recorded)):
        inside = recorded[(recorded > low) & (recorded <= high)]
        for step, covariance in state.advance(int(low), int(high), inside):
            yield covariance, state.seen.get(step)
