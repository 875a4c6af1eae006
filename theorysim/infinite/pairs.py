"""Unordered pairs of samples: the index of everything that is quadratic in activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The P = m (m + 1)/2 pairs (a, b), a <= b, of m samples.

    Attributes
    ----------
    first, second : ndarray of int, shape (P,)
        a and b.
    table : ndarray of int, shape (m, m)
        The pair of two samples, in either order.
    parts : ndarray of int, shape (P, 3)
        The pairs (a, a), (b, b), (a, b): what the dual map of a pair depends on.
    """

    first: Index
    second: Index
    table: Index
    parts: Index


def pairs_of(m: int) -> Pairs:
    """Return the pairs of m samples."""
    first, second = np.triu_indices(m)
    table = np.zeros((m, m), dtype=np.intp)
    table[first, second] = table[second, first] = np.arange(len(first))
    selves = np.diagonal(table)
    return Pairs(first, second, table, np.stack([selves[first], selves[second], table[first, second]], axis=1))
