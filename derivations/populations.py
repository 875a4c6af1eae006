"""Closed forms of population games: rock-paper-scissors, matching pennies, coordination."""

from __future__ import annotations

import mpmath
import sympy as sp

from .claim import Claim, Domain, Proof, Range

win, lose, beta, scale = sp.symbols("b a beta s", positive=True)
p, x, y, m, gain = sp.symbols("p x y m g", positive=True)
x1, x2, x3 = sp.symbols("x1 x2 x3", positive=True)
SHARES = sp.Matrix([x1, x2, x3])
RPS = sp.Matrix([[0, -lose, win], [win, 0, -lose], [-lose, win, 0]])
PAYOFFS = Domain((Range(0.01, 5.0), Range(0.01, 5.0)), edges=((1.0, 1.0), (2.0, 1.0), (1.0, 1.0 + 1e-12)))


def _replicator(matrix: sp.Matrix) -> sp.Matrix:
    """Return the velocity of the replicator."""
    earned = matrix * SHARES
    mean = (SHARES.T * earned)[0]
    return sp.Matrix([SHARES[i] * (earned[i] - mean) for i in range(3)])


def _centre(proof: Proof) -> tuple[sp.Expr, sp.Expr]:
    """Return real and imaginary part of the eigenvalue at the centre, proved."""
    jacobian = _replicator(RPS).jacobian(SHARES).subs({x1: sp.Rational(1, 3), x2: sp.Rational(1, 3),
                                                       x3: sp.Rational(1, 3)})  # fmt: skip
    real, imaginary = (lose - win) / 6, (win + lose) / (2 * sp.sqrt(3))
    turn = (-1 + sp.I * sp.sqrt(3)) / 2
    vector = sp.Matrix([1, turn, turn**2])
    proof.equal("a direction along the shares", sp.expand(sum(vector)), 0)
    for sign, direction in ((-1, vector), (1, vector.conjugate())):
        value = real + sign * sp.I * imaginary
        proof.equal_entries("an eigenvector", (jacobian * direction).expand(), (value * direction).expand())
    return real, imaginary


def rps_eigenvalue() -> Claim:
    """The Jacobian of the replicator at the centre is circulant: eigenvalues (a - b)/6 +- i (a + b)/(2 sqrt 3)."""
    proof = Proof()
    real, imaginary = _centre(proof)
    return proof.claim((win, lose), (real, imaginary), PAYOFFS, scale=1)


def rps_logit_multiplier() -> Claim:
    """At the centre softmax(beta A x) has the derivative beta (1/3 - 11^T/9) A, beta times that of the replicator."""
    proof = Proof()
    real, imaginary = _centre(proof)
    third = sp.Rational(1, 3)
    ones = sp.ones(3, 1)
    logit = beta * (third * sp.eye(3) - ones * ones.T / 9) * RPS
    jacobian = _replicator(RPS).jacobian(SHARES).subs({x1: third, x2: third, x3: third})
    along = sp.Matrix([[1, 0], [-1, 1], [0, -1]])
    proof.equal_entries("the same along the shares", (logit * along).expand(), (beta * jacobian * along).expand())
    modulus = beta * sp.sqrt(real**2 + imaginary**2)
    proof.equal("win 1, lose 1", modulus.subs({win: 1, lose: 1}), beta / sp.sqrt(3))
    domain = Domain((Range(0.1, 20.0), Range(0.01, 5.0), Range(0.01, 5.0)), edges=((3**0.5, 1.0, 1.0),))
    return proof.claim((beta, win, lose), modulus, domain)


def rps_period() -> Claim:
    """x1' = x1 (x3 - x2) and x1 x2 x3 = p: T = 2 int dx/sqrt(x (x (1 - x)^2 - 4 p)) between two roots of the cubic."""
    proof = Proof()
    flow = _replicator(RPS.subs({win: 1, lose: 1}))
    product = x1 * x2 * x3
    proof.equal("the product is conserved", sp.expand((sp.Matrix([product]).jacobian(SHARES) * flow)[0]), 0)
    proof.equal("x1'", sp.expand(flow[0]), x1 * (x3 - x2))
    other = sp.Symbol("z")
    proof.note("x2 + x3 = 1 - x, x2 x3 = p/x")
    square = sp.expand((other - (1 - x - other)) ** 2 - ((1 - x) ** 2 - 4 * other * (1 - x - other)))
    proof.equal("(x3 - x2)^2 = (1 - x)^2 - 4 x2 x3", square, 0)
    t = sp.Symbol("t", real=True)
    root = sp.Rational(2, 3) * (1 + sp.cos(t))
    cubic = sp.expand(root * (1 - root) ** 2 - sp.Rational(2, 27) * (1 + 4 * sp.cos(t) ** 3 - 3 * sp.cos(t)))
    proof.equal("x (1 - x)^2 = 4 p at x = 2/3 (1 + cos t), cos 3t = 54 p - 1", cubic, 0)
    angle = sp.acos(54 * p - 1) / 3
    b, c, d = (sp.Rational(2, 3) * (1 + sp.cos(angle + k * 2 * sp.pi / 3)) for k in (1, -1, 0))
    value = 4 / sp.sqrt(c * (d - b)) * sp.elliptic_k((c - b) * d / (c * (d - b)))
    with mpmath.workdps(60):
        place = mpmath.mpf(1) / 32
        low, high, most = (mpmath.re(mpmath.mpmathify(r.subs(p, sp.Rational(1, 32)).evalf(60))) for r in (b, c, d))

        def slowness(u: mpmath.mpf) -> mpmath.mpf:
            """Return dt/du with x = low + (high - low) sin^2 u: no singularity is left."""
            here = low + (high - low) * mpmath.sin(u) ** 2
            return 2 / mpmath.sqrt(here * (most - here))

        period = 2 * mpmath.quad(slowness, [0, mpmath.pi / 4, mpmath.pi / 2])
        closed = mpmath.mpmathify(value.subs(p, sp.Rational(1, 32)).evalf(60))
        assert abs(low * (1 - low) ** 2 - 4 * place) < mpmath.mpf(10) ** -50
    proof.checked("int_b^c dx/sqrt(x (x-b)(c-x)(d-x)) = 2 K(k)/sqrt(c (d-b)), k^2 = (c-b) d/(c (d-b))", period, closed)
    edges = ((0.03125,), (0.037037,), (1e-9,), (0.02,))
    return proof.claim((p,), value, Domain((Range(1e-6, 0.037, "log"),), edges=edges), tolerance=1e-13, guard=10)


def pennies_period() -> Claim:
    """x' = 2 s x (1 - x)(2 y - 1) with x (1 - x) y (1 - y) = p, w = 2 x - 1: T = (4/s) K(k), k^2 = 1 - 16 p."""
    proof = Proof()
    first, second = 2 * scale * x * (1 - x) * (2 * y - 1), -2 * scale * y * (1 - y) * (2 * x - 1)
    product = x * (1 - x) * y * (1 - y)
    change = sp.diff(product, x) * first + sp.diff(product, y) * second
    proof.equal("the product is conserved", sp.expand(change), 0)
    w = sp.Symbol("w")
    big = (1 - w**2) / 4
    speed = (2 * big) ** 2 * (1 - 4 * p / big)  # (x'/s)^2, with (2y - 1)^2 = 1 - 4 p/(x (1 - x))
    proof.equal("(w')^2 = 4 (x')^2", sp.simplify(4 * speed - (1 - w**2) * (1 - 16 * p - w**2)), 0)
    u = sp.Symbol("u", real=True)
    k2 = 1 - 16 * p
    inside = sp.simplify(((1 - w**2) * (k2 - w**2)).subs(w, sp.sqrt(k2) * sp.sin(u)))
    slowness = k2 * sp.cos(u) ** 2 * (1 - k2 * sp.sin(u) ** 2)
    proof.equal("w = k sin u: dw/sqrt(..) = du/sqrt(1 - k^2 sin^2 u)", sp.simplify(inside - slowness), 0)
    value = 4 / scale * sp.elliptic_k(k2)
    domain = Domain(
        (Range(0.1, 10.0), Range(1e-8, 0.0624, "log")), edges=((1.0, 0.046875), (1.0, 0.0625), (2.0, 1e-12))
    )
    return proof.claim((scale, p), value, domain, tolerance=2e-15)


def coordination_slope() -> Claim:
    """m = x1 - x2 and softmax(beta a x): m+ = tanh(beta a m/2), whose slope at 0 is 1 at beta a = 2."""
    proof = Proof()
    one, two = sp.exp(gain * (1 + m) / 2), sp.exp(gain * (1 - m) / 2)
    proof.equal("softmax of two payoffs", ((one - two) / (one + two)).rewrite(sp.exp), sp.tanh(gain * m / 2))
    slope = gain / 2 * (1 - sp.tanh(gain * m / 2) ** 2)
    proof.equal("slope", sp.Derivative(sp.tanh(gain * m / 2), m), slope)
    proof.equal("pitchfork", slope.subs(m, 0).subs(gain, 2), 1)
    domain = Domain((Range(0.1, 10.0), Range(-1.0, 1.0)), edges=((2.0, 0.0), (3.0, 0.8585596366), (10.0, 1.0)))
    return proof.claim((gain, m), slope, domain)
