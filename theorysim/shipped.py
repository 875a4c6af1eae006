"""Where the folders ``derivations`` and ``figures`` lie, in a checkout and in a wheel."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Return the path of a top-level folder of the project.

    A wheel carries the folders below ``theorysim/_shipped``; a checkout and an editable install have
    them beside the package.

    Parameters
    ----------
    folder : str
        ``"derivations"`` or ``"figures"``.

    Raises
    ------
    FileNotFoundError
        If neither place has the folder.
    """
    for parent in (_PACKAGE / "_shipped", _PACKAGE.parent):
        if (parent / folder).is_dir():
            return parent / folder
    raise FileNotFoundError(f"{folder}: this installation of theorysim lacks the folder; reinstall it")


def figure_titles() -> dict[str, str]:
    """Return the first docstring line of each figure (a script with a ``draw`` function) by name, sorted.

    The scripts are read, not imported.
    """
    found = {}
    for path in sorted(shipped("figures").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "draw" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def load(folder: str, name: str) -> ModuleType:
    """Import module `name` of a shipped folder, found by place, whatever else is called the same.

    Raises
    ------
    FileNotFoundError
        If the folder is missing.
    ModuleNotFoundError
        If it has no such module.
    """
    if folder not in sys.modules:
        place = shipped(folder)
        spec = spec_from_file_location(folder, place / "__init__.py", submodule_search_locations=[str(place)])
        assert spec is not None and spec.loader is not None
        package = module_from_spec(spec)
        sys.modules[folder] = package
        spec.loader.exec_module(package)
    return import_module(f"{folder}.{name}")
