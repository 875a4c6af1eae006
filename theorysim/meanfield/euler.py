"""Flow-Euler: the output takes Euler steps of the gradient flow in the tangent kernel, the fields those of GD.

    f(k+1) = f(k) - h kappa Theta(k) (f(k) - y)

An older convention of the literature, kept for comparison with its numbers: it is neither gradient descent, whose
outputs follow from the fields themselves, nor the flow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theorysim.meanfield.deviation import Rule
from theorysim.meanfield.march import March, errors
from theorysim.meanfield.order_parameters import layer_kernels

Array = NDArray[np.float64]


def euler_outputs(march: March, step_size: float, steps: int) -> Array:
    """Return the outputs on training and test samples before each step and after the last, (steps + 1, P + M, C)."""
    setting, rule = march.setting, Rule(0.0, 0.0, 0.0, step_size, 0.0)
    x, count = np.concatenate([setting.x, setting.x_test]), len(setting.x)
    rows = np.arange(count)
    f = np.zeros((steps + 1, len(x), setting.outputs))
    for step in range(steps):
        fields, z = march.forward(march.now(x)), march.z
        pull = np.zeros_like(f[step])
        pull[:count] = setting.kappa * errors(setting, f[step, :count], rows)
        of_outputs = [march.backward(fields, np.broadcast_to(one, fields[-1].phi.shape))[0] for one in z]
        kernels = layer_kernels(march, x, np.stack([field.phi @ field.phi.T for field in fields]) / setting.samples)
        moved = march.learn(fields, x, pull, rule)
        speed = kernels[-1] @ pull
        for c, g in enumerate(of_outputs):
            for kernel, own, other in zip(kernels[:-1], g, moved, strict=True):
                speed[:, c] += np.sum(kernel * (own @ other.T), axis=1) / setting.samples
        f[step + 1] = f[step] + step_size * speed
    return f
