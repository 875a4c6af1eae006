"""The bodies of particles and noisy steps as CUDA grids: the same numbers on the simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.games.particle_runs import runs

ROOT = Path(__file__).parents[2]


def test_particles_on_the_simulator():
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1", PYTHONPATH=str(ROOT))
    program = ROOT / "tests" / "games" / "simulated_particles.py"
    done = subprocess.run([sys.executable, program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for simulated, own in zip(json.loads(done.stdout), runs("cpu"), strict=True):
        np.testing.assert_allclose(simulated, own, rtol=1e-12, atol=1e-14)
