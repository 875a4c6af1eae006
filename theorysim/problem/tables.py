"""Tables in files: CSV, NPY and NPZ read into arrays, every defect named by row and column. No pickle."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from theorysim.errors import ProblemError
from theorysim.problem.samples import Table, plain_table
from theorysim.problem.validation import meant, shown


@dataclass(frozen=True, eq=False, kw_only=True)
class Contents:
    """Inputs (n, d) and raw targets of a file, and its own test rows where it has them."""

    x: Table
    y: Table
    x_test: Table | None = None
    y_test: Table | None = None


def read_table(path: str, target: str | int | None) -> Contents:
    """Return the contents of a CSV, NPY or NPZ file.

    Raises
    ------
    ProblemError
        With the file and, where there is one, the row and column.
    """
    reader = {".csv": _csv, ".npy": _npy, ".npz": _npz}.get(Path(path).suffix.lower())
    if reader is None:
        raise ProblemError(f"data: `path` must end in .csv, .npy or .npz; got {shown(path)}")
    if not Path(path).is_file():
        raise ProblemError(f'data: `path` must be an existing file, got "{path}"')
    return reader(path, target)


def _csv(path: str, target: str | int | None) -> Contents:
    rows = _csv_rows(path)
    names = _header(rows[0][1])
    body = rows if names is None else rows[1:]
    if not body:
        raise ProblemError(f"data: `path` must hold rows below its header, got none in {shown(path)}")
    columns = len(rows[0][1])
    if columns < 2:
        raise ProblemError(f"data: {path} must have at least one input column and the target, got 1 column")
    chosen = _column(target, names, columns, path)
    for line, cells in body:
        if len(cells) != columns:
            raise ProblemError(f"data: {path} line {line} must have {columns} cells, got {len(cells)}")
    titles = [f"column {place}" if names is None else f'column "{names[place]}"' for place in range(columns)]
    x = _inputs(body, chosen, path, titles)
    return Contents(x=x, y=_targets([(line, cells[chosen]) for line, cells in body], path, titles[chosen]))


def _inputs(body: list[tuple[int, list[str]]], chosen: int, path: str, titles: list[str]) -> Table:
    x = np.empty((len(body), len(titles) - 1))
    for place, (line, cells) in enumerate(body):
        others = cells[:chosen] + cells[chosen + 1 :]
        try:
            x[place] = [float(cell) for cell in others]
            fine = np.isfinite(x[place]).all()
        except ValueError:
            fine = False
        if not fine:
            names = titles[:chosen] + titles[chosen + 1 :]
            for cell, name in zip(others, names, strict=True):
                _number(cell, f"{path} line {line}, {name}")
    return x


def _csv_rows(path: str) -> list[tuple[int, list[str]]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            delimiter = next((mark for mark in ",;\t" if mark in first), ",")
            reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True)
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProblemError(f"data: {path} must be a CSV file in UTF-8, got {error}") from None
    if not rows:
        raise ProblemError(f"data: {path} must not be empty")
    return rows


def _header(cells: list[str]) -> list[str] | None:
    """Return the names of the columns where no cell of the first row is a number, else None."""
    return None if any(_is_number(cell) for cell in cells) else [cell.strip() for cell in cells]


def _column(target: str | int | None, names: list[str] | None, columns: int, path: str) -> int:
    if isinstance(target, str):
        if names is None:
            raise ProblemError(f"data: `target` must be a column index, for {path} has no header; got {shown(target)}")
        if target not in names:
            raise ProblemError(
                f"data: `target` must be a column of {path} ({', '.join(names[:12])}); "
                f"got {shown(target)}{meant(target, names)}"
            )
        return names.index(target)
    index = -1 if target is None else target
    if not -columns <= index < columns:
        raise ProblemError(f"data: `target` must be a column from 0 to {columns - 1} of {path}, got {index}")
    return index % columns


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, where: str) -> float:
    value = float(cell) if _is_number(cell) else None
    if value is None or not math.isfinite(value):
        raise ProblemError(f"data: {where} must be a finite number, got {shown(cell)}")
    return value


def _targets(cells: list[tuple[int, str]], path: str, title: str) -> Table:
    """Return a target column as whole numbers, floats or class names, whichever all cells are."""
    texts = [cell.strip() for _, cell in cells]
    for (line, _), text in zip(cells, texts, strict=True):
        if not text:
            raise ProblemError(f"data: {path} line {line}, {title} must not be empty")
    if all(text.lstrip("+-").isdecimal() for text in texts):
        return np.array([int(text) for text in texts], dtype=np.int64)
    numeric = [_is_number(text) for text in texts]
    if not any(numeric):
        return np.array(texts)
    return np.array([_number(cell, f"{path} line {line}, {title}") for line, cell in cells])


def _npy(path: str, target: str | int | None) -> Contents:
    matrix = _checked(_opened(path), path, "the matrix")
    if matrix.ndim != 2 or matrix.shape[1] < 2 or matrix.dtype.kind == "U":
        raise ProblemError(f"data: {path} must hold numbers of shape (samples, columns >= 2), got {matrix.shape}")
    chosen = _column(target, None, matrix.shape[1], path)
    return Contents(x=np.delete(matrix, chosen, axis=1), y=matrix[:, chosen])


def _npz(path: str, target: str | int | None) -> Contents:
    stored = _opened(path)
    target = "y" if target is None else target
    if not isinstance(target, str):
        raise ProblemError(f"data: `target` must be the name of an array of {path}, got {target}")
    for name in ("x", target):
        if name not in stored:
            raise ProblemError(
                f'data: {path} must hold an array "{name}", got {", ".join(sorted(stored)) or "none"}'
                f"{meant(name, stored)}"
            )
    x, y = _pair(stored, path, "x", target)
    if "x_test" not in stored and f"{target}_test" not in stored:
        return Contents(x=x, y=y)
    for name in ("x_test", f"{target}_test"):
        if name not in stored:
            raise ProblemError(f'data: {path} must hold "x_test" and "{target}_test" together, got no "{name}"')
    x_test, y_test = _pair(stored, path, "x_test", f"{target}_test")
    if x_test.shape[1] != x.shape[1] or y_test.shape[1:] != y.shape[1:] or y_test.dtype.kind != y.dtype.kind:
        raise ProblemError(
            f'data: "x_test", "{target}_test" of {path} must match "x", "{target}", got shapes '
            f"{x_test.shape}, {y_test.shape} and {x.shape}, {y.shape}"
        )
    return Contents(x=x, y=y, x_test=x_test, y_test=y_test)


def _pair(stored: dict[str, Table], path: str, x_name: str, y_name: str) -> tuple[Table, Table]:
    x = _checked(stored[x_name], path, f'"{x_name}"')
    y = _checked(stored[y_name], path, f'"{y_name}"')
    if x.ndim != 2 or 0 in x.shape or x.dtype.kind == "U":
        raise ProblemError(f'data: "{x_name}" of {path} must be numbers of shape (samples, inputs), got {x.shape}')
    if y.ndim not in (1, 2) or len(y) != len(x) or 0 in y.shape:
        raise ProblemError(
            f'data: "{y_name}" of {path} must have shape ({len(x)},) or ({len(x)}, outputs), got {y.shape}'
        )
    return x, y


def _opened(path: str) -> Any:
    """Return the array of an NPY or the arrays of an NPZ; pickled objects are refused."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            return {name: content[name] for name in content.files}
    except (ValueError, OSError, EOFError) as error:
        if "pickle" in str(error).lower():
            raise ProblemError(
                f"data: {path} must hold plain arrays of numbers or text, got pickled objects (never loaded)"
            ) from None
        raise ProblemError(f"data: {path} must be a readable NPY or NPZ file, got {error}") from None


def _checked(array: Table, path: str, what: str) -> Table:
    if array.dtype.kind not in "fiubU":
        raise ProblemError(f"data: {what} of {path} must hold numbers or text, got dtype {array.dtype}")
    array = plain_table(array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = [int(index) for index in np.argwhere(~np.isfinite(array))[0]]
        raise ProblemError(
            f"data: {what} of {path} must be finite, got {float(array[tuple(place)])!r} at index {place}"
        )
    return array
