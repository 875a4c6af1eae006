"""Two-layer networks: linear ones close at every width; fluctuations of any about their limit."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range
from .gaussian import moment

f, a, b, push, eta = sp.symbols("f A B p eta", real=True)
n = sp.Symbol("n", positive=True)


def linear_step() -> Claim:
    """f = a.h/n, A = a.a/n, B = h.h/n close: f' = f + p (A + B) + p^2 f, A' = A + 2 p f + p^2 B, B' alike.

    p = eta (y - f), learning rate eta n, loss (f - y)^2/2, input of length 1; exact at every n.
    """
    proof = Proof()
    u, v = sp.Matrix(sp.symbols("a1:4")), sp.Matrix(sp.symbols("h1:4"))
    proof.note("gradients of (a.h/n - y)^2/2 times eta n: a' = a + p h, h' = h + p a")
    size = sp.Integer(3)  # neurons shown; the sums are alike for any number
    old = {f: u.dot(v) / size, a: u.dot(u) / size, b: v.dot(v) / size}
    new_u, new_v = u + push * v, v + push * u
    step = (f + push * (a + b) + push**2 * f, a + 2 * push * f + push**2 * b, b + 2 * push * f + push**2 * a)
    found = (new_u.dot(new_v), new_u.dot(new_u), new_v.dot(new_v))
    for name, left, right in zip(("f'", "A'", "B'"), found, step, strict=True):
        proof.equal(name, left / size, right.subs(old, simultaneous=True))
    ranges = (Range(-3, 3), Range(0, 5), Range(0, 5), Range(-2, 2))
    scale = sp.Abs(f) + a + b
    return proof.claim((f, a, b, push), step, Domain(ranges, edges=((0.0, 1.0, 1.0, 0.0),)), scale=scale)


def moments() -> Claim:
    """With s' = L s for every neuron, Q = <s s^T> obeys Q' = L Q L^T; fluctuations of Q(0) are those of Wishart.

    n Cov(Q_ij, Q_kl) = S_ik S_jl + S_il S_jk for Q(0) = (1/n) sum of s s^T, s ~ N(0, S).
    """
    proof = Proof()
    ell = sp.Matrix(2, 2, lambda i, j: sp.Symbol(f"L{i}{j}", real=True))
    neurons = [sp.Matrix(2, 1, lambda i, j, k=k: sp.Symbol(f"s{k}{i}", real=True)) for k in range(3)]
    q, moved = (sum((s * s.T for s in group), sp.zeros(2, 2)) / 3 for group in (neurons, [ell * s for s in neurons]))
    proof.equal_entries("Q' = L Q L^T (three neurons)", moved.expand(), (ell * q * ell.T).expand())
    z, y = sp.symbols("z y", real=True)
    r11, r21, r22 = sp.symbols("r11 r21 r22", real=True)
    s = (r11 * z, r21 * z + r22 * y)
    cov = sp.Matrix(2, 2, lambda i, j: moment(s[i] * s[j], z, y))
    for i, j, k, m in ((0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 1)):
        left = moment(s[i] * s[j] * s[k] * s[m], z, y) - cov[i, j] * cov[k, m]
        proof.equal(f"n Cov(Q_{i}{j}, Q_{k}{m})", left, cov[i, k] * cov[j, m] + cov[i, m] * cov[j, k])
    _two_steps_at_finite_width(proof)
    return proof.claim((r11, r21, r22), tuple(cov), Domain(()))


def _mean_over_neurons(polynomial: sp.Poly) -> sp.Expr:
    """Return E of a polynomial in f, A, B of n neurons with independent standard normal a, h (Wick)."""
    return sp.expand(sum(factor * _wishart(i, j, k) for (i, j, k), factor in polynomial.terms()))


def _wishart(i: int, j: int, k: int) -> sp.Expr:
    """Return E f^i A^j B^k at width n: h has a normal component along a, and chi^2_{n-1} across."""
    if i % 2:
        return sp.S.Zero
    across = sum(sp.binomial(k, m) * _normal(i + 2 * m) * _chi_square(n - 1, k - m) for m in range(k + 1))
    return sp.expand(sp.expand(_chi_square(n, j + i // 2) * across) / n ** (i + j + k))


def _normal(order: int) -> sp.Integer:
    return sp.factorial2(order - 1) if order else sp.Integer(1)


def _chi_square(freedom: sp.Expr, order: int) -> sp.Expr:
    return sp.prod([freedom + 2 * m for m in range(order)])


def _two_steps_at_finite_width(proof: Proof) -> None:
    """Mean and variance of f after one and two steps at y = 1: exact in n, against the expansion about the limit."""
    start = (sp.S.Zero, sp.S.One, sp.S.One)
    kappa = sp.diag(1, 2, 2)  # n Cov(f, A, B) at the start
    proof.equal("n Var f", _wishart(2, 0, 0) * n, kappa[0, 0])
    proof.equal("n Var A", sp.expand(n * (_wishart(0, 2, 0) - 1)), kappa[1, 1])
    state = tuple(sp.Poly(symbol, f, a, b) for symbol in (f, a, b))
    for step in (1, 2):
        p = eta * (1 - state[0])
        state = (
            state[0] + p * (state[1] + state[2]) + p**2 * state[0],
            state[1] + 2 * p * state[0] + p**2 * state[2],
            state[2] + 2 * p * state[0] + p**2 * state[1],
        )
        gradient = sp.Matrix([state[0].diff(s)(*start) for s in (f, a, b)])
        shift = sum(kappa[i, i] * state[0].diff(s).diff(s)(*start) / 2 for i, s in enumerate((f, a, b)))
        limit, mean = state[0](*start), _mean_over_neurons(state[0])
        proof.equal(f"step {step}: E f, a polynomial in 1/n, at order 0", mean.coeff(n, 0), limit)
        text = f"step {step}: at order 1, half the trace of kappa times the second derivatives"
        proof.equal(text, mean.coeff(n, -1), shift)
        if step == 1:
            variance = sp.expand(_mean_over_neurons(state[0] ** 2) - mean**2)
            left, right = variance.coeff(n, -1), (gradient.T * kappa * gradient)[0]
            proof.equal("step 1: Var f at order 1, gradient . kappa . gradient", left, right)


def fluctuations() -> Claim:
    """N Cov f = (1 + R)^-1 kappa (1 + R)^-T: neurons fluctuate by kappa and answer to errors by R = d<X>/d delta.

    Checked on one sample and one step of a linear network against the moments, which know nothing of R.
    """
    proof = Proof()
    z, y, d = sp.symbols("z y delta", real=True)
    proof.note("f = mean over neurons of X[delta] = <X[delta]> + xi, delta = y - f: fluctuation df = xi - R df")
    before, after = z * y, (z + eta * d * y) * (y + eta * d * z)  # X of one neuron at steps 0 and 1
    response = sp.diff(moment(after, z, y), d).subs(d, 1)
    proof.equal("R between step 1 and step 0, at delta = 1", response, 2 * eta)
    pair = [before, after.subs(d, 1)]
    kappa = sp.Matrix(
        2, 2, lambda i, j: moment(pair[i] * pair[j], z, y) - moment(pair[i], z, y) * moment(pair[j], z, y)
    )
    inverse = sp.Matrix([[1, 0], [response, 1]]).inv()
    cov = (inverse * kappa * inverse.T).expand()
    moved = sp.expand(f + eta * (1 - f) * (a + b) + (eta * (1 - f)) ** 2 * f)
    gradients = [sp.Matrix([sp.diff(e, s) for s in (f, a, b)]).subs({f: 0, a: 1, b: 1}) for e in (f, moved)]
    spread = sp.diag(1, 2, 2)
    exact = sp.Matrix(2, 2, lambda i, j: (gradients[i].T * spread * gradients[j])[0])
    proof.equal_entries("N Cov of f at steps 0 and 1", cov, exact.expand())
    return proof.claim((eta,), tuple(cov), Domain(()))
