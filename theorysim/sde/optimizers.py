"""Optimizers that have a stochastic differential equation and no place in `Training` (yet)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from theorysim.problem.validation import Statement


class SPSA(Statement):
    """Gradients from differences along random directions (MeZO): g = mean over probes of z (z . grad f), z ~ N(0, 1).

    Parameters
    ----------
    learning_rate : float
    probes : int
        Directions in each step; the smoothing tends to 0, no minibatch noise.
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    probes: int = Field(default=1, ge=1)


class RMSprop(Statement):
    """x <- x - eta g/(sqrt v + epsilon) with v before its update, v <- beta v + (1 - beta) g^2.

    Parameters
    ----------
    learning_rate, beta, epsilon : float
    batch : int, optional
        Samples in each step.
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    beta: float = Field(default=0.99, ge=0.0, lt=1.0)
    epsilon: float = Field(default=1e-8, ge=0.0)
    batch: int | None = Field(default=None, ge=1)
