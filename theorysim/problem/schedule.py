"""Schedules: how the step size depends on the step.

With eta the learning rate, K the number of steps and k = 0, 1, ..., K - 1, step k uses

    Warmup      eta min(1, (k + 1)/steps)
    Cosine      eta (final + (1 - final)(1 + cos(pi (k - warmup)/(K - warmup)))/2), after a linear warm-up
    PowerLaw    eta (1 + k/offset)^-exponent
    an array    its own entries, absolute (no learning rate multiplies them)
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from theorysim.problem.validation import Statement, is_real, shown

Floats = NDArray[np.float64]


class Warmup(Statement):
    """Linear rise to the learning rate over the first `steps` steps, constant afterwards."""

    section: ClassVar[str] = "schedule"
    steps: int = Field(ge=1, le=10**9)

    def factors(self, steps: int) -> Floats:
        """Return the factor of the learning rate at each step, shape (steps,)."""
        return _rise(steps, self.steps)


class Cosine(Statement):
    """Half a cosine from the learning rate to `final` times it, after `warmup` steps of linear rise.

    `final` is reached at step K, which is never taken (as in PyTorch's CosineAnnealingLR).
    """

    section: ClassVar[str] = "schedule"
    final: float = Field(default=0.0, ge=0.0)
    warmup: int = Field(default=0, ge=0, le=10**9)

    def factors(self, steps: int) -> Floats:
        """Return the factor of the learning rate at each step, shape (steps,)."""
        phase = (np.arange(steps) - self.warmup) / max(steps - self.warmup, 1)
        fall = self.final + (1.0 - self.final) * (1.0 + np.cos(np.pi * np.clip(phase, 0.0, 1.0))) / 2.0
        return _rise(steps, self.warmup) * fall if self.warmup else fall


class PowerLaw(Statement):
    """Decay as (1 + k/offset)^-exponent."""

    section: ClassVar[str] = "schedule"
    exponent: float = Field(ge=0.0)
    offset: float = Field(default=1.0, gt=0.0)

    def factors(self, steps: int) -> Floats:
        """Return the factor of the learning rate at each step, shape (steps,)."""
        return np.asarray((1.0 + np.arange(steps) / self.offset) ** -self.exponent, dtype=np.float64)


Schedule = tuple[float, ...] | Warmup | Cosine | PowerLaw
SCHEDULES: dict[str, type[Warmup] | type[Cosine] | type[PowerLaw]] = {
    "warmup": Warmup,
    "cosine": Cosine,
    "power-law": PowerLaw,
}


def checked_schedule(value: Any) -> Any:
    """Return a schedule, or say in one line what is wrong with it (a pydantic validator)."""
    if value is None or isinstance(value, Warmup | Cosine | PowerLaw):
        return value
    if not isinstance(value, tuple):
        raise ValueError(f"must be Warmup, Cosine, PowerLaw or an array of step sizes, got {shown(value)}")
    for place, size in enumerate(value):
        if not is_real(size) or size < 0.0:
            raise ValueError(f"must hold finite step sizes of at least 0, got {shown(size)} at step {place}")
    if not any(size > 0 for size in value):
        raise ValueError("must hold at least one positive step size")
    return tuple(float(size) for size in value)


def _rise(steps: int, over: int) -> Floats:
    return np.minimum(1.0, np.arange(1, steps + 1) / over)
