"""Run by test_deep in a process of its own: elementwise bodies on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json

from tests.meanfield.test_deep import elementwise

print(json.dumps(elementwise("cuda")))
