"""The repository keeps its own promises: README, continuous integration, and where compilation lives."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import theorysim as ts

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    return [line for line in README.splitlines() if line.startswith("python3 -m venv .venv && ")]


def test_readme_has_the_two_commands() -> None:
    first, tests = commands()
    assert first.endswith(".venv/bin/theorysim predict")
    assert tests.endswith(".venv/bin/pytest -n auto")


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert commands()[1] in lines
    assert "set -eu" in lines
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert any(line.startswith(f".venv/bin/{check}") for line in lines)


def test_example_problem_of_the_readme_is_one() -> None:
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    training = ts.Training.from_toml(block.group(1))
    python = re.search(r"```python\n(.*?)\n\)\n", README, re.DOTALL)
    assert python is not None
    names: dict[str, object] = {}
    exec(python.group(1) + "\n)", names)
    assert names["training"] == training


def test_shipped_problem_is_one() -> None:
    training = ts.Training.from_toml((ROOT / "theorysim" / "default.toml").read_text(encoding="utf-8"))
    assert training.data.name == "digits"


def test_pages_of_the_readme_exist() -> None:
    for page in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert (ROOT / page).is_file(), page


def test_version_is_one() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()


def _names_used(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_one_module_compiles_and_one_knows_cuda() -> None:
    modules = {p.relative_to(ROOT).as_posix(): set(_names_used(p)) for p in (ROOT / "theorysim").rglob("*.py")}
    compiling = {"njit", "jit", "numba.njit", "numba.jit"}
    assert {m for m, used in modules.items() if used & compiling} <= {
        "theorysim/backend/compile.py",
        "theorysim/backend/cuda.py",
    }
    assert {m for m, used in modules.items() if "numba.cuda" in used} == {"theorysim/backend/cuda.py"}


def test_nothing_unpickles() -> None:
    for path in (ROOT / "theorysim").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import pickle" not in text and "allow_pickle=True" not in text, path
