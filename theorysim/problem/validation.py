"""Frozen statements of a problem, and how a wrong one is told to its author: one line, raised where it is built."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from theorysim.errors import ProblemError

LONGEST_VALUE = 60
"""Characters of a wrong value that a message shows."""

_REQUIREMENT = {
    "int_type": "a whole number",
    "int_parsing_size": "a whole number of at most 64 bits",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "finite_number": "finite",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "non-empty text",
    "too_short": "a list of at least {min_length}",
}


class Statement(BaseModel):
    """A part of a problem: frozen, keyword-only, validated where it is built.

    Raises
    ------
    ProblemError
        One line with the part, the field, the requirement and the value.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )
    section: ClassVar[str] = "problem"

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**{name: plain(value) for name, value in values.items()})
        except ValidationError as error:
            message = one_line(type(self).section, error, type(self))
        else:
            return
        # Raised outside the handler: pydantic's own report would only bury the line.
        raise ProblemError(message)


def plain(value: Any) -> Any:
    """Return numpy scalars, lists and one-dimensional arrays as Python numbers and tuples."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return tuple(value.tolist())
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value


def fields_of(statement: BaseModel) -> dict[str, Any]:
    """Return the fields of a statement by name, ready to be changed and stated again."""
    return {name: getattr(statement, name) for name in type(statement).model_fields}


def is_real(value: Any) -> bool:
    """Return whether a value is a finite number that a float can hold; True and False are none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def shown(value: Any) -> str:
    """Return a value as a message shows it: text in double quotes, long values cut."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 4] + " ..."


def meant(value: Any, known: Iterable[str]) -> str:
    """Return `` (did you mean "name"?)`` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(str(value).lower(), list(known), n=1, cutoff=0.6)
    return f' (did you mean "{near[0]}"?)' if near else ""


def one_of(value: Any, known: Iterable[str]) -> str:
    """Return ``must be one of a, b; got "c" (did you mean "b"?)``."""
    names = list(known)
    return f"must be one of {', '.join(names)}; got {shown(value)}{meant(value, names)}"


def one_line(section: str, error: ValidationError, model: type[BaseModel]) -> str:
    """Return the most telling error of a validation as one line."""
    found = error.errors(include_url=False)
    # A misspelt key also makes its right spelling missing: the misspelling is the news.
    first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
    return f"{section}: {_sentence(first, model)}"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return ``unknown key `key` `` with the nearest name or the list of known ones."""
    names = list(known)
    return f"unknown key `{key}`" + (meant(key, names) or f" (known: {', '.join(names)})")


def _sentence(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    kind, where, value, facts = item["type"], item["loc"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(str(where[0]), model.model_fields)
    if kind == "value_error" and not where:
        return str(facts["error"])
    field = f"`{where[0]}`"
    if kind == "missing":
        return f"{field} must be given"
    if kind == "value_error":
        return f"{field} {facts['error']}"
    if kind == "literal_error":
        return f"{field} {one_of(value, _literals(model.model_fields[str(where[0])].annotation))}"
    bounds = {name: f"{fact:.15g}" if isinstance(fact, float) else fact for name, fact in facts.items()}
    requirement = _REQUIREMENT.get(kind, item["msg"].removeprefix("Input should be ")).format(**bounds)
    requirement = "positive" if requirement == "greater than 0" else requirement
    entry = "".join(f" (entry {place})" for place in where[1:] if isinstance(place, int))
    return f"{field} must be {requirement}, got {shown(value)}{entry}"


def _literals(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(name) for name in get_args(annotation)]
    return [name for part in get_args(annotation) for name in _literals(part)]
