"""What to say when a run has diverged: at which step, and what learning rate would have been stable."""

from __future__ import annotations

import numpy as np

from theorysim.finite.empirical import ntk
from theorysim.finite.network import initialise
from theorysim.problem import SGD, Training

_SAMPLES = 300


def stable_rate(training: Training, *, seed: int = 0) -> float:
    """Return the largest stable learning rate of gradient descent at initialisation, about.

    The largest eigenvalue of the tangent kernel of one replica, on at most 300 training samples, in
    eta_max = 2 / (kappa w_max), with the factor of the momentum (conventions, section 4).
    """
    optimizer = training.optimizer
    if not isinstance(optimizer, SGD):
        raise TypeError("only gradient descent has a largest stable rate")
    x = training.samples.x_train
    share = x[:: max(1, len(x) // _SAMPLES)]
    p = initialise(training.layers, [0], seed=seed)
    theta = ntk(p, training.layers, training.mlp, share)[0]
    largest = float(np.linalg.eigvalsh(theta)[-1]) * len(x) / len(share)
    beta = optimizer.momentum
    factor = 2.0 * (1.0 + beta) / (1.0 + 2.0 * beta) if optimizer.nesterov else 2.0 * (1.0 + beta)
    return factor / (training.kappa * largest)


def diverged(training: Training, step: int) -> FloatingPointError:
    """Return the exception of a run whose outputs are no longer finite at `step`."""
    advice = "try a smaller learning rate"
    optimizer = training.optimizer
    if isinstance(optimizer, SGD):
        chosen, stable = float(optimizer.step_sizes(training.steps or 1).max()), stable_rate(training)
        advice = f"the learning rate is {chosen:.3g}, the largest stable one at the start about {stable:.2g}"
    return FloatingPointError(f"train: the outputs are not finite at step {step}; {advice}")
