"""Ensembles that are remembered: a verdict and a forecast ask for the same networks, which train once.

Replica r is the same network in every ensemble, so a larger one trains only those that are missing. Passes are in
single precision, whose error is far below the scatter of few networks, unless a loss falls so low that it shows.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.finite.block import Precision, Probe, Record
from theorysim.finite.empirical import ntk, relative_change
from theorysim.finite.network import Parameters
from theorysim.finite.results import dataset
from theorysim.finite.training import run
from theorysim.problem import Training

Array = NDArray[np.float64]
_KEPT: OrderedDict[tuple[Training, int], Ensemble] = OrderedDict()
_MOST_KEPT = 8
LOWEST = 1e-6
"""Smallest loss, relative to the largest, that single precision still gives to a thousandth."""
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trained networks.

    Attributes
    ----------
    curves : dict of str to ndarray, shape (steps, R)
        Losses and accuracies.
    start, start_test : ndarray, shapes (P, C, R) and (M, C, R)
        Initial outputs.
    change : ndarray, shape (R',)
        |Theta(end) - Theta(0)| / |Theta(0)| (Frobenius) of the first R' networks.
    """

    curves: dict[str, Array]
    start: Array
    start_test: Array
    change: Array

    @property
    def replicas(self) -> int:
        """Number of networks."""
        return int(self.start.shape[-1])

    def first(self, replicas: int) -> Ensemble:
        """Return the first networks."""
        curves = {name: curve[:, :replicas] for name, curve in self.curves.items()}
        return Ensemble(curves, self.start[..., :replicas], self.start_test[..., :replicas], self.change[:replicas])


def ensemble(training: Training, replicas: int, *, seed: int) -> Ensemble:
    """Return the first `replicas` networks of a run, trained unless they are remembered.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    kept = _remembered(training, seed)
    if kept is None or kept.replicas < replicas:
        kept = _extended(training, kept, replicas, seed, changes=0)
    return kept.first(replicas)


def kernel_changes(training: Training, replicas: int, *, seed: int, samples: int) -> Array:
    """Return the relative change of the tangent kernel over the training of each network, shape (replicas,).

    Parameters
    ----------
    samples : int
        The kernel is that of the first training samples, as many as these, averaged over outputs.
    """
    kept = _remembered(training, seed)
    if kept is None or len(kept.change) < replicas:
        kept = _extended(training, None, replicas, seed, changes=samples)
    return kept.change[:replicas]


def _remembered(training: Training, seed: int) -> Ensemble | None:
    with _LOCK:
        kept = _KEPT.get((training, seed))
        if kept is not None:
            _KEPT.move_to_end((training, seed))
        return kept


def _extended(training: Training, kept: Ensemble | None, replicas: int, seed: int, *, changes: int) -> Ensemble:
    """Train the networks that are missing and remember all."""
    have = 0 if kept is None else kept.replicas
    more = _trained(training, have, replicas - have, seed, changes)
    whole = more if kept is None else _joined(kept, more)
    with _LOCK:
        _KEPT[training, seed] = whole
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return whole


def _trained(training: Training, first: int, replicas: int, seed: int, changes: int) -> Ensemble:
    change = np.empty(replicas if changes else 0)
    last, x = len(training.recorded) - 1, training.samples.x_train[:changes]

    def probe(rows: slice) -> Probe:
        start: list[Array] = []

        def see(index: int, p: Parameters) -> None:
            if index == 0:
                start.append(ntk(p, training.layers, training.mlp, x))
            elif index == last:
                change[rows] = relative_change(ntk(p, training.layers, training.mlp, x), start[0])

        return see

    def trained(precision: Precision) -> Record:
        watch = probe if changes else None
        return run(training, replicas=replicas, seed=seed, first=first, probe=watch, precision=precision)

    curves = _curves(training, record := trained("single"), seed)
    if any(curve.min() < LOWEST * curve.max() for name, curve in curves.items() if name.endswith("loss")):
        curves = _curves(training, record := trained("double"), seed)
    start, start_test = (np.moveaxis(f[0], 0, -1) for f in (record.train, record.test))
    return Ensemble(curves, start, start_test, change)


def _curves(training: Training, record: Record, seed: int) -> dict[str, Array]:
    runs = dataset(training, record, seed=seed)
    return {str(name): runs[name].values for name in runs if runs[name].dims == ("step", "replica")}


def _joined(one: Ensemble, other: Ensemble) -> Ensemble:
    curves = {name: np.concatenate((curve, other.curves[name]), axis=1) for name, curve in one.curves.items()}
    start = np.concatenate((one.start, other.start), axis=-1)
    return Ensemble(curves, start, np.concatenate((one.start_test, other.start_test), axis=-1), one.change)
