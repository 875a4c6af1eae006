"""What a compiled function depends on, as hashes: the content of a function, the sources of a module."""

from __future__ import annotations

import ast
import hashlib
import sys
import types
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

Roots = tuple[tuple[str, str], ...]  # top-level package -> the folder that holds it
_SCALARS = (int, float, complex, bool, str, bytes, type(None), type(...), np.generic)

# Compiled functions already described; their content is what it was when they were decorated.
IDENTITIES: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()


def fingerprint(function: Callable[..., Any]) -> str:
    """Return a hash of a function's content: code, constants, closure, global values and callees.

    Equal content gives equal hashes in every process. A value whose content cannot be read makes the hash
    unique: code that depends on it is compiled again, never served stale.
    """
    return hashlib.sha256("\n".join(_describe(function, [])).encode()).hexdigest()


def _describe(value: Any, seen: list[Any]) -> Iterator[str]:
    """Yield text that determines `value`; `seen` holds the functions being described (recursion)."""
    if isinstance(value, _SCALARS):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    elif isinstance(value, tuple | list):
        yield f"{type(value).__qualname__} {len(value)}"
        for item in value:
            yield from _describe(item, seen)
    elif isinstance(value, frozenset):
        yield f"frozenset {sorted(map(repr, value))}"
    elif isinstance(value, types.CodeType):
        yield from _describe_code(value, seen)
    elif isinstance(value, types.FunctionType):
        yield from _describe_function(value, seen)
    elif hasattr(value, "py_func") and value in IDENTITIES:
        yield IDENTITIES[value]
    elif hasattr(value, "py_func"):  # a compiled function
        yield str(sorted((k, str(v)) for k, v in value.targetoptions.items() if k != "cache"))
        yield from _describe_function(value.py_func, seen)
    elif hasattr(value, "_defn"):  # an intrinsic
        yield from _describe_function(value._defn, seen)
    elif isinstance(value, types.ModuleType | type | types.BuiltinFunctionType):
        yield f"{getattr(value, '__module__', '')} {value.__name__}"
    elif type(value).__module__ == "numpy" and callable(value):  # np.maximum, np.copy: what the compiler makes of them
        yield f"numpy {np.__version__} {value.__name__}"
    elif type(value).__module__.startswith("numba.core.types"):
        yield repr(value)
    else:
        yield f"unknown {uuid.uuid4()}"


def _describe_code(code: types.CodeType, seen: list[Any]) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars} {code.co_argcount}"
    for constant in code.co_consts:
        yield from _describe(constant, seen)


def _describe_function(function: types.FunctionType, seen: list[Any]) -> Iterator[str]:
    if function in seen:
        yield f"recursion {seen.index(function)}"
        return
    seen.append(function)
    yield from _describe_code(function.__code__, seen)
    for cell in function.__closure__ or ():
        yield from _describe(cell.cell_contents, seen)
    yield from _describe(function.__defaults__, seen)
    names = _names(function.__code__)
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        yield name
        yield from _describe(value, seen)
        if isinstance(value, types.ModuleType) and value.__name__ not in sys.stdlib_module_names:
            for attribute in sorted(names & vars(value).keys()):
                yield attribute
                yield from _describe(vars(value)[attribute], seen)


def _names(code: types.CodeType) -> set[str]:
    """Return the global and attribute names used by a code object and the functions inside it."""
    inner = (_names(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*inner)


def sources_digest(module: str) -> str | None:
    """Return a hash of the sources of a module and of the package modules that it imports, transitively.

    None where the module belongs to no package or its source cannot be read.
    """
    loaded = sys.modules.get(module)
    if loaded is None or module == "__main__" or not getattr(loaded, "__file__", None) or not loaded.__package__:
        return None
    own, house = _root(loaded), _root(sys.modules["theorysim"])
    return _digest(module, str(own), str(house))


def _root(module: types.ModuleType) -> Path:
    """Return the folder that holds the top-level package of a module."""
    path = Path(str(module.__file__)).resolve()
    depth = module.__name__.count(".") + (path.name == "__init__.py")
    return path.parents[depth]


@cache
def _digest(module: str, own: str, house: str) -> str | None:
    roots = ((module.partition(".")[0], own), ("theorysim", house))
    hashes: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in hashes:
            hashes[name], imports = _read(name, roots)
            waiting += imports
    if not hashes[module]:
        return None
    return hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()


@cache
def _read(name: str, roots: Roots) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a module's source (empty where it cannot be read) and the package modules it imports."""
    path = _source(name, roots)
    if path is None:
        return "", ()
    text = path.read_bytes()
    return hashlib.sha256(text).hexdigest(), tuple(_imports(name, path.name == "__init__.py", text, roots))


def _source(name: str, roots: Roots) -> Path | None:
    root = dict(roots).get(name.partition(".")[0])
    if root is None:
        return None
    stem = Path(root, *name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(name: str, is_package: bool, text: bytes, roots: Roots) -> Iterator[str]:
    """Yield the dotted names of the package modules that a source imports, wherever the statement stands."""
    parts = name.split(".")
    package = parts if is_package else parts[:-1]
    for node in _statements(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _source(alias.name, roots))
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join(stem + ([node.module] if node.module else []))
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if _source(inner, roots) else base


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements below a node; expressions, most of a tree, hold no imports and are not visited."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)
