"""Federated averaging on quadratics and on linear games."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

x = sp.Symbol("x", nonnegative=True)
steps = sp.Symbol("E", integer=True, nonnegative=True)


def pull() -> Claim:
    """1 - (1 - g h)^E: a client moves by it towards its own centre; two clients meet at sum p pull c/sum p pull."""
    proof = Proof()
    g, h, c, start = sp.symbols("g h c x0", real=True)
    moved = c + (1 - g * h) ** steps * (start - c)
    proof.equal("one step more", moved - g * h * (moved - c), sp.expand(c + (1 - g * h) * (moved - c)))
    proof.equal("x - c after E steps", sp.expand(moved - c), sp.expand((1 - g * h) ** steps * (start - c)))
    p1, p2, r1, r2, c1, c2, place = sp.symbols("p1 p2 r1 r2 c1 c2 x*", real=True)
    fixed = (p1 * (1 - r1) * c1 + p2 * (1 - r2) * c2) / (p1 * (1 - r1) + p2 * (1 - r2))
    mean = sum(p * (centre + r * (place - centre)) for p, r, centre in ((p1, r1, c1), (p2, r2, c2)))
    proof.equal("two clients, p1 + p2 = 1", sp.simplify((mean - place).subs(place, fixed).subs(p2, 1 - p1)), 0)
    proof.equal("factor per round", sp.diff(mean, place), p1 * r1 + p2 * r2)
    one = sp.simplify(fixed.subs({r1: 1 - g * h, r2: 1 - g * start}))
    proof.equal("E = 1 is the optimum", one, sp.simplify((p1 * h * c1 + p2 * start * c2) / (p1 * h + p2 * start)))
    domain = Domain(
        (Range(1e-6, 1.99, "log"), Range(0, 200, whole=True)),
        edges=((0.0, 3), (1e-300, 5), (1.0, 0), (1.0, 4), (1e-12, 7), (1.5, 3), (0.999, 40)),
    )
    return proof.claim((x, steps), 1 - (1 - x) ** steps, domain, tolerance=1e-13, guard=330)
