"""The targets of a random network: what `Teacher` data learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from theorysim.backend.compile import compiled
from theorysim.backend.random import TEACHER, normals
from theorysim.problem.network import MLP, activation_of
from theorysim.problem.samples import Floats

if TYPE_CHECKING:
    from theorysim.problem.synthetic import Teacher


def teacher_output(data: Teacher, x: Floats) -> Floats:
    """Return the outputs of the teacher of `data` at inputs `x`, shapes (n, dim) to (n, outputs).

    Layer l draws its weights from stream l, so that train and test meet the same teacher.
    """
    network = MLP(depth=data.depth, width=data.width, activation=data.activation)
    phi = activation_of(network)
    layers = network.layers(inputs=data.dim, outputs=data.outputs)
    h = x
    for layer, (fan_in, fan_out) in enumerate(zip(layers.widths, layers.widths[1:], strict=False)):
        z = normals((fan_out, fan_in), seed=data.seed, stream=layer + 1, purpose=TEACHER)
        signal = h if layer == 0 else _applied(phi.function, h)
        h = signal @ (layers.weight_std[layer] / np.sqrt(fan_in) * z).T
    return h


def _applied(function: Any, h: Floats) -> Floats:
    out = np.empty_like(h)
    _apply(function, h.ravel(), out.ravel())
    return out


@compiled
def _apply(function: Any, x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = function(x[i])
