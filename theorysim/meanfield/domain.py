"""What mean-field theories of training have in common: where they hold, and what decides it."""

from __future__ import annotations

import numpy as np

from theorysim.errors import ProblemError
from theorysim.meanfield.batches import Given
from theorysim.meanfield.scatter import twin_deviations
from theorysim.problem.optimizer import SGD, Adam, GradientFlow
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training
from theorysim.problem.validation import is_real, shown
from theorysim.theory import Verdict

LARGEST_VARIANCE = 0.25
"""Variance of the outputs between networks of this width, over the mean square of the labels, above which the limit is
no start for a forecast: 1/width times a number of the problem."""
SMALLEST_GAMMA0 = 1e-4
"""What stands for gamma0 = 0: outputs differ from the lazy limit by a relative 1e-8."""

Refusal = tuple[str, str | None]


def common_refusal(training: Training) -> Refusal | None:
    """Return why no mean-field limit of gradient descent describes this problem, and what does; None where one does."""
    network, optimizer = training.network, training.optimizer
    if isinstance(network, ResidualMLP):
        return "its network is residual", "meanfield.residual"
    if network.parameterization != "mup":
        return (
            f"the limit of {network.parameterization} is a kernel (for its own width beyond that, restate it as mup "
            "with gamma0 = width^-1/2)",
            "kernels.mlp",
        )
    if isinstance(optimizer, Adam):
        return "Adam has no linear memory, so that its equations do not close", None
    if isinstance(optimizer, GradientFlow) and optimizer.euler_step is not None:
        penalised = optimizer.ridge > 0 or optimizer.weight_decay > 0
        if penalised:
            return "the flow-Euler step knows no ridge and no weight decay (leave `euler_step` out)", None
    return None


def refuse(theory: str, reason: Refusal | None) -> None:
    """Raise the ProblemError of a theory that does not cover a problem."""
    if reason is not None:
        fits = f"; use {reason[1]}" if reason[1] else ""
        raise ProblemError(f"{theory}: {reason[0]}{fits}")


def check_arguments(theory: str, training: Training, *, device: str, batches: Given) -> None:
    """Refuse a device that the theory does not run on, and batches where there are none."""
    if device != "cpu":
        raise ProblemError(f'{theory}: `device` must be "cpu", got "{device}"')
    if batches is not None and not isinstance(training.optimizer, SGD):
        raise ProblemError(f"{theory}: `batches` must be left out for gradient flow, got some")


def check_tolerance(theory: str, tolerance: float | None) -> None:
    """Refuse a tolerance that no error can be below."""
    if tolerance is not None and not (is_real(tolerance) and tolerance > 0.0):
        raise ProblemError(f"{theory}: `tolerance` must be finite and positive, got {shown(tolerance)}")


def effective_gamma0(training: Training) -> float:
    """Return gamma0, or the small number that stands for 0."""
    return max(training.network.gamma0 or 0.0, SMALLEST_GAMMA0)


def verdict(theory: str, training: Training, reason: Refusal | None) -> Verdict:
    """Measure the scatter between networks of this width; a problem that is refused says why.

    Narrow twins are trained and their scatter, which falls as width^-1/2, is carried over to the network's own width.
    """
    if reason is not None:
        return Verdict(theory=theory, applies=False, number=float("nan"), threshold=LARGEST_VARIANCE,
                       reason=reason[0], instead=reason[1])  # fmt: skip
    scatter = relative_scatter(training)
    near = scatter**2 <= LARGEST_VARIANCE
    text = f"predicted scatter of outputs {100 * scatter:.2g} % of the labels at width {training.network.widths[-1]}"
    return Verdict(theory=theory, applies=near, number=scatter**2, threshold=LARGEST_VARIANCE,
                   reason=text if near else f"{text}: the limit is far")  # fmt: skip


def relative_scatter(training: Training) -> float:
    """Return the scatter of the training outputs between networks over the size of the labels, largest over steps."""
    found = twin_deviations(training, seed=0, batches=None)
    if found is None:
        return 0.0
    size = np.sqrt(np.mean(training.samples.y_train**2))
    deviation = np.sqrt(np.mean(found.train**2, axis=(1, 2, 3)))
    return float(deviation.max() / max(size, 1e-300))
