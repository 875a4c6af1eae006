"""The only importer of ``numba.cuda``: grids of bodies, and their PTX without a GPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
from numba import cuda
from numba.core import types
from numba.core.sigutils import normalize_signature

from theorysim.errors import ProblemError

_THREADS = 128


def available() -> bool:
    """Return True where a CUDA GPU (or numba's simulator of one) can be used."""
    return bool(cuda.is_available())


def launch(body: Callable[..., Any], n: int, args: tuple[Any, ...]) -> None:
    """Run ``body(i, *args)`` for i < n on the GPU; arrays travel there, the writeable ones back.

    Arrays that already are on the device are used in place. An array that comes twice is one array there as well.

    Raises
    ------
    ProblemError
        If there is no usable GPU.
    """
    if not available():
        raise ProblemError('device: "cuda" needs an NVIDIA GPU, its driver and `pip install theorysim[gpu]`')
    if n <= 0:
        return
    here = {id(a): a for a in args if isinstance(a, np.ndarray)}
    there = {key: cuda.to_device(a) for key, a in here.items()}
    _grid(body)[(n + _THREADS - 1) // _THREADS, _THREADS](n, *(there.get(id(a), a) for a in args))
    for key, a in here.items():
        if a.flags.writeable:
            there[key].copy_to_host(a)


def _kernel(body: Callable[..., Any]) -> Callable[..., None]:
    def grid(n: int, *args: Any) -> None:
        i = cuda.grid(1)
        if i < n:
            body(i, *args)

    return grid


@cache
def _grid(body: Callable[..., Any]) -> Any:
    return cuda.jit(_kernel(body))  # never with a signature: that compiles, and needs a driver, at import


def ptx(body: Callable[..., Any], signature: str, *, cc: tuple[int, int] = (9, 0)) -> str:
    """Return the PTX text of the grid of a body, compiled for compute capability `cc`; needs NVVM but no GPU.

    Parameters
    ----------
    signature : str
        Types of the arguments after the index, for example ``"float64[:,:], int64"``.
    """
    args, _ = normalize_signature(f"void({signature})")
    with _compiling_for(cc):
        text, _ = cuda.compile_ptx(_kernel(body), (types.int64, types.StarArgTuple.from_types(args)), cc=cc)
    return str(text)


@contextmanager
def _compiling_for(cc: tuple[int, int]) -> Iterator[None]:
    """Answer numba's question for the current device, which it asks for any body a kernel calls, without a driver."""
    dispatcher = importlib.import_module(cuda.jit.__module__.rpartition(".")[0] + ".dispatcher")
    device = type("Device", (), {"compute_capability": cc})
    with mock.patch.object(dispatcher, "get_current_device", device):
        yield
