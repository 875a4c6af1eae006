"""What a bug report needs: versions, threads, cache folder, devices, and a self-test with known answers."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import numba
import numpy as np
from threadpoolctl import threadpool_info

from theorysim.backend import cuda, random
from theorysim.backend.compile import cache_folder, cache_root
from theorysim.theories import ALL, theory

_PACKAGES = ("theorysim", "numpy", "scipy", "numba", "llvmlite", "sympy", "xarray", "h5netcdf",
             "scikit-learn", "matplotlib", "pydantic", "cyclopts", "numba-cuda")  # fmt: skip


def facts() -> Iterator[tuple[str, str]]:
    """Yield (name, value) about this installation and machine."""
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed"
    yield "cpus", str(os.cpu_count())
    yield "numba threads", f"{numba.get_num_threads()} ({_threading_layer()})"
    for pool in threadpool_info():
        yield f"{pool['internal_api']} threads", str(pool["num_threads"])
    yield "compiled code", str(cache_root())
    yield "cuda device", "yes" if cuda.available() else 'none (with one: pip install "theorysim[gpu]")'


def self_test() -> Iterator[tuple[str, bool]]:
    """Yield (what was tested, whether it passed), one check after the other."""
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("random numbers: Philox4x32-10 known answer", _philox_known_answer),
        ("linear algebra: eigenvalues of a 64 x 64 Gram matrix sum to its trace", _eigenvalues_sum_to_trace),
        ("compiled code is cached on disk", _is_cached),
        ("every theory loads", _theories_load),
    )
    for name, check in checks:
        try:
            yield name, check()
        except Exception as error:  # a broken installation can fail in any way; the user wants to know which
            yield f"{name} ({type(error).__name__}: {error})", False


def _threading_layer() -> str:
    random.normals((4,), seed=0, stream=0, purpose=random.NOISE)  # the layer is known after a parallel loop
    try:
        return str(numba.threading_layer())
    except ValueError:
        return "not started"


def _philox_known_answer() -> bool:
    zero = np.uint64(0)
    words = random.philox(zero, zero, zero, zero, zero, zero)
    return [int(w) for w in words] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def _eigenvalues_sum_to_trace() -> bool:
    x = random.normals((64, 8), seed=0, stream=0, purpose=random.NOISE)
    gram = x @ x.T
    return bool(np.isclose(np.linalg.eigvalsh(gram).sum(), np.trace(gram), rtol=1e-12))


def _is_cached() -> bool:
    return cache_folder("theorysim.backend.random") is not None


def _theories_load() -> bool:
    return all(theory(name).OBSERVABLES for name in ALL)
