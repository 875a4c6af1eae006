"""Linear stochastic systems with noise that is linear in second moments: recursions and diffusions, moments exact.

    recursion   z' = T z + N xi(G z),         M' = T M T^T + s N C(G M G^T) N^T
    diffusion   dz = L z dk + N sqrt(C) dW,   dM/dk = L M + M L^T + s N C(G M G^T) N^T,   k in steps

z ends with a constant 1; G z = (x, 1) is where the gradient is taken; C is the covariance of one sample's gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.sparse.linalg
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread

Array = NDArray[np.float64]
Noise = Callable[[Array], Array]  # E (x, 1)(x, 1)^T -> covariance of a gradient
DENSE = 400
"""Independent entries of a moment up to which their generator is a dense matrix."""
TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Linear:
    """What recursions and diffusions share.

    Attributes
    ----------
    matrix : ndarray, shape (m, m)
        T or L; the last row keeps the constant.
    kick : ndarray, shape (m, d)
        N.
    look : ndarray, shape (d + 1, m)
        G.
    noise : callable
        C.
    strength : float
        s.
    """

    matrix: Array
    kick: Array
    look: Array
    noise: Noise
    strength: float

    def spread(self, moment: Array) -> Array:
        """Return s N C(G M G^T) N^T."""
        if self.strength == 0.0:
            return np.zeros_like(moment)
        return np.asarray(self.strength * self.kick @ self.noise(self.look @ moment @ self.look.T) @ self.kick.T)

    def operator(self, change: Callable[[Array], Array]) -> Array:
        """Return the matrix of a linear map of symmetric matrices, on the entries of their upper triangle."""
        size = len(self.matrix)
        rows, columns = np.triu_indices(size)
        matrix = np.empty((len(rows), len(rows)))
        for k, (i, j) in enumerate(zip(rows, columns, strict=True)):
            unit = np.zeros((size, size))
            unit[i, j] = unit[j, i] = 1.0
            matrix[:, k] = change(unit)[rows, columns]
        return matrix


class Recursion(Linear):
    """A discrete algorithm."""

    def step(self, moment: Array) -> Array:
        """Return the second moment after one step."""
        return np.asarray(self.matrix @ moment @ self.matrix.T + self.spread(moment))

    def moments(self, start: Array, record: Sequence[int]) -> Iterator[Array]:
        """Yield the second moment at the recorded steps (ascending)."""
        moment, done = start, 0
        with single_thread(), np.errstate(over="ignore", invalid="ignore"):
            for stop in record:
                for _ in range(stop - done):
                    moment = self.step(moment)
                done = stop
                yield moment

    def growth(self) -> float:
        """Return the spectral radius of the second moment without its constant part: stable below 1."""
        return float(np.abs(_eigenvalues(self, self.step)).max())


class Diffusion(Linear):
    """A stochastic differential equation; time in steps of the algorithm."""

    def slope(self, moment: Array) -> Array:
        """Return dM/dk."""
        half = self.matrix @ moment
        return np.asarray(half + half.T + self.spread(moment))

    def moments(self, start: Array, record: Sequence[int]) -> Iterator[Array]:
        """Yield the second moment at the recorded times (ascending), in steps."""
        size = len(self.matrix)
        solve = self._exponential if size * (size + 1) // 2 <= DENSE else self._integrated
        with single_thread():
            yield from solve(start, record)

    def _exponential(self, start: Array, record: Sequence[int]) -> Iterator[Array]:
        upper = np.triu_indices(len(self.matrix))
        generator = self.operator(self.slope)
        for time in record:
            found = np.zeros_like(start)
            found[upper] = scipy.linalg.expm(time * generator) @ start[upper]
            yield found + np.triu(found, 1).T

    def _integrated(self, start: Array, record: Sequence[int]) -> Iterator[Array]:
        shape = start.shape

        def slope(time: float, flat: Array) -> Array:
            return self.slope(flat.reshape(shape)).ravel()

        moment, done = start, 0.0
        for time in record:
            if time > done:
                moment = integrated(slope, moment.ravel(), done, float(time)).reshape(shape)
                done = float(time)
            yield moment

    def growth(self) -> float:
        """Return the largest real part of the generator's spectrum without its constant part: stable below 0."""
        return float(_eigenvalues(self, self.slope).real.max())


def integrated(slope: Callable[[float, Array], Array], start: Array, begin: float, end: float) -> Array:
    """Return the solution of an ordinary differential equation at `end`, to twelve digits.

    Raises
    ------
    FloatingPointError
        If it blows up.
    """
    scale = max(float(np.abs(start).max()), 1e-300)
    with np.errstate(over="ignore", invalid="ignore"):
        found: Any = scipy.integrate.solve_ivp(
            slope, (begin, end), start, method="DOP853", rtol=TOLERANCE, atol=TOLERANCE * scale
        )
    if not found.success or not np.all(np.isfinite(found.y[:, -1])):
        raise FloatingPointError("sde: the moments are not finite; the equation is unstable at this learning rate")
    return np.asarray(found.y[:, -1])


def _eigenvalues(system: Linear, change: Callable[[Array], Array]) -> NDArray[np.complex128]:
    """Return the spectrum of the map of second moments whose constant part is zero."""
    size = len(system.matrix)
    free = np.triu_indices(size)[1] < size - 1
    matrix = system.operator(change)[np.ix_(free, free)]
    return np.asarray(np.linalg.eigvals(matrix), np.complex128)


def stationary(system: Recursion | Diffusion) -> Array:
    """Return the stationary second moment (constant part 1), shape (m, m).

    Raises
    ------
    numpy.linalg.LinAlgError
        If there is none.
    """
    size = len(system.matrix)
    rows, columns = np.triu_indices(size)
    free = ~((rows == size - 1) & (columns == size - 1))
    change = system.step if isinstance(system, Recursion) else system.slope
    matrix = system.operator(change)
    if isinstance(system, Recursion):
        matrix = matrix - np.eye(len(matrix))
    upper = np.ones(len(rows))
    upper[free] = np.linalg.solve(matrix[np.ix_(free, free)], -matrix[free, -1])
    found = np.zeros((size, size))
    found[rows, columns] = upper
    return np.asarray(found + np.triu(found, 1).T)
