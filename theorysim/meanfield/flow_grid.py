"""Steps that stand for gradient flow: a grid that meets the recorded times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of

Array = NDArray[np.float64]
MOST_STEPS = 100_000


def flow_steps(training: Training, largest: float, parts: int = 1) -> tuple[Array, tuple[int, ...]]:
    """Return step sizes of at most `largest`, each cut into `parts`, and the steps at which recorded times are met.

    Raises
    ------
    ProblemError
        If that takes too many steps.
    """
    times = np.asarray(training.recorded_times, float)
    gaps = np.diff(times, prepend=0.0)
    wanted = np.ceil(gaps / largest) * parts
    if wanted.sum() > MOST_STEPS:
        raise ProblemError(
            f"meanfield: gradient flow must take at most {MOST_STEPS} steps of {largest:.2g} (a share of the largest "
            f"stable step), got `time` = {training.time:g}"
        )
    counts = wanted.astype(int)
    sizes = np.repeat(np.divide(gaps, counts, out=np.zeros_like(gaps), where=counts > 0), counts)
    return sizes, tuple(int(k) for k in np.cumsum(counts))


def descent(training: Training, sizes: Array) -> SGD:
    """Return GD with the given steps and the penalties of the flow."""
    optimizer = training.optimizer
    assert isinstance(optimizer, GradientFlow)
    return SGD(
        schedule=tuple(sizes.tolist()), learning_rate=float(sizes.max()), ridge=optimizer.ridge,
        weight_decay=optimizer.weight_decay,
    )  # fmt: skip


def descended(training: Training, largest: float) -> Training:
    """Return the run of GD with steps of at most `largest` that stands for a run of gradient flow."""
    sizes, places = flow_steps(training, largest)
    fields = fields_of(training) | {"optimizer": descent(training, sizes), "time": None, "steps": len(sizes)}
    return Training(**{**fields, "record": places})
