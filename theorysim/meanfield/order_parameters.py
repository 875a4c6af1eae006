"""Order parameters of a march: the kernels of features and gradients, and the tangent kernel that they make.

Phi^l = <phi(h^l) phi(h^l)>,   G^l = mean over outputs of <g^l g^l>,
Theta = sum_l (alpha_l Phi^{l-1} + alpha'_l) G^l n_l/n_L + alpha_{L+1} Phi^L + alpha'_{L+1},   Phi^0 = K0
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.empirical import relative_change
from theorysim.finite.movement import alignment
from theorysim.meanfield.march import March

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OrderParameters:
    """Kernels between n inputs at one step.

    Attributes
    ----------
    feature, gradient : ndarray, shape (L, n, n)
        Phi^1 .. Phi^L and G^1 .. G^L.
    tangent : ndarray, shape (n, n)
        Theta, averaged over outputs.
    """

    feature: Array
    gradient: Array
    tangent: Array


def order_parameters(march: March, x: Array) -> OrderParameters:
    """Return the kernels between inputs as the network sees them now; the march goes on as if nobody had asked."""
    with forgetting(march):
        fields = march.forward(march.now(x))
        feature = np.stack([field.phi @ field.phi.T for field in fields]) / march.setting.samples
        gradient = np.zeros_like(feature)
        for z in march.z:
            with forgetting(march):  # one output after another needs few directions at a time
                g, _ = march.backward(fields, np.broadcast_to(z, fields[-1].phi.shape))
            gradient += np.stack([each @ each.T for each in g]) / (march.setting.samples * march.setting.outputs)
    return OrderParameters(feature, gradient, _tangent(march, x, feature, gradient))


@contextmanager
def forgetting(march: March) -> Iterator[None]:
    """Forget the directions that are made inside the block."""
    marks = [coupling.mark() for coupling in march.couplings]
    yield
    for coupling, mark in zip(march.couplings, marks, strict=True):
        coupling.release(mark)


def layer_kernels(march: March, x: Array, feature: Array) -> Array:
    """Return alpha_l Phi^{l-1} + alpha'_l times n_l/n_L of all layers, the readout last, shape (L + 1, n, n)."""
    shares = np.append(march.setting.shares, 1.0)
    below = np.concatenate([(x @ x.T)[None], feature])
    rates, bias_rates = (np.asarray(each)[:, None, None] for each in march.kernel_rates)
    return np.asarray((rates * below + bias_rates) * shares[:, None, None])


def _tangent(march: March, x: Array, feature: Array, gradient: Array) -> Array:
    kernels = layer_kernels(march, x, feature)
    return np.asarray(np.sum(kernels[:-1] * gradient, axis=0) + kernels[-1])


def kernel_curves(found: list[list[OrderParameters]], y: Array) -> dict[str, Array]:
    """Return means over replicas and their errors of kernels, of the change of Theta, and of its alignment with y.

    Parameters
    ----------
    found : list of lists of OrderParameters
        Of each replica at each step.
    y : ndarray, shape (n, C)
        Targets.
    """
    feature, gradient, tangent = (
        np.array([[getattr(moment, name) for moment in replica] for replica in found])
        for name in ("feature", "gradient", "tangent")
    )
    curves = {"feature_kernel": feature, "gradient_kernel": gradient}
    curves["kernel_change"] = np.stack([relative_change(kernels, kernels[:1]) for kernels in tangent])
    if np.any(y):
        curves["alignment"] = np.stack([alignment(kernels, y) for kernels in tangent])
    values = {}
    for name, curve in curves.items():
        values[name] = curve.mean(axis=0)
        values[f"{name}_error"] = curve.std(axis=0, ddof=1) / np.sqrt(len(curve))
    return values
