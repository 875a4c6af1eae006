"""The numbers behind the phase diagram: training succeeds below the depth limit and fails far above it."""

from __future__ import annotations

import pytest

from figures.phase_diagram import BIAS, accuracy
from theorysim import kernels


@pytest.mark.parametrize(("depth", "weight_std", "trains"), [(3, 0.8, True), (8, 1.4, True), (40, 0.8, False)])
def test_depth_limit_tells_what_trains(depth: int, weight_std: float, trains: bool) -> None:
    limit = float(kernels.phase("tanh", weight_std, BIAS).depth_limit)
    assert (depth < limit) == trains
    assert (accuracy(depth, weight_std) > 0.9) == trains
    assert trains or depth > 3 * limit
