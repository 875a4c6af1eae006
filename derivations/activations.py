"""What the claims about activations share: symbols, domains, and that a derivative is what sympy differentiates."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

x, a = sp.symbols("x a", real=True)
b, c, r = sp.symbols("b c r", positive=True)
p = sp.Symbol("p", integer=True, positive=True)
LINE = Domain((Range(-6, 6),), edges=((0.0,), (1e-9,), (-1e-9,), (-30.0,), (30.0,)))
LONG = Domain((Range(-40, 40),), edges=(*LINE.edges, (-700.0,), (-300.0,), (300.0,), (700.0,)))
RATES = Domain((Range(-6, 6), Range(0.1, 3.0)), edges=((0.0, 1.0), (-700.0, 1.0), (700.0, 1.0), (1e-9, 2.0)))
DEGREES = Domain(
    (Range(-3, 3), Range(1, 20, whole=True)), edges=((0.0, 1), (0.0, 2), (1.0, 20), (700.0, 3), (-700.0, 20))
)
SMALLEST = sp.Float("1e-300")  # beside it float64 has fewer digits


def _definition(
    formula: sp.Expr, domain: Domain = LINE, scale: sp.Expr | int = 0, more: tuple[sp.Symbol, ...] = (), guard: int = 0
) -> Claim:
    proof = Proof()
    proof.note("definition", formula)
    return proof.claim((x, *more), formula, domain, tolerance=5e-16 * 4, scale=scale, guard=guard)


def _derivative(
    of: sp.Expr,
    formula: sp.Expr,
    domain: Domain = LINE,
    scale: sp.Expr | int = 0,
    more: tuple[sp.Symbol, ...] = (),
    guard: int = 0,
) -> Claim:
    proof = Proof()
    proof.equal("d phi/dx", sp.Derivative(of, x), formula)
    return proof.claim((x, *more), formula, domain, tolerance=4e-15, scale=scale, guard=guard)
