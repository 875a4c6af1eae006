"""Residual networks in the mean-field limit, features learnt: infinitely wide, at their own depth or infinitely deep.

    h^{l+1} = h^l + b u^{l+1} + b sum_s [sw^2 A^l(k,s) + b c alpha Phi^l(k,s) Delta(s)] g^{l+1}(s)
    g^l = g^{l+1} + b phi'(h^l) z^l,   z^l = r^l + sum_s [sw^2 B^l(k,s) + b c alpha G^{l+1}(k,s) Delta(s)] phi(h^l(s))
    b = branch_scale/sqrt(L),   u^{l+1} ~ GP(sw^2 Phi^l),   r^l ~ GP(sw^2 G^{l+1}),   f = <phi(h^L) z>/gamma0

in one population of neurons, which all blocks share.

Limit    `limit`: width -> inf at fixed data, blocks L, gamma0 and steps. `depth_limit`: L -> inf after that, by
         extrapolation in 1/L. The responses A, B are of order L^-1/2, as what a block learns is, and stay
         (`residual_response`).
Valid    `ResidualMLP` of one-layer blocks at any gamma0 (0: lazy); activations with a derivative; squared loss or
         cross-entropy; GD, minibatches, heavy ball, Nesterov, schedules, weight decay, ridge, gradient flow. Not Adam.
Error    O(1/width) in the mean of a loss at width N, O(1/L) at L blocks. The limit is sampled: X_error is the standard
         error over replicas, with what finite populations and dropped directions cost and, in `depth_limit`, a quarter
         of what the extrapolation changes. X_std is zero but for random batches, as in `meanfield.deep`.
Sources  [Bordelon2024] for the scaling; the recursion at finite L, exact steps and the responses derived here.
         Proof: derivations/residual.py, derivations/march.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.finite.training import train
from theorysim.meanfield.answers import answer
from theorysim.meanfield.batches import Given, random_batches
from theorysim.meanfield.deep import (
    LARGEST_SECONDS,
    REPLICAS,
    SAMPLES_ERROR,
    TOLERANCE,
    TRUNCATION_ERROR,
    default_size,
    wanted_replicas,
)
from theorysim.meanfield.domain import Refusal, check_arguments, refuse
from theorysim.meanfield.domain import verdict as measured
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.order_parameters import OrderParameters, kernel_curves, order_parameters
from theorysim.meanfield.pilot import pilot_of
from theorysim.meanfield.price import of_march
from theorysim.meanfield.replicas import Draw, Replicas, Size, replicas_of, visited, with_room
from theorysim.meanfield.residual_kernels import deep_kernels as deep_kernels
from theorysim.meanfield.residual_kernels import start_kernels as start_kernels
from theorysim.meanfield.residual_march import ResidualMarch
from theorysim.meanfield.residual_setting import at_depth, setting_of
from theorysim.meanfield.sampled import Values, observables
from theorysim.meanfield.setting import Setting
from theorysim.observables import labelled
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.provenance import provenance
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training
from theorysim.theory import Verdict

Problem = Training
OBSERVABLES = (
    "train_loss", "test_loss", "train_accuracy", "test_accuracy", "ensemble_accuracy",
    "train_prediction", "test_prediction",
)  # fmt: skip
SOURCES = ("Bordelon2024", "Bordelon2022")
NAME = "meanfield.residual"
DEPTHS = (8, 16)
"""Numbers of blocks from which infinite depth is extrapolated."""


def validity(training: Training) -> Verdict:
    """Predict the cost of the march from its first steps, and the scatter of the outputs at this width."""
    reason = refusal(training)
    if reason is None:
        pilot = pilot_of(training, default_size(training, TOLERANCE), setting_of, ResidualMarch)
        if pilot.seconds > LARGEST_SECONDS:
            return Verdict(theory=NAME, applies=False, number=pilot.seconds, threshold=LARGEST_SECONDS,
                           reason=f"its equations need {pilot}")  # fmt: skip
    return measured(NAME, training, reason)


def price(training: Training, most: float) -> float:
    """Return the predicted seconds of `limit` on two cores; above `most` perhaps only a lower bound."""
    size = default_size(training, TOLERANCE)
    return of_march(training, most, size, lambda: pilot_of(training, size, setting_of, ResidualMarch))


def refusal(training: Training) -> Refusal | None:
    """Return why this limit does not describe a problem, and what does; None where it does."""
    network, optimizer = training.network, training.optimizer
    if not isinstance(network, ResidualMLP):
        mup = network.parameterization == "mup"
        return "its networks are residual, this is an MLP", "meanfield.deep" if mup else "kernels.mlp"
    if isinstance(optimizer, GradientFlow) and optimizer.euler_step is not None:
        return "it has no flow-Euler step (leave `euler_step` out)", None
    return None


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the learning curves in the limit of infinite width, at the network's own number of blocks.

    Parameters
    ----------
    training : Training
        Of a `ResidualMLP`.
    seed, tolerance, device, batches, size, threads
        As in `meanfield.deep.limit`.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (scatter over the order of random batches, else 0) and X_error.

    Raises
    ------
    ProblemError
        If the network is not residual, or the equations do not fit into memory.
    FloatingPointError
        If training diverges.
    """
    return _limit(training, (training.network.depth,), seed, tolerance, device, batches, size, threads)


def depth_limit(
    training: Training,
    depths: tuple[int, int] = DEPTHS,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    batches: Given = None,
    size: Size | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the learning curves in the limit of infinite width, then of infinitely many blocks.

    Outputs at two depths are extrapolated as f(L) = f + f'/L.

    Parameters
    ----------
    training : Training
        Of a `ResidualMLP`, whose own depth does not matter.
    depths : pair of ints
        Numbers of blocks, increasing.
    seed, tolerance, device, batches, size, threads
        As in `limit`.

    Returns
    -------
    Dataset
        As `limit`; X_error holds a quarter of the change from the larger depth to the limit.
    """
    if len(depths) != 2 or not 0 < depths[0] < depths[1]:
        raise ProblemError(f"{NAME}: `depths` must be two increasing numbers of blocks, got {tuple(depths)}")
    return _limit(training, tuple(depths), seed, tolerance, device, batches, size, threads)


def _limit(
    training: Training, depths: Sequence[int], seed: int, tolerance: float | None, device: str, batches: Given,
    size: Size | None, threads: int | None,
) -> xr.Dataset:  # fmt: skip
    refuse(NAME, refusal(training))
    check_arguments(NAME, training, device=device, batches=batches)
    wanted = TOLERANCE if tolerance is None else tolerance
    chosen = size or default_size(training, wanted)
    vary, draw = random_batches(training, batches), Draw(seed, batches, threads)
    runs = [at_depth(training, depth) for depth in depths]

    def more(first: int, count: int) -> tuple[int, Replicas]:
        found = [_marched(run, chosen, draw, range(first, first + count)) for run in runs]
        return max(setting.samples for setting, _ in found), _extrapolated(depths, [one for _, one in found])

    def values_of(found: Replicas) -> Values:
        method = TRUNCATION_ERROR * chosen.truncation + SAMPLES_ERROR / chosen.samples
        return observables(training, found, vary=vary, method_error=method)

    try:
        samples, found = more(0, chosen.replicas)
        values = values_of(found)
        missing = 0 if size is not None else wanted_replicas(values, wanted) - REPLICAS
        if missing > 0:
            found = found.joined(more(REPLICAS, missing)[1])
            values = values_of(found)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    attrs = provenance(training, theory=NAME, seed=seed, sources=" ".join(SOURCES)) | {
        "samples": samples, "replicas": len(found.train), "rank": found.rank, "depths": list(depths),
    }  # fmt: skip
    return answer(training, values, attrs)


def _marched(training: Training, size: Size, draw: Draw, streams: range) -> tuple[Setting, Replicas]:
    setting = setting_of(training, samples=size.samples, tolerance=size.truncation)
    return with_room(setting, lambda room: replicas_of(training, room, draw, streams, ResidualMarch), NAME)


def _extrapolated(depths: Sequence[int], found: Sequence[Replicas]) -> Replicas:
    """Return replicas at one depth as they are; those at two depths extrapolated, with the deeper ones as `coarse`."""
    if len(found) == 1:
        return found[0]
    (low, high), (few, many) = depths, found
    share = high / (high - low)
    train, test = (share * deep + (1.0 - share) * shallow
                   for deep, shallow in ((many.train, few.train), (many.test, few.test)))  # fmt: skip
    return Replicas(train, test, max(few.rank, many.rank), many)


def finite(training: Training, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Train finite residual networks: the same observables, with the dimension ``replica``."""
    refuse(NAME, refusal(training))
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
        Of a `ResidualMLP`, by SGD or GD.
    seed, samples, batches, size, threads
        As in `meanfield.deep.kernels`.

    Returns
    -------
    Dataset
        ``feature_kernel`` <phi(h^l) phi(h^l)> and ``gradient_kernel`` <g^l g^l> over step, layer (l = 0 .. L), sample,
        sample_other; ``kernel_change`` and ``alignment`` of the tangent kernel over step; each with _error.
    """
    refuse(NAME, refusal(training))
    if not isinstance(training.optimizer, SGD):
        raise ProblemError(f"{NAME}: `optimizer` must be SGD or GD for kernels, got gradient flow")
    chosen, draw = size or default_size(training, TOLERANCE), Draw(seed, batches, threads)

    def march(setting: Setting) -> list[list[OrderParameters]]:
        x, streams = setting.x[:samples], range(chosen.replicas)
        return visited(training, setting, draw, streams, lambda one, f: order_parameters(one, x), ResidualMarch)

    try:
        start = setting_of(training, samples=chosen.samples, tolerance=chosen.truncation)
        setting, found = with_room(start, march, NAME)
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None
    values = kernel_curves(found, np.asarray(training.samples.y_train[:samples]))
    attrs = provenance(training, theory=NAME, seed=seed, sources=" ".join(SOURCES)) | {
        "samples": setting.samples, "replicas": chosen.replicas,
    }  # fmt: skip
    return labelled(values, steps=np.asarray(training.recorded), time=np.asarray(training.clock), attrs=attrs)
