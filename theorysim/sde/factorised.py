"""Models that are linear in their inputs and not in their parameters: diagonal linear networks, matrix factorisation.

    diagonal network       F_i = a_i . (u o u - v o v),   state (u, v)
    matrix factorisation   F_(jk) = (U V^T)_jk,           state (U, V), samples = observed entries (j, k)

Limit    none: exact gradients and Hessian products.
Valid    loss "mse" (half the mean over samples).
Error    rounding.
Sources  diagonal networks as in [Woodworth2020].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.data import Data
from theorysim.problem.validation import shown
from theorysim.sde.finite_sums import FiniteSum, Rows
from theorysim.sde.linear_models import checked_decay, labelled_samples
from theorysim.sde.pointwise import POINTWISE

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Diagonal:
    """F = A (u^2 - v^2), A of shape (n, p)."""

    rows: Array

    @property
    def dimension(self) -> int:
        """Number of parameters, 2 p."""
        return 2 * int(self.rows.shape[1])

    def _sign(self) -> Array:
        return np.repeat([1.0, -1.0], self.rows.shape[1])

    def forward(self, x: Array, rows: Rows | None) -> tuple[Array, Any]:
        """Return outputs (paths, B, 1); the tape is (x, rows of A)."""
        p = self.rows.shape[1]
        w = x[:, :p] ** 2 - x[:, p:] ** 2
        if rows is None:
            return (w @ self.rows.T)[:, :, None], (x, self.rows)
        chosen = self.rows[rows]
        return chosen @ w[:, :, None], (x, chosen)

    def backward(self, tape: Any, d: Array) -> Array:
        """Return 2 x o (A^T d, -A^T d)."""
        x, a = tape
        return np.asarray(2.0 * x * self._sign() * np.tile(_along(a, d), 2))

    def squares(self, tape: Any, d: Array) -> Array:
        """Return 4 x^2 o ((A o A)^T d^2, the same)."""
        x, a = tape
        return np.asarray(4.0 * x * x * np.tile(_along(a * a, d * d), 2))

    def tangent(self, tape: Any, v: Array) -> Array:
        """Return A (2 u du - 2 v dv)."""
        x, a = tape
        p = a.shape[-1]
        moved = 2.0 * x * v
        change = moved[:, :p] - moved[:, p:]
        return np.asarray((change @ a.T)[:, :, None] if a.ndim == 2 else a @ change[:, :, None])

    def bend(self, tape: Any, d: Array, v: Array) -> Array:
        """Return 2 (A^T d, -A^T d) o v."""
        return np.asarray(2.0 * v * self._sign() * np.tile(_along(tape[1], d), 2))


def _along(a: Array, d: Array) -> Array:
    """Return A^T d, shape (paths, p), for A of shape (n, p) or (paths, B, p) and d (paths, B, 1)."""
    return d[:, :, 0] @ a if a.ndim == 2 else np.asarray(d.swapaxes(1, 2) @ a)[:, 0]


@dataclass(frozen=True, eq=False)
class Product:
    """Entries of U V^T, U of shape (rows, rank), V (columns, rank); `places` (n, 2) are the observed entries."""

    shape: tuple[int, int]
    rank: int
    places: Rows

    @property
    def dimension(self) -> int:
        """Number of parameters, (rows + columns) rank."""
        return sum(self.shape) * self.rank

    def _factors(self, x: Array) -> tuple[Array, Array]:
        cut = self.shape[0] * self.rank
        left, right = x[:, :cut], x[:, cut:]
        return left.reshape(len(x), -1, self.rank), right.reshape(len(x), -1, self.rank)

    def _places(self, paths: int, rows: Rows | None) -> tuple[Rows, Rows]:
        chosen = np.broadcast_to(self.places, (paths, *self.places.shape)) if rows is None else self.places[rows]
        return chosen[..., 0], chosen[..., 1]

    def forward(self, x: Array, rows: Rows | None) -> tuple[Array, Any]:
        """Return outputs (paths, B, 1); the tape is (x, places)."""
        u, v = self._factors(x)
        j, k = self._places(len(x), rows)
        product = u @ v.swapaxes(1, 2)
        return product[np.arange(len(x))[:, None], j, k][..., None], (x, j, k)

    def _scattered(self, j: Rows, k: Rows, d: Array) -> Array:
        """Return the matrices whose entries at the places are sums of d, shape (paths, rows, columns)."""
        paths, size = len(d), self.shape[0] * self.shape[1]
        flat = (np.arange(paths)[:, None] * size + j * self.shape[1] + k).ravel()
        sums = np.bincount(flat, d.ravel(), minlength=paths * size)
        return np.asarray(sums, float).reshape(paths, *self.shape)

    def _joined(self, u: Array, v: Array) -> Array:
        return np.concatenate([u.reshape(len(u), -1), v.reshape(len(v), -1)], axis=1)

    def backward(self, tape: Any, d: Array) -> Array:
        """Return (R V, R^T U), R the matrix of d."""
        x, j, k = tape
        u, v = self._factors(x)
        r = self._scattered(j, k, d)
        return self._joined(r @ v, r.swapaxes(1, 2) @ u)

    def squares(self, tape: Any, d: Array) -> Array:
        """Return the same with squares of all."""
        x, j, k = tape
        u, v = self._factors(x * x)
        r = self._scattered(j, k, d * d)
        return self._joined(r @ v, r.swapaxes(1, 2) @ u)

    def tangent(self, tape: Any, v: Array) -> Array:
        """Return entries of dU V^T + U dV^T."""
        x, j, k = tape
        (a, b), (da, db) = self._factors(x), self._factors(v)
        change = da @ b.swapaxes(1, 2) + a @ db.swapaxes(1, 2)
        return np.asarray(change[np.arange(len(x))[:, None], j, k][..., None])

    def bend(self, tape: Any, d: Array, v: Array) -> Array:
        """Return (R dV, R^T dU)."""
        _, j, k = tape
        da, db = self._factors(v)
        r = self._scattered(j, k, d)
        return self._joined(r @ db, r.swapaxes(1, 2) @ da)


def diagonal_network(data: Data | tuple[ArrayLike, ArrayLike], *, weight_decay: float = 0.0) -> FiniteSum:
    """Return the diagonal linear network w = u^2 - v^2 on data with one target; states (u, v).

    Parameters
    ----------
    data : Data, or arrays x (n, p) and y (n,)
    weight_decay : float

    Raises
    ------
    ProblemError
        If there is more than one target, or something is not finite.
    """
    x, y = labelled_samples(data, "mse")
    if y.shape[1] != 1:
        raise ProblemError(f"sde: `data` must have one target for a diagonal network, got {y.shape[1]}")
    return FiniteSum(Diagonal(x), POINTWISE["mse"], y, checked_decay(weight_decay), "diagonal network")


def matrix_factorisation(
    target: ArrayLike, rank: int, *, observed: ArrayLike | None = None, weight_decay: float = 0.0
) -> FiniteSum:
    """Return f = (1/2n) sum over observed entries of ((U V^T)_jk - M_jk)^2; states (U, V), row by row.

    Parameters
    ----------
    target : array_like, shape (rows, columns)
        M; what is not observed may hold anything finite.
    rank : int
        Columns of U and V.
    observed : array_like of bool, shape (rows, columns), optional
        Entries that count (default all): the samples of the batches.

    Raises
    ------
    ProblemError
        If shapes do not fit or nothing is observed.
    """
    m = np.asarray(target, float)
    if m.ndim != 2 or m.size == 0 or not np.all(np.isfinite(m)):
        raise ProblemError(f"sde: `target` must be a finite matrix, got shape {m.shape}")
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise ProblemError(f"sde: `rank` must be a whole number of at least 1, got {shown(rank)}")
    seen = np.ones(m.shape, bool) if observed is None else np.asarray(observed)
    if seen.shape != m.shape or seen.dtype != np.bool_ or not seen.any():
        raise ProblemError(f"sde: `observed` must be true or false for each entry of {m.shape}, some true")
    places = np.argwhere(seen).astype(np.int64)
    predictor = Product((m.shape[0], m.shape[1]), rank, places)
    decay = checked_decay(weight_decay)
    return FiniteSum(predictor, POINTWISE["mse"], m[seen][:, None], decay, "matrix factorisation")
