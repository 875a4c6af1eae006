"""What every figure shares: the house style, the columns of a paper, and how a figure is written."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from theorysim.plot import COLOURS, house_style, save

__all__ = ["COLOURS", "ONE_COLUMN", "TWO_COLUMNS", "house_style", "write"]

ONE_COLUMN = (3.4, 2.6)
TWO_COLUMNS = (7.0, 2.8)


def write(figure: Figure, folder: Path, name: str) -> Path:
    """Write `figure` as SVG and PNG into `folder`, byte-identical from run to run; return the SVG."""
    save(figure, folder / f"{name}.png")
    return save(figure, folder / f"{name}.svg")
