"""Scatter of lazy predictions: what the random tangent kernel of a finite network does to training.

Limit    width -> inf, leading order in 1/width, at fixed data, depth and steps.
Valid    `ntk` and `standard`, squared loss, initial output subtracted, gradient flow or SGD without batches.
Error    O(width^-2) in the covariance. The shift of the mean leaves out how learning moves the mean kernel, O(1/width).
Sources  [Lee2019], [Roberts2022, chapter 8]. Proof: derivations/finite_width.py; recursions: `infinite.frozen_scatter`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from theorysim.errors import ProblemError
from theorysim.infinite.fluctuations import Fluctuations, fluctuations
from theorysim.infinite.frozen_scatter import Kernel, Scatter, flowing, stepped
from theorysim.infinite.pairs import pairs_of
from theorysim.kernels.corrections import MOST_TOGETHER, check_finite, checked_inputs, label
from theorysim.problem.network import activation_of
from theorysim.problem.optimizer import Adam, GradientFlow
from theorysim.problem.provenance import provenance
from theorysim.problem.training import Training


def prediction_scatter(training: Training) -> xr.Dataset:
    """Return the scatter of lazy predictions between networks of this width, to leading order in 1/width.

    The covariance is complete at this order. The shift is that of frozen kernels (mean and covariance of the initial
    tangent kernel); learning itself moves the mean kernel by O(1/width) as well, which is not in it.

    Parameters
    ----------
    training : Training
        `ntk` or `standard`, squared loss, `initial_output` "subtracted", GradientFlow (without ridge) or SGD without
        batches; at most 32 samples, training and test (20 CPU-seconds for 32 samples, 10 outputs, 500 steps). It is a
        linear response: where a mode has decayed so far that its own fluctuation decides, higher orders matter.

    Returns
    -------
    Dataset
        Dimensions step, sample, output (training samples first): ``prediction`` (infinite width), ``prediction_std``,
        ``prediction_shift``; ``prediction_covariance`` (step, output, sample, sample_other). attrs: order, left_out.

    Raises
    ------
    ProblemError
        If the run is not of this kind.
    """
    _refuse(training)
    samples, network = training.samples, training.network
    x = checked_inputs(np.concatenate([samples.x_train, samples.x_test]), MOST_TOGETHER)
    now = fluctuations(training.layers, activation_of(network), x)[-1]
    scatter = _scatter(training, _kernel_of(now, len(x)))
    deviation = np.sqrt(np.maximum(np.einsum("tcxx->txc", scatter.covariance), 0.0))
    dims = ("step", "sample", "output")
    data = {
        "prediction": (dims, scatter.mean, label("network output at infinite width", "f")),
        "prediction_std": (dims, deviation, label("standard deviation over initialisation", r"\sigma[f]")),
        "prediction_shift": (dims, scatter.shift, label("shift of the mean, frozen kernels", r"\mathbb{E}f-f_0")),
        "prediction_covariance": (("step", "output", "sample", "sample_other"), scatter.covariance,
                                  label("covariance over initialisation", r"\mathrm{Cov}\,f")),
    }  # fmt: skip
    check_finite(data)
    left_out = "prediction_shift: motion of the mean kernel by learning, O(1/width)"
    attrs = provenance(training, theory="kernels.lazy_scatter", seed=0) | {"order": "1/width", "left_out": left_out}
    return xr.Dataset(data, coords={"step": np.asarray(training.recorded)}, attrs=attrs)


def _scatter(training: Training, kernel: Kernel) -> Scatter:
    target, optimizer = training.samples.y_train, training.optimizer
    if isinstance(optimizer, GradientFlow):
        return flowing(kernel, target, training.kappa, np.asarray(training.recorded_times, float))
    assert not isinstance(optimizer, Adam)
    return stepped(
        kernel, target, optimizer, training.kappa, np.asarray(training.recorded, np.int64), int(training.steps or 0)
    )


def _kernel_of(now: Fluctuations, m: int) -> Kernel:
    """Return the output tangent kernel with its fluctuations, the blocks averaged."""
    pairs = pairs_of(m)
    return Kernel(
        now.tangent[pairs.table], now.tangent_shift.mean(axis=0)[pairs.table],
        now.tangent_covariance(pairs).mean(axis=0), now.between.mean(axis=0),
    )  # fmt: skip


def _refuse(training: Training) -> None:
    network, optimizer = training.network, training.optimizer
    if network.parameterization == "mup":
        raise ProblemError('prediction_scatter: `parameterization` must be "ntk" or "standard", got "mup"')
    if network.initial_output != "subtracted":
        raise ProblemError('prediction_scatter: `initial_output` must be "subtracted", got "random"')
    if training.loss != "mse":
        raise ProblemError(f'prediction_scatter: `loss` must be "mse", got "{training.loss}"')
    if isinstance(optimizer, Adam) or getattr(optimizer, "batch", None) is not None or optimizer.weight_decay > 0:
        raise ProblemError("prediction_scatter: `optimizer` must be GradientFlow or GD without weight decay")
    if isinstance(optimizer, GradientFlow) and optimizer.ridge > 0:
        raise ProblemError(f"prediction_scatter: `ridge` must be 0 with GradientFlow, got {optimizer.ridge:g}; use GD")
