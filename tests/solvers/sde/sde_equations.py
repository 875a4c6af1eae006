"""Equations with known answers, used by several tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorysim.solvers.sde import Equation

ROOT_8 = 2.0 * math.sqrt(2.0)


def _pull(t: float, x: float, constants: Any) -> float:
    return -constants[0] * x  # type: ignore[no-any-return]


def _width(t: float, x: float, constants: Any) -> float:
    return constants[1]  # type: ignore[no-any-return]


def ornstein_uhlenbeck() -> Equation:
    """dX = -X dt + dW/2: mean e^-t x0, variance (1 - e^-2t)/8."""
    return Equation(drift=_pull, diffusion=_width, kind="additive", constants=[1.0, 0.5])


def _decay(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0] = -x[0]
    out[1] = -x[1]


def _crossed(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0, 0] = x[1]
    out[0, 1] = 0.0
    out[1, 0] = 0.0
    out[1, 1] = x[0]


def crossed() -> Equation:
    """dX1 = -X1 dt + X2 dW1, dX2 = -X2 dt + X1 dW2: noise that does not commute."""
    return Equation(drift=_decay, diffusion=_crossed, dimension=2, noises=2)


def _debrabant_drift(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0] = -273.0 / 512.0 * x[0]
    out[1] = -x[0] / 160.0 - (-785.0 / 512.0 + ROOT_8 / 16.0) * x[1]


def _debrabant_noise(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0, 0] = x[0] / 4.0
    out[0, 1] = x[0] / 16.0
    out[1, 0] = (1.0 - ROOT_8) * x[0] / 4.0
    out[1, 1] = x[0] / 10.0 + x[1] / 16.0


def debrabant() -> Equation:
    """E X1(3)^2 = e^-3 from (1, 1)."""
    return Equation(drift=_debrabant_drift, diffusion=_debrabant_noise, dimension=2, noises=2)


def dense(d: int = 3, m: int = 2) -> tuple[Equation, Any, Any]:
    """dX = -A X dt + B dW, and A, B."""
    rng = np.random.default_rng(0)
    a, b = np.eye(d) + 0.2 * rng.normal(size=(d, d)), 0.5 * rng.normal(size=(d, m))

    def drift(t: float, x: Any, constants: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            out[i] = 0.0
            for j in range(x.shape[0]):
                out[i] -= constants[i, j] * x[j]

    def noise(t: float, x: Any, constants: Any, out: Any) -> None:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] = constants[i, x.shape[0] + j]

    both = np.concatenate((a, b), axis=1)
    return Equation(drift=drift, diffusion=noise, dimension=d, noises=m, kind="additive", constants=both), a, b


def _half(t: float, x: float, constants: Any) -> float:
    return 0.5


def levy_number() -> Equation:
    """dX = -X dt + dL/2 with alpha = 1.5: E cos X(1) = .7769639138 from 1."""
    return Equation(drift=_pull, diffusion=_half, kind="additive", constants=[1.0], alpha=1.5)


def _growing(t: float, x: Any, constants: Any, out: Any) -> None:
    out[0, 0], out[0, 1], out[0, 2] = 1.0 + t, 0.5, 0.0
    out[1, 0], out[1, 1], out[1, 2] = 0.25, -t, 2.0


def pushed() -> Equation:
    """dX = -X dt + B(t) dW with three noises."""
    return Equation(drift=_decay, diffusion=_growing, dimension=2, noises=3, kind="additive")


def growing(t: float) -> Any:
    """B(t) of `pushed`."""
    return np.array([[1.0 + t, 0.5, 0.0], [0.25, -t, 2.0]])
