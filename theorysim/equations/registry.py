"""The name of every equation, which is also the name of the derivation that proves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from theorysim.backend.compile import body

F = TypeVar("F", bound=Callable[..., Any])

REGISTRY: dict[str, Callable[..., Any]] = {}
"""Compiled equations by dotted name ``<module>.<claim>``; ``derivations/<module>.py`` has a function `claim`."""


def equation(name: str) -> Callable[[F], F]:
    """Compile a body and bind it to the claim called `name`.

    Parameters
    ----------
    name : str
        ``"<module of equations>.<claim>"``, for example ``"dual_erf.kernel"``.

    Raises
    ------
    KeyError
        If two equations have the same name.
    """

    def bind(function: F) -> F:
        if name in REGISTRY:
            raise KeyError(f"equation: {name} is already bound to {REGISTRY[name]}")
        compiled = body(function)
        REGISTRY[name] = compiled
        return compiled

    return bind
