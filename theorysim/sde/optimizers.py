"""Optimizers that have a stochastic differential equation and no place in `Training` (yet)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from theorysim.problem.optimizer import Sampling
from theorysim.problem.validation import Statement


class SPSA(Statement):
    """Gradients from differences along random directions (MeZO): g = mean over probes of z (z . grad f), z ~ N(0, 1).

    Parameters
    ----------
    learning_rate : float
    probes : int
        Directions in each step.
    smoothing : float, optional
        mu of z (f(x + mu z) - f(x - mu z))/(2 mu); default: mu -> 0, a derivative along z.
    batch : int, optional
        Samples in each step, the same for all probes and both sides; default: all.
    sampling : "subset", "replacement" or "epochs"
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    probes: int = Field(default=1, ge=1)
    smoothing: float | None = Field(default=None, gt=0.0)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"


class RMSprop(Statement):
    """x <- x - eta g/(sqrt v + epsilon) with v before its update, v <- beta v + (1 - beta) g^2.

    Parameters
    ----------
    learning_rate, beta, epsilon : float
    batch : int, optional
        Samples in each step.
    sampling : "subset", "replacement" or "epochs"
    v_first : bool
        The order of PyTorch: v is updated before it is used.
    initial_square : float, optional
        v before the first step, in every component; default: E g^2 at the start.
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    beta: float = Field(default=0.99, ge=0.0, lt=1.0)
    epsilon: float = Field(default=1e-8, ge=0.0)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"
    v_first: bool = False
    initial_square: float | None = Field(default=None, ge=0.0)


class SignSGD(Statement):
    """x <- x - eta sign g.

    Parameters
    ----------
    learning_rate : float
    batch : int, optional
    sampling : "subset", "replacement" or "epochs"
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"


class SGLD(Statement):
    """x <- x - eta g + sqrt(2 eta temperature) xi: Langevin dynamics, with batches SGLD.

    Parameters
    ----------
    learning_rate, temperature : float
    batch : int, optional
    sampling : "subset", "replacement" or "epochs"
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    temperature: float = Field(default=1.0, ge=0.0)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"


class LocalSGD(Statement):
    """Each worker takes `local_steps` steps of SGD at its own batches, then all take the mean of their parameters.

    Parameters
    ----------
    learning_rate : float
    workers, local_steps : int
        K and H. A step of the run is one local step of all workers; the mean of the workers is what is recorded.
    batch : int
        Samples in each step of each worker.
    sampling : "subset", "replacement" or "epochs"
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    workers: int = Field(ge=1)
    local_steps: int = Field(ge=1)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"


class LabelNoiseSGD(Statement):
    """SGD whose labels are y +- delta, drawn afresh at each use.

    Parameters
    ----------
    learning_rate, delta : float
    batch : int, optional
        Default: all samples, each with its own sign.
    sampling : "subset", "replacement" or "epochs"
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    delta: float = Field(gt=0.0)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"


class HeavyTailedSGD(Statement):
    """x <- x - eta (grad f + scale xi), xi symmetric alpha-stable: E exp(i k xi) = exp(-|k|^alpha), each component.

    Parameters
    ----------
    learning_rate, scale : float
    alpha : float
        Above 1 and at most 2, where xi is Gaussian of variance 2.
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    alpha: float = Field(gt=1.0, le=2.0)
    scale: float = Field(gt=0.0)
