"""The cache: hits across processes, never a stale value; identities; flags. A process of its own for each run."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import theorysim
from theorysim.backend.bits import wide_vectors
from theorysim.backend.compile import body, cache_folder, cache_root, compiled, user_function
from theorysim.backend.exponential import exp
from theorysim.backend.fingerprint import fingerprint, sources_digest

ROOT = Path(theorysim.__file__).parents[1]

CALLEE = """
from theorysim.backend.compile import body
FACTOR = {factor}

@body
def callee(x):
    return FACTOR * x
"""
SOLVER = """
from functools import cache
from theorysim.backend.compile import compiled
from . import callee as callees
from plans.callee import callee

@compiled
def solve(x):
    return callee(x) + 1.0

@cache
def build(function):
    @compiled
    def loop(x):
        return function(x) + callee(0.0)
    return loop

@compiled(reassociate=True)
def total(x):
    t = 0.0
    for i in range(x.size):
        t += callee(x[i])
    return t

@cache
def build_sum(total):
    @compiled
    def loop(x):
        return total(x)
    return loop
"""
SCRIPT = """
import json, sys
import numpy as np
from plans import solver
from theorysim.backend.compile import user_function
slope = float(sys.argv[1])
loop = solver.build(user_function(lambda x: slope * x))
over = solver.build_sum(solver.total)
values = [solver.solve(3.0), loop(3.0), over(np.ones(3))]
hits = [sum(f.stats.cache_hits.values()) for f in (solver.solve, loop, over)]
misses = [sum(f.stats.cache_misses.values()) for f in (solver.solve, loop, over)]
print(json.dumps([values, hits, misses]))
"""
TWINS = """
from functools import cache
from theorysim.backend.compile import compiled

@cache
def build(function):
    @compiled
    def inner(x, y):  # too long to be inlined: a symbol of its own
        for i in range(x.size):
            y[i] = function(x[i]) + y[i] * function(x[i] * 2)
        for i in range(x.size):
            y[i] += function(x[i] + y[i])

    @compiled
    def outer(x, y):
        for k in range(x.size):
            inner(x[k:], y)
        inner(x, y)
        return y[0]

    return outer
"""
TWINS_SCRIPT = """
import json, sys
import numpy as np
from plans.twins import build
from theorysim.backend.compile import user_function
functions = [user_function(lambda x, slope=float(slope): slope * x) for slope in sys.argv[1:]]
print(json.dumps([build(f)(np.ones(2), np.zeros(2)) for f in functions]))
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    package = tmp_path / "plans"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "solver.py").write_text(SOLVER)

    def process(*, factor: float = 2.0, slope: float = 5.0, cache: str = "cache") -> Any:
        (package / "callee.py").write_text(CALLEE.format(factor=factor))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        environment |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path / cache)}
        command = [sys.executable, "-W", "error", "-c", SCRIPT, str(slope)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return process


def files(tmp_path: Path) -> int:
    return sum(1 for _ in tmp_path.rglob("*.nbc"))


def test_the_next_process_hits_the_cache_and_never_sees_a_stale_value(run: Callable[..., Any], tmp_path: Path) -> None:
    assert run() == [[7.0, 15.0, 6.0], [0, 0, 0], [1, 1, 1]]
    stored = files(tmp_path)
    assert run() == [[7.0, 15.0, 6.0], [1, 1, 1], [0, 0, 0]]  # also through the closures
    assert files(tmp_path) == stored
    # The user's function changes: its loop is compiled again, the rest is not; the old one is kept.
    assert run(slope=6.0) == [[7.0, 18.0, 6.0], [1, 0, 1], [0, 1, 0]]
    assert run() == [[7.0, 15.0, 6.0], [1, 1, 1], [0, 0, 0]]
    # A callee in another file changes: everything that calls it is compiled again.
    assert run(factor=4.0) == [[13.0, 15.0, 12.0], [0, 0, 0], [1, 1, 1]]
    assert run() == [[7.0, 15.0, 6.0], [1, 1, 1], [0, 0, 0]]


def test_code_that_two_processes_cached_is_not_mixed_up(tmp_path: Path) -> None:
    """Two functions of one factory, first compiled in two processes, have different symbols in a third."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "__init__.py").touch()
    (tmp_path / "plans" / "twins.py").write_text(TWINS)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def process(*slopes: str) -> Any:
        command = [sys.executable, "-W", "error", "-c", TWINS_SCRIPT, *slopes]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    alone = process("2"), process("5")
    assert alone[0] != alone[1]
    assert process("2", "5") == [*alone[0], *alone[1]]


def test_an_unwritable_cache_folder_means_no_cache(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run(cache="file/below") == [[7.0, 15.0, 6.0], [0, 0, 0], [1, 1, 1]]
    assert not list(tmp_path.rglob("*.nbi"))


def test_cache_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "theorysim"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert cache_root() == tmp_path / "numba" / "theorysim"


def test_a_script_is_not_cached() -> None:
    assert cache_folder("__main__") is None
    assert sources_digest("json") is not None  # a package, even if not ours
    assert sources_digest("nowhere.at_all") is None


def test_folders_unused_for_a_month_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    old, young = tmp_path / "theorysim" / "a-1-cpu", tmp_path / "theorysim" / "b-1-cpu"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    cache_folder.cache_clear()
    try:
        folder = cache_folder("theorysim.backend.compile")
    finally:
        cache_folder.cache_clear()
    assert folder is not None
    assert folder.is_dir()
    assert young.exists()
    assert not old.exists()


def line(slope: float) -> Callable[[float], float]:
    return lambda x: slope * x


def test_equal_functions_have_equal_fingerprints() -> None:
    assert fingerprint(line(2.0)) == fingerprint(line(2.0))
    assert fingerprint(line(2.0)) != fingerprint(line(3.0))
    assert fingerprint(line(2.0)) != fingerprint(line(2))  # another type, another code
    assert fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)
    assert fingerprint(lambda x: math.sin(x)) != fingerprint(lambda x: math.cos(x))
    assert fingerprint(lambda x, y=1.0: x) != fingerprint(lambda x, y=2.0: x)


def test_fingerprints_follow_callees_and_arrays() -> None:
    def through(function: Callable[[float], float], table: Any) -> Callable[[float], float]:
        return lambda x: function(x) + table[0]

    a = np.arange(3.0)
    same = fingerprint(through(line(1.0), a))
    assert same == fingerprint(through(line(1.0), a.copy()))
    assert same != fingerprint(through(line(2.0), a))
    assert same != fingerprint(through(line(1.0), a + 1))
    assert same != fingerprint(through(compiled(line(1.0)), a))


def test_a_value_that_cannot_be_read_makes_the_fingerprint_unique() -> None:
    thing = object()
    assert fingerprint(lambda: thing) != fingerprint(lambda: thing)


def test_functions_of_numpy_are_known_by_name() -> None:
    assert fingerprint(lambda x: np.tanh(x)) == fingerprint(lambda x: np.tanh(x))
    assert fingerprint(lambda x: np.copy(x)) == fingerprint(lambda x: np.copy(x))
    assert fingerprint(lambda x: np.tanh(x)) != fingerprint(lambda x: np.sinh(x))


def test_a_recursive_function_has_a_fingerprint() -> None:
    def countdown(n: int) -> int:
        return 0 if n == 0 else countdown(n - 1)

    assert len(fingerprint(countdown)) == 64


def test_user_functions_are_shared_by_content() -> None:
    f = user_function(line(2.0))
    assert user_function(line(2.0)) is f
    assert user_function(f) is f
    assert user_function(line(3.0)) is not f
    assert f(4.0) == 8.0


@compiled
def quotient(a: float, b: float) -> float:
    return a / b


@compiled(reassociate=True)
def total(x: Any) -> float:
    t = 0.0
    for i in range(x.size):
        t += x[i]
    return t


def test_division_by_zero_is_infinite() -> None:
    assert quotient(1.0, 0.0) == math.inf
    assert math.isnan(quotient(0.0, 0.0))


def test_reassociated_sums_keep_nan_and_infinity() -> None:
    assert math.isnan(total(np.array([1.0, math.nan, 2.0])))
    assert total(np.array([1.0, math.inf])) == math.inf
    assert total(np.ones(1001)) == 1001


def test_numba_keeps_its_own_cache_folder() -> None:
    before = numba.config.CACHE_DIR
    body(line(1.0))
    assert before == numba.config.CACHE_DIR


def test_only_the_backend_compiles() -> None:
    """`numba.njit` is called in compile.py alone, where the cache is safe; numba.cuda is imported in cuda.py alone."""
    for path in Path(theorysim.__file__).parent.rglob("*.py"):
        text = path.read_text()
        if path.name != "compile.py":
            assert not re.search(r"\bn?jit\(|@(numba\.)?n?jit\b|import n?jit\b", text.replace("cuda.jit(", "")), path
        if path.name != "cuda.py":
            assert not re.search(r"numba\.cuda|from numba import .*\bcuda\b", text.replace("``numba.cuda``", "")), path


@compiled
def _narrow(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = exp(x[i]) * x[i] + 1.0 / (1.0 + x[i] * x[i])


@compiled
def _wide(x: Any, out: Any) -> None:
    wide_vectors()
    for i in range(x.size):
        out[i] = exp(x[i]) * x[i] + 1.0 / (1.0 + x[i] * x[i])


def test_wide_vectors_change_no_bit() -> None:
    x = np.linspace(-3.0, 3.0, 1003)
    narrow, wide = np.empty_like(x), np.empty_like(x)
    _narrow(x, narrow)
    _wide(x, wide)
    np.testing.assert_array_equal(narrow, wide)
    assert '"prefer-vector-width"="512"' in next(iter(_wide.inspect_llvm().values()))
