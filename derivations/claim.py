"""A claim, the steps that prove it, and the points at which code is compared with it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath
import sympy as sp

_READABLE = 100  # operations: longer matrices are verified and not shown


class NotProved(Exception):
    """A step of a derivation failed."""


@dataclass(frozen=True)
class Range:
    """An interval to draw an argument from: spacing ``"linear"`` or ``"log"``, optionally whole numbers."""

    low: float
    high: float
    spacing: str = "linear"
    whole: bool = False

    def draw(self, generator: random.Random) -> float:
        """Return one number of the interval."""
        share = generator.random()
        if self.spacing == "log":
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        return round(value) if self.whole else min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Domain:
    """Where a formula holds.

    Attributes
    ----------
    ranges : tuple of Range
        One per free parameter.
    arguments : callable or None
        From the parameters to the arguments of the formula, where they differ (|q12| <= sqrt(q1 q2)).
    edges : tuple of tuples
        Arguments at or beside the edges, where code loses digits.
    """

    ranges: tuple[Range, ...]
    arguments: Callable[..., tuple[float, ...]] | None = None
    edges: tuple[tuple[float, ...], ...] = ()

    def points(self, samples: int, seed: int = 0) -> list[tuple[float, ...]]:
        """Return random arguments followed by the edges."""
        generator = random.Random(seed)
        drawn = [tuple(r.draw(generator) for r in self.ranges) for _ in range(samples)]
        inside = drawn if self.arguments is None else [self.arguments(*p) for p in drawn]
        return [*inside, *self.edges]


@dataclass(frozen=True)
class Step:
    """One line of a derivation: what it says, and the formula."""

    text: str
    formula: Any = None

    def latex(self) -> str:
        """Return the formula as LaTeX, empty without one."""
        return "" if self.formula is None else str(sp.latex(self.formula))

    def plain(self) -> str:
        """Return the formula as text, empty without one."""
        if isinstance(self.formula, sp.Eq):
            return f"{self.formula.lhs} = {self.formula.rhs}"
        return "" if self.formula is None else str(self.formula)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A formula, where it holds, and how it is known.

    Attributes
    ----------
    symbols : tuple of sympy.Symbol
        Arguments, in the order of the compiled equation of the same name.
    expression : tuple of sympy.Expr
        One expression per number that the equation returns.
    domain : Domain
        Where to compare.
    grade : str
        ``"proved"`` (sympy closes every step), ``"checked"`` (a step rests on an independent numerical route)
        or ``"cited"``.
    steps : tuple of Step
        The derivation.
    tolerance : float
        Largest error of the compiled equation, relative to |value| + |scale|.
    scale : sympy.Expr
        Size below which relative errors mean nothing (a kernel beside a zero: the root of its diagonals).
    guard : int
        Digits that evaluating the expression itself loses to cancellation.
    """

    symbols: tuple[Any, ...]
    expression: tuple[Any, ...]
    domain: Domain
    grade: str
    steps: tuple[Step, ...]
    tolerance: float = 1e-14
    scale: Any = sp.S.Zero
    guard: int = 0

    def exact(self, points: list[tuple[float, ...]], digits: int = 50) -> list[tuple[list[Any], Any]]:
        """Return (values, scale) at each point, evaluated at `digits` digits with the doubles taken exactly."""
        function = sp.lambdify(self.symbols, [*self.expression, self.scale], "mpmath")
        found = []
        with mpmath.workdps(digits + self.guard):
            for point in points:
                *values, scale = [mpmath.re(v) for v in function(*[_exact(x) for x in point])]
                found.append((values, abs(scale)))
        return found


def _exact(x: float) -> Any:
    return x if isinstance(x, int) else mpmath.mpf(x)


@dataclass
class Proof:
    """The steps of a derivation, each verified as it is written down."""

    steps: list[Step] = field(default_factory=list)
    grade: str = "proved"

    def note(self, text: str, formula: Any = None) -> None:
        """Record a definition or a remark."""
        self.steps.append(Step(text, formula))

    def include(self, lemma: Proof) -> None:
        """Append the steps of a lemma; its grade counts."""
        self.steps.extend(lemma.steps)
        if lemma.grade != "proved":
            self.grade = lemma.grade

    def equal(self, text: str, left: Any, right: Any, shown: Any = None) -> None:
        """Record ``left = right`` once sympy has proved it.

        Integrals, derivatives and limits are best passed unevaluated: they are evaluated for the proof and kept for
        the reader. `shown` replaces the left side on the page where it was evaluated elsewhere.

        Raises
        ------
        NotProved
            If sympy cannot reduce the difference to zero.
        """
        left, right = sp.sympify(left), sp.sympify(right)
        if not vanishes(left.doit() - right.doit()):
            raise NotProved(f"{text}: {left} = {right}")
        left = left if shown is None else shown
        self.steps.append(Step(text, right if left == right else sp.Eq(left, right, evaluate=False)))

    def equal_entries(self, text: str, left: sp.Matrix, right: sp.Matrix) -> None:
        """Record that two matrices are equal, entry by entry."""
        if not all(vanishes(entry) for entry in left - right):
            raise NotProved(text)
        shown = sp.Eq(left, right, evaluate=False)
        self.steps.append(Step(text, shown if sp.count_ops(shown) < _READABLE else None))

    def checked(self, text: str, left: Any, right: Any, tolerance: float = 1e-30) -> None:
        """Record a step that rests on numbers at 50 digits; the claim's grade becomes "checked"."""
        with mpmath.workdps(50):
            if not abs(mpmath.mpmathify(left) - mpmath.mpmathify(right)) <= tolerance:
                raise NotProved(f"{text}: {left} = {right}")
        self.grade = "checked"
        self.steps.append(Step(text))

    def claim(
        self,
        symbols: tuple[Any, ...],
        expression: Any,
        domain: Domain,
        tolerance: float = 1e-14,
        scale: Any = 0,
        guard: int = 0,
    ) -> Claim:
        """Return the claim that these steps prove."""
        several = expression if isinstance(expression, tuple) else (expression,)
        return Claim(
            symbols=symbols,
            expression=tuple(sp.sympify(e) for e in several),
            domain=domain,
            grade=self.grade,
            steps=tuple(self.steps),
            tolerance=tolerance,
            scale=sp.sympify(scale),
            guard=guard,
        )


def vanishes(expression: Any) -> bool:
    """Return whether sympy reduces an expression to zero: cheap routes first."""
    routes: tuple[Callable[[Any], Any], ...] = (
        lambda e: e,
        sp.expand,
        sp.cancel,
        sp.simplify,
        lambda e: sp.simplify(sp.expand(e.rewrite(sp.exp))),
    )
    return any(route(expression) == 0 for route in routes)


def covariance(q1: float, q2: float, c: float) -> tuple[float, float, float]:
    """Return (q1, q2, q12) of two Gaussian variables with correlation c."""
    return q1, q2, c * math.sqrt(q1) * math.sqrt(q2)


PAIRS = Domain(
    (Range(1e-3, 30.0, "log"), Range(1e-3, 30.0, "log"), Range(-0.999, 0.999)),
    covariance,
    edges=(
        (1.0, 1.0, 1.0),
        (4.0, 1.0, 2.0),
        (4.0, 1.0, -2.0),
        (2.0, 3.0, 0.0),
        (1e-8, 1e-8, 9e-9),
        (1e-8, 4.0, 1e-4),
        (0.0, 1.0, 0.0),
        (1e4, 1e4, 9.9e3),
    ),
)
"""Covariances (q1, q2, q12), with equal, opposite, uncorrelated, tiny, zero and large pairs at the edges."""

VARIANCES = Domain((Range(1e-6, 100.0, "log"),), edges=((0.0,), (1e-12,), (1e4,)))
"""Variances q of one sample."""
