"""What changes inside finite networks while they train: parameters and the tangent kernel."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.finite.block import Probe
from theorysim.finite.empirical import ntk, relative_change
from theorysim.finite.network import Parameters
from theorysim.finite.training import Batches, Initial, run
from theorysim.observables import attributes
from theorysim.problem import Training

Array = NDArray[np.float64]


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
    x = training.samples.x_train[:samples]
    changes = np.empty((len(training.recorded), replicas))

    def probe(rows: slice) -> Probe:
        first: list[Array] = []

        def see(index: int, p: Parameters) -> None:
            theta = ntk(p, training.layers, training.network, x)
            first[:] = first or [theta]
            changes[index, rows] = relative_change(theta, first[0])

        return see

    run(training, replicas=replicas, seed=seed, batches=batches, threads=threads, probe=probe)
    coords = {"step": np.asarray(training.recorded), "replica": np.arange(replicas)}
    return xr.DataArray(changes, coords, ("step", "replica"), name="kernel_change", attrs=attributes("kernel_change"))


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
