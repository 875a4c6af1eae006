"""Learning agents as CUDA grids: the same numbers on the simulator; the same bits for any number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np

from tests.games.bandit_runs import answers

ROOT = Path(__file__).parents[2]


def test_agents_on_the_simulator() -> None:
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1", PYTHONPATH=str(ROOT))
    program = ROOT / "tests" / "games" / "simulated_bandits.py"
    done = subprocess.run([sys.executable, program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for simulated, own in zip(json.loads(done.stdout), answers("cpu"), strict=True):
        np.testing.assert_allclose(simulated, own, rtol=1e-12, atol=1e-12)


def test_same_bits_for_any_number_of_threads_and_runs() -> None:
    many = answers("cpu", runs=3)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert answers("cpu", runs=3) == many
    finally:
        numba.set_num_threads(before)
    more = answers("cpu", runs=5)
    for few, all_of_them in zip(many[:19], more[:19], strict=True):
        rows = np.reshape(all_of_them, (-1, 5))[:, :3]
        np.testing.assert_array_equal(rows.ravel(), few)
