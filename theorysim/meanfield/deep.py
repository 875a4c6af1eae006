"""Deep networks in the mean-field limit, features learnt: dynamical mean-field theory, marched in steps of training.

    h^l = u^l + sum_s [sw^2 A^{l-1}(k,s) + c alpha Phi^{l-1}(k,s) Delta(s)] g^l(s),   u^l ~ GP(sw^2 Phi^{l-1} + sb^2)
    z^l = r^l + sum_s [sw^2 B^l(k,s) + c alpha G^{l+1}(k,s) Delta(s)] phi(h^l(s)),    r^l ~ GP(sw^2 G^{l+1})

Limit    widths -> inf at fixed data, depth, gamma0, steps and ratios of widths.
Valid    `mup` at any gamma0 (0: the lazy limit), any activation with a derivative; squared loss or cross-entropy;
         GD, minibatches, heavy ball, Nesterov, schedules, weight decay, ridge, biases, rates of one's own, gradient
         flow. Not Adam, not `ntk` or `standard`; not more samples than a low-rank solution can tell apart (hundreds).
Error    O(1/width) in the mean of a loss at width N. The limit itself is sampled: X_error is the standard error over
         independent replicas of populations of S samples, with what finite S, O(1/S), and dropped directions cost
         (measured in benchmarks/meanfield_cases). X_std is zero: an infinitely wide network has no scatter, and a
         forecast adds that of its width. With random batches X_std is the scatter over their order.
Sources  [Bordelon2022]; exact steps, minibatches, momentum, decay, biases and outputs derived here. Proof:
         derivations/march.py.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.finite.training import train
from theorysim.meanfield.answers import answer
from theorysim.meanfield.batches import Given, random_batches
from theorysim.meanfield.domain import Refusal, check_arguments, common_refusal, refuse
from theorysim.meanfield.domain import verdict as measured
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.order_parameters import OrderParameters, kernel_curves, order_parameters
from theorysim.meanfield.pilot import pilot_of
from theorysim.meanfield.price import of_march
from theorysim.meanfield.replicas import Draw, Replicas, Size, replicas_of, visited, with_room
from theorysim.meanfield.sampled import Values, observables
from theorysim.meanfield.setting import Setting, setting_of
from theorysim.observables import labelled
from theorysim.problem.optimizer import SGD
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.theory import Verdict

Problem = Training
OBSERVABLES = (
    "train_loss", "test_loss", "train_accuracy", "test_accuracy", "ensemble_accuracy",
    "train_prediction", "test_prediction",
)  # fmt: skip
SOURCES = ("Bordelon2022",)
NAME = "meanfield.deep"
TOLERANCE = 0.01
"""Relative standard error of a mean loss that is aimed at by default."""
FEWEST_SAMPLES, REPLICAS, MOST_REPLICAS = 1024, 16, 64
"""Of a population; replicas that are always marched, and the most."""
TRUNCATION_SHARE, TRUNCATION_ERROR, SAMPLES_ERROR = 3e-3, 20.0, 2.0
"""Share of a variance that may be dropped over the tolerance; relative error of a loss over that share, and times the
samples of a population (benchmarks/meanfield_cases)."""
NEGLIGIBLE = 1e-2
"""Share of the largest loss below which relative errors do not decide how much is sampled."""
LARGEST_SECONDS = 120.0
"""Cost from which a forecast does better with narrow networks."""


def validity(training: Training) -> Verdict:
    """Predict the cost of the march from its first steps, and the scatter of the outputs at this width."""
    reason = refusal(training)
    if reason is None:
        pilot = pilot_of(training, default_size(training, TOLERANCE))
        if pilot.seconds > LARGEST_SECONDS:
            return Verdict(theory=NAME, applies=False, number=pilot.seconds, threshold=LARGEST_SECONDS,
                           reason=f"its equations need {pilot}")  # fmt: skip
    return measured(NAME, training, reason)


def price(training: Training, most: float) -> float:
    """Return the predicted seconds of `limit` on two cores; above `most` perhaps only a lower bound."""
    size = default_size(training, TOLERANCE)
    return of_march(training, most, size, lambda: pilot_of(training, size))


def refusal(training: Training) -> Refusal | None:
    """Return why this limit does not describe a problem, and what does; None where it does."""
    return common_refusal(training)


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
    checkpoint: str | Path | None = None,
) -> xr.Dataset:
    """Return the learning curves in the limit of infinite width.

    Parameters
    ----------
    training : Training
    seed : int
        Draws the populations and the orders of batches (replica r has those of finite network r of the same seed).
    tolerance : float, optional
        Relative standard error of the losses that is aimed at (default 1 %); X_error is what was reached.
    device : "cpu"
    batches : list of ndarray, optional
        Row indices of each step in place of drawn batches.
    size : Size, optional
        Samples, replicas and truncation in place of those that follow from the tolerance. At a given size the first
        steps of a run do not depend on how long it goes on, bit for bit.
    threads : int, optional
        Default: the processor's cores. The numbers do not depend on it.
    checkpoint : str or Path, optional
        A folder in which replicas are kept on their way: a run that was interrupted, or a longer one (with the same
        recorded steps so far), goes on from there with the same bits.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (scatter over the order of random batches, else 0) and X_error.

    Raises
    ------
    ProblemError
        If the network is not `mup`, or the equations do not fit into memory.
    FloatingPointError
        If training diverges.
    """
    refuse(NAME, refusal(training))
    check_arguments(NAME, training, device=device, batches=batches)
    wanted = TOLERANCE if tolerance is None else tolerance
    if checkpoint is not None and batches is not None:
        raise ProblemError(f"{NAME}: `checkpoint` must be left out where `batches` are given")
    vary, draw = random_batches(training, batches), Draw(seed, batches, threads, checkpoint)

    def more(setting: Setting, first: int, count: int) -> Replicas:
        return replicas_of(training, setting, draw, range(first, first + count))

    def values_of(setting: Setting, found: Replicas) -> Values:
        method = TRUNCATION_ERROR * setting.tolerance + SAMPLES_ERROR / setting.samples
        return observables(training, found, vary=vary, method_error=method)

    try:
        chosen = size or default_size(training, wanted)
        setting, found = with_room(_setting(training, chosen), lambda room: more(room, 0, chosen.replicas))
        values = values_of(setting, found)
        missing = 0 if size is not None else wanted_replicas(values, wanted) - REPLICAS
        if missing > 0:
            found = found.joined(more(setting, REPLICAS, missing))
            values = values_of(setting, found)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    attrs = _attrs(training, seed, setting, len(found.train)) | {"rank": found.rank}
    return answer(training, values, attrs)


def default_size(training: Training, tolerance: float) -> Size:
    """Return how much is sampled at first for a relative error of the losses."""
    samples = training.samples
    inputs = min(samples.x_train.shape[1], len(samples.x_train) + len(samples.x_test))
    fewest = max(FEWEST_SAMPLES, 10.0 / tolerance, 8.0 * (inputs + training.outputs))
    return Size(256 * math.ceil(fewest / 256), REPLICAS, TRUNCATION_SHARE * tolerance)


def _setting(training: Training, size: Size) -> Setting:
    return setting_of(training, samples=size.samples, tolerance=size.truncation)


def wanted_replicas(values: Values, tolerance: float) -> int:
    """Return how many replicas bring the relative errors of all losses that are not negligible to a tolerance."""
    worst = 0.0
    for name in ("train_loss", "test_loss"):
        if name in values:
            loss = values[name]
            worst = max(worst, float(np.max(values[f"{name}_error"] / (loss + NEGLIGIBLE * np.max(loss)))))
    return min(math.ceil(REPLICAS * (worst / tolerance) ** 2), MOST_REPLICAS)


def _attrs(training: Training, seed: int, setting: Setting, replicas: int) -> dict[str, str | int]:
    found = provenance(training, theory=NAME, seed=seed, sources=" ".join(SOURCES))
    return found | {"samples": setting.samples, "replicas": replicas}


def finite(training: Training, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Train finite networks: the same observables, with the dimension ``replica``."""
    return train(training, replicas=replicas, seed=seed, device=device)


def kernels(
    training: Training,
    *,
    seed: int = 0,
    samples: int = 64,
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the order parameters at the recorded steps, and what the tangent kernel that they make does.

    Parameters
    ----------
    training : Training
        Not gradient flow.
    samples : int
        The kernels are those of the first training samples, as many as these.
    seed, batches, size, threads
        As in `limit`.

    Returns
    -------
    Dataset
        ``feature_kernel`` and ``gradient_kernel`` (mean over outputs) over step, layer, sample, sample_other;
        ``kernel_change`` and ``alignment`` of the tangent kernel over step; each with _error.
    """
    refuse(NAME, refusal(training))
    if not isinstance(training.optimizer, SGD):
        raise ProblemError(f"{NAME}: `optimizer` must be SGD or GD for kernels, got gradient flow")
    chosen, draw = size or default_size(training, TOLERANCE), Draw(seed, batches, threads)

    def march(setting: Setting) -> list[list[OrderParameters]]:
        x = setting.x[:samples]
        return visited(training, setting, draw, range(chosen.replicas), lambda one, f: order_parameters(one, x))

    try:
        setting, found = with_room(_setting(training, chosen), march)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    values = kernel_curves(found, np.asarray(training.samples.y_train[:samples]))
    attrs = _attrs(training, seed, setting, chosen.replicas)
    return labelled(values, steps=np.asarray(training.recorded), time=np.asarray(training.clock), attrs=attrs)
