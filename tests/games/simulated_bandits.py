"""Run by test_bandit_device in a process of its own: learning agents on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json

from tests.games.bandit_runs import answers

if __name__ == "__main__":
    print(json.dumps(answers("cuda")))
