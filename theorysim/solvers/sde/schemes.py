"""The schemes, what each needs, and which fit an equation.

name              reads          noise                    weak order   strong order
"euler"           Ito            any                      1            1/2 (1 if additive)
"milstein"        Ito            additive, scalar, diagonal, commutative    1    1
"srk2"            Ito            any                      2            -
"talay-tubaro"    Ito            any                      2            -
"implicit"        Ito            any; stiff drifts        1            1/2
"heun"            Stratonovich   any                      1            1/2 (1 if commutative)
"levy"            Ito            alpha-stable             1 (bounded smooth functions)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theorysim.errors import ProblemError
from theorysim.solvers.sde.equation import Equation, Fields

SCHEMES = ("euler", "milstein", "srk2", "talay-tubaro", "implicit", "heun", "levy")
VARIABLES = ("normal", "points")
_DEFAULT_POINTS = ("srk2", "talay-tubaro")
_ONLY_NORMAL = {"milstein": "points have no strong order"}
_FIELDS = ("euler", "talay-tubaro", "heun", "levy")


@dataclass(frozen=True)
class Plan:
    """A scheme that fits an equation: its name, the law of its noise, and whether it needs the signs of pairs."""

    scheme: str
    law: str
    pairs: bool


def plan_of(equation: Equation | Fields, scheme: str, variables: str | None) -> Plan:
    """Return the plan of a scheme for an equation; `variables` None takes those usual for the scheme.

    Raises
    ------
    ProblemError
        For unknown names, and for pairs that do not exist: the message names a scheme that fits.
    """
    if scheme not in SCHEMES:
        raise ProblemError(f'integrate: `scheme` must be one of {", ".join(SCHEMES)}, got "{scheme}"')
    if variables not in (None, *VARIABLES):
        raise ProblemError(f'integrate: `variables` must be "normal" or "points", got {variables!r}')
    wrong = _misfit(equation, scheme)
    if wrong:
        raise ProblemError(f'integrate: `scheme` {wrong}, got "{scheme}"')
    if scheme == "levy":
        if variables is not None:
            raise ProblemError(f'integrate: `variables` must be None for the scheme "levy", got "{variables}"')
        return Plan("levy", "stable", False)
    chosen = variables or ("points" if scheme in _DEFAULT_POINTS else "normal")
    if chosen == "points" and scheme in _ONLY_NORMAL:
        raise ProblemError(f'integrate: `variables` must be "normal" for the scheme "{scheme}", got "points"')
    several = isinstance(equation, Equation) and equation.kind in ("commutative", "general") and equation.noises > 1
    law = "normal" if chosen == "normal" else "three" if scheme == "srk2" else "two"
    return Plan("euler" if scheme == "talay-tubaro" else scheme, law, scheme == "srk2" and several)


def _misfit(equation: Any, scheme: str) -> str:
    """Return what is wrong with a pair and which scheme fits; empty if they fit."""
    additive = equation.kind == "additive"
    if (equation.alpha is not None) != (scheme == "levy"):
        return 'must be "levy" for an alpha-stable noise and for no other ("euler" for Brownian motion)'
    if equation.calculus == "stratonovich" and not additive and scheme not in ("heun", "levy"):
        return 'must be "heun" for a Stratonovich equation'
    if equation.calculus == "ito" and not additive and scheme == "heun":
        return 'must be "euler", "srk2" or "talay-tubaro" for an Ito equation (its noise is not additive)'
    if isinstance(equation, Fields) and scheme not in _FIELDS:
        return 'must be "euler", "talay-tubaro" (weak order 2), "heun" or "levy" for `Fields`'
    if scheme == "milstein" and equation.kind == "general" and not equation.single:
        return 'must be "euler" or "srk2" for the kind "general": "milstein" needs noise that commutes'
    return ""
