"""Draw every figure, or the named ones, into a folder: ``python -m figures [NAME ...]``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from theorysim.shipped import figure_titles


def main(names: list[str]) -> None:
    """Draw the named figures (all without names) into ``figures-out``."""
    folder = Path("figures-out")
    folder.mkdir(exist_ok=True)
    for name in names or figure_titles():
        print(import_module(f"figures.{name}").draw(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
