"""Modified equations of SGD: what they get right, to which order, and their stationary variances."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

eta, h, s, x, t = sp.symbols("eta h s x t", positive=True)
a, b = sp.symbols("a b", real=True)

SMALL = ((0.0,), (1e-300,), (1e-17,), (1e-9,), (-1e-9,))


def _moments(rate: sp.Expr, diffusion: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Return mean and variance after a time eta of dx = -rate x dt + sqrt(diffusion) dW from a point x."""
    return x * sp.exp(-rate * eta), diffusion * (1 - sp.exp(-2 * rate * eta)) / (2 * rate)


def _orders() -> Proof:
    """Compare one step with each equation: mean and variance after a time eta."""
    proof = Proof()
    mean, variance = (1 - eta * h) * x, eta**2 * s
    proof.note("one step from x has mean (1 - eta h) x and variance eta^2 s")
    for text, rate, power in (("order 1", h, 2), ("order 2", h * (1 + eta * h / 2), 3)):
        found = _moments(rate, eta * s)
        for kind, left, right in (("mean", found[0], mean), ("variance", found[1], variance)):
            for k in range(power):
                proof.equal(
                    f"{text}: coefficient of eta^{k} in the {kind}",
                    sp.series(left, eta, 0, power).removeO().coeff(eta, k),
                    sp.expand(right).coeff(eta, k),
                )
    return proof


def matched_rate() -> Claim:
    """-log(1 - a)/a: the drift whose mean after a time eta is that of a step."""
    proof = _orders()
    rate = -sp.log(1 - eta * h) / eta
    proof.equal("hessian-aware: the mean of a step, exactly", sp.simplify(_moments(rate, s)[0]), (1 - eta * h) * x)
    value = sp.Piecewise((1, sp.Eq(a, 0)), (-sp.log(1 - a) / sp.Piecewise((1, sp.Eq(a, 0)), (a, True)), True))
    return proof.claim((a,), value, Domain((Range(-1.0, 0.999),), edges=(*SMALL, (1.0 - 1e-15,))), guard=320)


def matched_diffusion() -> Claim:
    """log((1-a)(1-b))/((1-a)(1-b) - 1): the diffusion whose covariance after a time eta is that of a step."""
    proof = Proof()
    one, two = sp.symbols("q_1 q_2", positive=True)
    rates = [-sp.log(q) / eta for q in (one, two)]
    diffusion = eta * s * sp.log(one * two) / (one * two - 1)
    grown = diffusion * (1 - sp.exp(-(rates[0] + rates[1]) * eta)) / (rates[0] + rates[1])
    proof.note("modes i, j with q = 1 - eta h: covariance after a time eta, drift rates -log(q)/eta")
    proof.equal("the covariance eta^2 s of a step, exactly", sp.simplify(sp.expand_log(grown)), eta**2 * s)
    product = (1 - a) * (1 - b)
    zero = sp.Eq(product, 1)
    value = sp.Piecewise((1, zero), (sp.log(product) / sp.Piecewise((1, zero), (product - 1, True)), True))
    edges = ((0.0, 0.0), (1e-12, 1e-12), (0.5, -1.0), (1.0 - 1e-15, 0.3), (1e-9, -1e-9))
    return proof.claim((a, b), value, Domain((Range(-1.0, 0.999), Range(-1.0, 0.999)), edges=edges), guard=320)


def _stationary(text: str, left: sp.Expr) -> Claim:
    proof = Proof()
    variance = left * eta * s / h
    rows = {
        "steps": ((1 - eta * h) ** 2 * variance + eta**2 * s, variance),
        "order 1": (2 * h * variance, eta * s),
        "order 2": (2 * h * (1 + eta * h / 2) * variance, eta * s),
    }
    one, two = (side.subs(a, eta * h) for side in rows[text])
    proof.equal(f"balance of the {text}", sp.simplify(one), sp.simplify(two))
    return proof.claim((a,), left, Domain((Range(0.0, 1.99),), edges=((0.0,), (1e-12,))))


def stationary_steps() -> Claim:
    """x' = (1 - eta h) x - eta xi has the stationary variance eta s/(h (2 - eta h))."""
    return _stationary("steps", 1 / (2 - a))


def stationary_first() -> Claim:
    """The order-1 equation has the stationary variance eta s/(2 h)."""
    return _stationary("order 1", sp.Rational(1, 2))


def stationary_second() -> Claim:
    """The order-2 equation has the stationary variance eta s/(h (2 + eta h)): less, where the steps have more."""
    return _stationary("order 2", 1 / (2 + a))


def scaling_limit() -> Claim:
    """1 + (1 - 1/C^2) N/G: on one mode with multiplicative noise, for a small step, the loss has grown by C^2 there.

    x' = (1 - eta h) x - eta sqrt(v/B) xi with v = c + m x^2, at (kappa B, kappa eta).
    """
    proof = Proof()
    kappa, c, m, factor, ratio = sp.symbols("kappa c m F r", positive=True)
    batch = sp.Symbol("B", positive=True)

    def variance(k: sp.Expr) -> sp.Expr:
        """Return the stationary E x^2 at (k B, k eta)."""
        step, size = k * eta, k * batch
        return step**2 * c / size / (1 - (1 - step * h) ** 2 - step**2 * m / size)

    found = variance(kappa)
    moved = (1 - kappa * eta * h) ** 2 * found + (kappa * eta) ** 2 * (c + m * found) / (kappa * batch)
    proof.equal("stationary: one step changes nothing", sp.simplify(moved - found), 0)
    noise, signal = (c + m * variance(1)) / batch, h**2 * variance(1)
    proof.equal("N/G at kappa = 1", sp.simplify(noise / signal), (2 - eta * h) / (eta * h))
    grown = sp.simplify(variance(kappa) / variance(1))
    edge = sp.solve(sp.Eq(grown, factor), kappa)
    proof.equal("one kappa at which the loss has grown by F", len(edge), 1)
    exact = sp.simplify(edge[0] - 1)
    proof.equal(
        "it is 1 + (1 - 1/F)(N/G - m/(B h^2))",
        sp.simplify(exact - (1 - 1 / factor) * (noise / signal - m / (batch * h**2))),
        0,
    )
    proof.note("kept: N/G, of the order of 1/(eta h); left out: m/(B h^2), which does not grow as eta falls")
    return proof.claim(
        (ratio, factor),
        1 + (1 - 1 / factor) * ratio,
        Domain((Range(1e-3, 1e6, "log"), Range(1.001, 10.0)), edges=((0.0, 2.0), (1e9, 1.0 + 1e-9))),
    )
