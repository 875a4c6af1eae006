"""Weak errors of the schemes against their step, every point exact: a sum over all values of the noise of a step.

Left: E X2^2 at time 1 of dX1 = -X1 dt + X2 dW1, dX2 = -X2 dt + X1 dW2, whose noises do not commute; without the signs
of pairs of noises the scheme of order 2 has order 1. Middle: E X1^2 at time 3 of an equation of Debrabant and Roessler.
Right: variance at time 1 of an Ornstein-Uhlenbeck process; for additive noise Heun's scheme is that of order 2.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.style import COLOURS, TWO_COLUMNS, house_style, write
from theorysim.solvers.sde import Equation, one_step

Array = np.ndarray[Any, Any]
TWO = ((-1.0, 0.5), (1.0, 0.5))
THREE = ((-math.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (math.sqrt(3.0), 1 / 6))
STYLES = {
    "Euler": ("euler", COLOURS["train"], "o-"), "implicit": ("implicit", COLOURS["ensemble"], "v-"),
    "srk2 without signs": ("srk2", COLOURS["test"], "x:"), "Talay-Tubaro": ("euler", COLOURS["plain"], "s-"),
    "srk2": ("srk2", COLOURS["test"], "D-"),
}  # fmt: skip
X, Y = sp.symbols("x y")


class Case(NamedTuple):
    """An equation, where it starts, how long it runs, in how many steps, what is measured and its exact value."""

    equation: Equation
    start: tuple[float, ...]
    time: float
    steps: tuple[int, ...]
    measure: Callable[[Array], float]
    exact: float


def cases() -> dict[str, Case]:
    """Return the three cases by the title of their panel."""
    root = sp.sqrt(2)
    crossed = Equation.from_sympy([-X, -Y], [[Y, 0], [0, X]], [X, Y])
    noise = [[X / 4, X / 16], [(1 - 2 * root) * X / 4, X / 10 + Y / 16]]
    drift = [-sp.Rational(273, 512) * X, -X / 160 - (-sp.Rational(785, 512) + root / 8) * Y]
    walk = Equation.from_sympy([-X], [[sp.Rational(1, 2)]], [X])
    return {
        "noises do not commute": Case(
            crossed, (1.0, 0.0), 1.0, (4, 8, 16, 32, 64), lambda m: float(m[2, 2]), (math.exp(-1) - math.exp(-3)) / 2
        ),
        "Debrabant and Roessler": Case(
            Equation.from_sympy(drift, noise, [X, Y]), (1.0, 1.0), 3.0, (6, 12, 24, 48, 96),
            lambda m: float(m[1, 1]), math.exp(-3),
        ),
        "additive noise": Case(
            walk, (1.0,), 1.0, (4, 8, 16, 32, 64), lambda m: float(m[1, 1] - m[0, 1] ** 2), (1 - math.exp(-2)) / 8
        ),
    }  # fmt: skip


def moments(case: Case, scheme: str, steps: int, signs: bool) -> Array:
    """Return E (1, X)(1, X)^T at the end: the steps are affine in X for each value of the noise."""
    d, m = case.equation.dimension, case.equation.noises
    law, pairs = THREE if scheme == "srk2" else TWO, m - 1 if scheme == "srk2" and signs else 0
    outcomes = list(itertools.product(*[law] * m, *[TWO] * pairs))
    values = np.array([[value for value, _ in each] for each in outcomes])
    chance = np.array([math.prod(share for _, share in each) for each in outcomes])
    v = values[:, m:] if pairs else None
    maps = np.zeros((len(outcomes), d + 1, d + 1))
    maps[:, 0, 0] = 1.0
    for k in range(d + 1):
        x = np.zeros((len(outcomes), d))
        if k:
            x[:, k - 1] = 1.0
        end = one_step(case.equation, x, case.time / steps, values[:, :m], scheme=scheme, signs=v)
        maps[:, 1:, k] = end - (maps[:, 1:, 0] if k else 0.0)
    operator = np.einsum("w,wik,wjl->ijkl", chance, maps, maps).reshape((d + 1) ** 2, -1)
    first = np.array([1.0, *case.start])
    return np.asarray(np.linalg.matrix_power(operator, steps) @ np.outer(first, first).ravel()).reshape(d + 1, d + 1)


def errors(case: Case, name: str) -> Array:
    """Return the signed weak errors of a scheme, shape (steps,)."""
    scheme, signs = STYLES[name][0], "without" not in name

    def at(steps: int) -> float:
        return case.measure(moments(case, scheme, steps, signs))

    if name == "Talay-Tubaro":
        return np.array([2.0 * at(2 * n) - at(n) - case.exact for n in case.steps])
    return np.array([at(n) - case.exact for n in case.steps])


def shown(title: str) -> list[str]:
    """Return the schemes that say something about a case: the signs of pairs do not enter the other two."""
    return [name for name in STYLES if title.startswith("noises") or "without" not in name]


def _panel(ax: Axes, title: str, case: Case) -> None:
    h, least = case.time / np.array(case.steps), 1.0
    for name in shown(title):
        _, colour, style = STYLES[name]
        error = np.abs(errors(case, name))
        slope, least = math.log2(error[-2] / error[-1]), min(least, error[-1])
        ax.loglog(h, error, style, color=colour, label=f"{name}, {slope:.2f}", markersize=3.5)
    ax.set_title(title, fontsize=9)
    ax.set(xlabel="step", ylim=(0.05 * least, None))
    ax.set_xticks(h, [f"1/{1 / step:.0f}" for step in h], minor=False)
    ax.set_xticks([], minor=True)
    ax.legend(fontsize=6.5, title="scheme, last slope", title_fontsize=6.5, loc="lower right")


def draw(folder: Path) -> Path:
    """Draw the figure into `folder`."""
    with house_style():
        figure = Figure(figsize=(TWO_COLUMNS[0], 3.0), layout="constrained")
        axes = figure.subplots(1, 3)
        for ax, (title, case) in zip(axes, cases().items(), strict=True):
            _panel(ax, title, case)
        axes[0].set_ylabel("weak error")
    return write(figure, folder, "weak_orders")
