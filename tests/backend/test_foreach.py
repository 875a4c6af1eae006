"""One body over n indices: the CPU loop, the simulated CUDA grid, the PTX of every grid."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import theorysim
from tests.backend.grids import functions, numbers
from theorysim.backend import cuda, mathfun, random
from theorysim.backend.compile import body
from theorysim.backend.foreach import foreach
from theorysim.errors import ProblemError

ROOT = Path(theorysim.__file__).parents[1]
NO_NVVM = 3
REQUIRED = "THEORYSIM_REQUIRE_PTX"  # set where the CUDA toolkit must be found: a skip would hide that it is not


@body
def squares(i: int, x: Any, scale: float, out: Any) -> None:
    out[i] = scale * x[i] * x[i]


def process(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tests.backend.{script}", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("n", [0, 1, 1001])
def test_every_index_is_visited_once(n: int) -> None:
    x = np.arange(float(n))
    out = np.zeros(n)
    foreach(squares, n, x, 0.5, out)
    np.testing.assert_array_equal(out, 0.5 * x * x)


def test_only_the_first_n_indices_are_visited() -> None:
    out = np.full(5, -1.0)
    foreach(squares, 3, np.ones(5), 1.0, out)
    np.testing.assert_array_equal(out, [1, 1, 1, -1, -1])


def test_same_bits_for_any_number_of_threads() -> None:
    x = np.linspace(0.1, 0.9, 10_001)
    many, one = np.empty((x.size, 12)), np.empty((x.size, 12))
    foreach(functions, x.size, x, many)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        foreach(functions, x.size, x, one)
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(many, one)


def test_bodies_and_host_functions_draw_the_same_normals() -> None:
    normals, words = np.empty((50, 2)), np.empty((50, 5), np.uint64)
    foreach(numbers, 50, normals, words, 11, *random.counters(9, 1, 2, 3))
    address = {"seed": 9, "stream": 1, "step": 2, "purpose": 3}
    np.testing.assert_array_equal(normals.ravel(), random.normals(100, **address))
    np.testing.assert_array_equal(words[:, 4], random.integers(11, 50, **address))


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ProblemError, match=r'^device: `device` must be "cpu" or "cuda", got \'tpu\'$'):
        foreach(squares, 1, np.ones(1), 1.0, np.ones(1), device="tpu")


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "available", lambda: False)
    with pytest.raises(ProblemError, match=r'^device: "cuda" needs an NVIDIA GPU'):
        foreach(squares, 1, np.ones(1), 1.0, np.ones(1), device="cuda")


@pytest.mark.skipif(not cuda.available(), reason="no GPU")
def test_the_gpu_agrees_with_the_cpu() -> None:
    x = np.linspace(0.05, 0.95, 1000)
    here, there = np.empty((1000, 12)), np.empty((1000, 12))
    foreach(functions, 1000, x, here)
    foreach(functions, 1000, x, there, device="cuda")
    np.testing.assert_allclose(there, here, rtol=1e-12)


def test_the_simulated_grid_agrees_with_the_cpu() -> None:
    done = process("simulated_grids", NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    values, normals, words = json.loads(done.stdout)
    x = np.linspace(0.05, 0.95, 10)
    expected = np.zeros((10, 12))
    foreach(functions, 10, x, expected)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    expected_normals, expected_words = np.zeros((5, 2)), np.zeros((5, 5), np.uint64)
    foreach(numbers, 5, expected_normals, expected_words, 11, *random.counters(9, 1, 2, 3))
    np.testing.assert_allclose(normals, expected_normals, rtol=1e-12)
    np.testing.assert_array_equal(words, expected_words)


@pytest.mark.parametrize("share", [0, 1, 2])
def test_every_registered_body_compiles_for_a_gpu(share: int, tmp_path: Path) -> None:
    done = process("ptx_of_grids", str(tmp_path), str(share), "3")
    if done.returncode == NO_NVVM and REQUIRED not in os.environ:
        pytest.skip(f"no CUDA compiler here ({done.stdout.strip().splitlines()[0]})")
    assert done.returncode == 0, done.stdout + done.stderr
    texts = sorted(tmp_path.glob("*.ptx"))
    assert len(texts) >= 2
    for path in texts:
        assert ".target sm_90" in path.read_text()
    ptxas = shutil.which("ptxas")
    if ptxas is None:
        pytest.skip("PTX made, but no ptxas here to assemble it")
    for path in texts:
        made = subprocess.run([ptxas, "-arch=sm_90", str(path), "-o", os.devnull], capture_output=True, text=True)
        assert made.returncode == 0, f"{path.name}: {made.stderr}"


def test_mathfun_is_what_the_grid_ran() -> None:
    out = np.zeros((1, 12))
    foreach(functions, 1, np.array([0.3]), out)
    assert out[0, 0] == mathfun.exp(0.3)
    assert out[0, 11] == mathfun.atan(0.3)
