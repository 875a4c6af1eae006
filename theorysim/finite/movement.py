"""What changes inside finite networks while they train: parameters and the tangent kernel.

    kernel_change    |Theta_k - Theta_0| / |Theta_0|
    kernel_distance  |Theta_k - Theta_ref| / |Theta_ref|
    alignment        <Theta_k, y y^T> / (|Theta_k| |y y^T|)

in the Frobenius norm, Theta averaged over outputs, y y^T summed over them.
Sources  alignment: [Cristianini2001].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.finite.block import Probe
from theorysim.finite.empirical import ntk, relative_change
from theorysim.finite.kernels import Weights, empirical_ntk
from theorysim.finite.network import Parameters
from theorysim.finite.training import Batches, Initial, run
from theorysim.observables import labelled
from theorysim.problem import MLP, Training
from theorysim.problem.provenance import provenance

Array = NDArray[np.float64]
MODES = 10


def kernel_change(
    training: Training,
    *,
    replicas: int,
    seed: int = 0,
    batches: Batches | None = None,
    samples: int = 256,
    threads: int | None = None,
) -> xr.DataArray:
    """Train and return |Theta_k - Theta_0| / |Theta_0| (Frobenius) at the recorded steps.

    Parameters
    ----------
    samples : int
        The kernel is that of the first `samples` training samples, averaged over outputs.

    Returns
    -------
    xarray.DataArray
        Dimensions step, replica.
    """
    found = movement(training, replicas=replicas, seed=seed, batches=batches, samples=samples, modes=0, threads=threads)
    return found["kernel_change"]


def movement(
    training: Training,
    *,
    replicas: int,
    seed: int = 0,
    batches: Batches | None = None,
    initial: Initial | None = None,
    samples: int = 256,
    modes: int = MODES,
    reference: ArrayLike | xr.DataArray | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Train networks and return what their tangent kernel does at the recorded steps.

    Parameters
    ----------
    training : Training
    replicas : int
    seed, batches, initial, threads
        As in `train`.
    samples : int
        The kernel is that of the first `samples` training samples, averaged over outputs.
    modes : int
        Eigenvalues returned, largest first.
    reference : array_like, optional
        A kernel of those samples, for example the infinite one, to measure the distance from.

    Returns
    -------
    Dataset
        kernel_change, alignment and, with a reference, kernel_distance over step and replica; ntk_eigenvalues
        over step, mode and replica.
    """
    x, y = training.samples.x_train[:samples], training.samples.y_train[:samples]
    parts: list[dict[str, Array]] = [{} for _ in training.recorded]
    measured = _checked_reference(reference, len(y))

    def probe(rows: slice) -> Probe:
        first: list[Array] = []

        def see(index: int, p: Parameters) -> None:
            theta = ntk(p, training.layers, training.mlp, x)
            first[:] = first or [theta]
            for name, values in _observed(theta, first[0], y, modes, measured).items():
                whole = parts[index].setdefault(name, np.empty((*values.shape[:-1], replicas)))
                whole[..., rows] = values

        return see

    run(training, replicas=replicas, seed=seed, batches=batches, initial=initial, threads=threads, probe=probe)
    return labelled(
        {name: np.stack([part[name] for part in parts]) for name in parts[0]},
        steps=np.asarray(training.recorded),
        time=np.asarray(training.clock),
        attrs=provenance(training, theory="finite", seed=seed),
        replicas=np.arange(replicas),
    )


def checkpoint_movement(
    network: MLP,
    checkpoints: Mapping[int, Weights],
    x: ArrayLike,
    y: ArrayLike,
    *,
    modes: int = MODES,
    reference: ArrayLike | xr.DataArray | None = None,
) -> xr.Dataset:
    """Return what `movement` does, for networks saved while somebody else trained them.

    Parameters
    ----------
    network : MLP
        Shape, activation and rates.
    checkpoints : mapping of int to weights
        Effective parameters (as for `empirical_ntk`, for example paths of npz files) by step; changes are counted
        from the first step.
    x, y : array_like, shapes (B, d) and (B, C)
        Samples on which the kernel is taken, and their targets.
    modes, reference
        As in `movement`.
    """
    inputs, targets = np.asarray(x, float), np.asarray(y, float)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if not checkpoints:
        raise ProblemError("movement: `checkpoints` must hold the weights of at least one step, got none")
    if len(inputs) != len(targets):
        raise ProblemError(f"movement: `y` must hold {len(inputs)} samples as `x`, got {len(targets)}")
    steps, measured = sorted(checkpoints), _checked_reference(reference, len(inputs))
    kernels = [np.moveaxis(empirical_ntk(network, checkpoints[step], inputs).values, -1, 0) for step in steps]
    rows = [_observed(theta, kernels[0], targets, modes, measured) for theta in kernels]
    return labelled(
        {name: np.stack([row[name] for row in rows]) for name in rows[0]},
        steps=np.array(steps),
        time=np.array(steps, float),
        attrs={"theory": "finite"},
        replicas=np.arange(len(kernels[0])),
    )


def trained_parameters(
    training: Training,
    *,
    replicas: int,
    seed: int = 0,
    batches: Batches | None = None,
    initial: Initial | None = None,
    threads: int | None = None,
) -> Parameters:
    """Train and return the effective parameters at the last step, shapes (R, n_l, n_{l-1}) and (R, n_l)."""
    last = len(training.recorded) - 1
    kept: dict[int, Parameters] = {}

    def probe(rows: slice) -> Probe:
        def see(index: int, p: Parameters) -> None:
            if index == last:
                kept[rows.start] = p.copy()

        return see

    run(training, replicas=replicas, seed=seed, batches=batches, initial=initial, threads=threads, probe=probe)
    parts = [kept[start] for start in sorted(kept)]
    weights = [np.concatenate(each) for each in zip(*(part.weights for part in parts), strict=True)]
    biases = [np.concatenate(each) for each in zip(*(part.biases for part in parts), strict=True)]
    return Parameters(weights, biases)


def _observed(theta: Array, first: Array, y: Array, modes: int, reference: Array | None) -> dict[str, Array]:
    """Return the observables of kernels, shape (R, B, B); the last axis is the replica."""
    found: dict[str, Array] = {"kernel_change": relative_change(theta, first)}
    if np.any(y):
        found["alignment"] = alignment(theta, y)
    if reference is not None:
        found["kernel_distance"] = relative_change(theta, reference)
    if modes > 0:
        with single_thread():
            values: Array = np.linalg.eigvalsh(theta).astype(np.float64, copy=False)
            found["ntk_eigenvalues"] = values[:, : -modes - 1 : -1].T
    return found


def alignment(kernels: Array, y: Array) -> Array:
    """Return <K, y y^T> / (|K| |y y^T|), kernels of shape (..., B, B) and targets of shape (B, C)."""
    with single_thread():
        overlap = np.einsum("ic,...ij,jc->...", y, kernels, y, optimize=True)
        found: Array = overlap / (np.linalg.norm(kernels, axis=(-2, -1)) * np.linalg.norm(y.T @ y))
    return found


def _checked_reference(reference: ArrayLike | xr.DataArray | None, samples: int) -> Array | None:
    if reference is None:
        return None
    kernel = np.asarray(reference, dtype=float)
    if kernel.shape != (samples, samples) or not np.all(np.isfinite(kernel)):
        raise ProblemError(
            f"movement: `reference` must be a finite kernel of shape {(samples, samples)}, got {kernel.shape}"
        )
    return kernel
