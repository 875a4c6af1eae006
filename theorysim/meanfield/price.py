"""What a mean-field limit costs, before it is solved: networks are often cheaper.

Seconds of two cores, measured to a factor of about two; a forecast compares them with what its networks cost.
"""

from __future__ import annotations

from collections.abc import Callable

from theorysim.finite.cost import seconds
from theorysim.meanfield.pilot import Pilot
from theorysim.meanfield.replicas import Size
from theorysim.problem.optimizer import SGD
from theorysim.problem.training import Training

POINTS, REFINEMENTS = 4096, 4
"""Neurons of a two-layer limit at first, and times their training that refining them takes."""
LINEAR = 1e-9
"""Seconds of the deep linear equations over layers x steps x (steps x coordinates)^2."""
SHARE_OF_RANK, FLOPS = 0.1, 1e11
"""Directions that a march has at least, over its batch; products a second."""
TWINS, TWIN_WIDTH = 16, 64
"""Networks trained for the scatter."""


def of_march(training: Training, most: float, size: Size, pilot: Callable[[], Pilot]) -> float:
    """Return the price of a march; above `most` perhaps only a lower bound, found without its first steps."""
    least = _twins(training) + _least(training, size)
    return least if least > most else _twins(training) + float(pilot().seconds)


def of_two_layer(training: Training, most: float) -> float:
    """Return the price of `meanfield.two_layer`."""
    return _twins(training) + REFINEMENTS * seconds(training, POINTS)


def of_linear(training: Training, most: float) -> float:
    """Return the price of `meanfield.linear`."""
    samples, steps = training.samples, _steps(training)
    coordinates = min(samples.x_train.shape[1], len(samples.x_train) + len(samples.x_test)) + training.outputs
    return _twins(training) + LINEAR * float(training.network.depth * steps * (steps * coordinates) ** 2)


def _steps(training: Training) -> int:
    """Return the number of steps; of gradient flow, of the steps that follow it."""
    return training.recorded[-1] if isinstance(training.optimizer, SGD) else 300


def _twins(training: Training) -> float:
    return TWINS * seconds(training, min(TWIN_WIDTH, training.network.widths[-1]))


def _least(training: Training, size: Size) -> float:
    """Return a lower bound of the march: its products with the fewest directions."""
    batch = int(getattr(training.optimizer, "batch", None) or len(training.samples.x_train))
    rank = SHARE_OF_RANK * batch
    products = 16.0 * batch * rank * size.samples
    return float(size.replicas * _steps(training) * training.network.depth * products / FLOPS)
