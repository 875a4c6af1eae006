"""Optimizers: what is done with the gradient (conventions, section 4)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from theorysim.errors import ProblemError
from theorysim.problem.network import per_layer
from theorysim.problem.schedule import Floats, Schedule, checked_schedule
from theorysim.problem.validation import Statement, shown

Sampling = Literal["subset", "replacement", "epochs"]
Scheduled = Annotated[Schedule | None, PlainValidator(checked_schedule)]


def _layer_factors(value: Any) -> Any:
    if value is not None and not isinstance(value, tuple):
        raise ValueError(f"must be a list of one number for each layer, got {shown(value)}")
    return per_layer(value)


LayerFactors = Annotated[tuple[float, ...] | None, BeforeValidator(_layer_factors)]


class GradientFlow(Statement):
    """Continuous-time gradient descent, dtheta/dt = -a g; its duration is `time` of the training.

    Parameters
    ----------
    ridge : float
        Added to the Gram matrix: a penalty about the initialisation.
    weight_decay : float
        Rate at which every parameter shrinks.
    euler_step : float, optional
        Mean-field theories then step the output by ``-h kappa Theta(t) (f - y)`` (flow-Euler).
    """

    section: ClassVar[str] = "optimizer"
    ridge: float = Field(default=0.0, ge=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    euler_step: float | None = Field(default=None, gt=0.0)


class SGD(Statement):
    """Stochastic gradient descent; without `batch`, gradient descent on all training samples.

    Parameters
    ----------
    learning_rate : float
        eta. With an array as `schedule` it may be left out and is then the largest entry.
    batch : int, optional
        Samples in each step.
    momentum : float
        beta of the buffer ``buf <- beta buf + p``, ``theta <- theta - eta_k buf`` (no dampening).
    nesterov : bool
        ``theta <- theta - eta_k (p + beta buf)`` instead.
    sampling : "subset", "replacement" or "epochs"
        How a batch is drawn: different samples, with replacement, or cut from a fresh permutation per epoch.
    ridge, weight_decay : float
        Penalty about the initialisation (in units of the Gram matrix), and shrinkage per unit of eta.
    schedule : Warmup, Cosine, PowerLaw or array of step sizes, optional
        Step size of each step; None is constant.
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    batch: int | None = Field(default=None, ge=1)
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0)
    nesterov: bool = False
    sampling: Sampling = "subset"
    ridge: float = Field(default=0.0, ge=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    schedule: Scheduled = None

    @model_validator(mode="before")
    @classmethod
    def _rate_of_an_array(cls, values: Any) -> Any:
        return _with_largest_step(values)

    @model_validator(mode="after")
    def _consistent(self) -> SGD:
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("`nesterov` must have `momentum` above 0, got momentum 0.0")
        _check_array_rate(self.learning_rate, self.schedule)
        return self

    def step_sizes(self, steps: int) -> Floats:
        """Return eta_k of each step, shape (steps,)."""
        return _step_sizes(self.learning_rate, self.schedule, steps)


def GD(
    *,
    learning_rate: float | None = None,
    momentum: float = 0.0,
    nesterov: bool = False,
    ridge: float = 0.0,
    weight_decay: float = 0.0,
    schedule: Schedule | None = None,
) -> SGD:
    """Return gradient descent on all training samples: `SGD` without a batch."""
    rate: dict[str, Any] = {} if learning_rate is None else {"learning_rate": learning_rate}
    return SGD(
        **rate,
        momentum=momentum,
        nesterov=nesterov,
        ridge=ridge,
        weight_decay=weight_decay,
        schedule=schedule,
    )


class Adam(Statement):
    """Adam with bias correction and decoupled weight decay (AdamW).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        eta, the two memory factors, the floor of the denominator.
    weight_decay : float
        ``theta <- (1 - eta weight_decay) theta`` beside each step.
    batch, sampling, schedule
        As in `SGD`.
    layer_rates, bias_layer_rates : L + 1 numbers, optional
        Factors of the learning rate of each layer's weights and biases (default 1). `Training.at_width`
        sets them so that a network of another width keeps the rates of this one.
    """

    section: ClassVar[str] = "optimizer"
    learning_rate: float = Field(gt=0.0)
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    epsilon: float = Field(default=1e-8, gt=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    batch: int | None = Field(default=None, ge=1)
    sampling: Sampling = "subset"
    schedule: Scheduled = None
    layer_rates: LayerFactors = None
    bias_layer_rates: LayerFactors = None

    @model_validator(mode="before")
    @classmethod
    def _rate_of_an_array(cls, values: Any) -> Any:
        return _with_largest_step(values)

    @model_validator(mode="after")
    def _consistent(self) -> Adam:
        _check_array_rate(self.learning_rate, self.schedule)
        return self

    def step_sizes(self, steps: int) -> Floats:
        """Return eta_k of each step, shape (steps,)."""
        return _step_sizes(self.learning_rate, self.schedule, steps)


Optimizer = GradientFlow | SGD | Adam


def _with_largest_step(values: Any) -> Any:
    if not isinstance(values, dict):  # an optimizer already made
        return values
    schedule = values.get("schedule")
    if not isinstance(schedule, tuple) or values.get("learning_rate") is not None:
        return values
    try:
        largest = max(checked_schedule(schedule))
    except ValueError:
        largest = 1.0  # the field's own check says what is wrong with the array
    return {**values, "learning_rate": largest}


def _check_array_rate(learning_rate: float, schedule: Schedule | None) -> None:
    if isinstance(schedule, tuple) and learning_rate != max(schedule):
        raise ValueError(
            "`learning_rate` must be left out when `schedule` is an array of step sizes, "
            f"got {learning_rate!r} (largest step size {max(schedule)!r})"
        )


def _step_sizes(learning_rate: float, schedule: Schedule | None, steps: int) -> Floats:
    if schedule is None:
        return np.full(steps, learning_rate)
    if not isinstance(schedule, tuple):
        return learning_rate * schedule.factors(steps)
    if len(schedule) != steps:
        raise ProblemError(
            f"optimizer: `schedule` must hold one step size for each of {steps} steps, got {len(schedule)}"
        )
    return np.array(schedule)
