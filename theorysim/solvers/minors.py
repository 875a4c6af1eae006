"""P-matrices: all principal minors positive, by Schur complements over the subsets of rows.

A is a P-matrix iff a_11 > 0, A without its first row and column is one, and so is the Schur complement of a_11. The
pivots along a branch multiply to the minor of the chosen rows: 2^n minors in O(2^n) operations.

Sources  [Tsatsomeros2000].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from theorysim.backend.compile import compiled
from theorysim.errors import ProblemError

LARGEST = 20
"""Rows up to which all minors are computed: 10^6 of them."""


def smallest_principal_minor(matrix: ArrayLike) -> float:
    """Return the smallest principal minor found; the first that is not positive ends the search.

    Raises
    ------
    ProblemError
        For more than `LARGEST` rows.
    """
    a = np.array(matrix, float)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not 1 <= len(a) <= LARGEST:
        raise ProblemError(f"minors: `matrix` must be square with 1 to {LARGEST} rows, got shape {a.shape}")
    n = len(a)
    return float(_search(a, np.empty((n + 1, n, n)), np.empty(n + 1), np.zeros(n + 1, np.int64)))


@compiled
def _search(a: Any, stack: Any, product: Any, stage: Any) -> float:
    """Walk the tree: at depth d row d is decided; stage 0 leaves it out, 1 takes it, 2 goes back."""
    n = a.shape[0]
    stack[0, :, :] = a
    product[0] = 1.0
    smallest = np.inf
    d = 0
    while d >= 0:
        if d == n or stage[d] == 2:
            stage[d] = 0
            d -= 1
            continue
        pivot = stack[d, d, d]
        if stage[d] == 0:
            product[d + 1] = product[d]
            for i in range(d + 1, n):
                for j in range(d + 1, n):
                    stack[d + 1, i, j] = stack[d, i, j]
        else:
            minor = product[d] * pivot
            smallest = minor if minor < smallest else smallest
            if not minor > 0.0:
                return smallest
            product[d + 1] = minor
            for i in range(d + 1, n):
                factor = stack[d, i, d] / pivot
                for j in range(d + 1, n):
                    stack[d + 1, i, j] = stack[d, i, j] - factor * stack[d, d, j]
        stage[d] += 1
        d += 1
        stage[d] = 0
    return smallest
