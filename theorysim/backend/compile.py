"""The only caller of ``numba.njit``: flags, the on-disk cache and content-hash identities.

A cached function is stale when the file of something it calls has changed, and numba does not notice.
So every compiled function is cached in a folder named by a hash of the source of its module, of the
modules of its package that it imports (transitively), of the numba version and of the processor's
name. Numba reads the folder when it decorates, so the folder is set around each decoration.

A factory that closes over compiled functions hits the cache in the next process only if what it closes
over has a stable identity: each compiled function therefore carries a hash of its content. Its name does as
well: numba tells functions of one name apart by a count that begins anew in every process, and of two symbols
of one name, cached by two processes, the linker would take the first for both.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, overload

import llvmlite.binding
import numba
from numba.core import config

from theorysim.backend.fingerprint import IDENTITIES, fingerprint, sources_digest

F = TypeVar("F", bound=Callable[..., Any])

# Vectorises sums and keeps NaN and infinity, unlike fastmath=True. A dict, because the order of a set differs between
# processes, and the flags are part of the identity of what closes over the function.
_REASSOCIATE = {"reassoc": True, "contract": True, "nsz": True}
_MONTH = 30 * 24 * 3600.0

# Bodies with the types of their grid arguments: compiled for CUDA by the tests, GPU or not.
GRIDS: list[tuple[Callable[..., Any], str]] = []

if "NUMBA_THREADING_LAYER" not in os.environ and "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    # omp survives nested loops and several Python threads, workqueue aborts; numba falls back by itself.
    config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


def cache_root() -> Path:
    """Return the per-user folder of all compiled code (``NUMBA_CACHE_DIR``, then ``XDG_CACHE_HOME``)."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen) / "theorysim"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "theorysim" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "theorysim"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theorysim"


@cache
def cache_folder(module: str) -> Path | None:
    """Return the cache folder of a module, created; None where nothing may be or can be cached.

    Only modules of a package are cached: what a script or a notebook cell imports cannot be told from its source.
    """
    digest = sources_digest(module)
    if digest is None:
        return None
    name = f"{digest[:24]}-{numba.__version__}-{llvmlite.binding.get_host_cpu_name()}"
    try:
        folder = cache_root() / name
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # the date of last use, for _prune
        if not os.access(folder, os.W_OK | os.X_OK):
            return None
        if new:
            _prune(folder.parent)
    except (OSError, RuntimeError):  # unwritable, or no home directory
        return None
    return folder


def _prune(root: Path) -> None:
    """Delete the cache folders that no process has used for a month."""
    for folder in root.iterdir():
        if folder.name.count("-") >= 2 and time.time() - folder.stat().st_mtime > _MONTH:
            shutil.rmtree(folder, ignore_errors=True)


_decorating = threading.RLock()


@contextmanager
def _caching_in(folder: Path) -> Iterator[None]:
    with _decorating:  # the folder is global: two threads that decorate at once would mix theirs
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            yield
        finally:
            config.CACHE_DIR = before


def _compile(function: F, *, parallel: bool = False, reassociate: bool = False, inline: bool = False) -> F:
    flags: dict[str, Any] = {"error_model": "numpy", "nogil": True, "parallel": parallel, "forceinline": inline}
    if reassociate:
        flags["fastmath"] = _REASSOCIATE
    folder = cache_folder(function.__module__)
    if folder is None:
        dispatcher = numba.njit(_copy(function), **flags)
    else:
        with _caching_in(folder):
            dispatcher = numba.njit(_copy(function), cache=True, **flags)
    _identify(dispatcher, fingerprint(dispatcher) + (sources_digest(function.__module__) or ""))
    return dispatcher  # type: ignore[no-any-return]


def _copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that can be renamed: the caller's keeps its name."""
    copied = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    update_wrapper(copied, function)
    del copied.__wrapped__  # type: ignore[attr-defined]
    return copied


def _identify(dispatcher: Any, identity: str) -> None:
    """Give a dispatcher a stable identity (private in numba; without it closures miss the cache, no more)."""
    IDENTITIES[dispatcher] = identity
    if hasattr(dispatcher, "py_func"):  # NUMBA_DISABLE_JIT leaves the function as it is
        dispatcher.py_func.__qualname__ += f"_{identity[:16]}"  # the name of its symbols
    if hasattr(dispatcher, "_set_uuid"):
        dispatcher._set_uuid(f"theorysim-{identity}")


@overload
def compiled(function: F, /) -> F: ...
@overload
def compiled(*, parallel: bool = False, reassociate: bool = False) -> Callable[[F], F]: ...
def compiled(function: Any = None, /, *, parallel: bool = False, reassociate: bool = False) -> Any:
    """Compile a function for the CPU, cached on disk.

    Division by zero gives infinity or NaN as in numpy; the interpreter lock is released.

    Parameters
    ----------
    parallel : bool
        Run ``prange`` loops on all threads. Write one result per index: a sum over a ``prange`` depends on the
        number of threads.
    reassociate : bool
        Let sums be reordered and contracted (10 times faster sums). NaN and infinity are kept.
    """
    if function is not None:
        return _compile(function)
    return lambda function: _compile(function, parallel=parallel, reassociate=reassociate)


@overload
def body(function: F, /) -> F: ...
@overload
def body(grid: str, /) -> Callable[[F], F]: ...
def body(function: Any, /) -> Any:
    """Compile the body of one index, for CPU loops and CUDA grids alike.

    A body uses arithmetic, `math` and other bodies only: no ``np`` calls, no allocation, no exceptions. Written
    ``@body("float64[:], float64")``, with the types of the arguments after the index, the tests also compile it
    as a CUDA grid.
    """
    if isinstance(function, str):
        return lambda plain: _grid_body(plain, function)
    return _compile(function, inline=True)  # a call left in a loop keeps the loop from vectorising


def _grid_body(plain: F, signature: str) -> F:
    dispatcher = body(plain)
    GRIDS.append((dispatcher, signature))
    return dispatcher


_user_functions: dict[str, Callable[..., Any]] = {}


def user_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a user's scalar function; equal functions give the same compiled object.

    The function itself is not cached on disk (it may come from a notebook or a lambda), but compiled code that
    closes over it is, under a hash of its code, constants, closure and callees.
    """
    if hasattr(function, "py_func"):
        return function
    identity = fingerprint(function)
    if identity not in _user_functions:
        dispatcher = numba.njit(_copy(function), error_model="numpy", nogil=True)
        _identify(dispatcher, identity)
        _user_functions[identity] = dispatcher
    return _user_functions[identity]
