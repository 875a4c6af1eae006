"""Run by test_sde_device in a process of its own: a few paths on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json

from tests.solvers.sde.test_sde_device import ensembles

print(json.dumps(ensembles("cuda")))
