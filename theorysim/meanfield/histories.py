"""What neurons of a march go through, step by step: their fields, products of fields, and responses to noise.

By Stein's lemma <phi(k) r(s)> = sum_s' A(k, s') <r(s') r(s)>: responses are a regression of fields on the noise that
they have met so far, step by step. Combinations of the noise that hardly fluctuate determine no response and feel
none: along them, below a cutoff, responses are zero. So a response acts on its noise as the derivative does, but is
resolved in time only where the noise changes from step to step: A nearly always (within 10 % of derivatives along
single paths in the toy of benchmarks/fixed_point), the equal-time part of B hardly ever.

Proof: derivations/march.py (`stein`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.meanfield.march import March, Seen
from theorysim.meanfield.neurons import Fields
from theorysim.meanfield.whitening import Coupling

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moment:
    """All layers at one step: features, shape (n, S), and gradients of every output, shape (C, n, S)."""

    phi: list[Array]
    g: list[Array]


def moment_of(march: March, x: Array) -> Moment:
    """Return features and gradients now; their directions stay, so that the same noise meets them at later steps."""
    fields = march.forward(march.now(x))
    g = [march.backward(fields, np.broadcast_to(z, fields[-1].phi.shape))[0] for z in march.z]
    return Moment([each.phi for each in fields], [np.stack(layer) for layer in zip(*g, strict=True)])


def neurons_of(march: March, x: Array, neurons: int) -> tuple[Array, Array]:
    """Return h, shape (L, n, neurons), and z, shape (L, C, n, neurons)."""
    inputs = march.now(x)
    fields = march.forward(inputs)
    h = np.stack([each[:, :neurons] for each in _preactivations(march, inputs, fields)])
    z = [[each[:, :neurons] for each in _backward_fields(march, fields, top)] for top in march.z]
    return h, np.stack([np.stack(layer) for layer in zip(*z, strict=True)])


def _preactivations(march: March, inputs: Seen, fields: Sequence[Fields]) -> Iterator[Array]:
    yield march.first(inputs)
    for i, (coupling, below) in enumerate(zip(march.couplings, fields, strict=False)):
        assert below.coefficients is not None
        yield march.biased(i + 1, inputs, coupling.up(below.coefficients, inputs.start, inputs.learnt))


def _backward_fields(march: March, fields: Sequence[Fields], top: Array) -> list[Array]:
    z = np.broadcast_to(top, fields[-1].phi.shape)
    _, coefficients = march.backward(fields, z)
    below = [c.down(own, march.start.share) for c, own in zip(march.couplings, coefficients[1:], strict=True)]
    return [*below, z]


def products(moments: Iterable[Sequence[Array]]) -> Array:
    """Return <a(k) a(s)> of each layer, mean over outputs, shape (L, K, n, K, n)."""
    rows = []
    for layer in zip(*moments, strict=True):
        fields = np.stack(layer)  # (K, C, n, S) or (K, n, S)
        fields = fields if fields.ndim == 4 else fields[:, None]
        steps, outputs, n, count = fields.shape
        flat = fields.swapaxes(0, 1).reshape(outputs, steps * n, count)
        total = np.sum([each @ each.T for each in flat], axis=0) / (outputs * count)
        rows.append(total.reshape(steps, n, steps, n))
    return np.stack(rows)


def responses_of(coupling: Coupling, moments: Sequence[Moment], i: int, cutoff: float) -> tuple[Array, Array]:
    """Return A and B of the weights above hidden layer i, shapes (K, n, K, n)."""
    phi = np.concatenate([moment.phi[i] for moment in moments])
    g = np.concatenate([moment.g[i + 1][0] for moment in moments])
    samples, forward, n = phi.shape[1], coupling.forward, len(moments[0].phi[i])
    lower, upper = (rows @ side.rows.values.T / samples for rows, side in ((phi, coupling.lower), (g, coupling.upper)))
    size = coupling.std * np.sqrt(coupling.ratio)  # of r = W^T g, noise above ratio times as many neurons
    a = regression(lower[:, ~forward], size * upper[:, ~forward], n, 0, cutoff)
    b = regression(upper[:, forward], coupling.std * lower[:, forward], n, 1, cutoff)
    shape = (len(moments), n, len(moments), n)
    return a.reshape(shape), b.reshape(shape)


def regression(covariances: Array, noise: Array, n: int, ahead: int, cutoff: float) -> Array:
    """Return R with covariances = R noise, rows of a step using the noise up to that step.

    Parameters
    ----------
    covariances, noise : ndarray, shape (K n, directions)
        Of the fields, and of the noise that they respond to, with whitened normals.
    n : int
        Rows of a step.
    ahead : int
        1 if the noise of the step itself counts, else 0.
    cutoff : float

    Returns
    -------
    ndarray, shape (K n, K n)
        Zero for later noise; of least norm where noise is not independent.
    """
    found = np.zeros((len(noise), len(noise)))
    for k in range(0, len(noise), n):
        known = noise[: k + ahead * n]
        if len(known):
            found[k : k + n, : len(known)] = covariances[k : k + n] @ np.linalg.pinv(known, rcond=cutoff)
    return found
