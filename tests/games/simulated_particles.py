"""Run by test_particles_device in a process of its own: the bodies of game dynamics on the simulator, as JSON."""

from __future__ import annotations

import json

from tests.games.particle_runs import runs

print(json.dumps(runs("cuda")))
