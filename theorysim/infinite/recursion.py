"""Kernels of infinitely wide networks: the layer recursions of Sigma (NNGP) and Theta (NTK).

    Sigma^1     = sw^2 x.x'/d + sb^2            Theta^1     = alpha_1 x.x'/d + alpha'_1
    Sigma^{l+1} = sw^2 T(Sigma^l) + sb^2        Theta^{l+1} = alpha_{l+1} T + alpha'_{l+1} + sw^2 Tdot Theta^l

with T = E phi(u) phi(v), Tdot = E phi'(u) phi'(v), (u, v) ~ N(0, Sigma^l); sw, sb, alpha, alpha' of each layer.

Error    Closed forms (`equations.duals`): rounding. Self-kernels are exact; pairs of the relu family, of sign and step
         that nearly coincide are computed from x - x', and keep 12 digits of Theta as all others do (7 digits if one
         used c alone); only nearly *opposite* inputs under abs without biases keep 9. The other closed forms lose no
         digits there: their maps are smooth at c = 1. Any other activation goes through Hermite series, with a bound
         (see `infinite.hermite`). A kernel that overflows is refused.
Jumps    sign and step have no Theta until their derivative is chosen; with "distribution" it is infinite for a sample
         and itself, and refused there. Sigma needs no choice; nor does Theta where the readout alone is trained.
Sources  [Jacot2018, arXiv:1806.07572, theorem 1]; [Lee2018, arXiv:1711.00165, eq. 4].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.foreach import foreach
from theorysim.backend.linalg import gram_into
from theorysim.equations.activations import Activation, almost_everywhere
from theorysim.equations.duals import Dual, dual_of
from theorysim.errors import ProblemError
from theorysim.infinite.series import diagonal_series, kernels_series
from theorysim.infinite.tiles import sample_of, tile_of, tiles
from theorysim.problem.layers import Layers

Array = NDArray[np.float64]

# Two tiles of 64 kB fit the cache of a core; a GPU has a thread for every pair.
_EDGE = {"cpu": 64, "cuda": 1}


@dataclass(frozen=True, eq=False)
class Kernels:
    """Kernels between two sets of samples, and bounds on their errors.

    Attributes
    ----------
    nngp, ntk : ndarray, shape (n1, n2)
        Sigma^{L+1} and Theta^{L+1}.
    nngp_error, ntk_error : float
        Largest truncation error of any entry; 0 where the dual maps are closed forms.
    """

    nngp: Array
    ntk: Array
    nngp_error: float = 0.0
    ntk_error: float = 0.0


@dataclass(frozen=True, eq=False)
class Samples:
    """Self-kernels of samples in every layer: the input of the loop over pairs.

    Attributes
    ----------
    x : ndarray, shape (N, d)
    sigma, a, b : ndarray, shape (L, N)
        Sigma^1 .. Sigma^L, and what the dual map of the activation prepares from them.
    nngp, ntk : ndarray, shape (N,)
        Self-kernels Sigma^{L+1}, Theta^{L+1}.
    """

    x: Array
    sigma: Array
    a: Array
    b: Array
    nngp: Array
    ntk: Array


def kernels_of(
    layers: Layers, activation: Activation, x1: Array, x2: Array | None = None, *, device: str = "cpu"
) -> Kernels:
    """Return the NNGP and NTK of an infinitely wide network.

    Parameters
    ----------
    layers : Layers
        The numbers of every layer.
    activation : Activation
    x1 : array, shape (n1, d)
    x2 : array, shape (n2, d), or None
        None: the kernels of `x1` with itself, exactly symmetric.
    device : {"cpu", "cuda"}

    Raises
    ------
    ProblemError
        If the inputs do not fit, the kernel overflows, or the activation jumps (see `Jumps` above).
    """
    activation = with_derivative(layers, activation)
    if x2 is None and not activation.differentiable:
        raise ProblemError(
            f'kernels: {activation.name} with derivative = "distribution" must be given different inputs x1 and x2, '
            "got x1 alone; the tangent kernel of a sample with itself is infinite (the nngp is not)"
        )
    kernels = _kernels(layers, activation, x1, x2, device)
    _check_finite("nngp", kernels.nngp, activation)
    _check_finite("ntk", kernels.ntk, activation)
    return kernels


def nngp_of(
    layers: Layers, activation: Activation, x1: Array, x2: Array | None = None, *, device: str = "cpu"
) -> tuple[Array, float]:
    """Return Sigma^{L+1} alone and a bound on its error: it exists for activations that jump; as `kernels_of`."""
    kernels = _kernels(layers, almost_everywhere(activation), x1, x2, device)
    _check_finite("nngp", kernels.nngp, activation)
    return kernels.nngp, kernels.nngp_error


def with_derivative(layers: Layers, activation: Activation) -> Activation:
    """Return the activation as Theta needs it: the choice of a derivative counts only below a trained layer.

    Raises
    ------
    ProblemError
        If a derivative is needed and was not chosen.
    """
    if not (np.any(layers.weight_rates[:-1]) or np.any(layers.bias_rates[:-1])):
        return almost_everywhere(activation)
    if not activation.differentiable and dict(activation.parameters)["derivative"] is None:
        raise ProblemError(f"kernels: {activation.choice}")
    return activation


def _kernels(layers: Layers, activation: Activation, x1: Array, x2: Array | None, device: str) -> Kernels:
    x1 = _inputs(x1, layers)
    x2 = None if x2 is None else _inputs(x2, layers)
    shape = len(x1), len(x1 if x2 is None else x2)
    nngp, ntk = np.empty(shape), np.empty(shape)
    gram_into(nngp, x1, x2)
    closed, steps, edge = dual_of(activation), steps_of(layers), _EDGE.get(device, 1)
    if closed is None:
        return Kernels(nngp, ntk, *kernels_series(steps, activation, x1, x2, nngp, ntk, edge, device))
    one = _samples(closed, steps, x1, device)
    two = one if x2 is None else _samples(closed, steps, x2, device)
    foreach(
        tile_of(closed), tiles(*shape, edge, x2 is None), edge, int(x2 is None), x1, two.x, steps,
        one.sigma, one.a, one.b, two.sigma, two.a, two.b, nngp, ntk, device=device,
    )  # fmt: skip
    if x2 is None:
        np.fill_diagonal(nngp, one.nngp)
        np.fill_diagonal(ntk, one.ntk)
    return Kernels(nngp, ntk)


def diagonal(layers: Layers, activation: Activation, x: Array) -> tuple[Array, Array]:
    """Return the self-kernels Sigma^{L+1}(x, x), Theta^{L+1}(x, x) of samples, each of shape (N,).

    Parameters
    ----------
    layers : Layers
    activation : Activation
    x : array, shape (N, d)
    """
    x, activation = _inputs(x, layers), with_derivative(layers, activation)
    closed = dual_of(activation)
    if closed is None:
        nngp, ntk = diagonal_series(steps_of(layers), activation, x)
    else:
        samples = _samples(closed, steps_of(layers), x, "cpu")
        nngp, ntk = samples.nngp, samples.ntk
    _check_finite("nngp", nngp, activation)
    _check_finite("ntk", ntk, activation)
    return nngp, ntk


def steps_of(layers: Layers) -> Array:
    """Return sw^2, sb^2, alpha, alpha' of each layer, shape (L + 1, 4); in the first, sw^2/d and alpha/d."""
    columns = (layers.weight_std**2, layers.bias_std**2, layers.weight_rates, layers.bias_rates)
    steps = np.stack(columns, axis=1).astype(np.float64)
    steps[0, 0::2] /= layers.widths[0]
    return steps


def _check_finite(kind: str, values: Array, activation: Activation) -> None:
    """Refuse infinite kernels; one sum tells whether a search is worth while."""
    with np.errstate(all="ignore"):
        finite = bool(np.isfinite(np.sum(values)))
    if finite or np.isfinite(values).all():
        return
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
    if activation.differentiable:
        why = f"{activation.name} grows too fast for these inputs, depth and `weight_std`"
    else:
        why = "these two samples are parallel in some layer, or one of them is zero"
    raise ProblemError(f"kernels: the {kind} must be finite, got infinity at {place}: {why}")


def _inputs(x: Array, layers: Layers) -> Array:
    x = np.ascontiguousarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != layers.widths[0] or not len(x):
        raise ProblemError(f"kernels: inputs must have shape (samples, {layers.widths[0]}), got {x.shape}")
    if not np.isfinite(x).all():
        raise ProblemError("kernels: inputs must be finite numbers")
    return x


def _samples(closed: Dual, steps: Array, x: Array, device: str) -> Samples:
    n, depth = len(x), len(steps) - 1
    sigma, a, b = np.empty((depth, n)), np.empty((depth, n)), np.empty((depth, n))
    nngp, ntk = np.empty(n), np.empty(n)
    foreach(sample_of(closed), n, np.einsum("ij,ij->i", x, x), steps, sigma, a, b, nngp, ntk, device=device)
    return Samples(x, sigma, a, b, nngp, ntk)
