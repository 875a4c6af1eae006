"""The loops of ensembles as CUDA grids: the same numbers on the simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.solvers.sde.sde_equations import crossed, levy_number, ornstein_uhlenbeck
from theorysim.errors import ProblemError
from theorysim.solvers.sde import Fields, integrate

ROOT = Path(__file__).parents[3]


def ensembles(device: str) -> list[list[float]]:
    """Return the last states of a few paths of three equations, one resumed in the middle of a chunk of noise."""
    found = []
    for equation, scheme in ((ornstein_uhlenbeck(), "euler"), (crossed(), "srk2"), (levy_number(), "levy")):
        start = [1.0, 0.0][: equation.dimension]
        e = integrate(equation, start, [0.3], dt=0.1, paths=3, seed=1, scheme=scheme, keep="paths", device=device)
        if equation.single and scheme == "euler":
            e = e.extended(times=[0.5])
        assert e.paths is not None
        found.append(e.paths[-1].ravel().tolist())
    return found


def test_ensembles_on_the_simulator() -> None:
    environment = dict(os.environ, NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1", PYTHONPATH=str(ROOT))
    program = ROOT / "tests" / "solvers" / "sde" / "simulated_sde.py"
    done = subprocess.run([sys.executable, program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for simulated, own in zip(json.loads(done.stdout), ensembles("cpu"), strict=True):
        np.testing.assert_allclose(simulated, own, rtol=1e-13)


def test_fields_have_no_grid() -> None:
    fields = Fields(drift=lambda t, x: -x, product=lambda t, x, w: w, dimension=1, noises=1)
    with pytest.raises(ProblemError, match='`device` must be "cpu" for `Fields`'):
        integrate(fields, 1.0, [1.0], dt=0.1, paths=10, seed=0, device="cuda")
