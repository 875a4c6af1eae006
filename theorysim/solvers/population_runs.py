"""Runs of an ensemble of populations: what is there of it, and how it is taken further.

A run has `advance(first, steps)`, `most` (steps that one call should make, so that an interruption is heard) and
`shares()`, shape (members, n); rules in rounds have `means()` of all rounds so far as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import counters
from theorysim.errors import NotConverged
from theorysim.solvers import population_adaptive, population_flows, population_plays
from theorysim.solvers.population_blocks import Blocks

Array = NDArray[np.float64]
Payoffs = Callable[[Array], Array]
_ATTEMPTS = 100_000  # of steps between two records of the adaptive method


class Run(Protocol):
    """An ensemble on its way."""

    most: int

    def advance(self, first: int, steps: int) -> None:
        """Make some steps, the first of them with this number."""
        ...

    def shares(self) -> Array:
        """Return the shares, shape (members, n)."""
        ...


@dataclass(frozen=True)
class Setting:
    """What all runs need.

    Attributes
    ----------
    rule : str
    matrix : ndarray, shape (n, n), or None
    function : callable or None
        Payoffs, shape (members, n) to the same, instead of the matrix.
    ends : ndarray of int64, shape (populations + 1,)
    step : float
    eta, weight : float
    delay : int
    seed, purpose : int
    rtol, atol : float
    device : str
    threads : int or None
    """

    rule: str
    matrix: Array | None
    function: Payoffs | None
    ends: NDArray[np.int64]
    step: float
    eta: float = 1.0
    weight: float = 1.0
    delay: int = 1
    seed: int = 0
    purpose: int = 0
    rtol: float = 1e-8
    atol: float = 1e-10
    device: str = "cpu"
    threads: int | None = None


class FixedSteps:
    """A flow in steps of one size."""

    def __init__(self, setting: Setting, method: str, shares: Array) -> None:
        n, many = shares.shape[1], len(setting.ends) - 1
        rows = population_flows.ROWS * n + population_flows.SPARE
        self.blocks, self.setting = Blocks(shares, rows, setting.device, setting.threads), setting
        self.march = population_flows.march(setting.rule, method, n, many, self.blocks.blas)
        self.grid = partial(population_flows.grid, setting.rule, method, n, many)
        self.most = self.blocks.most(population_flows.STAGES[method])

    def advance(self, first: int, steps: int) -> None:
        s = self.setting
        self.blocks.run(self.march, self.grid, (steps, s.step), (s.matrix, s.ends, s.eta))

    def shares(self) -> Array:
        return self.blocks.rows(0, self.blocks.n)


class OwnSteps:
    """A flow in which every member has its own step size; one step of the run is a stretch of time."""

    def __init__(self, setting: Setting, shares: Array) -> None:
        n = shares.shape[1]
        rows = population_adaptive.ROWS * n + population_adaptive.SCALARS
        self.blocks, self.setting, self.most = Blocks(shares, rows, setting.device, setting.threads), setting, 1 << 30
        self.march = population_adaptive.march(setting.rule, self.blocks.blas)
        self.grid = partial(population_adaptive.grid, setting.rule)
        self.left = population_adaptive.ROWS * n + population_adaptive.LEFT
        self.blocks.z[:, population_adaptive.ROWS * n + population_adaptive.SIZE] = min(setting.step, 1e-3)
        self.fresh = True

    def advance(self, first: int, steps: int) -> None:
        """Let all members take the time of `steps` steps.

        Raises
        ------
        NotConverged
            If a member needs more than 100,000 steps for it.
        """
        s, z = self.setting, self.blocks.z
        z[:, self.left] = steps * s.step
        chunk = min(self.blocks.most(7), _ATTEMPTS)
        for _ in range(-(-_ATTEMPTS // chunk)):
            after = (population_adaptive.TABLE, s.matrix, s.ends, s.eta, self.fresh)
            self.blocks.run(self.march, self.grid, (chunk, s.rtol, s.atol), after)
            self.fresh = False
            if not np.any(z[:, self.left] > 0.0):
                return
        raise NotConverged("games.simulate", _ATTEMPTS, float(z[:, self.left].max()), "a larger rtol, or rk4")

    def shares(self) -> Array:
        return self.blocks.rows(0, self.blocks.n)


class Rounds:
    """A rule in rounds."""

    def __init__(self, setting: Setting, shares: Array) -> None:
        n = shares.shape[1]
        rows = (3 + memory(setting)) * n + population_plays.SPARE
        self.blocks, self.setting = Blocks(shares, rows, setting.device, setting.threads), setting
        self.blocks.z[:, 2 * n : 3 * n] = self.blocks.z[:, :n]
        self.march = population_plays.march(setting.rule, self.blocks.blas)
        self.grid = partial(population_plays.grid, setting.rule)
        self.most = self.blocks.most(2)

    def advance(self, first: int, steps: int) -> None:
        s = self.setting
        after = (s.matrix, s.ends, s.step, s.eta, s.weight, s.delay)
        self.blocks.run(self.march, self.grid, (first, steps, *_words(s)), after)

    def shares(self) -> Array:
        return self.blocks.rows(0, self.blocks.n)

    def means(self) -> Array:
        return self.blocks.rows(2 * self.blocks.n, self.blocks.n)


def memory(setting: Setting) -> int:
    """Return how many rows for each strategy a rule remembers."""
    return setting.delay + 1 if setting.rule == "delayed-best-response" else 1


def _words(setting: Setting) -> tuple[Any, ...]:
    return counters(setting.seed, 0, 0, setting.purpose)[2:]


@dataclass
class CalledFlow:
    """A flow whose payoffs are a function, in steps of one size."""

    setting: Setting
    method: str
    x: Array
    most: int = 100
    rows: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.rows = np.zeros((3 * self.x.shape[1] + 2, len(self.x)))

    def velocity(self, x: Array) -> Array:
        """Return x', shape (members, n)."""
        s, n = self.setting, x.shape[1]
        assert s.function is not None
        self.rows[:n], self.rows[n : 2 * n] = x.T, s.function(x).T
        population_flows.velocity(s.rule)(self.rows.reshape(-1), len(x), s.ends, s.eta)
        return self.rows[2 * n : 3 * n].T.copy()

    def advance(self, first: int, steps: int) -> None:
        h = self.setting.step
        for _ in range(steps):
            k1 = self.velocity(self.x)
            move = k1
            if self.method == "rk4":
                k2 = self.velocity(self.x + 0.5 * h * k1)
                k3 = self.velocity(self.x + 0.5 * h * k2)
                move = (k1 + 2.0 * (k2 + k3) + self.velocity(self.x + h * k3)) / 6.0
            self.x = self.x + h * move
            if self.setting.rule == "projection":
                settled = np.ascontiguousarray(self.x.T)
                population_flows.settled(settled.reshape(-1), len(self.x), self.setting.ends)
                self.x = settled.T.copy()

    def shares(self) -> Array:
        return self.x.copy()


class CalledRounds:
    """A rule in rounds whose payoffs are a function."""

    def __init__(self, setting: Setting, shares: Array) -> None:
        members, n = shares.shape
        self.setting, self.n, self.most = setting, n, 100
        self.rows = np.zeros(((3 + memory(setting)) * n + population_plays.SPARE, members))
        self.rows[:n] = self.rows[2 * n : 3 * n] = shares.T

    def advance(self, first: int, steps: int) -> None:
        s, n, members = self.setting, self.n, self.rows.shape[1]
        assert s.function is not None
        march, words, nothing = population_plays.march(s.rule, False), _words(s), np.zeros((0, 0))
        for k in range(first, first + steps):
            self.rows[n : 2 * n] = s.function(np.ascontiguousarray(self.rows[:n].T)).T
            rows = self.rows.reshape(1, -1)
            march(0, 1, members, k, 1, *words, rows, nothing, s.ends, s.step, s.eta, s.weight, s.delay)

    def shares(self) -> Array:
        return self.rows[: self.n].T.copy()

    def means(self) -> Array:
        return self.rows[2 * self.n : 3 * self.n].T.copy()


def run_of(setting: Setting, method: str, shares: Array) -> Run:
    """Return a run from shares of shape (members, n); `method`: "rk4", "euler", "adaptive", or "rounds"."""
    if setting.function is not None:
        return CalledRounds(setting, shares) if method == "rounds" else CalledFlow(setting, method, shares.copy())
    if method == "rounds":
        return Rounds(setting, shares)
    return OwnSteps(setting, shares) if method == "adaptive" else FixedSteps(setting, method, shares)
