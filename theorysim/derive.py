"""Derivations by name: their steps, their grade, and how far the compiled equation is from the claim.

The derivations are found by place at run time (`theorysim.shipped`) and never imported by the equations, nor
the equations by them: only here do the two meet.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import mpmath

from theorysim.errors import ProblemError
from theorysim.shipped import load, shipped

DIGITS = 50
"""Digits at which a claim is evaluated."""


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """What is known about one formula.

    Attributes
    ----------
    name : str
        ``"<module>.<claim>"``; an equation of the same name is its code.
    statement : str
        The claim in words, with its source.
    steps : tuple of str
        The derivation, line by line, each verified when it was built.
    latex : str
        The same for a paper: text and displayed formulas.
    grade : str
        ``"proved"`` (every step closed by sympy), ``"checked"`` (a step rests on numbers at 50 digits) or
        ``"cited"``.
    worst_error : float or None
        Largest error of the compiled equation against the claim at 50 digits, relative, over random points of the
        domain and its edges; None for a claim without code of its own.
    tolerance : float
        The error that the claim allows its code.
    """

    name: str
    statement: str
    steps: tuple[str, ...]
    latex: str
    grade: str
    worst_error: float | None
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the code agrees with the claim (True where there is no code)."""
        return self.worst_error is None or self.worst_error <= self.tolerance


def names() -> tuple[str, ...]:
    """Return the names of all derivations, sorted."""
    found = []
    for path in sorted(shipped("derivations").glob("*.py")):
        found += [f"{path.stem}.{claim}" for claim in _claims(path.read_text(encoding="utf-8"))]
    return tuple(sorted(found))


def matching(query: str) -> tuple[str, ...]:
    """Return the names that a user can mean: the exact one, else all that have `query` as a part.

    Raises
    ------
    ProblemError
        If nothing matches.
    """
    known = names()
    if query in known:
        return (query,)
    word = query.rsplit(".", 1)[-1]
    whole = tuple(n for n in known if word == n.split(".")[1] or n.split(".")[0] in (word, f"dual_{word}"))
    found = whole or tuple(name for name in known if word in name)
    if found:
        return found
    near = get_close_matches(query, known, n=1) or get_close_matches(word, known, n=1, cutoff=0.0)
    raise ProblemError(f'derive: no derivation is called "{query}" (did you mean "{near[0]}"?)')


def derive(name: str, *, samples: int = 50, seed: int = 0) -> Derivation:
    """Derive one formula anew and compare its code with it.

    Parameters
    ----------
    name : str
        Exact name, one of `names`.
    samples : int
        Random points of the domain at which code and claim are compared, besides its edges.
    seed : int
        Seed of the points.

    Raises
    ------
    ProblemError
        If no derivation has that name.
    """
    if name not in names():
        raise ProblemError(f'derive: no derivation is called "{name}"; `matching` finds parts of names')
    module_name, claim_name = name.split(".", 1)
    function = getattr(load("derivations", module_name), claim_name)
    claim = function()
    code = _equations().get(name)
    statement = inspect.cleandoc(function.__doc__ or "")
    return Derivation(
        name=name,
        statement=statement,
        steps=tuple(_line(step.text, step.plain()) for step in claim.steps),
        latex=_latex(name, claim),
        grade=claim.grade,
        worst_error=None if code is None else worst_error(code, claim, samples=samples, seed=seed),
        tolerance=claim.tolerance,
    )


def _line(words: str, formula: str) -> str:
    return f"{words}\n       {formula}" if formula else words


def worst_error(function: Callable[..., Any], claim: Any, *, samples: int = 50, seed: int = 0) -> float:
    """Return the largest error of a function against a claim at 50 digits.

    The error at a point is |function - claim|/(|claim| + |scale|), where `scale` is the size below which the claim
    holds relative errors to mean nothing; an exact zero with zero scale demands an exact zero. A value that is
    not finite counts as infinite.
    """
    points = claim.domain.points(samples, seed)
    worst = 0.0
    with mpmath.workdps(DIGITS):
        for point, (values, scale) in zip(points, claim.exact(points, DIGITS), strict=True):
            found = function(*point)
            found = found if isinstance(found, tuple) else (found,)
            for value, exact in zip(found, values, strict=True):
                worst = max(worst, _error(float(value), exact, scale))
    return worst


def _error(value: float, exact: Any, scale: Any) -> float:
    if not mpmath.isfinite(value):
        return float("inf")
    distance, size = abs(mpmath.mpf(value) - exact), abs(exact) + scale
    if size == 0:
        return 0.0 if distance == 0 else float("inf")
    return float(distance / size)


def _claims(source: str) -> list[str]:
    """Return the public functions of a module that build a claim; the module is read, not imported."""
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if isinstance(node.returns, ast.Name) and node.returns.id == "Claim"
    ]


def _equations() -> dict[str, Callable[..., Any]]:
    from theorysim.equations import REGISTRY  # compiles lazily; numba only where code is compared

    return REGISTRY


def _latex(name: str, claim: Any) -> str:
    lines = [rf"\paragraph{{{_escaped(name)}}} ({claim.grade})"]
    for step in claim.steps:
        formula = step.latex()
        lines.append(rf"\noindent {_escaped(step.text)}" + (rf" \[ {formula} \]" if formula else r" \par"))
    return "\n".join(lines)


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "^": r"\^{}", **{c: "\\" + c for c in "_&%#"}}
    return "".join(special.get(c, c) for c in text)
