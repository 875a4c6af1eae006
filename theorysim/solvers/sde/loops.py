"""Some steps of groups of paths, the noise made where it is used: compiled for threads, and as the body of a CUDA grid.

Not `prange`: the compiler would then work through all of it again twice, for seconds at each new equation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from theorysim.backend.bits import wide_vectors
from theorysim.backend.compile import body, compiled
from theorysim.solvers.sde import scalar_steps, vector_steps
from theorysim.solvers.sde.additive_steps import mix
from theorysim.solvers.sde.equation import Equation
from theorysim.solvers.sde.noise import filling

_COMMON = "int64, int64, float64, float64, float64, float64, int64, int64, boolean, uint64, uint64, "
_SINGLE = _COMMON + "float64[::1], float64[:,:,::1], float64[::1]"
_SEVERAL = _COMMON + (
    "float64[:,::1], float64[:,:,::1], float64[:,:,::1], float64[::1], float64[:,:,::1], float64[:,:,:,::1], "
    "float64[:,:,::1]"
)


@lru_cache(maxsize=256)
def one_component(code: tuple[Any, ...], scheme: str, law: str) -> Any:
    """Return the loop over groups for one component and one noise.

    Arguments: first group and the one after the last; lanes of a group; the path in lane 0 of group 0; t, dt, scale of
    the noise, alpha; first step, number of steps, whether the chunk of the first one must be made anew; the words of
    the seed; x of shape (lanes of all groups,), noise (4, 1, lanes of all groups and some), constants.
    """
    step, fill = scalar_steps.STEPS[scheme](*code), filling(law)

    @compiled
    def advance(
        begin: int, end: int, lanes: int, path: int, t: float, h: float, root: float, alpha: float, first: int,
        steps: int, anew: bool, k0: Any, k1: Any, x: Any, noise: Any, constants: Any,
    ) -> None:  # fmt: skip
        wide_vectors()
        for i in range(begin, end):
            lo, hi = i * lanes, i * lanes + lanes
            mine = x[lo:hi]
            for s in range(first, first + steps):
                if s % 4 == 0 or (anew and s == first):
                    fill(noise, lo, hi, path, s // 4, 0, alpha, k0, k1)
                now, w = t + (s - first) * h, noise[s % 4, 0, lo:hi]
                for p in range(lanes):
                    mine[p] = step(now, h, root, mine[p], w[p], constants)

    return advance


@lru_cache(maxsize=256)
def several_components(code: tuple[Any, ...], kind: str, scheme: str, law: str) -> Any:
    """Return the loop over groups for several components.

    As above, with x of shape (lanes of all groups, d); noise and signs (4, m or m - 1 or 0, lanes of all groups and
    some); rows, squares and matrices to work in, one set for each group.
    """
    pieces = vector_steps.parts(code, kind)
    if kind == "additive":
        return _additive_components(pieces, scheme, law)
    step, fill, fill_signs = vector_steps.step_of(pieces, scheme), filling(law), filling("two")

    @compiled
    def advance(
        begin: int, end: int, lanes: int, path: int, t: float, h: float, root: float, alpha: float, first: int,
        steps: int, anew: bool, k0: Any, k1: Any, x: Any, noise: Any, signs: Any, constants: Any, rows: Any,
        squares: Any, matrices: Any,
    ) -> None:  # fmt: skip
        for i in range(begin, end):
            lo, hi = i * lanes, i * lanes + lanes
            for s in range(first, first + steps):
                if s % 4 == 0 or (anew and s == first):
                    fill(noise, lo, hi, path, s // 4, 0, alpha, k0, k1)
                    fill_signs(signs, lo, hi, path, s // 4, noise.shape[1], alpha, k0, k1)
                now, w, v = t + (s - first) * h, noise[s % 4], signs[s % 4]
                for p in range(lo, hi):
                    step(now, h, root, x[p], w[:, p], v[:, p], constants, rows[i], squares[i], matrices[i])

    return advance


def _additive_components(pieces: vector_steps.Parts, scheme: str, law: str) -> Any:
    """Return the loop for additive noise; `moves` (1 or 2, d, lanes of all groups and some) take the place of signs."""
    step, fill, diffusion = vector_steps.step_of(pieces, scheme), filling(law), pieces.fill

    @compiled
    def advance(
        begin: int, end: int, lanes: int, path: int, t: float, h: float, root: float, alpha: float, first: int,
        steps: int, anew: bool, k0: Any, k1: Any, x: Any, noise: Any, moves: Any, constants: Any, rows: Any,
        squares: Any, matrices: Any,
    ) -> None:  # fmt: skip
        wide_vectors()
        for i in range(begin, end):
            lo, hi = i * lanes, i * lanes + lanes
            for s in range(first, first + steps):
                if s % 4 == 0 or (anew and s == first):
                    fill(noise, lo, hi, path, s // 4, 0, alpha, k0, k1)
                now = t + (s - first) * h
                for side in range(moves.shape[0]):
                    diffusion(now + side * h, x[lo], constants, squares[i, 0])
                    mix(squares[i, 0], noise[s % 4], lo, hi, moves[side])
                w, v = moves[0], moves[moves.shape[0] - 1]
                for p in range(lo, hi):
                    step(now, h, root, x[p], w[:, p], v[:, p], constants, rows[i], squares[i], matrices[i])

    return advance


@lru_cache(maxsize=256)
def grid_of_one_component(code: tuple[Any, ...], scheme: str, law: str) -> Any:
    """Return the body of one group, for CUDA."""
    advance = one_component(code, scheme, law)

    @body(_SINGLE)
    def group(
        i: int, lanes: int, path: int, t: float, h: float, root: float, alpha: float, first: int, steps: int,
        anew: bool, k0: Any, k1: Any, x: Any, noise: Any, constants: Any,
    ) -> None:  # fmt: skip
        g = np.int64(i)
        advance(g, g + 1, lanes, path, t, h, root, alpha, first, steps, anew, k0, k1, x, noise, constants)

    return group


@lru_cache(maxsize=256)
def grid_of_several_components(code: tuple[Any, ...], kind: str, scheme: str, law: str) -> Any:
    """Return the body of one group, for CUDA."""
    advance = several_components(code, kind, scheme, law)

    @body(_SEVERAL)
    def group(
        i: int, lanes: int, path: int, t: float, h: float, root: float, alpha: float, first: int, steps: int,
        anew: bool, k0: Any, k1: Any, x: Any, noise: Any, signs: Any, constants: Any, rows: Any, squares: Any,
        matrices: Any,
    ) -> None:  # fmt: skip
        g = np.int64(i)
        advance(
            g, g + 1, lanes, path, t, h, root, alpha, first, steps, anew, k0, k1, x, noise, signs, constants, rows,
            squares, matrices,
        )  # fmt: skip

    return group


@lru_cache(maxsize=256)
def _stepping(code: tuple[Any, ...], kind: str, single: bool, scheme: str) -> Any:
    if single:
        number = scalar_steps.STEPS[scheme](*code)

        @compiled
        def each_number(
            t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any,
            matrix: Any,
        ) -> None:  # fmt: skip
            for p in range(x.shape[0]):
                x[p, 0] = number(t, h, root, x[p, 0], w[p, 0], constants)

        return each_number
    pieces = vector_steps.parts(code, kind)
    step, diffusion = vector_steps.step_of(pieces, scheme), pieces.fill

    @compiled
    def each_path_mixed(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        moves = np.zeros((2, x.shape[1], x.shape[0]))
        for side in range(2):
            diffusion(t + side * h, x[0], constants, squares[0])
            mix(squares[0], w.T, 0, x.shape[0], moves[side])
        for p in range(x.shape[0]):
            step(t, h, root, x[p], moves[0, :, p], moves[1, :, p], constants, rows, squares, matrix)

    @compiled
    def each_path(
        t: float, h: float, root: float, x: Any, w: Any, v: Any, constants: Any, rows: Any, squares: Any, matrix: Any
    ) -> None:
        for p in range(x.shape[0]):
            step(t, h, root, x[p], w[p], v[p], constants, rows, squares, matrix)

    return each_path_mixed if kind == "additive" else each_path


def stepping(equation: Equation, scheme: str) -> Any:
    """Return the compiled function that makes one step of all paths with noise that is given."""
    return _stepping(equation.code, equation.kind, equation.single, scheme)
