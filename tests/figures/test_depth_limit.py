"""What the caption of the figure on depth says, with fewer samples."""

from __future__ import annotations

import numpy as np

from figures.depth_limit import DEPTHS, parts, start_distances, trained_distances
from theorysim.meanfield.replicas import Size


def test_errors_fall_as_one_over_depth_and_responses_stay() -> None:
    for activation in ("relu", "tanh"):
        slopes = np.diff(np.log(start_distances(activation))) / np.diff(np.log(DEPTHS))
        assert -1.0 < slopes[-1] < -0.97
    assert trained_distances((2, 4, 8))[0] > 1.5 * trained_distances((2, 4, 8))[1]
    for share, error in parts((2, 8), Size(512, 6, 1e-4)).values():
        assert np.all(share > 0.1) and share[1] > share[0] - 4.0 * np.hypot(*error)
