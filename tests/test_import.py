"""`import theorysim` is quick, and the public names are what they promise."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import theorysim as ts

HEAVY = ("numba", "xarray", "scipy", "sympy", "matplotlib.pyplot", "numba.cuda", "sklearn", "pydantic", "numpy")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_import_loads_nothing_heavy() -> None:
    loaded = run("import sys, theorysim; print(*sys.modules)").split()
    assert "theorysim" in loaded
    assert not set(HEAVY) & set(loaded)


def test_command_line_help_loads_nothing_heavy() -> None:
    code = "import sys; from theorysim.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(HEAVY) & set(shown.stderr.split())


@pytest.mark.parametrize("name", ts.__all__)
def test_public_name_loads_and_is_documented(name: str) -> None:
    value = getattr(ts, name)
    assert value.__doc__
    assert name in dir(ts)


@pytest.mark.parametrize("name", ["forecast", "compare", "plot", "train", "replay", "check_formula"])
def test_public_function_is_a_function(name: str) -> None:
    assert callable(getattr(ts, name))
    assert not isinstance(getattr(ts, name), ModuleType)


def test_function_wins_over_module_of_the_same_name() -> None:
    first = run("import theorysim.plot, theorysim.store, theorysim as ts; print(ts.plot, ts.plot is ts.plot)")
    then = run("import theorysim as ts; ts.plot; import theorysim.plot; print(ts.plot, ts.plot is ts.plot)")
    assert first.startswith("<function plot")
    assert then.startswith("<function plot")


def test_module_of_the_same_name_can_be_imported_from() -> None:
    assert run("import theorysim as ts; ts.plot; from theorysim.plot import band; print(band.__name__)") == "band\n"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = ts.trian


def test_version_is_the_installed_one() -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        assert ts.__version__ == version("theorysim")
    except PackageNotFoundError:
        pytest.skip("not installed, only on the path")
