"""Bandits: comparison of Beta posteriors, the price of a wrong arm, truncated Gittins indices."""

from __future__ import annotations

from functools import cache

import sympy as sp

from .claim import Claim, Domain, Proof, Range

a1, b1, a2, b2 = sp.symbols("a1 b1 a2 b2", positive=True, integer=True)
a, b, x = sp.symbols("a b x", positive=True)
p, q = sp.symbols("p q", positive=True)
j = sp.Symbol("j", integer=True, nonnegative=True)

_COUNTS = Domain(
    tuple(Range(1, 150, "log", whole=True) for _ in range(4)),
    edges=(
        (1, 1, 1, 1),
        (1, 400, 400, 1),
        (400, 1, 1, 400),
        (1, 1, 300, 1),
        (300, 300, 1, 1),
        (300, 310, 305, 290),
        (1000, 1000, 990, 1010),
        (40, 1000, 30, 900),
        (1000, 40, 900, 30),
    ),
)


def _density(first: sp.Expr, second: sp.Expr) -> sp.Expr:
    ratio = sp.gamma(first + second) / (sp.gamma(first) * sp.gamma(second))
    return ratio * x ** (first - 1) * (1 - x) ** (second - 1)


def _above(c1: sp.Expr, d1: sp.Expr, c2: sp.Expr, d2: sp.Expr) -> sp.Expr:
    """Return P(X1 > X2) by the binomial form of the distribution function of X2: not the order of the code."""
    n = c2 + d2 - 1
    term = sp.gamma(c1 + j) * sp.gamma(d1 + n - j) / (sp.gamma(j + 1) * sp.gamma(n - j + 1))
    size = sp.gamma(n + 1) * sp.gamma(c1 + d1) / (sp.gamma(c1 + d1 + n) * sp.gamma(c1) * sp.gamma(d1))
    return size * sp.Sum(term, (j, c2, n))


def _proof() -> Proof:
    proof = Proof()
    proof.include(_comparison())
    return proof


@cache
def _comparison() -> Proof:
    proof = Proof()
    tail = x**a * (1 - x) ** b * sp.gamma(a + b) / (sp.gamma(a + 1) * sp.gamma(b))
    slope = sp.gammasimp(sp.simplify(sp.diff(tail, x) / _density(a, b)))
    gain = sp.gammasimp(1 - sp.simplify(_density(a + 1, b) / _density(a, b)))
    proof.equal("F(x; a, b) - F(x; a+1, b) = x^a (1-x)^b/(a B(a, b)): slopes over the density, both 0 at x = 0",
                slope, gain)  # fmt: skip
    start = sp.integrate(_density(sp.Integer(1), b), (x, x, 1))
    proof.equal("the start: P(X1 > x) = (1 - x)^b for a1 = 1", sp.diff(start, x), sp.diff((1 - x) ** b, x))
    i = sp.Symbol("i", integer=True, nonnegative=True)
    term = (sp.gamma(a2 + i) * sp.gamma(b1 + b2) / sp.gamma(a2 + i + b1 + b2) * sp.gamma(b1 + i)
            / (sp.gamma(i + 1) * sp.gamma(b1)) * sp.gamma(a2 + b2) / (sp.gamma(a2) * sp.gamma(b2)))  # fmt: skip
    proof.note("so P(X1 > x) = sum over i < a1 of x^i (1-x)^b1 G(b1+i)/(i! G(b1)); averaged over X2 a term is", term)
    ratio = sp.gammasimp(term.subs(i, i + 1) / term)
    proof.equal("ratio of terms", sp.factor(ratio), (a2 + i) * (b1 + i) / ((i + 1) * (a2 + b1 + b2 + i)))
    for counts in ((1, 1, 1, 1), (2, 3, 4, 1), (5, 2, 3, 6)):
        values = dict(zip((a1, b1, a2, b2), counts, strict=True))
        other = _above(*(sp.Integer(c) for c in counts)).doit()
        mine = sum(term.subs(values).subs(i, k) for k in range(counts[0]))
        density = _density(sp.Integer(counts[0]), sp.Integer(counts[1]))
        inner = sp.integrate(_density(sp.Integer(counts[2]), sp.Integer(counts[3])), (x, 0, x))
        direct = sp.integrate(sp.expand(density * inner), (x, 0, 1))
        proof.equal(f"both forms of the sum at {counts}", sp.simplify(mine - other), 0)
        proof.equal(f"and the double integral at {counts}", mine, direct)
    return proof


def beta_above() -> Claim:
    """P(X1 > X2) of independent Beta variables with whole counts, as a finite sum of positive terms."""
    return _proof().claim((a1, b1, a2, b2), _above(a1, b1, a2, b2), _COUNTS, tolerance=1e-12)


def beta_excess() -> Claim:
    """E (X1 - X2)^+ = E X1 P(X1' > X2) - E X2 P(X1 > X2'), where a prime adds one to a."""
    proof = _proof()
    proof.equal("x f(x; a, b) = (a/(a+b)) f(x; a+1, b)",
                sp.gammasimp(sp.simplify(x * _density(a, b) / _density(a + 1, b))), a / (a + b))  # fmt: skip
    own, other = a1 / (a1 + b1) * _above(a1 + 1, b1, a2, b2), a2 / (a2 + b2) * _above(a1, b1, a2 + 1, b2)
    counts = {a1: 2, b1: 1, a2: 1, b2: 3}
    direct = sp.integrate(sp.expand(2 * x * sp.integrate((x - q) * 3 * (1 - q) ** 2, (q, 0, x))), (x, 0, 1))
    proof.equal("the double integral at (2, 1, 1, 3)", (own - other).subs(counts).doit(), direct)
    return proof.claim((a1, b1, a2, b2), own - other, _COUNTS, tolerance=1e-12, scale=own)


def beta_excess_square() -> Claim:
    """E ((X1 - X2)^+)^2 from P(X1 > X2) at counts with two more successes in all."""
    proof = _proof()
    second = sp.gammasimp(sp.simplify(x**2 * _density(a, b) / _density(a + 2, b)))
    proof.equal("x^2 f(x; a, b) in terms of f(x; a+2, b)", second, a * (a + 1) / ((a + b) * (a + b + 1)))
    m1, m2 = a1 / (a1 + b1), a2 / (a2 + b2)
    own = m1 * (a1 + 1) / (a1 + b1 + 1) * _above(a1 + 2, b1, a2, b2)
    other = m2 * (a2 + 1) / (a2 + b2 + 1) * _above(a1, b1, a2 + 2, b2)
    value = own - 2 * m1 * m2 * _above(a1 + 1, b1, a2 + 1, b2) + other
    direct = sp.integrate(sp.expand(2 * x * sp.integrate((x - q) ** 2 * 3 * (1 - q) ** 2, (q, 0, x))), (x, 0, 1))
    proof.equal("the double integral at (2, 1, 1, 3)", value.subs({a1: 2, b1: 1, a2: 1, b2: 3}).doit(), direct)
    return proof.claim((a1, b1, a2, b2), value, _COUNTS, tolerance=1e-12, scale=own + other)


def bernoulli_divergence() -> Claim:
    """KL(p, q) of Bernoulli laws; sum Delta/KL is the slope of regret in log n that no consistent policy beats.

    [Lai1985]: a statement about n -> infinity, not a bound at any finite n.
    """
    proof = Proof()
    divergence = p * sp.log(p / q) + (1 - p) * sp.log((1 - p) / (1 - q))
    excess = sp.Lambda(x, x - sp.log(1 + x))
    parts = p * excess((q - p) / p) + (1 - p) * excess((p - q) / (1 - p))
    proof.equal("two positive parts: same slope in q",
                sp.simplify(sp.diff(parts, q) - sp.diff(divergence, q)), 0)  # fmt: skip
    proof.equal("and both vanish at q = p", sp.simplify(parts.subs(q, p)), 0)
    s = x / (2 + x)
    proof.equal("log(1 + x) = 2 artanh(x/(2 + x))", sp.simplify(sp.diff(2 * sp.atanh(s) - sp.log(1 + x), x)), 0)
    proof.equal("x - 2 s = x s", sp.simplify(x - 2 * s - x * s), 0)
    domain = Domain(
        (Range(1e-6, 1 - 1e-6), Range(1e-6, 1 - 1e-6)),
        edges=((0.5, 0.5 + 1e-9), (0.3, 0.3 + 1e-15), (1e-12, 0.5), (0.5, 1e-12), (1 - 1e-12, 0.5), (0.8, 0.9),
               (1e-300, 0.1), (0.999, 0.9991), (0.5, 0.65), (0.25, 0.5)),
    )  # fmt: skip
    return proof.claim((p, q), divergence, domain, guard=60)


def gaussian_slope() -> Claim:
    """Delta/KL = 2 s^2/Delta for Gaussian arms of one standard deviation s [Lai1985]."""
    proof = Proof()
    gap, std = sp.symbols("Delta s", positive=True)
    z = sp.Symbol("z", real=True)
    log_ratio = ((z - gap) ** 2 - z**2) / (2 * std**2)
    density = sp.exp(-(z**2) / (2 * std**2)) / (std * sp.sqrt(2 * sp.pi))
    divergence = sp.integrate(sp.expand(log_ratio) * density, (z, -sp.oo, sp.oo))
    proof.equal("KL of two Gaussian laws Delta apart", divergence, gap**2 / (2 * std**2))
    proof.equal("Delta/KL", sp.simplify(gap / divergence), 2 * std**2 / gap)
    domain = Domain((Range(1e-6, 1e3, "log"), Range(1e-3, 1e3, "log")), edges=((1e-12, 1.0), (1.0, 1e-8)))
    return proof.claim((gap, std), 2 * std**2 / gap, domain)


def index_shortfall() -> Claim:
    """A Gittins index whose recursion stops after N pulls is too low by at most g^N/(1 - g); rewards in [0, 1].

    Continue-minus-retire D(l) = C(l) - l/(1 - g), C the best discounted sum that starts with a pull and retires to l
    per step at a time tau >= 1. Its zero is the index.
    """
    proof = Proof()
    g, pulls, k, stop = sp.symbols("g N k tau", positive=True)
    number = sp.Symbol("n", integer=True, positive=True)
    tail = sp.summation(sp.Symbol("r") ** k, (k, number, sp.oo))
    proof.note("what is cut off starts after N pulls and is between 0 and 1 per step", tail)
    proof.equal("its sum (1 - g) sum_{k >= N} g^k = g^N: one step less is g^N",
                sp.simplify(g**pulls / (1 - g) - g ** (pulls + 1) / (1 - g)), g**pulls)  # fmt: skip
    level = sp.Symbol("l", positive=True)
    retired = g**stop * level / (1 - g)
    proof.equal("slope of the retirement pay in l", sp.diff(retired, level), g**stop / (1 - g))
    proof.equal("tau >= 1: slope of D at most (g - 1)/(1 - g)", sp.simplify((g - 1) / (1 - g)), -1)
    proof.note("so a D too low by at most g^N/(1 - g) has its zero too low by at most the same")
    domain = Domain((Range(0.5, 0.999), Range(1, 900, whole=True)), edges=((0.5, 1), (0.99, 2300), (0.999, 20000)))
    return proof.claim((g, pulls), g**pulls / (1 - g), domain, tolerance=1e-12)


def minimax_bound() -> Claim:
    """sqrt((k - 1) n)/27 <= regret of any policy on some bandit with k unit Gaussian arms [Lattimore2020, Th. 15.2]."""
    proof = Proof(grade="cited")
    arms, horizon, gap = sp.symbols("k n Delta", positive=True)
    bound = horizon * gap / 4 * sp.exp(-2 * horizon * gap**2 / (arms - 1))
    at = bound.subs(gap, sp.sqrt((arms - 1) / (4 * horizon)))
    proof.equal("the bound n Delta/4 exp(-2 n Delta^2/(k - 1)) at Delta = sqrt((k - 1)/(4 n))",
                sp.simplify(at / sp.sqrt((arms - 1) * horizon)), sp.exp(-sp.Rational(1, 2)) / 8)  # fmt: skip
    proof.note("exp(-1/2)/8 = 0.0758 > 1/27")
    domain = Domain((Range(2, 1000, "log", whole=True), Range(1000, 10**6, "log", whole=True)), edges=((2, 1),))
    return proof.claim((arms, horizon), sp.sqrt((arms - 1) * horizon) / 27, domain)
