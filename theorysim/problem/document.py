"""A training run as a document, TOML or JSON, and back: exact to the bit.

[data]       name = "digits" | "gaussian" | ...,  or  path = "mine.csv"
[network]    the fields of MLP, or kind = "residual" and those of ResidualMLP
[optimizer]  name = "sgd" | "gd" | "adam" | "gradient-flow", then its fields
[training]   steps | time, loss, record
"""

from __future__ import annotations

import hashlib
import inspect
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theorysim.errors import ProblemError
from theorysim.problem.arrays import Arrays, written
from theorysim.problem.data import Data, File, ShippedData
from theorysim.problem.network import ACTIVATION_NAMES, MLP
from theorysim.problem.optimizer import SGD, Adam, GradientFlow, Optimizer
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.schedule import SCHEDULES, Schedule
from theorysim.problem.synthetic import Gaussian, Parity, Teacher
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of, one_of, shown, unknown_key

SECTIONS = ("data", "network", "optimizer", "training")
_DATA: dict[str, type[Data]] = {
    "digits": ShippedData,
    "breast_cancer": ShippedData,
    "diabetes": ShippedData,
    "arrays": Arrays,
    "gaussian": Gaussian,
    "teacher": Teacher,
    "parity": Parity,
}
_OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "gd": SGD,
    "adam": Adam,
    "gradient-flow": GradientFlow,
}


def to_toml(training: Training) -> str:
    """Return a run as TOML text.

    Raises
    ------
    ProblemError
        If an array is too large to write down.
    """
    import tomli_w

    content = _content(training)
    for name, value in content["data"].items():
        if isinstance(value, dict) and "shape" in value:
            raise ProblemError(
                f"data: `{name}` must have at most 100000 numbers to be written down, got shape {value['shape']}; "
                "save the arrays as an npz and use path="
            )
    return tomli_w.dumps(content)


def to_json(training: Training) -> str:
    """Return a run as JSON text; large arrays by shape and SHA-256."""
    return json.dumps(_content(training), allow_nan=False)


def from_toml(text: str, folder: str | Path | None = None) -> Training:
    """Return the run of a TOML text.

    Raises
    ------
    ProblemError
        If the text is not TOML (with line and column), or does not state a run.
    """
    return _stated(parsed(text), folder)


def parsed(text: str) -> dict[str, Any]:
    """Return what a TOML text holds."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProblemError(f"problem: the text must be TOML, got: {error}") from None


def from_json(text: str, folder: str | Path | None = None) -> Training:
    """Return the run of a JSON text.

    Raises
    ------
    ProblemError
        If the text is not JSON, or does not state a run.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProblemError(f"problem: the text must be JSON, got: {error}") from None
    if not isinstance(content, dict):
        raise ProblemError(f"problem: the text must be a JSON object, got {shown(content)}")
    return _stated(content, folder)


def read(path: str | Path) -> Training:
    """Return the run of a TOML or JSON file, whose folder is where a relative data path starts.

    Raises
    ------
    ProblemError
        If the file cannot be read as a run.
    """
    path = Path(path)
    if path.suffix.lower() not in (".toml", ".json"):
        raise ProblemError(f"problem: the file must end in .toml or .json, got {shown(str(path))}")
    text = text_of(path)
    return (from_json if path.suffix.lower() == ".json" else from_toml)(text, path.parent)


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    ProblemError
        If it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProblemError(f'problem: the file must be readable, got "{path}" ({reason})') from None


def check_sections(content: Mapping[str, Any], needed: Sequence[str], more: Sequence[str] = ()) -> None:
    """Refuse sections that are unknown, missing, or no sections."""
    for name in content:
        if name not in (*needed, *more):
            raise ProblemError(f"problem: {unknown_key(name, (*needed, *more))}")
    for name in (*needed, *(name for name in more if name in content)):
        if not isinstance(content.get(name), dict):
            got = "none" if name not in content else shown(content[name])
            raise ProblemError(f"problem: section [{name}] must be given, got {got}")


def _stated(content: Mapping[str, Any], folder: str | Path | None) -> Training:
    check_sections(content, SECTIONS)
    for name in SECTIONS[:3]:
        if name in content["training"]:
            raise ProblemError(f"training: {unknown_key(name, ('steps', 'time', 'loss', 'record'))}")
    return Training(
        data=data_of(content["data"], folder),
        network=network_of(content["network"]),
        optimizer=optimizer_of(content["optimizer"], _OPTIMIZERS),
        **content["training"],
    )


def data_of(given: Mapping[str, Any], folder: str | Path | None) -> Data:
    """Return the data set of a section; `folder` is where a relative path starts."""
    if "path" not in given:
        stated: Data = _named("data", given, _DATA, ' (or path = "mine.csv")')(**given)
        return stated
    if "name" in given:
        raise ProblemError(f"data: `name` must be left out where `path` is given, got {shown(given['name'])}")
    path = given["path"]
    if isinstance(path, str) and path and folder is not None:
        # Joining leaves an absolute path as it is.
        path = str(Path(folder) / path)
    return File(**{**given, "path": path})


def network_of(given: Mapping[str, Any]) -> MLP | ResidualMLP:
    """Return the network of a section."""
    activation = given.get("activation")
    if isinstance(activation, dict) and "custom" in activation:
        raise ProblemError(
            f"network: `activation` must be built in ({', '.join(ACTIVATION_NAMES)}) to be read from a file; "
            f"got {shown(activation['custom'])}, a function of the author's own "
            "(state this run in Python, with activation(f, df, name=...) or activation_from(expression))"
        )
    return ResidualMLP(**given) if "kind" in given else MLP(**given)


def optimizer_of(given: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return the optimizer of a section, one of those known by name."""
    kind = _named("optimizer", given, known)
    fields = {name: value for name, value in given.items() if name != "name"}
    if given["name"] == "gd":
        for name in ("batch", "sampling"):
            if name in fields:
                got = shown(fields[name])
                raise ProblemError(f'optimizer: `{name}` must be left out for "gd" (use "sgd"), got {got}')
    if isinstance(fields.get("schedule"), dict):
        fields["schedule"] = _schedule(fields["schedule"])
    elif isinstance(fields.get("schedule"), str):
        fields["schedule"] = _schedule({"name": fields["schedule"]})
    return kind(**fields)


def _schedule(given: Mapping[str, Any]) -> Schedule | None:
    fields = {name: value for name, value in given.items() if name != "name"}
    if given.get("name") == "constant" and not fields:
        return None
    schedule: Schedule = _named("schedule", given, SCHEDULES, also=("constant",))(**fields)
    return schedule


def _named(
    section: str, given: Mapping[str, Any], known: Mapping[str, Any], hint: str = "", also: Iterable[str] = ()
) -> Any:
    if "name" not in given:
        raise ProblemError(f"{section}: `name` must be given, one of {', '.join(known)}{hint}")
    name = given["name"]
    if not isinstance(name, str) or name not in known:
        raise ProblemError(f"{section}: `name` {one_of(name, (*known, *also))}")
    return known[name]


def _content(training: Training) -> dict[str, dict[str, Any]]:
    own = {name: value for name, value in fields_of(training).items() if name not in SECTIONS}
    return {
        "data": _written(fields_of(training.data)),
        "network": _written(fields_of(training.network)),
        "optimizer": {"name": _optimizer_name(training.optimizer), **_written(fields_of(training.optimizer))},
        "training": _written(own),
    }


def _optimizer_name(optimizer: Optimizer) -> str:
    return next(name for name, kind in _OPTIMIZERS.items() if type(optimizer) is kind)


def _written(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in fields.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a field as TOML and JSON can hold it."""
    if isinstance(value, np.ndarray):
        return written(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, str | int | float):
        return value
    for name, kind in SCHEDULES.items():
        if isinstance(value, kind):
            return {"name": name, **fields_of(value)}
    if value.parameters:  # a built-in activation
        return {"name": value.name, **{name: entry for name, entry in value.parameters if entry is not None}}
    return {"custom": value.name, "fingerprint": _fingerprint(value)}


def _fingerprint(activation: Any) -> str:
    """Return the SHA-256 of the texts of a user's activation and its derivative, or of its expression."""
    parts = []
    if activation.expression:
        return hashlib.sha256(activation.expression.encode()).hexdigest()
    for compiled in (activation.function, activation.derivative):
        function = getattr(compiled, "py_func", compiled)
        try:
            parts.append(inspect.getsource(function))
        except (OSError, TypeError):  # typed at a prompt: there is no file to read
            parts.append(function.__code__.co_code.hex() + repr(function.__code__.co_consts))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
