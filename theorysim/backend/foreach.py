"""One body over n indices: a parallel CPU loop or a CUDA grid, from the same Python text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import prange

from theorysim.backend.compile import compiled
from theorysim.errors import ProblemError


def foreach(body: Callable[..., Any], n: int, *args: Any, device: str = "cpu") -> None:
    """Run ``body(i, *args)`` for i in 0, ..., n-1, in any order and in parallel.

    Parameters
    ----------
    body : function decorated with `backend.compile.body`
        Writes the results of index i into the arrays among `args`; different indices write different elements.
    n : int
        Number of indices.
    *args : arrays and scalars
        On ``"cuda"`` the arrays (contiguous) are copied to the GPU, and the writeable ones back.
    device : {"cpu", "cuda"}

    Raises
    ------
    ProblemError
        For an unknown device, or for ``"cuda"`` without a usable GPU.
    """
    if device == "cpu":
        _loop(body)(n, *args)
    elif device == "cuda":
        from theorysim.backend import cuda  # costs 0.1 to 1 s: paid only by those who ask for it

        cuda.launch(body, n, args)
    else:
        raise ProblemError(f'device: `device` must be "cpu" or "cuda", got {device!r}')


@cache
def _loop(body: Callable[..., Any]) -> Callable[..., None]:
    @compiled(parallel=True)
    def loop(n: int, *args: Any) -> None:
        for i in prange(n):
            body(i, *args)

    return loop
