"""What training a network costs, before it is trained."""

from __future__ import annotations

from itertools import pairwise

from theorysim.finite.block import Precision
from theorysim.problem import Adam, Training

FLOW_STEPS = 2000
FLOPS, NEURONS, UPDATES, PER_STEP, ADAM = 1.1e11, 2.5e8, 6e8, 5e-5, 3
"""Rates of two cores (measured): operations of matrix products, activations and slopes, parameter updates per second;
seconds a step; cost of an update of Adam."""
PASSES = {"double": 1.0, "single": 0.5}
"""Relative time of the passes."""


def seconds(training: Training, width: int, precision: Precision = "double") -> float:
    """Return the estimated time to train one network of the given width on two cores."""
    samples = training.samples
    n = (samples.x_train.shape[1], *training.network.at_width(width).widths, samples.y_train.shape[1])
    products, neurons = sum(a * b for a, b in pairwise(n)), sum(n[1:])
    batch: int = getattr(training.optimizer, "batch", None) or len(samples.x_train)
    steps = training.steps or FLOW_STEPS
    seen = len(training.recorded) * (len(samples.x_train) + len(samples.x_test))
    update = products * (ADAM if isinstance(training.optimizer, Adam) else 1) / UPDATES
    step: float = PASSES[precision] * batch * (6 * products / FLOPS + neurons / NEURONS) + update + PER_STEP
    return float(steps * step + seen * (2 * products / FLOPS + 0.5 * neurons / NEURONS))
