"""Error of the relu tangent kernel between inputs that nearly coincide: the textbook formula and ours.

The textbook computes an angle from 1 - cos, which cancels when two inputs are close: the kernel loses half its
digits exactly where data sets hold near-duplicates and where a kernel matrix is nearly singular. Ours carries the
gap 1 - cos itself. Truth: the same recursion at 60 digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from matplotlib.figure import Figure

import theorysim as ts
from figures.style import COLOURS, ONE_COLUMN, house_style, write
from theorysim import kernels

DEPTH, INPUTS, DIGITS = 3, 16, 60
DISTANCES = np.logspace(-15, 0, 61)
FLOOR = 1e-17  # where an error of exactly zero is drawn


def recursion(x1: Any, x2: Any, number: Any, sqrt: Any, acos: Any, pi: Any) -> Any:
    """Return the tangent kernel by the textbook formula, in the arithmetic of the functions given."""
    scale = number(2) / number(INPUTS)
    q1, q2, q12 = (scale * sum(a * b for a, b in zip(u, v, strict=True)) for u, v in ((x1, x1), (x2, x2), (x1, x2)))
    theta = q12
    for _ in range(DEPTH):
        sine = sqrt(max(q1 * q2 - q12 * q12, number(0)))
        angle = acos(min(q12 / sqrt(q1 * q2), number(1)))
        theta *= (pi - angle) / pi
        q12 = (sine + (pi - angle) * q12) / pi
        theta += q12
    return theta


def errors() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the relative errors of the textbook formula and of ours at every distance."""
    generator = np.random.Generator(np.random.Philox(1))
    x, along = generator.standard_normal((2, INPUTS))
    along /= np.linalg.norm(along)
    others = x + DISTANCES[:, None] * along
    network = ts.MLP(depth=DEPTH, width=1, activation="relu", parameterization="ntk")
    ours = np.asarray(kernels.ntk(network, x[None], others))[0]
    naive = np.array([recursion(x, other, float, np.sqrt, np.arccos, np.pi) for other in others])
    with mpmath.workdps(DIGITS):
        one = [mpmath.mpf(v) for v in x]
        truth = [recursion(one, [mpmath.mpf(v) for v in other], mpmath.mpf, mpmath.sqrt, mpmath.acos, mpmath.pi)
                 for other in others]  # fmt: skip
        relative = [[float(abs(mpmath.mpf(float(v)) / t - 1)) for v, t in zip(values, truth, strict=True)]
                    for values in (naive, ours)]  # fmt: skip
    return np.array(relative[0]), np.array(relative[1])


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    naive, ours = errors()
    with house_style():
        figure = Figure(figsize=ONE_COLUMN, layout="constrained")
        ax = figure.subplots()
        ax.loglog(DISTANCES, np.maximum(naive, FLOOR), "o", color=COLOURS["test"], label="textbook formula")
        ax.loglog(DISTANCES, np.maximum(ours, FLOOR), "o", color=COLOURS["train"], label="theorysim")
        ax.axhline(np.finfo(float).eps, color=COLOURS["plain"], linewidth=0.6, linestyle=":")
        ax.set(xlabel=r"distance $\|x_1-x_2\|$", ylabel=r"relative error of $\Theta(x_1,x_2)$", ylim=(FLOOR, 1e-1))
        ax.legend(loc="upper left")
    return write(figure, folder, "near_duplicates")
