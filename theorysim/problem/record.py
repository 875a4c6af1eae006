"""Which steps, or times of gradient flow, a run keeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from theorysim.problem.validation import is_real, shown

KEPT = 30
"""About how many moments are kept by default."""


def checked_record(value: Any) -> Any:
    """Return strictly increasing finite numbers of at least 0 (a pydantic validator)."""
    if value is None:
        return None
    if not isinstance(value, tuple) or not value:
        raise ValueError(f"must be a list of steps or times, got {shown(value)}")
    for entry in value:
        if not is_real(entry) or entry < 0:
            raise ValueError(f"must hold finite numbers of at least 0, got {shown(entry)}")
    for before, after in pairwise(value):
        if after <= before:
            raise ValueError(f"must be in increasing order, got {shown(after)} after {shown(before)}")
    return value


def default_steps(steps: int) -> tuple[int, ...]:
    """Return about 30 steps, logarithmic, with 0, 1 and the last."""
    spaced = np.rint(np.geomspace(1, steps, KEPT - 1)).astype(int)
    return tuple(int(k) for k in np.unique([0, 1, *spaced, steps]))


def default_times(time: float, euler_step: float | None = None) -> tuple[float, ...]:
    """Return about 30 times, logarithmic, with 0 and the last; multiples of `euler_step` where there is one."""
    if euler_step is not None:
        return tuple(float(k * euler_step) for k in default_steps(round(time / euler_step)))
    # Rates of order one make order-one times the first interesting ones; short runs keep two decades.
    start = min(1.0, time / 100.0)
    return (0.0, *(float(t) for t in np.geomspace(start, time, KEPT - 1)))


def whole_steps(name: str, times: Sequence[float], step: float) -> None:
    """Refuse times that are no multiples of the Euler step."""
    for time in times:
        if abs(time / step - round(time / step)) > 1e-6 or (time > 0.0 and round(time / step) < 1):
            raise ValueError(f"{name} must be a multiple of the optimizer's `euler_step` = {step!r}, got {time!r}")
