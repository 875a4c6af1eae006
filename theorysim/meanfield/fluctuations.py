"""Fluctuations of two-layer networks at width N about their mean-field limit, to leading order in 1/N.

    N Cov(f) = (1 + R J)^-1 kappa (1 + R J)^-T,   kappa = Cov over neurons of phi z/gamma0,   R = df/d delta

Limit    width -> inf, covariance of the outputs to order 1/N, at fixed data, gamma0 and steps.
Valid    `mup` with one hidden layer, any activation (exact moments where it is linear, with the shift of the mean);
         squared loss or cross-entropy; GD, heavy ball, Nesterov, schedules, weight decay, ridge, biases, batches that
         are given; gamma0 = 0 is the lazy limit. At most 1500 steps times samples times outputs.
         Deep networks: `wide_networks` draws them at their own width.
Error    O(1/N) relative in the covariance (large where training is nearly unstable). Of the method: independent
         scramblings; activations with kinks have their second derivative smoothed over a tenth of the spread of the
         pre-activations.
Sources  [Bordelon2023]; the discrete form is derived here. Proof: derivations/two_layer.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.finite.losses import LOSSES, targets
from theorysim.finite.training import train
from theorysim.meanfield import two_layer
from theorysim.meanfield.answers import answer
from theorysim.meanfield.batches import Given, random_batches
from theorysim.meanfield.domain import Refusal, check_arguments, check_tolerance, refuse
from theorysim.meanfield.domain import verdict as measured
from theorysim.meanfield.flow import diverged
from theorysim.meanfield.inputs import inputs_of
from theorysim.meanfield.leading import Leading, bytes_of, leading
from theorysim.meanfield.loss_expansion import deviation_of_loss
from theorysim.meanfield.moments import affordable
from theorysim.observables import attributes
from theorysim.problem.optimizer import SGD
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training
from theorysim.theory import Verdict

Array = NDArray[np.float64]
Problem = Training
OBSERVABLES = ("train_loss", "test_loss", "train_prediction", "test_prediction")
SOURCES = ("Bordelon2023",)
NAME = "meanfield.fluctuations"
TOLERANCE = 0.05
"""Relative error of the covariance that is aimed at by default."""
MOST_TANGENTS, MOST_SAMPLES = 1500, 12
"""Steps x samples x outputs; samples whose kernels are asked for."""
MOST_BYTES = 2**31


def validity(training: Training) -> Verdict:
    """Predict the scatter of the outputs between networks of this width, relative to the labels."""
    return measured(NAME, training, refusal(training))


def refusal(training: Training, batches: Given = None) -> Refusal | None:
    """Return why the leading fluctuations of this problem are not known, and what helps; None where they are."""
    reason = two_layer.refusal(training)
    if reason is not None:
        deep = reason[1] in ("meanfield.deep", "meanfield.linear")
        return (f"{reason[0]} (random networks of any width)", "meanfield.wide_networks") if deep else reason
    if not isinstance(training.optimizer, SGD):
        return "fluctuations are found for discrete steps, not for gradient flow (use GD with small steps)", None
    if random_batches(training, batches):
        return "fluctuations are found at batches that are given (`batches`), not on average over drawn ones", None
    if training.network.gamma0 == 0.0 and training.network.initial_output == "random":
        return (
            'at gamma0 = 0 outputs that start at random scatter without bound (set initial_output = "subtracted")',
            None,
        )
    if training.network.activation_name == "linear" and affordable(training):
        return None
    tangents = training.recorded[-1] * len(training.samples.x_train) * training.outputs
    if tangents > MOST_TANGENTS:
        return f"steps x samples x outputs are at most {MOST_TANGENTS} here, not {tangents}", "meanfield.two_layer"
    if bytes_of(training) > MOST_BYTES:
        return f"covariances need {bytes_of(training) >> 30} GiB (record fewer steps, or test on fewer samples)", None
    return None


def limit(
    training: Training,
    *,
    seed: int = 0,
    tolerance: float | None = None,
    device: str = "cpu",
    batches: Given = None,
) -> xr.Dataset:
    """Return losses and outputs at infinite width, with their standard deviation at the problem's width.

    Parameters
    ----------
    training : Training
    seed : int
        Fixes the scramblings.
    tolerance : float, optional
        Relative error of the variances that is aimed at (default 5 %).
    device : "cpu"
    batches : list of ndarray, optional
        Row indices of each step; required where the optimizer has a batch.

    Returns
    -------
    Dataset
        Each observable X over ``step`` with X_std (initialisation, order width^-1/2) and X_error.
    """
    found = _leading(training, seed=seed, tolerance=tolerance, device=device, batches=batches)
    count = len(training.samples.x_train)
    values: dict[str, Array] = {}
    for side, rows, y in zip(("train", "test"), (slice(0, count), slice(count, None)), targets(training), strict=True):
        if len(y):
            values |= _side(training, side, found, rows, y)
    attrs = provenance(training, theory=NAME, seed=seed, device=device, sources=" ".join(SOURCES))
    return answer(training, values, attrs)


def finite(training: Training, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
    """Train finite networks: the same observables, with the dimension ``replica``."""
    return train(training, replicas=replicas, seed=seed, device=device)


def prediction_scatter(
    training: Training, *, seed: int = 0, tolerance: float | None = None, batches: Given = None
) -> xr.Dataset:
    """Return the scatter of predictions between networks of this width, to leading order in 1/width.

    Parameters
    ----------
    training, seed, tolerance, batches
        As in `limit`.

    Returns
    -------
    Dataset
        Dimensions step, sample, output (training samples first): ``prediction`` (infinite width), ``prediction_std``,
        for linear networks ``prediction_shift`` (of the mean, exact at this order); ``prediction_covariance`` (step,
        sample, output, sample_other, output_other) with ``_error``.
    """
    found = _leading(training, seed=seed, tolerance=tolerance, batches=batches)
    width, dims = training.network.widths[-1], ("step", "sample", "output")
    std = np.sqrt(np.maximum(np.einsum("kxcxc->kxc", found.covariance), 0.0) / width)
    data: dict[str, Any] = {
        "prediction": (dims, found.runs.mean(axis=0), _label("network output at infinite width", "f")),
        "prediction_std": (dims, std, _label("standard deviation over initialisation", r"\sigma[f]")),
    }
    if found.shift is not None:
        data["prediction_shift"] = (dims, found.shift / width, _label("shift of the mean", r"\mathbb{E}f-f_\infty"))
    both = (*dims, "sample_other", "output_other")
    text, symbol = "covariance over initialisation", r"\mathrm{Cov}\,f"
    data["prediction_covariance"] = (both, found.covariance / width, _label(text, symbol))
    data["prediction_covariance_error"] = (both, found.error / width, _label(f"standard error: {text}", symbol))
    return _scattered(training, data, seed)


def kernel_scatter(
    training: Training, *, seed: int = 0, tolerance: float | None = None, batches: Given = None
) -> xr.Dataset:
    """Return the scatter of the kernels between networks of this width, to leading order in 1/width.

    Parameters
    ----------
    training, seed, tolerance, batches
        As in `limit`; at most 12 training samples.

    Returns
    -------
    Dataset
        Dimensions step, sample, sample_other: ``feature_kernel`` <phi phi>, ``gradient_kernel`` <phi' phi' z.z>/C and
        ``ntk``, the tangent kernel averaged over outputs, of the training samples at infinite width, and their
        ``_std``.
    """
    count, layers = len(training.samples.x_train), training.layers
    if count > MOST_SAMPLES:
        raise ProblemError(f"{NAME}: `data` must have at most {MOST_SAMPLES} training samples for kernels, got {count}")
    pairs = np.stack(np.triu_indices(count), axis=1)
    found = _leading(training, seed=seed, tolerance=tolerance, batches=batches, pairs=pairs)
    inputs = inputs_of(training).train
    below = layers.weight_rates[0] * (inputs @ inputs.T) + layers.bias_rates[0]
    shares = {"feature_kernel": (1.0, 0.0), "gradient_kernel": (0.0, 1.0),
              "ntk": (float(layers.weight_rates[1]), below[pairs[:, 0], pairs[:, 1]])}  # fmt: skip
    data: dict[str, Any] = {}
    for name, (of_features, of_gradients) in shares.items():
        values, covariance = found.kernels, found.kernel_covariance
        mean = of_features * values[:, 0] + of_gradients * values[:, 1] + (name == "ntk") * layers.bias_rates[1]
        variance = of_features**2 * covariance[:, 0, 0] + of_gradients**2 * covariance[:, 1, 1]
        variance = variance + 2.0 * of_features * of_gradients * covariance[:, 0, 1]
        std = np.sqrt(np.maximum(variance, 0.0) / training.network.widths[-1])
        for kind, rows in (("", mean), ("_std", std)):
            dims = ("step", "sample", "sample_other")
            data[f"{name}{kind}"] = dims, _square(rows, pairs, count), attributes(f"{name}{kind}")
    return _scattered(training, data, seed)


def _square(rows: Array, pairs: NDArray[np.int64], count: int) -> Array:
    """Return symmetric matrices, shape (K, P, P), of the values of pairs, shape (K, pairs)."""
    one, other = pairs.T
    square = np.zeros((len(rows), count, count))
    square[:, one, other] = square[:, other, one] = rows
    return square


def _leading(
    training: Training,
    *,
    seed: int,
    tolerance: float | None,
    device: str = "cpu",
    batches: Given,
    pairs: NDArray[np.int64] | None = None,
) -> Leading:
    """Check the arguments and return the leading fluctuations."""
    refuse(NAME, refusal(training, batches))
    check_arguments(NAME, training, device=device, batches=batches)
    check_tolerance(NAME, tolerance)
    try:
        return leading(training, seed=seed, tolerance=TOLERANCE if tolerance is None else tolerance,
                       batches=batches, pairs=pairs)  # fmt: skip
    except FloatingPointError as failure:
        raise diverged(NAME, training, failure) from None


def _side(training: Training, side: str, found: Leading, rows: slice, y: Array) -> dict[str, Array]:
    """Return loss and outputs of one side, of which the samples are some rows."""
    loss, width = LOSSES[training.loss], training.network.widths[-1]
    runs, coarse = (np.ascontiguousarray(f) for f in (found.runs[:, :, rows], found.coarse[:, rows]))
    mean, covariance = runs.mean(axis=0), found.covariance[:, rows, :, rows] / width
    losses, size = loss.values(mean, y), y.size
    of_runs = np.stack([loss.values(run, y) for run in runs])
    scatter = [deviation_of_loss(training.loss, *parts) for parts in
               zip(mean, [y] * len(mean), covariance.reshape(-1, size, size), strict=True)]  # fmt: skip
    variance = np.maximum(np.einsum("kxcxc->kxc", covariance), 0.0)
    values = {
        f"{side}_loss": (losses, np.array(scatter), np.hypot(_sem(of_runs), losses - loss.values(coarse, y))),
        f"{side}_prediction": (mean, np.sqrt(variance), np.hypot(_sem(runs), mean - coarse)),
    }
    return {f"{name}{kind}": row for name, parts in values.items()
            for kind, row in zip(("", "_std", "_error"), parts, strict=True)}  # fmt: skip


def _sem(runs: Array) -> Array:
    if len(runs) == 1:
        return np.zeros(runs.shape[1:])
    return np.asarray(runs.std(axis=0, ddof=1) / np.sqrt(len(runs)))


def _label(long_name: str, symbol: str) -> dict[str, str]:
    return {"units": "1", "long_name": long_name, "symbol": symbol}


def _scattered(training: Training, data: dict[str, Any], seed: int) -> xr.Dataset:
    """Return labelled arrays over the recorded steps, all finite."""
    for name, (_, values, _) in data.items():
        if not np.all(np.isfinite(values)):
            raise FloatingPointError(f"{name}: not finite")
    steps = {"step": np.asarray(training.recorded)}
    attrs = provenance(training, theory=NAME, seed=seed, sources=" ".join(SOURCES)) | {"order": "1/width"}
    return xr.Dataset(data, coords=steps, attrs=attrs)
