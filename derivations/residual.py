"""Residual networks h^{l+1} = h^l + b W^l phi(h^l), b = branch_scale/sqrt(L): what scales how with the depth L."""

from __future__ import annotations

from itertools import product

import sympy as sp

from .claim import Claim, Domain, Proof, Range
from .gaussian import moment

r, b, eta, gamma0, kappa, alpha = sp.symbols("r b eta gamma0 kappa alpha", positive=True)
blocks = sp.Symbol("L", integer=True, positive=True)
level = sp.Symbol("l", integer=True, nonnegative=True)
q = 1 + r / blocks

DEPTHS = Domain(
    (Range(1e-3, 10.0, "log"), Range(1, 10_000, "log", whole=True)),
    edges=((0.0, 1.0), (1e-12, 3.0), (10.0, 1.0), (1.0, 1.0), (0.5, 1e6)),
)


def growth() -> Claim:
    """Variances of a homogeneous network grow by 1 + r/L in each of L blocks: by (1 + r/L)^L -> e^r in all.

    r = (branch_scale sw)^2 T(1), T(q) = E phi(u)^2 for u ~ N(0, q); the error of the limit is of order 1/L.
    Source: the recursion of Bordelon, Noci et al., arXiv:2309.16620, at finite L.
    """
    proof = Proof()
    h, std = sp.symbols("h sigma_w", real=True)
    phi, weights = sp.symbols("phi_1:4", real=True), sp.symbols("W_1:4", real=True)
    moved = h + b * std / sp.sqrt(3) * sum(w * p for w, p in zip(weights, phi, strict=True))
    square = moment(moved**2, *weights)
    proof.equal("E (h + b W phi)^2 over fresh weights, N = 3", square,
                h**2 + b**2 * std**2 * sum(p**2 for p in phi) / 3)  # fmt: skip
    proof.note("hence H^{l+1} = H^l + b^2 sw^2 T(H^l); the same with two inputs, and backwards with Tdot for T")
    u, variance = sp.Symbol("u", real=True), sp.Symbol("v", positive=True)
    density = sp.exp(-(u**2) / (2 * variance)) / sp.sqrt(2 * sp.pi * variance)
    proof.equal("relu: T(v) = v/2", sp.Integral(u**2 * density, (u, 0, sp.oo)), variance / 2)
    proof.note("homogeneous of degree 1: T(v) = T(1) v, so each block multiplies by 1 + r/L")
    proof.equal("l blocks", q ** (level + 1) - q**level * q, 0)
    real = sp.Symbol("x", positive=True)
    proof.equal("L -> inf", sp.Limit((1 + r / real) ** real, real, sp.oo), sp.exp(r))
    exponent = sp.Limit(real * (real * sp.log(1 + r / real) - r), real, sp.oo)
    proof.equal("error of the exponent, times L", exponent, -(r**2) / 2)
    return proof.claim((r, blocks), (q**blocks, sp.exp(r)), DEPTHS)


def scaling() -> Claim:
    """Only b ~ L^-1/2 keeps noise, learning and responses of L blocks at order 1, all three together.

    Each enters a block with b^2: noise adds b^2 sw^2 T to H; learning moves h by b^2 c alpha Phi Delta g (`one_step`);
    the response A^l ~ dg^l/dr^l = b phi' moves it by b A g. With b = L^-a, L blocks make L b^2 = L^(1 - 2a).
    """
    proof = Proof()
    x, a = sp.Symbol("x", positive=True), sp.Symbol("a", real=True)
    proof.equal("L b^2", x * (x**-a) ** 2, x ** (1 - 2 * a))
    for power, total, variance in ((sp.Rational(1, 2), 1, sp.exp(r)), (1, 0, 1), (sp.Rational(1, 4), sp.oo, sp.oo)):
        blocks_share = sp.limit(x ** (1 - 2 * power), x, sp.oo)
        if total == sp.oo:
            proof.note(f"a = {power}: diverges, and the variance with it", sp.Eq(total, blocks_share, evaluate=False))
            continue
        proof.equal(f"a = {power}: L b^2", blocks_share, total)
        proof.equal(f"a = {power}: variance", sp.limit((1 + r * x ** (-2 * power)) ** x, x, sp.oo), variance)
    return proof.claim((a,), 1 - 2 * a, Domain(()))


def one_step() -> Claim:
    """A step of gradient descent moves W^l v by c alpha b sum_x Delta_x g_x^{l+1} <phi(h_x^l) v>, at any width.

    g^l = gamma0 N df/dh^l, c = eta gamma0 kappa, < > the mean over neurons; with the rates of `mup`,
    a = alpha gamma0^2 N/fan-in, f = w.phi(h^L)/(gamma0 N). In h^{l+1} it counts b times that, b^2 = branch_scale^2/L.
    """
    proof = Proof()
    size, delta, bend = 2, sp.Symbol("Delta", real=True), sp.Symbol("p", real=True)
    first, last, v = (sp.Matrix(sp.symbols(f"{name}_1:3", real=True)) for name in "uwv")
    weights = sp.Matrix(size, size, sp.symbols("W_1:5", real=True))
    proof.note("one block, N = 2, phi(h) = h + p h^2, one sample x = 1 (samples add); effective weights W, w/sqrt N")
    phi, slope = (lambda one: one + bend * one**2), (lambda one: 1 + 2 * bend * one)
    h = first + b * weights * first.applyfunc(phi)
    f = sp.expand((last.T * h.applyfunc(phi))[0] / (gamma0 * size))
    top = h.applyfunc(slope).multiply_elementwise(last)
    below = top + b * first.applyfunc(slope).multiply_elementwise(weights.T * top)
    c = eta * gamma0 * kappa

    def moved(parameters: sp.Matrix, fan_in: int) -> sp.Matrix:
        """Rate times minus the derivative of the loss (kappa/2)(f - y)^2, Delta = y - f."""
        rate = eta * alpha * gamma0**2 * size / fan_in
        return parameters.applyfunc(lambda one: rate * kappa * delta * sp.diff(f, one))

    fields = {
        "block: c alpha b Delta g^1 <phi(h^0) v>": (
            moved(weights, size) * v, c * alpha * b * delta * top * (first.applyfunc(phi).T * v)[0] / size),
        "input weights: c alpha K0 Delta g^0, g^0 = g^1 + b phi'(h^0) W^T g^1": (
            moved(first, 1), c * alpha * delta * below),
        "readout z = w: c alpha Delta phi(h^1)": (moved(last, 1), c * alpha * delta * h.applyfunc(phi)),
    }  # fmt: skip
    for text, (change, field) in fields.items():
        proof.equal_entries(text, change.expand(), field.expand())
    proof.note("more blocks: f is the same function of h^1 with g^1 from above, and h^0 has no other way into f")
    return proof.claim((eta, gamma0, kappa, alpha, b), (c * alpha * b, c * alpha * b**2), Domain(()))


def first_step() -> Claim:
    """The first step of a linear residual network: with many blocks, responses are r/(2 + r) of it.

    One input, K0 = 1, sw = 1, b^2 = r/L, q = 1 + r/L: df/(eta kappa Delta) = 2 q^L + r q^{L-1} with responses, which is
    the tangent kernel of networks of any width on average, and 2 q^L without.
    """
    proof = Proof()
    _networks(proof)
    proof.note(
        "DMFT to first order in e = c Delta(0), b^2 = q - 1: h^l(1) = noise + e g^0 + sum_k (b A^k + e b^2 H^k) g^{k+1}"
    )
    proof.note("g^k contains b r^l once for all k <= l, so that A^l = dh^l(1)/dr^l(0) = e b a_l, a_0 = 1,")
    grow = sp.Symbol("q", positive=True)
    answer = grow**level + level * (grow - 1) * grow ** (level - 1)
    proof.equal("a_{l+1} = a_l + b^2 (a_l + H^l), solved by q^l + l (q - 1) q^{l-1}",
                answer.subs(level, level + 1), answer + (grow - 1) * (answer + grow**level))  # fmt: skip
    proof.equal("a_0", answer.subs(level, 0), 1)
    proof.note("f(1) = <h^L(1) z(1)>/gamma0, <g^k w> = 1 for all k: input and blocks a_L, readout H^L")
    whole = (answer.subs(level, blocks) + grow**blocks).subs(grow, q)
    kernel = 2 * q**blocks + r * q ** (blocks - 1)
    proof.equal("with responses: the tangent kernel", whole, kernel)
    alone = 1 + sp.summation((grow - 1) * grow**level, (level, 0, blocks - 1))
    proof.equal(
        "without: input and blocks, 1 + sum b^2 H^l", sp.piecewise_fold(alone).subs(grow, q).simplify(), q**blocks
    )
    proof.note("without: with the readout", 2 * q**blocks)
    x = sp.Symbol("x", positive=True)
    share = 1 - 2 * (1 + r / x) / (2 * (1 + r / x) + r)
    proof.equal("share of the responses, L -> inf", sp.Limit(share, x, sp.oo), r / (2 + r))
    return proof.claim((r, blocks), (kernel, 2 * q**blocks), DEPTHS)


def _networks(proof: Proof) -> None:
    """The tangent kernel of finite networks, on average over their weights."""
    entries = sp.symbols("W_1:5", real=True)
    matrix = sp.Matrix(2, 2, entries) / sp.sqrt(2)
    outer = sp.Matrix(2, 2, lambda i, j: sp.Symbol(f"X{min(i, j)}{max(i, j)}", real=True))
    one = sp.eye(2) + b * matrix
    after = one * outer * one.T
    for i, j in product(range(2), repeat=2):
        proof.equal(f"E (1 + b W) X (1 + b W)^T, entry {i}{j}, N = 2", moment(after[i, j], *entries),
                    outer[i, j] + (b**2 * outer.trace() / 2 if i == j else 0))  # fmt: skip
    proof.note(
        "X = 1: one block multiplies |h|^2 and |g|^2 by q = 1 + b^2 on average, for any N; blocks are independent"
    )
    proof.note("M the product of all blocks: input w^T M M^T w/N = q^L, readout |M u|^2/N = q^L")
    grow = sp.Symbol("q", positive=True)
    total = sp.summation((grow - 1) * grow**level * grow ** (blocks - 1 - level), (level, 0, blocks - 1))
    proof.equal("blocks: sum_l b^2 |h^l|^2 |g^{l+1}|^2/N^2", sp.simplify(total.subs(grow, q)), r * q ** (blocks - 1))
