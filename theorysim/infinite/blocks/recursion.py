"""Kernels of an infinitely wide network of blocks.

    dense, conv    K' = sw^2 A(K) + sb^2,  Theta' = alpha A(K) + alpha' + sw^2 A(Theta),  A: mean over a filter
    activation     K' = T(K),  Theta' = Tdot(K) Theta
    layer_norm     K' = K/sqrt((q1 + eps)(q2 + eps)),  Theta' alike, q = K(x, x) at a position
    dropout        self-kernels of a position divided by `keep`
    pools          means over windows of p and windows of p';  flatten: the mean over p = p'
    attention      K' = (sv so)^2 G K G'^T + sb^2,  Theta' = (sv so)^2 G (Theta + 2 K) G'^T + sb^2,
                   G = softmax(sq sk K(x, x))
    add            sums of uncorrelated branches;  concatenate: means, weighted by channels

Limit    channels -> inf in every layer, filters and positions fixed; the order of widths does not matter.
Error    Closed dual maps: rounding; under a kink Theta of positions that nearly coincide keeps 8 digits (of equal ones,
         and of samples with themselves, all). Other activations: Hermite series, with a bound (see `expansions`).
Sources  [Novak2019], [Arora2019] (convolutions, pools, flattening), [Hron2020] (attention).
         Proofs: derivations/blocks.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation, almost_everywhere
from theorysim.errors import ProblemError
from theorysim.infinite.blocks.expansions import with_expansions
from theorysim.infinite.blocks.program import compiled_program
from theorysim.infinite.blocks.runner import pairs
from theorysim.infinite.recursion import Kernels
from theorysim.problem.blocks import Block
from theorysim.problem.features import network

Array = NDArray[np.float64]


def kernels_of_blocks(block: Block, x1: Array, x2: Array | None = None, *, device: str = "cpu") -> Kernels:
    """Return the NNGP and NTK of an infinitely wide network of blocks.

    Parameters
    ----------
    block : Block
        Usually a chain that ends with `dense`.
    x1 : array, shape (n1, ..., channels)
        Vectors, sequences or images.
    x2 : array, shape (n2, ..., channels), or None
        None: the kernels of `x1` with itself, exactly symmetric. Samples of `x1` and `x2` are different samples even
        where they are equal: their dropout masks are.
    device : {"cpu", "cuda"}

    Raises
    ------
    ProblemError
        If a block does not fit its input, a kernel overflows, or an activation jumps without ``derivative="zero"``.
    """
    kernels = _kernels(block, x1, x2, device, _differentiable)
    _check_finite("ntk", kernels.ntk)
    return kernels


def nngp_of_blocks(block: Block, x1: Array, x2: Array | None = None, *, device: str = "cpu") -> tuple[Array, float]:
    """Return the NNGP alone and a bound on its error: it exists for activations that jump; as `kernels_of_blocks`."""
    kernels = _kernels(block, x1, x2, device, almost_everywhere)
    return kernels.nngp, kernels.nngp_error


def _kernels(
    block: Block, x1: Array, x2: Array | None, device: str, derivative: Callable[[Activation], Activation]
) -> Kernels:
    program = compiled_program(network(block, x1.shape[1:]), derivative=derivative)
    n = len(x1)
    program, samples, errors = with_expansions(program, x1 if x2 is None else np.concatenate((x1, x2)), device)
    one, two = (samples, None) if x2 is None else (samples.part(slice(n)), samples.part(slice(n, None)))
    nngp, ntk = pairs(program, one, two, device)
    _check_finite("nngp", nngp)
    return Kernels(nngp, ntk, *errors)


def _differentiable(activation: Activation) -> Activation:
    if not activation.differentiable:
        raise ProblemError(
            f'blocks: `activation` {activation.name} jumps: its tangent kernel needs derivative = "zero", got '
            f"{dict(activation.parameters)['derivative']!r}"
        )
    return activation


def _check_finite(kind: str, values: Array) -> None:
    if not np.isfinite(values).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ProblemError(
            f"kernels: the {kind} must be finite, got infinity at {place}: an activation grows too fast for these "
            "inputs and `weight_std`"
        )
