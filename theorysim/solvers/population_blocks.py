"""Ensembles of populations in blocks of lanes, and how compiled marches run over them: threads, or a CUDA grid.

Blocks have a fixed size and write nothing that another block reads: the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import single_thread
from theorysim.solvers.sde.blocks import _pool, _threads

Array = NDArray[np.float64]
LANES = 64
"""Members of a block on the CPU: their rows stay in the nearest cache."""
FEWEST_FOR_BLAS = 64
"""Strategies from which payoffs are products of matrices."""
_WORK = 4e8  # products that one call makes: some tenths of a second, so that an interruption is heard
_PARTS = 4


class Blocks:
    """Shares of many members, and rows beside them to work in.

    Parameters
    ----------
    shares : ndarray, shape (members, n)
    rows : int
        Rows of a block, the n shares included.
    device : {"cpu", "cuda"}
    threads : int, optional
        Default: as for all compiled code.
    """

    def __init__(self, shares: Array, rows: int, device: str, threads: int | None) -> None:
        self.members, self.n = shares.shape
        self.device, self.threads = device, _threads() if threads is None else threads
        self.lanes = 1 if device == "cuda" else min(LANES, self.members)
        blocks = -(-self.members // self.lanes)
        filled = np.concatenate([shares, np.repeat(shares[-1:], blocks * self.lanes - self.members, axis=0)])
        self.z = np.zeros((blocks, rows, self.lanes))
        self.z[:, : self.n] = filled.reshape(blocks, self.lanes, self.n).transpose(0, 2, 1)

    @property
    def blas(self) -> bool:
        """Whether payoffs are products of matrices."""
        return self.device == "cpu" and self.n >= FEWEST_FOR_BLAS

    def rows(self, first: int, count: int) -> Array:
        """Return rows of all members, shape (members, count)."""
        return self.z[:, first : first + count].transpose(0, 2, 1).reshape(-1, count)[: self.members].copy()

    def most(self, stages: int) -> int:
        """Return how many steps of so many products of payoffs one call should make."""
        return max(1, int(_WORK / (stages * self.n**2 * self.z.shape[0] * self.lanes)))

    def run(self, advance: Callable[..., Any], grid: Callable[[], Callable[..., Any]], before: Any, after: Any) -> None:
        """Run a march: arguments `before` come after the lanes, then the state, then those `after`."""
        flat = self.z.reshape(len(self.z), -1)
        arguments = (self.lanes, *before, flat, *after)
        if self.device != "cpu":
            foreach(grid(), len(flat), *arguments, device=self.device)
            return
        threads = min(self.threads, len(flat))
        with single_thread():
            if threads <= 1:
                advance(0, len(flat), *arguments)
                return
            parts = min(_PARTS * threads, len(flat))  # a thread that others disturb leaves its parts to the rest
            ends = [len(flat) * k // parts for k in range(parts + 1)]
            futures = [_pool(threads).submit(advance, a, b, *arguments) for a, b in pairwise(ends)]
            for future in futures:
                future.result()
