"""Factors per step of methods for differentiable games on min-max xy."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

e = sp.Symbol("e", positive=True)
r = sp.Symbol("r", nonnegative=True)
TURN = sp.Matrix([[0, 1], [-1, 0]])
ONE = sp.eye(2)
STEPS = Domain((Range(1e-3, 3.0, "log"),), edges=((0.1,), (0.3,), (1.0,), (1e-9,)))


def _turning(proof: Proof, text: str, step: sp.Matrix, square: sp.Expr) -> sp.Expr:
    """Return sqrt(square) once a step is proved to be a rotation by some angle times that factor."""
    proof.equal_entries(f"{text}: step^T step", (step.T * step).applyfunc(sp.simplify), square * ONE)
    return sp.sqrt(square)


def gradient_rotation() -> Claim:
    """(1 - e J)^T (1 - e J) = 1 + e^2."""
    proof = Proof()
    value = _turning(proof, "z - e J z", ONE - e * TURN, 1 + e**2)
    return proof.claim((e,), value, STEPS)


def extragradient_rotation() -> Claim:
    """1 - e J + e^2 J^2 = (1 - e^2) - e J."""
    proof = Proof()
    step = ONE - e * TURN * (ONE - e * TURN)
    value = _turning(proof, "z - e J (z - e J z)", step, (1 - e**2) ** 2 + e**2)
    return proof.claim((e,), value, STEPS)


def proximal_rotation() -> Claim:
    """(1 + e J)^{-1} is the transpose of 1 + e J over 1 + e^2."""
    proof = Proof()
    value = _turning(proof, "(1 + e J)^{-1}", (ONE + e * TURN).inv(), 1 / (1 + e**2))
    return proof.claim((e,), value, STEPS)


def alternating_rotation() -> Claim:
    """x+ = x - e y, y+ = y + e x+: determinant 1, trace 2 - e^2."""
    proof = Proof()
    step = sp.Matrix([[1, -e], [e, 1 - e**2]])
    proof.equal("determinant", sp.expand(step.det()), 1)
    proof.equal("trace", step.trace(), 2 - e**2)
    large = (e**2 - 2 + e * sp.sqrt(e**2 - 4)) / 2
    small = (e**2 - 2 - e * sp.sqrt(e**2 - 4)) / 2
    proof.equal("e > 2: -l is a root, product", sp.expand(large * small), 1)
    proof.equal("sum", sp.expand(large + small), e**2 - 2)
    proof.note("e <= 2: the roots are conjugate, of modulus 1")
    shown = sp.Piecewise((sp.S.One, e <= 2), (large, True))
    return proof.claim((e,), shown, Domain((Range(0.1, 6.0),), edges=((2.0,), (1.9999,), (2.0001,))), tolerance=4e-15)


def consensus_rotation() -> Claim:
    """J^T J = 1 and J is antisymmetric: both adjustments add r z to F."""
    proof = Proof()
    proof.equal_entries("J^T J", TURN.T * TURN, ONE)
    proof.equal_entries("antisymmetric part", (TURN - TURN.T) / 2, TURN)
    value = _turning(proof, "z - e (J + r J^T J) z", ONE - e * (TURN + r * TURN.T * TURN), (1 - e * r) ** 2 + e**2)
    domain = Domain((Range(0.01, 3.0), Range(0.0, 3.0)), edges=((0.5, 2.0), (0.1, 0.0), (1e-6, 1.0)))
    return proof.claim((e, r), value, domain)
