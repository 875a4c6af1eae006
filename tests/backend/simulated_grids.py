"""Run by test_foreach in a process of its own: bodies on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json

import numpy as np

from tests.backend.grids import functions, numbers
from theorysim.backend import cuda, random
from theorysim.backend.foreach import foreach

assert cuda.available()
x = np.linspace(0.05, 0.95, 10)
x.flags.writeable = False
values = np.zeros((10, 12))
foreach(functions, 10, x, values, device="cuda")
normals, words = np.zeros((5, 2)), np.zeros((5, 5), np.uint64)
foreach(numbers, 5, normals, words, 11, *random.counters(9, 1, 2, 3), device="cuda")
print(json.dumps([values.tolist(), normals.tolist(), words.tolist()]))
