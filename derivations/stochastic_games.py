"""Noisy descent-ascent and extragradient on a rotation with friction, and their high-resolution equations."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

mu, e, s = sp.symbols("mu e s", positive=True)
w = sp.Symbol("w", real=True)
K = sp.Matrix([[mu, w], [-w, mu]])
ONE = sp.eye(2)
SIZE = mu**2 + w**2


def _domain(steps: float) -> Domain:
    """Return friction 0.1 .. 2, rotation |w| <= 1.5 and steps that are a share of mu/(mu^2 + w^2)."""
    ranges = (Range(0.1, 2.0), Range(-1.5, 1.5), Range(1e-6, steps, "log"))

    def arguments(m: float, rotation: float, share: float) -> tuple[float, ...]:
        return m, rotation, share * m / (m * m + rotation * rotation)

    return Domain(ranges, arguments, edges=((0.5, 1.0, 0.1), (1.0, 0.0, 1e-12), (1e-3, 1e-3, 1e-9)))


def _fixed(proof: Proof, text: str, step: sp.Matrix, noise: sp.Matrix, value: sp.Expr) -> None:
    """Prove that value times 1 is kept by z' = step z + noise."""
    kept = (step * step.T * value + noise).applyfunc(lambda x: sp.simplify(x - 0))
    proof.equal_entries(f"one step of {text} keeps the covariance v 1", kept, value * ONE)


def descent_ascent() -> Claim:
    """SGDA z' = (1 - e K) z - e s xi: v = e s^2/(2 mu - e |k|^2), shown for s = 1."""
    proof = Proof()
    value = e / (2 * mu - e * SIZE)
    _fixed(proof, "SGDA", ONE - e * K, e**2 * ONE, value)
    proof.equal("first order in e", sp.series(value, e, 0, 2).removeO(), e / (2 * mu))
    return proof.claim((mu, w, e), value, _domain(1.9))


def extragradient() -> Claim:
    """SEG with two independent samples: z' = (1 - e K + e^2 K^2) z + e^2 s K xi - e s xi'."""
    proof = Proof()
    k = mu + sp.I * w
    gain = 1 - e * k + e**2 * k**2
    value = (
        e**2
        * (1 + e**2 * SIZE)
        / (1 - sp.expand(gain * sp.expand(1 - e * sp.conjugate(k) + e**2 * sp.conjugate(k) ** 2)))
    )
    value = sp.simplify(sp.expand(value.rewrite(sp.Add)))
    _fixed(proof, "SEG", ONE - e * K + e**2 * K**2, e**4 * K * K.T + e**2 * ONE, value)
    proof.equal("first order in e", sp.limit(value / e, e, 0), 1 / (2 * mu))
    return proof.claim((mu, w, e), value, _domain(0.5), guard=40)


def first_order() -> Claim:
    """dz = -K z dt + sqrt(e) s dW: 2 mu v = e s^2, whatever w."""
    proof = Proof()
    value = e / (2 * mu)
    proof.equal_entries("K v + v K^T", (K + K.T) * value, e * ONE)
    return proof.claim((mu, w, e), value, _domain(1.9))


def second_order() -> Claim:
    """dz = -(K + (e/2) K^2) z dt + sqrt(e) s dW: its v has the w of SGDA, but mu on the wrong side."""
    proof = Proof()
    value = e / (2 * mu + e * (mu**2 - w**2))
    drift = K + e / 2 * K**2
    proof.equal_entries("balance", ((drift + drift.T) * value).applyfunc(sp.simplify), e * ONE)
    steps = e / (2 * mu - e * SIZE)
    proof.equal("1/v of the equation minus 1/v of SGDA", sp.simplify(1 / value - 1 / steps), 2 * mu**2)
    _logarithms(proof)
    return proof.claim((mu, w, e), value, _domain(0.5))


def _logarithms(proof: Proof) -> None:
    """Prove the high-resolution drifts: the logarithm of a step of each method, to second order in e."""
    k = sp.Symbol("k")
    proof.note("a method z' = M z moves as dz/dt = (log M/e) z; k: any eigenvalue of the Jacobian of F")
    for text, step, sign in (
        ("GDA", 1 - e * k, -1), ("proximal point", 1 / (1 + e * k), 1), ("extragradient", 1 - e * k + e**2 * k**2, 1),
    ):  # fmt: skip
        rate = sp.series(sp.log(step), e, 0, 3).removeO() / e
        proof.equal(f"{text}: drift to first order in e", sp.expand(rate), sp.expand(-k + sign * e / 2 * k**2))


def critical_step() -> Claim:
    """|1 - e k| = 1 at e = 2 mu/|k|^2."""
    proof = Proof()
    value = 2 * mu / SIZE
    proof.equal("|1 - e k|^2", sp.simplify((1 - value * mu) ** 2 + (value * w) ** 2), 1)
    return proof.claim((mu, w), value, Domain((Range(1e-3, 10.0, "log"), Range(-10.0, 10.0)), edges=((0.5, 1.0),)))
