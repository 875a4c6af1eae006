"""Data sets: what a network learns from.

Each is a frozen statement with `load()`, which returns `Samples`. Rows of a table are ordered by
``numpy.random.default_rng(split_seed).permutation(n)``: first `train` rows, next `test` rows.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from theorysim.errors import ProblemError
from theorysim.problem.arrays import Arrays, inputs_of
from theorysim.problem.samples import Inputs, Labels, Samples, Split, encoded, split_rows
from theorysim.problem.synthetic import LARGEST_SEED, Gaussian, Parity, Teacher
from theorysim.problem.validation import Statement

Shipped = Literal["digits", "breast_cancer", "diabetes"]
ROWS: dict[str, int] = {"digits": 1797, "breast_cancer": 569, "diabetes": 442}
_LABELS: dict[str, Labels] = {"digits": "one-hot-centred", "breast_cancer": "sign", "diabetes": "regression"}


@cache
def shipped_table(name: Shipped) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return inputs (n, d) and targets (n,) of a data set of scikit-learn, digits as pixels/16."""
    if name == "digits" and (table := _digits_file()) is not None:
        columns = np.loadtxt(table, delimiter=",")
        return columns[:, :-1] / 16.0, columns[:, -1].astype(np.int64)
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    x = np.asarray(bunch.data, dtype=np.float64)
    return x / 16.0 if name == "digits" else x, np.asarray(bunch.target)


def _digits_file() -> Path | None:
    """Return scikit-learn's file of digits where it is; importing scikit-learn takes longer than reading it."""
    spec = find_spec("sklearn")
    folders = spec.submodule_search_locations if spec is not None else None
    table = Path(folders[0], "datasets", "data", "digits.csv.gz") if folders else None
    return table if table is not None and table.is_file() else None


class ShippedData(Statement):
    """A data set that comes with scikit-learn: digits (pixels/16), breast_cancer or diabetes."""

    section: ClassVar[str] = "data"
    name: Shipped
    train: int = Field(ge=1)
    test: int = Field(ge=0)
    labels: Labels | None = None
    inputs: Inputs = "raw"
    split_seed: int = Field(default=0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if values.get("labels") is None and values.get("name") in _LABELS:
            return {**values, "labels": _LABELS[values["name"]]}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> ShippedData:
        _check_sizes(self.train, self.test, ROWS[self.name], self.name)
        if self.name == "diabetes" and self.labels != "regression":
            raise ValueError(f'`labels` must be "regression" for diabetes; got "{self.labels}"')
        if self.name == "digits" and self.labels == "sign":
            raise ValueError('`labels` must not be "sign" for digits, which has 10 classes; got "sign"')
        return self

    def load(self) -> Samples:
        """Return the samples."""
        x, target = shipped_table(self.name)
        split = split_rows(x, target, self.train, self.test, self.split_seed)
        return encoded(split, self.labels, self.inputs, target)


class File(Statement):
    """A table in a file: CSV, NPY (one matrix) or NPZ (arrays x and y, perhaps x_test and y_test).

    Parameters
    ----------
    path : str
        Where it lies; in a TOML file, relative to that file.
    target : str or int, optional
        Column of a CSV (name or index) or NPY (index), default the last; name of the targets in an NPZ,
        default "y".
    train, test : int, optional
        Rows; without `train` all rows that `test` (default 0) leaves.
    labels, inputs, split_seed
        As for every data set; without `labels` they are chosen by the targets.
    """

    section: ClassVar[str] = "data"
    path: str = Field(min_length=1)
    target: Any = None
    train: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=0)
    labels: Labels | None = None
    inputs: Inputs = "raw"
    split_seed: int = Field(default=0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="before")
    @classmethod
    def _as_text(cls, values: Any) -> Any:
        return {**values, "path": str(values["path"])} if isinstance(values.get("path"), Path) else values

    @model_validator(mode="after")
    def _consistent(self) -> File:
        if isinstance(self.target, bool) or not isinstance(self.target, str | int | None):
            raise ValueError(f"`target` must be a column's name or index, got {self.target!r}")
        return self

    def load(self) -> Samples:
        """Return the samples.

        Raises
        ------
        ProblemError
            If the file is missing, unreadable, pickled, too short, or holds something that is not a finite number.
        """
        from theorysim.problem.tables import read_table

        table = read_table(self.path, self.target)
        if table.x_test is not None and table.y_test is not None:
            return self._own_split(Split(x_train=table.x, y_train=table.y, x_test=table.x_test, y_test=table.y_test))
        rows = len(table.x)
        test = self.test or 0
        train = rows - test if self.train is None else self.train
        try:
            _check_sizes(train, test, rows, self.path)
        except ValueError as error:
            raise ProblemError(f"data: {error}") from None
        return encoded(split_rows(table.x, table.y, train, test, self.split_seed), self.labels, self.inputs, table.y)

    def _own_split(self, split: Split) -> Samples:
        for name, asked, rows in (
            ("train", self.train, len(split.x_train)),
            ("test", self.test, len(split.x_test)),
        ):
            if asked is not None and asked != rows:
                raise ProblemError(
                    f"data: `{name}` must be left out for {self.path}, which has its own x_test; "
                    f"got {asked} ({rows} rows)"
                )
        return encoded(split, self.labels, self.inputs)


Data = ShippedData | File | Arrays | Gaussian | Teacher | Parity


def digits(
    *, train: int, test: int, labels: Labels | None = None, inputs: Inputs = "raw", split_seed: int = 0
) -> ShippedData:
    """Return the 1797 handwritten digits, 8 x 8 pixels/16, 10 classes (default labels "one-hot-centred")."""
    return _shipped("digits", train, test, labels, inputs, split_seed)


def breast_cancer(
    *, train: int, test: int, labels: Labels | None = None, inputs: Inputs = "raw", split_seed: int = 0
) -> ShippedData:
    """Return the 569 tumours, 30 inputs, 2 classes (default labels "sign")."""
    return _shipped("breast_cancer", train, test, labels, inputs, split_seed)


def diabetes(*, train: int, test: int, inputs: Inputs = "raw", split_seed: int = 0) -> ShippedData:
    """Return the 442 patients, 10 inputs, one real target (25 to 346)."""
    return _shipped("diabetes", train, test, "regression", inputs, split_seed)


def file(
    path: str | Path,
    target: str | int | None = None,
    *,
    train: int | None = None,
    test: int | None = None,
    labels: Labels | None = None,
    inputs: Inputs = "raw",
    split_seed: int = 0,
) -> File:
    """Return the table in a CSV, NPY or NPZ file; see `File`."""
    return File(
        path=str(path),
        target=target,
        train=train,
        test=test,
        labels=labels,
        inputs=inputs,
        split_seed=split_seed,
    )


def arrays(
    x: Any,
    y: Any,
    x_test: Any = None,
    y_test: Any = None,
    *,
    labels: Labels | None = None,
    inputs: Inputs = "raw",
) -> Arrays:
    """Return the user's own arrays as a data set, samples first; see `Arrays`."""
    return Arrays(x=x, y=y, x_test=x_test, y_test=y_test, labels=labels, inputs=inputs)


def from_kernel(kernel: Any, y: Any, y_test: Any = None, *, labels: Labels | None = None) -> Arrays:
    """Return inputs x with x.x'/d equal to a given kernel: all that a first layer without biases sees of its data.

    Parameters
    ----------
    kernel : array, shape (P + M, P + M)
        Symmetric positive semidefinite; training samples first.
    y, y_test : array, shape (P,), (P, C), (M,) or (M, C)
        Targets, as in `arrays`.
    labels : str, optional

    Raises
    ------
    ProblemError
        If the kernel is not symmetric positive semidefinite, or its size is not that of the targets.
    """
    inputs, train = inputs_of(kernel, len(y) + (0 if y_test is None else len(y_test))), len(y)
    x_test = None if y_test is None else inputs[train:]
    return arrays(inputs[:train], y, x_test, y_test, labels=labels)


def gaussian(
    *,
    dim: int,
    train: int,
    test: int,
    exponent: float = 0.0,
    target_exponent: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Gaussian:
    """Return Gaussian inputs with a power-law spectrum and a noisy linear target; see `Gaussian`."""
    return Gaussian(
        dim=dim,
        train=train,
        test=test,
        exponent=exponent,
        target_exponent=target_exponent,
        noise=noise,
        seed=seed,
    )


def teacher(
    *,
    dim: int,
    train: int,
    test: int,
    width: int | tuple[int, ...] = 1,
    depth: int = 1,
    activation: str = "relu",
    outputs: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> Teacher:
    """Return Gaussian inputs with the outputs of a random network as targets; see `Teacher`."""
    return Teacher(
        dim=dim,
        train=train,
        test=test,
        width=width,
        depth=depth,
        activation=activation,
        outputs=outputs,
        noise=noise,
        seed=seed,
    )


def parity(*, dim: int, degree: int, train: int, test: int, seed: int = 0) -> Parity:
    """Return inputs -1/+1 whose class is a product of `degree` coordinates; see `Parity`."""
    return Parity(dim=dim, degree=degree, train=train, test=test, seed=seed)


def _shipped(
    name: Shipped, train: int, test: int, labels: Labels | None, inputs: Inputs, split_seed: int
) -> ShippedData:
    return ShippedData(name=name, train=train, test=test, labels=labels, inputs=inputs, split_seed=split_seed)


def _check_sizes(train: int, test: int, rows: int, name: str) -> None:
    if train < 1 or train + test > rows:
        raise ValueError(
            f"`train` + `test` must be at most the {rows} rows of {name} with `train` at least 1, "
            f"got {train} + {test} = {train + test}"
        )
