"""Run by test_recursion in a process of its own: small kernels on numba's CUDA simulator, printed as JSON."""

from __future__ import annotations

import json

import numpy as np

from theorysim.equations.activations import activation
from theorysim.infinite.recursion import kernels_of
from theorysim.problem.network import MLP

x = np.random.default_rng(0).normal(size=(5, 3))
x[4] = x[0] + 1e-6
values = []
for act in ("relu", "erf", "tanh", "gabor"):
    layers = MLP(depth=2, width=4, activation=act, bias_std=0.1).layers(inputs=3, outputs=1)
    for other in (None, x[:2]):
        kernels = kernels_of(layers, activation(act), x, other, device="cuda")
        values.append([kernels.nngp.tolist(), kernels.ntk.tolist()])
print(json.dumps(values))
