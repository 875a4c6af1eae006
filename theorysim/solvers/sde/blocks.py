"""Paths that are advanced together: some groups of a compiled equation, or one group of `Fields`."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import single_thread
from theorysim.solvers.sde import loops, vector_steps
from theorysim.solvers.sde.equation import Equation, Fields
from theorysim.solvers.sde.noise import CHUNK, rows, words_of
from theorysim.solvers.sde.schemes import Plan

Array = NDArray[np.float64]
_WORK = 2e7  # numbers that one call makes: some tenths of a second, so that an interruption is heard
_CUDA_WORK = 4e9
_PARTS = 4
_PAD = 8  # lanes: rows of the noise a power of two apart would share their places in the cache


class Block(Protocol):
    """Some groups of paths; x has the shape (paths, dimension)."""

    x: Array

    def advance(self, t: float, h: float, first: int, steps: int, anew: bool) -> None:
        """Make some steps of size h from time t on; `anew` where the step before was not made here."""


def block_of(
    equation: Equation | Fields, plan: Plan, x: Array, *, path: int, seed: int, device: str, threads: int | None
) -> Block:
    """Return the block that starts at x, shape (paths, dimension), with the path number `path`."""
    if isinstance(equation, Fields):
        return _FieldsBlock(equation, plan, x, path, seed)
    return _CompiledBlock(equation, plan, x, path, seed, device, _threads() if threads is None else threads)


class _CompiledBlock:
    def __init__(
        self, equation: Equation, plan: Plan, x: Array, path: int, seed: int, device: str, threads: int
    ) -> None:
        self.threads = threads
        self.equation, self.path, self.x, self.cuda = equation, path, x, device == "cuda"
        self.lanes = 1 if self.cuda else equation.group
        self.groups, m, d = len(x) // self.lanes, equation.noises, equation.dimension
        self.words, self.alpha = words_of(seed), 0.0 if equation.alpha is None else equation.alpha
        work = _CUDA_WORK if self.cuda else _WORK
        self.most = max(CHUNK, int(work / (len(x) * (m + d * equation.columns))))
        noise = np.zeros((CHUNK, m, len(x) + _PAD))
        names: tuple[Any, ...] = (equation.code, plan.scheme, plan.law)
        if equation.single:
            self.loop = (loops.grid_of_one_component if self.cuda else loops.one_component)(*names)
            self.arrays: tuple[Any, ...] = (x.reshape(-1), noise, equation.constants)
            return
        names = (equation.code, equation.kind, plan.scheme, plan.law)
        self.loop = (loops.grid_of_several_components if self.cuda else loops.several_components)(*names)
        if equation.kind == "additive":
            beside = np.zeros((2 if plan.scheme in ("heun", "srk2") else 1, d, len(x) + _PAD))
        else:
            beside = np.zeros((CHUNK, m - 1 if plan.pairs else 0, len(x) + _PAD))
        self.arrays = (
            x, noise, beside, equation.constants,
            np.zeros((self.groups, vector_steps.ROWS, d)),
            np.zeros((self.groups, vector_steps.SQUARES, d, equation.columns)),
            np.zeros((self.groups, *((d, d) if plan.scheme == "implicit" else (1, 1)))),
        )  # fmt: skip

    def advance(self, t: float, h: float, first: int, steps: int, anew: bool) -> None:
        scale = _scale(self.equation, h)
        for done in range(0, steps, self.most):
            arguments = (
                self.lanes, self.path, t + done * h, h, scale, self.alpha, first + done,
                min(self.most, steps - done), anew and done == 0, *self.words, *self.arrays,
            )  # fmt: skip
            if self.cuda:
                foreach(self.loop, self.groups, *arguments, device="cuda")
            else:
                self._on_threads(arguments)

    def _on_threads(self, arguments: tuple[Any, ...]) -> None:
        threads = min(self.threads, self.groups)
        if threads == 1:
            self.loop(0, self.groups, *arguments)
            return
        parts = min(_PARTS * threads, self.groups)  # a thread that others disturb leaves its parts to the rest
        ends = [self.groups * k // parts for k in range(parts + 1)]
        futures = [_pool(threads).submit(self.loop, a, b, *arguments) for a, b in pairwise(ends)]
        for future in futures:
            future.result()


def _threads() -> int:
    """Return the number of threads: NUMBA_NUM_THREADS, as for all compiled code here, else the cores we may use."""
    chosen = os.environ.get("NUMBA_NUM_THREADS")
    if chosen:
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


class _FieldsBlock:
    def __init__(self, fields: Fields, plan: Plan, x: Array, path: int, seed: int) -> None:
        self.fields, self.plan, self.x, self.path = fields, plan, x, path
        self.words, self.alpha = words_of(seed), 0.0 if fields.alpha is None else fields.alpha
        self.fill, self.noise = rows(plan.law), np.zeros((CHUNK, len(x), fields.noises))

    def advance(self, t: float, h: float, first: int, steps: int, anew: bool) -> None:
        root, change = _scale(self.fields, h), self.fields.change
        with single_thread():
            for s in range(first, first + steps):
                if s % CHUNK == 0 or (anew and s == first):
                    self.fill(self.noise, self.path, s // CHUNK, self.alpha, *self.words)
                now, w = t + (s - first) * h, root * self.noise[s % CHUNK]
                move = change(now, self.x, h, w)
                if self.plan.scheme == "heun":
                    move = 0.5 * (move + change(now + h, self.x + move, h, w))
                self.x = self.x + move


def _scale(equation: Equation | Fields, h: float) -> float:
    return math.sqrt(h) if equation.alpha is None else float(h ** (1.0 / equation.alpha))
