"""The user's own arrays as a data set: compared by content, written out only where they are small."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, model_validator

from theorysim.errors import ProblemError
from theorysim.problem.samples import Inputs, Labels, Samples, Split, Table, encoded, plain_table
from theorysim.problem.validation import Statement

MOST_INLINE = 100_000
"""Numbers of one array that JSON and TOML hold; larger ones are recorded by shape and SHA-256."""


def _table(value: Any) -> Any:
    """Return a private read-only copy with plain dtype (a pydantic validator)."""
    if isinstance(value, dict) and "sha256" in value:
        raise ValueError(
            f"must hold the numbers, got only shape {value.get('shape')} and SHA-256 of an array that was too "
            "large to write down; save it as an npz and use path="
        )
    try:
        array = np.array(value)
    except ValueError:
        raise ValueError("must be an array, got rows of different lengths") from None
    if array.dtype.kind not in "fiubU":
        raise ValueError(f"must hold numbers or class names, got dtype {array.dtype}")
    array = plain_table(array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"must be finite, got {float(array[place])!r} at index {list(place)}")
    array.setflags(write=False)
    return array


Numbers = Annotated[Any, BeforeValidator(_table)]
Optional = Annotated[Any, BeforeValidator(lambda value: None if value is None else _table(value))]


class Arrays(Statement):
    """Arrays of the user's own, samples first.

    Parameters
    ----------
    x, x_test : array, shapes (P, d) and (M, d)
        Inputs; without `x_test` there are no test samples.
    y, y_test : array, shape (P,), (P, C), (M,) or (M, C)
        Classes (whole numbers or text), one-hot rows, or real targets.
    labels : str, optional
        Default by `y`: classes become "one-hot-centred" ("sign" for two), other numbers "regression".
    inputs : str
        "raw", "unit" or "standardized".
    """

    section: ClassVar[str] = "data"
    name: Literal["arrays"] = "arrays"
    x: Numbers
    y: Numbers
    x_test: Optional = None
    y_test: Optional = None
    labels: Labels | None = None
    inputs: Inputs = "raw"

    @model_validator(mode="after")
    def _consistent(self) -> Arrays:
        if (self.x_test is None) != (self.y_test is None):
            given = "y_test" if self.x_test is None else "x_test"
            raise ValueError(f"`x_test` and `y_test` must be given together, got only `{given}`")
        _check_pair("x", self.x, "y", self.y)
        if self.x_test is not None:
            _check_pair("x_test", self.x_test, "y_test", self.y_test)
            _check_alike(self.x, self.x_test, self.y, self.y_test)
        # Everything that can be wrong is said now, not when the samples are first used.
        try:
            self.load()
        except ProblemError as error:
            raise ValueError(str(error).removeprefix("data: ")) from None
        return self

    def __eq__(self, other: object) -> bool:
        """Compare by content."""
        return isinstance(other, Arrays) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def train(self) -> int:
        """Number of training samples."""
        return len(self.x)

    @property
    def test(self) -> int:
        """Number of test samples."""
        return 0 if self.x_test is None else len(self.x_test)

    @property
    def _content(self) -> tuple[Any, ...]:
        parts = (self.x, self.y, self.x_test, self.y_test)
        return (self.labels, self.inputs, *(None if part is None else fingerprint(part) for part in parts))

    def load(self) -> Samples:
        """Return the samples."""
        x_test = self.x[:0] if self.x_test is None else self.x_test
        y_test = self.y[:0] if self.y_test is None else self.y_test
        split = Split(x_train=self.x, y_train=self.y, x_test=x_test, y_test=y_test)
        return encoded(split, self.labels, self.inputs)


def fingerprint(array: Table) -> tuple[tuple[int, ...], str, str]:
    """Return shape, kind and SHA-256 of an array's content."""
    content = np.ascontiguousarray(array).tobytes()
    return array.shape, array.dtype.str, hashlib.sha256(content).hexdigest()


def written(array: Table) -> Any:
    """Return an array as nested lists, or as shape and SHA-256 where it is large."""
    if array.size <= MOST_INLINE:
        return array.tolist()
    shape, _, digest = fingerprint(array)
    return {"shape": list(shape), "sha256": digest}


def _check_pair(x_name: str, x: Table, y_name: str, y: Table) -> None:
    if x.ndim != 2 or x.dtype.kind == "U" or 0 in x.shape:
        raise ValueError(f"`{x_name}` must be numbers of shape (samples, inputs), got shape {x.shape}")
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise ValueError(f"`{y_name}` must have shape (samples,) or (samples, outputs), got shape {y.shape}")
    if len(x) != len(y):
        raise ValueError(f"`{x_name}` and `{y_name}` must have the same number of samples, got {len(x)} and {len(y)}")


def _check_alike(x: Table, x_test: Table, y: Table, y_test: Table) -> None:
    if x.shape[1] != x_test.shape[1]:
        raise ValueError(f"`x_test` must have {x.shape[1]} inputs as `x`, got {x_test.shape[1]}")
    if y.shape[1:] != y_test.shape[1:]:
        raise ValueError(f"`y_test` must have the same outputs as `y`, got shapes {y_test.shape} and {y.shape}")
    if (y.dtype.kind == "U") != (y_test.dtype.kind == "U"):
        raise ValueError("`y_test` must be of the kind of `y`, got text and numbers")


def inputs_of(kernel: Any, samples: int) -> Table:
    """Return inputs whose scaled products x.x'/d are a kernel, shape (samples, rank)."""
    matrix = np.asarray(_table(kernel), float)
    if matrix.shape != (samples, samples):
        raise ProblemError(f"data: `kernel` must have shape ({samples}, {samples}), got {matrix.shape}")
    size = float(np.abs(matrix).max())
    if size == 0.0 or np.abs(matrix - matrix.T).max() > 1e-12 * size:
        raise ProblemError("data: `kernel` must be symmetric and not zero")
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-10 * size * samples:
        raise ProblemError(f"data: `kernel` must be positive semidefinite, got the eigenvalue {values[0]:.3g}")
    kept = values > 1e-14 * size * samples
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept] * np.count_nonzero(kept)))
