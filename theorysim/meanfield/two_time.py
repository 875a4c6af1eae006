"""Two-time order parameters of deep mean-field theory, responses of its fields, and paths of single neurons.

    Phi^l(k, s) = <phi(h^l(k)) phi(h^l(s))>,            G^l(k, s) = <g^l(k) g^l(s)>
    A^l(k, s) = <d phi(h^l(k))/d r^l(s)>, s < k,         B^l(k, s) = <d g^{l+1}(k)/d u^{l+1}(s)>, s <= k

Deep linear networks have all of this exactly: `meanfield.linear_two_time`.

Proof: derivations/march.py (`stein`); source [Bordelon2022].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.meanfield.batches import Given
from theorysim.meanfield.deep import NAME, TOLERANCE, default_size, refusal
from theorysim.meanfield.domain import refuse
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.histories import Moment, moment_of, neurons_of, products, responses_of
from theorysim.meanfield.labels import labelled_neurons, labelled_pairs
from theorysim.meanfield.march import March
from theorysim.meanfield.replicas import Draw, Size, visited, with_room, worked
from theorysim.meanfield.setting import Setting, setting_of
from theorysim.problem.optimizer import SGD
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of

Array = NDArray[np.float64]
CUTOFF = 0.03
"""Singular values of the noise, over the largest, below which it determines no response."""
MOST_ROWS = 2000
"""Steps times samples of a regression."""


def correlations(
    training: Training,
    *,
    seed: int = 0,
    samples: int = 16,
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the kernels between all pairs of recorded steps.

    Parameters
    ----------
    training : Training
        Not gradient flow.
    samples : int
        The kernels are those of the first training samples, as many as these.
    seed, batches, size, threads
        As in `meanfield.deep.limit`.

    Returns
    -------
    Dataset
        ``feature_correlation`` and ``gradient_correlation`` (mean over outputs) over layer, step, sample, step_other,
        sample_other; each with _error, the standard error over replicas.
    """
    chosen = size or default_size(training, TOLERANCE)

    def one(setting: Setting, draw: Draw, stream: int) -> tuple[Array, Array]:
        x = setting.x[:samples]
        found = visited(training, setting, draw, [stream], lambda march, f: moment_of(march, x))[0]
        return products([m.phi for m in found]), products([m.g for m in found])

    setting, found = _marched(training, one, chosen, range(chosen.replicas), Draw(seed, batches, threads))
    return _labelled(training, ("feature_correlation", "gradient_correlation"), found, seed, setting)


def responses(
    training: Training,
    *,
    seed: int = 0,
    cutoff: float = CUTOFF,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return how the fields respond to their noise at earlier steps.

    Parameters
    ----------
    training : Training
        Two hidden layers or more, one output, full batches.
    cutoff : float
        Singular values of the noise, over the largest, below which it determines no response.
    seed, size, threads
        As in `meanfield.deep.limit`.

    Returns
    -------
    Dataset
        ``feature_response``, A^l, and ``gradient_response``, B^l, of the weights between layers l and l + 1, over
        layer, step, sample, step_other, sample_other; each with _error, the standard error over replicas.

    Raises
    ------
    ProblemError
        If there is one hidden layer, a batch, more than one output, or too much to regress on.
    """
    _check_responses(training)
    steps, chosen = training.recorded[-1], size or default_size(training, TOLERANCE)
    whole = Training(**{**fields_of(training), "record": tuple(range(steps + 1))})
    kept = np.asarray(training.recorded)

    def one(setting: Setting, draw: Draw, stream: int) -> tuple[Array, Array]:
        marches: list[March] = []

        def visit(march: March, f: Array | None) -> Moment:
            marches[:] = [march]
            return moment_of(march, setting.x)

        found = visited(whole, setting, draw, [stream], visit)[0]
        pairs = [responses_of(c, found, i, cutoff) for i, c in enumerate(marches[0].couplings)]
        a, b = (np.stack(part)[:, kept][:, :, :, kept] for part in zip(*pairs, strict=True))
        return a, b

    setting, found = _marched(whole, one, chosen, range(chosen.replicas), Draw(seed, None, threads))
    return _labelled(training, ("feature_response", "gradient_response"), found, seed, setting)


def paths(
    training: Training,
    *,
    neurons: int = 256,
    seed: int = 0,
    samples: int = 4,
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the fields of single neurons of every hidden layer at the recorded steps.

    Parameters
    ----------
    training : Training
        Not gradient flow.
    neurons : int
        Of each layer, each an independent sample of the single-site process (neurons of different layers are not of
        the same network).
    samples : int
        Inputs: the first training samples, as many as these.
    seed, batches, size, threads
        As in `meanfield.deep.limit`.

    Returns
    -------
    Dataset
        ``preactivation``, h, over layer, step, sample, neuron, and ``backward_field``, z, over layer, step, output,
        sample, neuron.
    """
    chosen = size or default_size(training, TOLERANCE)

    def one(setting: Setting, draw: Draw, stream: int) -> tuple[Array, Array]:
        x = setting.x[:samples]
        found = visited(training, setting, draw, [stream], lambda march, f: neurons_of(march, x, neurons))[0]
        h, z = (np.stack(part, axis=1) for part in zip(*found, strict=True))
        return h, z

    streams = range(-(-neurons // chosen.samples))
    setting, found = _marched(training, one, chosen, streams, Draw(seed, batches, threads))
    h, z = (np.concatenate(part, axis=-1)[..., :neurons] for part in zip(*found, strict=True))
    return labelled_neurons(training, h, z, _attrs(training, seed, setting, len(streams)))


def _marched(
    training: Training,
    one: Callable[[Setting, Draw, int], tuple[Array, Array]],
    size: Size,
    streams: Sequence[int],
    draw: Draw,
) -> tuple[Setting, list[tuple[Array, Array]]]:
    """Return what each replica gives, in a setting that has room for it."""
    refuse(NAME, refusal(training))
    if not isinstance(training.optimizer, SGD):
        raise ProblemError(f"{NAME}: `optimizer` must be SGD or GD for two-time functions, got gradient flow")
    setting = setting_of(training, samples=size.samples, tolerance=size.truncation)
    try:
        return with_room(setting, lambda room: worked(lambda s: one(room, draw, s), streams, draw.threads))
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None


def _check_responses(training: Training) -> None:
    refuse(NAME, refusal(training))
    if training.network.depth < 2:
        raise ProblemError(f"{NAME}: `depth` must be at least 2 for responses, got {training.network.depth}")
    if getattr(training.optimizer, "batch", None) is not None or training.outputs > 1:
        raise ProblemError(f"{NAME}: `batch` must be left out, and one output given, for responses")
    rows = (training.recorded[-1] + 1) * len(training.samples.x_train)
    if rows > MOST_ROWS:
        raise ProblemError(
            f"{NAME}: steps times training samples must be at most {MOST_ROWS} for responses, got {rows}"
        )


def _labelled(
    training: Training, names: tuple[str, str], found: Sequence[tuple[Array, Array]], seed: int, setting: Setting
) -> xr.Dataset:
    """Return means over replicas and their errors."""
    values = {}
    for name, rows in zip(names, zip(*found, strict=True), strict=True):
        stack = np.stack(rows)
        spread = stack.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros_like(stack[0])
        values[name], values[f"{name}_error"] = stack.mean(axis=0), spread / np.sqrt(len(rows))
    return labelled_pairs(training, values, _attrs(training, seed, setting, len(found)))


def _attrs(training: Training, seed: int, setting: Setting, replicas: int) -> dict[str, str | int]:
    return provenance(training, theory=NAME, seed=seed) | {"samples": setting.samples, "replicas": replicas}
