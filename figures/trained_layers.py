"""Hidden layers of trained finite networks, for figures that set them beside a limit."""

from __future__ import annotations

from typing import Any

import numpy as np

import theorysim as ts
from theorysim.finite.block import Probe
from theorysim.finite.network import Parameters
from theorysim.finite.training import run

Array = np.ndarray[Any, Any]


def preactivations(training: ts.Training, x: Array, *, replicas: int, seed: int) -> list[list[Array]]:
    """Train tanh networks; return h of every hidden layer, shape (replicas, samples, width), at each recorded step."""
    seen: dict[tuple[int, int], list[Array]] = {}

    def probe_of(part: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            seen[index, part.start] = _layers(p, x)

        return see

    run(training, replicas=replicas, seed=seed, probe=probe_of)
    steps = range(len(training.recorded))
    blocks = [[seen[key] for key in sorted(seen) if key[0] == index] for index in steps]
    return [[np.concatenate(layer) for layer in zip(*block, strict=True)] for block in blocks]


def _layers(p: Parameters, x: Array) -> list[Array]:
    below, found = np.broadcast_to(x, (p.replicas, *x.shape)), []
    for w, b in zip(p.weights[:-1], p.biases[:-1], strict=True):
        found.append(below @ w.swapaxes(1, 2) + b[:, None])
        below = np.tanh(found[-1])
    return found
