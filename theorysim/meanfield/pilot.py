"""What a march will cost: from the directions that its first steps make."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.meanfield.batches import order_of
from theorysim.meanfield.deviation import rule_of
from theorysim.meanfield.flow import descents
from theorysim.meanfield.march import March
from theorysim.meanfield.replicas import Make, Size, batch_of
from theorysim.meanfield.setting import Setting, setting_of
from theorysim.meanfield.whitening import Noise
from theorysim.problem.optimizer import SGD, GradientFlow
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of
from theorysim.solvers.gaussian_process import NoRoom

STEPS, SAMPLES, TRUNCATION = 8, 1024, 1e-4
GROWTH = 0.45
"""Share by which the rank grows when the number of steps doubles (measured)."""
SPEED, STEP_SECONDS = 1.2e10, 3e-4
"""Of two cores: operations of products per second; seconds that a layer takes in a step, however small."""
MOST_MULTIPLIED = 4  # populations of as many times the rank of their weights


@dataclass(frozen=True)
class Pilot:
    """Predicted rank of the weights and cost in seconds of two cores."""

    rank: float
    seconds: float

    def __str__(self) -> str:
        """Say what it takes."""
        if math.isinf(self.seconds):
            return "more steps than a march can take"
        return f"about {self.rank:.2g} directions in each layer, {self.seconds:.2g} s"


def pilot_of(training: Training, size: Size, setting: Callable[..., Setting] = setting_of, make: Make = March) -> Pilot:
    """March the first steps once, with few samples, and predict the rest."""
    try:
        run, share = _as_descent(training)
    except ProblemError:
        return Pilot(math.nan, math.inf)
    total, batch = run.recorded[-1], _batch(run)
    taken, rank = _taken(run, setting(run, samples=SAMPLES, tolerance=TRUNCATION), make)
    seen = min(len(run.samples.x_train), batch * taken) / len(run.samples.x_train)
    rank *= (1.0 + GROWTH * math.log2(max(total / taken, 1.0))) / seen
    samples, depth = max(size.samples, MOST_MULTIPLIED * rank), run.network.depth
    products = 16.0 * batch * rank * samples + 2.0 * (2.0 * rank) ** 2 * samples / max(total, 1)
    seconds = size.replicas * total * depth * (products / SPEED + STEP_SECONDS)
    return Pilot(rank, share * seconds)


def _as_descent(training: Training) -> tuple[Training, float]:
    """Return a run of SGD that costs a share of the whole."""
    optimizer = training.optimizer
    if not isinstance(optimizer, GradientFlow):
        return training, 1.0
    if optimizer.euler_step is None:
        return descents(training)[1], 1.5
    steps = round(training.recorded_times[-1] / optimizer.euler_step)
    changed = {"optimizer": SGD(learning_rate=optimizer.euler_step), "steps": steps, "time": None, "record": None}
    return Training(**{**fields_of(training), **changed}), 2.0


def _batch(training: Training) -> int:
    return int(getattr(training.optimizer, "batch", None) or len(training.samples.x_train))


def _taken(training: Training, setting: Setting, make: Make) -> tuple[int, float]:
    """Return how many steps were taken, and the rank they led to."""
    optimizer, steps = training.optimizer, min(STEPS, training.recorded[-1])
    assert isinstance(optimizer, SGD)
    march = make(setting, Noise(0, 0))
    order, kappa = order_of(training, seed=0, stream=0), training.kappa
    etas = optimizer.step_sizes(training.steps or 0)
    with single_thread(), np.errstate(all="ignore"):
        for step in range(steps):
            rows, weights = batch_of(order, step, len(march.setting.x))
            try:
                fields, f = march.look(rows)
                march.descend(fields, f, rows, kappa * weights, rule_of(optimizer, float(etas[step]), kappa))
            except NoRoom:
                return step + 1, 0.5 * SAMPLES
    return max(steps, 1), float(march.rank)
