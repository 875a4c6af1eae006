"""Kernels of finite random networks at initialisation: the experiment beside `nngp` and `ntk`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from theorysim.errors import ProblemError
from theorysim.finite import empirical
from theorysim.finite.blocks.kernels import kernels_at_initialisation, split
from theorysim.finite.network import initialise
from theorysim.kernels.matrices import block_inputs, mlp_inputs
from theorysim.observables import attributes
from theorysim.problem.blocks import Block
from theorysim.problem.network import MLP
from theorysim.problem.validation import shown

Array = np.ndarray
LARGEST = 1 << 16


def monte_carlo(
    network: MLP | Block,
    x1: ArrayLike,
    x2: ArrayLike | None = None,
    *,
    width: int,
    replicas: int,
    seed: int,
    outputs: int = 4,
) -> xr.Dataset:
    """Return the NNGP and NTK of `replicas` networks of finite width at initialisation.

    Their mean over replicas differs from `nngp` and `ntk` by O(1/width), their spread by O(1/sqrt(width)). A few inputs
    only: a network is differentiated at all of them at once.

    Parameters
    ----------
    network : MLP or Block
    x1, x2 : array_like
        As for `nngp`.
    width : int
        Channels of every layer (of blocks: times their relative `width`); an MLP keeps the ratios of its widths.
    replicas, seed : int
        Number of networks, and key of the generator; replica k is the same network however many there are.
    outputs : int
        Outputs over which a tangent kernel is averaged.

    Returns
    -------
    Dataset
        `nngp` and `ntk`, dimensions sample, sample_other, replica. `nngp` is the covariance of the outputs over the
        readout, given all other layers, or the mean of f f' over channels for blocks that do not end with `dense`.

    Raises
    ------
    ProblemError
        As `nngp`; and for counts that are not positive whole numbers.
    """
    for name, value in (("width", width), ("replicas", replicas), ("outputs", outputs)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
            raise ProblemError(f"kernels: `{name}` must be a whole number from 1 to {LARGEST}, got {shown(value)}")
    one = _networks if not isinstance(network, MLP) else _perceptrons
    drawn = list(one(network, x1, x2, width, replicas, seed, outputs))  # type: ignore[arg-type]
    variables = {}
    for name, values in zip(("nngp", "ntk"), zip(*drawn, strict=True), strict=True):
        if not np.isfinite(values).all():
            raise ProblemError(
                f"kernels: the {name} must be finite, got others: an activation grows too fast, or jumps"
            )
        variables[name] = (("sample", "sample_other", "replica"), np.stack(values, axis=-1), attributes(name))
    return xr.Dataset(variables, attrs={"width": width, "seed": seed, "outputs": outputs})


def _networks(
    network: Block, x1: ArrayLike, x2: ArrayLike | None, width: int, replicas: int, seed: int, outputs: int
) -> Iterator[tuple[Array, Array]]:
    network, one, other = block_inputs(network, x1, x2)
    node, readout = split(network, one.shape[1:])
    x = one if other is None else np.concatenate((one, other))
    rows, columns = slice(len(one)), slice(0 if other is None else len(one), None)
    for replica in range(replicas):
        kernels = kernels_at_initialisation(node, readout, x, width=width, outputs=outputs, seed=seed, replica=replica)
        yield kernels[0][rows, columns], kernels[1][rows, columns]


def _perceptrons(
    network: MLP, x1: ArrayLike, x2: ArrayLike | None, width: int, replicas: int, seed: int, outputs: int
) -> Iterator[tuple[Array, Array]]:
    one, other = mlp_inputs(x1, x2)
    narrow = network.at_width(width)
    layers = narrow.layers(inputs=one.shape[1], outputs=outputs)
    for replica in range(replicas):
        p = initialise(layers, [replica], seed=seed)
        nngp, ntk = (kernel(p, layers, narrow, one, other)[0] for kernel in (empirical.nngp, empirical.ntk))
        yield nngp, ntk
