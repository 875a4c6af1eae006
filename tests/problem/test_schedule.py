"""Step sizes of every schedule, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorysim.errors import ProblemError
from theorysim.problem import GD, SGD, Adam, Cosine, PowerLaw, Warmup


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (None, [2, 2, 2, 2, 2]),
        (Warmup(steps=4), [0.5, 1.0, 1.5, 2.0, 2.0]),
        (PowerLaw(exponent=0.5, offset=2.0), [2 / math.sqrt(1 + k / 2) for k in range(5)]),
        (PowerLaw(exponent=1.0), [2, 1, 2 / 3, 1 / 2, 2 / 5]),
        (Cosine(), [1 + math.cos(math.pi * k / 5) for k in range(5)]),
        (Cosine(final=0.25), [2 * (0.25 + 0.375 * (1 + math.cos(math.pi * k / 5))) for k in range(5)]),
        # two steps of rise, then k - 2 of 3
        (Cosine(warmup=2), [1.0, 2.0, 2.0, 1 + math.cos(math.pi / 3), 1 + math.cos(2 * math.pi / 3)]),
    ],
)
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_step_sizes(kind: type[SGD] | type[Adam], schedule: object, expected: list[float]) -> None:
    sizes = kind(learning_rate=2.0, schedule=schedule).step_sizes(5)
    np.testing.assert_allclose(sizes, expected, rtol=1e-14)


def test_array_is_absolute_and_sets_the_learning_rate() -> None:
    for given in ([0.1, 0.3, 0.2], (0.1, 0.3, 0.2), np.array([0.1, 0.3, 0.2])):
        optimizer = SGD(schedule=given)
        assert optimizer.learning_rate == 0.3
        assert optimizer.step_sizes(3).tolist() == [0.1, 0.3, 0.2]
        assert optimizer == GD(schedule=given)
    with pytest.raises(ProblemError, match="one step size for each of 4 steps, got 3"):
        optimizer.step_sizes(4)


def test_gd_is_sgd_without_a_batch() -> None:
    assert GD(learning_rate=0.5, momentum=0.9, nesterov=True, ridge=0.1, weight_decay=0.2) == SGD(
        learning_rate=0.5, momentum=0.9, nesterov=True, ridge=0.1, weight_decay=0.2
    )
