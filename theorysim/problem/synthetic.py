"""Synthetic data sets: Gaussian inputs with a power-law spectrum, teacher networks, parities.

Every number is a pure function of the seed: training and test draw from two streams of one law.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from theorysim.problem.network import ActivationLike, Widths, checked_activation
from theorysim.problem.samples import Floats, Samples
from theorysim.problem.validation import Statement, shown

MOST_BYTES = 2**36
"""Memory that the arrays of one problem may need: 64 GiB."""
TRAIN, TEST = 0, 1
LARGEST_SEED = 2**63 - 1


def check_memory(rows: int, columns: int, what: str) -> None:
    """Refuse an array of float64 that no machine of the intended kind can hold."""
    size = 8 * rows * columns
    if size > MOST_BYTES:
        raise ValueError(
            f"{what} must fit in {MOST_BYTES} bytes of memory, got {rows} x {columns} numbers = {size} bytes"
        )


class Gaussian(Statement):
    """Gaussian inputs and a noisy linear target.

    x_j ~ N(0, lambda_j) with lambda_j proportional to j^-exponent and sum lambda_j = dim;
    y = sum_j w_j x_j + noise N(0, 1), where direction j carries a share proportional to j^-target_exponent
    of the target's variance, which is 1 without noise; signs of w_j are random. Training and test are noisy alike.
    """

    section: ClassVar[str] = "data"
    name: Literal["gaussian"] = "gaussian"
    dim: int = Field(ge=1)
    train: int = Field(ge=1)
    test: int = Field(ge=0)
    exponent: float = Field(default=0.0, ge=0.0)
    target_exponent: float = Field(default=0.0, ge=0.0)
    noise: float = Field(default=0.0, ge=0.0)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="after")
    def _fits(self) -> Gaussian:
        check_memory(self.train + self.test, self.dim, "the inputs")
        return self

    @property
    def labels(self) -> str:
        """Always "regression"."""
        return "regression"

    @property
    def variances(self) -> Floats:
        """Variance of each input direction, shape (dim,), summing to dim."""
        return self.dim * _shares(self.dim, self.exponent)

    def load(self) -> Samples:
        """Return the samples; the same seed gives the same bits."""
        from theorysim.backend.random import TEACHER, uniforms

        sign = np.where(uniforms((self.dim,), seed=self.seed, stream=0, purpose=TEACHER) < 0.5, -1.0, 1.0)
        weights = sign * np.sqrt(_shares(self.dim, self.target_exponent) / self.variances)
        x_train, x_test = (np.sqrt(self.variances) * _normals(self, which) for which in (TRAIN, TEST))
        return Samples(
            x_train=x_train,
            y_train=(x_train @ weights)[:, None] + _noise(self, TRAIN),
            x_test=x_test,
            y_test=(x_test @ weights)[:, None] + _noise(self, TEST),
        )


class Teacher(Statement):
    """Isotropic Gaussian inputs whose targets a random network computes.

    x ~ N(0, 1_dim); the teacher is an MLP of `depth` hidden layers with weights N(0, sw^2/fan-in), sw the
    default of its activation, no biases; y = teacher(x) + noise N(0, 1), training and test alike.
    """

    section: ClassVar[str] = "data"
    name: Literal["teacher"] = "teacher"
    dim: int = Field(ge=1)
    train: int = Field(ge=1)
    test: int = Field(ge=0)
    width: Widths = 1
    depth: int = Field(default=1, ge=1, le=100)
    activation: Annotated[ActivationLike, BeforeValidator(lambda v: _builtin(v))] = "relu"
    outputs: int = Field(default=1, ge=1, le=10**6)
    noise: float = Field(default=0.0, ge=0.0)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="after")
    def _consistent(self) -> Teacher:
        if isinstance(self.width, tuple) and len(self.width) != self.depth:
            raise ValueError(f"`width` must be one number or {self.depth}, got {len(self.width)}")
        widest = max(self.width) if isinstance(self.width, tuple) else self.width
        check_memory(self.train + self.test, max(self.dim, widest, self.outputs), "the inputs and the teacher")
        return self

    @property
    def labels(self) -> str:
        """Always "regression"."""
        return "regression"

    def load(self) -> Samples:
        """Return the samples; the same seed gives the same bits."""
        from theorysim.problem.teacher import teacher_output

        x_train, x_test = (_normals(self, which) for which in (TRAIN, TEST))
        return Samples(
            x_train=x_train,
            y_train=teacher_output(self, x_train) + _noise(self, TRAIN, self.outputs),
            x_test=x_test,
            y_test=teacher_output(self, x_test) + _noise(self, TEST, self.outputs),
        )


class Parity(Statement):
    """Uniform inputs -1/+1 whose class is the product of the first `degree` coordinates."""

    section: ClassVar[str] = "data"
    name: Literal["parity"] = "parity"
    dim: int = Field(ge=1)
    degree: int = Field(ge=1)
    train: int = Field(ge=1)
    test: int = Field(ge=0)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="after")
    def _consistent(self) -> Parity:
        if self.degree > self.dim:
            raise ValueError(f"`degree` must be at most `dim` = {self.dim}, got {self.degree}")
        check_memory(self.train + self.test, self.dim, "the inputs")
        return self

    @property
    def labels(self) -> str:
        """Always "sign"."""
        return "sign"

    def load(self) -> Samples:
        """Return the samples; the same seed gives the same bits."""
        from theorysim.backend.random import DATA, uniforms

        def draw(which: int, rows: int) -> Floats:
            coin = uniforms((rows, self.dim), seed=self.seed, stream=which, purpose=DATA)
            return np.where(coin < 0.5, -1.0, 1.0)

        x_train, x_test = draw(TRAIN, self.train), draw(TEST, self.test)
        y_train, y_test = (x[:, : self.degree].prod(axis=1)[:, None] for x in (x_train, x_test))
        return Samples(
            x_train=x_train,
            y_train=y_train,
            x_test=x_test,
            y_test=y_test,
            classes_train=(y_train[:, 0] > 0).astype(np.int64),
            classes_test=(y_test[:, 0] > 0).astype(np.int64),
        )


def _builtin(value: Any) -> Any:
    chosen = checked_activation(value)
    if not isinstance(chosen, str) and not chosen.parameters:
        raise ValueError(f"must be built in, got {shown(chosen.name)}, a function of your own")
    return chosen


def _shares(dim: int, exponent: float) -> Floats:
    powers = np.exp(-exponent * np.log(np.arange(1, dim + 1)))
    return np.asarray(powers / math.fsum(powers))


def _normals(data: Gaussian | Teacher, which: int) -> Floats:
    from theorysim.backend.random import DATA, normals

    rows = data.train if which == TRAIN else data.test
    return normals((rows, data.dim), seed=data.seed, stream=which, purpose=DATA)


def _noise(data: Gaussian | Teacher, which: int, outputs: int = 1) -> Floats:
    rows = data.train if which == TRAIN else data.test
    if data.noise == 0.0:
        return np.zeros((rows, outputs))
    from theorysim.backend.random import NOISE, normals

    return np.asarray(data.noise * normals((rows, outputs), seed=data.seed, stream=which, purpose=NOISE))
