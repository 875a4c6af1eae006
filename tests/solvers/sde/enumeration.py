"""Exact expectations of a scheme: all values of its discrete noise, with their probabilities."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from theorysim.solvers.sde import Equation, one_step

Array = NDArray[np.float64]
Law = tuple[tuple[float, float], ...]

TWO: Law = ((-1.0, 0.5), (1.0, 0.5))
THREE: Law = ((-math.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (math.sqrt(3.0), 1 / 6))
LAWS = {"srk2": THREE}


def outcomes(noises: int, law: Law, pairs: int) -> tuple[Array, Array, Array]:
    """Return noise (n, noises), signs (n, noises - 1) and probabilities (n,); signs are 0 where there are no pairs."""
    all_ = list(itertools.product(*[law] * noises, *[TWO] * pairs))
    values = np.array([[value for value, _ in each] for each in all_])
    chances = np.array([math.prod(chance for _, chance in each) for each in all_])
    signs = values[:, noises:] if pairs else np.zeros((len(all_), noises - 1))
    return values[:, :noises], signs, chances


def second_moment(
    equation: Equation, start: Sequence[float], h: float, steps: int, scheme: str, *, pairs: int = 0
) -> Array:
    """Return E X X^T after some steps of a scheme on a linear equation without constant terms, shape (d, d)."""
    d = equation.dimension
    w, v, chance = outcomes(equation.noises, LAWS.get(scheme, TWO), pairs)
    maps = np.zeros((len(chance), d, d))
    for k in range(d):
        unit = np.zeros((len(chance), d))
        unit[:, k] = 1.0
        maps[:, :, k] = one_step(equation, unit, h, w, signs=v, scheme=scheme)
    operator = np.einsum("w,wik,wjl->ijkl", chance, maps, maps).reshape(d * d, d * d)
    return np.asarray((np.linalg.matrix_power(operator, steps) @ np.outer(start, start).ravel()).reshape(d, d))


def expectation(
    equation: Equation, start: Sequence[float], h: float, steps: int, scheme: str, f: Callable[[Array], Array],
    *, pairs: int = 0,
) -> float:  # fmt: skip
    """Return E f(X) after some steps, over all branches of the tree of outcomes."""
    w, v, chance = outcomes(equation.noises, LAWS.get(scheme, TWO), pairs)
    x, weight = np.array([start], float), np.ones(1)
    for _ in range(steps):
        n = len(chance)
        branches = np.repeat(x, n, axis=0)
        x = one_step(equation, branches, h, np.tile(w, (len(x), 1)), signs=np.tile(v, (len(x), 1)), scheme=scheme)
        weight = np.repeat(weight, n) * np.tile(chance, len(weight))
    return float(weight @ f(x))


def slope(errors: Sequence[float]) -> float:
    """Return log2 of the ratio of the errors at the two finest steps."""
    return math.log2(abs(errors[-2] / errors[-1]))
