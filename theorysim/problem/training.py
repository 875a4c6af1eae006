"""A training run, stated before it is run: data, network, optimizer, duration, loss."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from theorysim.errors import ProblemError
from theorysim.problem.data import Data
from theorysim.problem.layers import Layers
from theorysim.problem.network import MLP
from theorysim.problem.optimizer import Adam, GradientFlow, Optimizer
from theorysim.problem.record import checked_record, default_steps, default_times, whole_steps
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.samples import Floats, Samples
from theorysim.problem.schedule import Cosine, Warmup
from theorysim.problem.synthetic import MOST_BYTES
from theorysim.problem.validation import Statement, fields_of, shown

MOST_STEPS = 10**9


def _instance(kinds: Any, example: str) -> PlainValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, kinds):
            raise ValueError(f"must be made by {example}, got {shown(value)}")
        return value

    return PlainValidator(check)


class Training(Statement):
    """A training run.

    Parameters
    ----------
    data : Data
        Made by `data.digits`, `data.arrays`, `data.file`, ...
    network : MLP or ResidualMLP
        What is trained.
    optimizer : SGD, Adam or GradientFlow
        How it is trained; `GD` makes an SGD without batches.
    steps : int
        Number of updates (not with GradientFlow).
    time : float
        Duration of gradient flow (only with GradientFlow).
    loss : "mse" or "cross-entropy"
        ``(1/2PC) sum (f - y)^2``, or the mean over samples of -log softmax(f)[y].
    record : steps (or times of gradient flow), optional
        Those kept, in increasing order; default about 30, logarithmic, with the first and the last.

    Raises
    ------
    ProblemError
        If the parts do not fit each other.
    """

    section: ClassVar[str] = "training"
    data: Annotated[Data, _instance(Data, "data.digits(...), data.arrays(...) or another of `data`")]
    network: Annotated[MLP | ResidualMLP, _instance(MLP | ResidualMLP, "MLP(...)")]
    optimizer: Annotated[Optimizer, _instance(Optimizer, "SGD(...), GD(...), Adam(...) or GradientFlow(...)")]
    steps: int | None = Field(default=None, ge=1, le=MOST_STEPS)
    time: float | None = Field(default=None, gt=0.0)
    loss: Literal["mse", "cross-entropy"] = "mse"
    record: Annotated[tuple[int | float, ...] | None, BeforeValidator(checked_record)] = None

    @model_validator(mode="after")
    def _consistent(self) -> Training:
        self._check_duration()
        self._check_record()
        self._check_optimizer()
        if self.network.untrainable is not None:
            raise ValueError(f"`network` {self.network.untrainable}")
        labels = self.data.labels
        if self.loss == "cross-entropy" and labels != "one-hot":
            raise ValueError(
                f'`loss` must be "mse" unless data has labels = "one-hot"; got "cross-entropy" with '
                f"{'no labels given' if labels is None else f'labels {shown(labels)}'}"
            )
        train = self.data.train
        if train is not None:
            self._check_sizes(train, self.data.test or 0)
        return self

    def _check_duration(self) -> None:
        flow = isinstance(self.optimizer, GradientFlow)
        name, other = ("time", "steps") if flow else ("steps", "time")
        who = "gradient flow" if flow else f"{type(self.optimizer).__name__}"
        if getattr(self, name) is None or getattr(self, other) is not None:
            wrong = getattr(self, other)
            got = f"no `{name}`" if wrong is None else f"`{other}` = {wrong!r}"
            raise ValueError(f"`{name}` must be given for {who}, and `{other}` left out, got {got}")
        step = getattr(self.optimizer, "euler_step", None)
        if step is not None:
            whole_steps("`time`", (self.time or 0.0,), step)

    def _check_record(self) -> None:
        if self.record is None:
            return
        if self.steps is None:
            end: float = self.time or 0.0
        else:
            end = self.steps
            fraction = next((k for k in self.record if not isinstance(k, int)), None)
            if fraction is not None:
                raise ValueError(f"`record` must hold whole steps, got {fraction!r}")
        if self.record[-1] > end:
            raise ValueError(
                f"`record` must stay within 0 and `{'time' if self.steps is None else 'steps'}` = {end}, "
                f"got {self.record[-1]}"
            )
        step = getattr(self.optimizer, "euler_step", None)
        if step is not None:
            whole_steps("`record`", self.record, step)

    def _check_optimizer(self) -> None:
        schedule = getattr(self.optimizer, "schedule", None)
        steps = self.steps or 0
        if isinstance(schedule, tuple) and len(schedule) != steps:
            raise ValueError(
                f"optimizer's `schedule` must hold one step size for each of {steps} steps, got {len(schedule)}"
            )
        if isinstance(schedule, Cosine) and schedule.warmup >= steps:
            raise ValueError(f"schedule's `warmup` must be below `steps` = {steps}, got {schedule.warmup}")
        if isinstance(schedule, Warmup) and schedule.steps > steps:
            raise ValueError(f"schedule's warm-up must be at most `steps` = {steps}, got {schedule.steps}")
        if isinstance(self.optimizer, Adam):
            self._check_adam(self.optimizer)

    def _check_adam(self, adam: Adam) -> None:
        if isinstance(self.network, ResidualMLP):
            raise ValueError("`optimizer` must be SGD, GD or GradientFlow for a residual network, got Adam")
        for name in ("weight_rates", "bias_rates"):
            if getattr(self.network, name) is not None:
                raise ValueError(
                    f"network's `{name}` must be left out with Adam (see its `layer_rates`), "
                    f"got {shown(getattr(self.network, name))}"
                )
        for name in ("layer_rates", "bias_layer_rates"):
            factors = getattr(adam, name)
            if isinstance(factors, tuple) and len(factors) != self.network.depth + 1:
                raise ValueError(
                    f"optimizer's `{name}` must be one number for each of {self.network.depth + 1} layers, "
                    f"got {len(factors)}"
                )

    def _check_sizes(self, train: int, test: int) -> None:
        batch = getattr(self.optimizer, "batch", None)
        if batch is not None and batch > train:
            raise ValueError(f"optimizer's `batch` must be at most the {train} training samples, got {batch}")
        size = 8 * train * (train + test)
        if size > MOST_BYTES:
            raise ValueError(
                f"data's `train` and `test` must allow a kernel of at most {MOST_BYTES} bytes, "
                f"got {train} x {train + test} numbers = {size} bytes"
            )

    @cached_property
    def samples(self) -> Samples:
        """The samples, loaded once."""
        loaded = self.data.load()
        try:
            self._check_sizes(len(loaded.x_train), len(loaded.x_test))
        except ValueError as error:
            raise ProblemError(f"training: {error}") from None
        return loaded

    @cached_property
    def layers(self) -> Layers:
        """The numbers of every layer, at the data's inputs and outputs."""
        return self.network.layers(inputs=self.samples.x_train.shape[1], outputs=self.outputs)

    @property
    def mlp(self) -> MLP:
        """The network, an MLP.

        Raises
        ------
        ProblemError
            If it is another one.
        """
        if isinstance(self.network, ResidualMLP):
            self.network.layers(inputs=self.samples.x_train.shape[1], outputs=self.outputs)
        return self.network

    @property
    def outputs(self) -> int:
        """Number of outputs, C."""
        return int(self.samples.y_train.shape[1])

    @property
    def kappa(self) -> float:
        """What multiplies eta Theta in one step: 1/(P C) for "mse", 1/P for "cross-entropy"."""
        samples = len(self.samples.y_train)
        return 1.0 / (samples * self.outputs) if self.loss == "mse" else 1.0 / samples

    @cached_property
    def recorded(self) -> tuple[int, ...]:
        """The recorded steps; with gradient flow, the numbers 0, 1, ... of the recorded times."""
        if self.steps is None:
            return tuple(range(len(self.recorded_times)))
        return default_steps(self.steps) if self.record is None else tuple(int(k) for k in self.record)

    @cached_property
    def recorded_times(self) -> tuple[float, ...]:
        """The recorded times: of gradient flow, or eta k (the sum of the step sizes before step k)."""
        if self.time is None:
            return tuple(float(t) for t in self.clock)
        if self.record is not None:
            return tuple(float(t) for t in self.record)
        return default_times(self.time, getattr(self.optimizer, "euler_step", None))

    @property
    def clock(self) -> Floats:
        """The coordinate `time` at each recorded step, shape (recorded,)."""
        if isinstance(self.optimizer, GradientFlow) or self.steps is None:
            return np.array(self.recorded_times)
        recorded = np.array(self.recorded)
        if self.optimizer.schedule is None:
            return self.optimizer.learning_rate * recorded
        elapsed: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(self.optimizer.step_sizes(self.steps))])
        return np.asarray(elapsed[recorded])

    def at_width(self, width: int) -> Training:
        """Return the run of the same network at another width, `standard` with this one's rates frozen."""
        network, optimizer = self.network.at_width(width), self.optimizer
        if isinstance(optimizer, Adam) and self.network.parameterization == "standard":
            optimizer = _frozen(optimizer, self.network.depth, self.network.widths[-1] / network.widths[-1])
        return Training(**{**fields_of(self), "network": network, "optimizer": optimizer})

    def at_learning_rate(self, rate: float) -> Training:
        """Return the run at another learning rate; an array of step sizes is scaled as a whole."""
        optimizer = self.optimizer
        if isinstance(optimizer, GradientFlow):
            raise ProblemError("optimizer: `learning_rate` needs SGD, GD or Adam, got GradientFlow")
        fields = fields_of(optimizer) | {"learning_rate": rate}
        if isinstance(optimizer.schedule, tuple):
            fields["schedule"] = tuple(rate / optimizer.learning_rate * step for step in optimizer.schedule)
        return Training(**{**fields_of(self), "optimizer": type(optimizer)(**fields)})

    def describe(self) -> str:
        """Return the run in one line."""
        from theorysim.problem.describe import headline

        return headline(self)

    def to_toml(self) -> str:
        """Return the run as TOML text that `from_toml` reads back exactly."""
        from theorysim.problem import document

        return document.to_toml(self)

    def to_json(self) -> str:
        """Return the run as JSON text; arrays of more than 100,000 numbers by shape and SHA-256."""
        from theorysim.problem import document

        return document.to_json(self)

    @staticmethod
    def from_toml(text: str, folder: str | Path | None = None) -> Training:
        """Return the run of a TOML text; `folder` is what a relative data path is relative to."""
        from theorysim.problem import document

        return document.from_toml(text, folder)

    @staticmethod
    def from_json(text: str) -> Training:
        """Return the run of a JSON text."""
        from theorysim.problem import document

        return document.from_json(text)

    @staticmethod
    def read(path: str | Path) -> Training:
        """Return the run of a TOML or JSON file; data paths are relative to that file."""
        from theorysim.problem import document

        return document.read(path)


def _frozen(adam: Adam, depth: int, ratio: float) -> Adam:
    """Return Adam with the factors that keep the rates of a network `ratio` times as wide (conventions, 4)."""
    weights = np.array([ratio**0.5] + [ratio**1.5] * (depth - 1) + [ratio])
    biases = np.array([ratio**0.5] * depth + [1.0])
    return Adam(
        **{
            **fields_of(adam),
            "layer_rates": tuple(weights * (1.0 if adam.layer_rates is None else adam.layer_rates)),
            "bias_layer_rates": tuple(biases * (1.0 if adam.bias_layer_rates is None else adam.bias_layer_rates)),
        }
    )
