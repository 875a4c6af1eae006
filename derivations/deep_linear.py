"""Deep linear networks at infinite width: the closed equations, the recursion that solves them, and finite widths."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof
from .gaussian import moment

STEPS = 3
push, width = sp.symbols("p N", positive=True)
momentum = sp.Symbol("m", nonnegative=True)


def _causal(name: str, size: int = STEPS) -> sp.Matrix:
    return sp.Matrix(size, size, lambda i, j: sp.Symbol(f"{name}{i}{j}", real=True) if j < i else 0)


def _symmetric(name: str, size: int = STEPS) -> sp.Matrix:
    return sp.Matrix(size, size, lambda i, j: sp.Symbol(f"{name}{min(i, j)}{max(i, j)}", real=True))


def closure() -> Claim:
    """h = a u + C g, g = a r + D h: H = (1 - CD)^-1 (a U a + C a R a C^T)(1 - CD)^-T, G alike, dh/dr, dg/du.

    C, D strictly causal; U, R the covariances of the independent noises u, r; a the damping of the initial weights.
    """
    proof = Proof()
    forward, backward, u, r = _causal("C"), _causal("D"), _symmetric("U"), _symmetric("R")
    damping = sp.diag(*sp.symbols("a0:3", positive=True))
    one = sp.eye(STEPS)
    left, right = (one - forward * backward).inv(), (one - backward * forward).inv()
    proof.equal_entries("g = (1 - DC)^-1 (a r + D a u)", backward * left, right * backward)
    on_u, on_r = right * backward * damping, right * damping
    h_of_u, h_of_r = damping + forward * on_u, forward * on_r
    proof.equal_entries("h = a u + C g: its part in u is (1 - CD)^-1 a", h_of_u.expand(), (left * damping).expand())
    proof.equal_entries("and in r, the response dh/dr: (1 - CD)^-1 C a", h_of_r, left * forward * damping)
    proof.equal_entries("dg/du = (1 - DC)^-1 D a", on_u, right * backward * damping)
    closed = left * (damping * u * damping + forward * damping * r * damping * forward.T) * left.T
    cross, gradients = on_u * u, on_u * u * on_u.T + on_r * r * on_r.T  # <g u>, <g g>
    grown = damping * u * damping + damping * cross.T * forward.T + forward * cross * damping
    grown += forward * gradients * forward.T
    proof.equal_entries("H from rows: a U a + a F^T C^T + C F a + C G C^T, F = <g u>", grown.expand(), closed.expand())
    _growth(proof, forward, backward, damping, on_u, on_r)
    return proof.claim(tuple(sp.symbols("a0:3")), tuple(closed)[:1], Domain(()))


def _growth(
    proof: Proof, forward: sp.Matrix, backward: sp.Matrix, damping: sp.Matrix, on_u: sp.Matrix, on_r: sp.Matrix
) -> None:
    """Row k of g = Ug u + Rg r from the rows before it: nothing is inverted."""
    rows_u, rows_r = sp.zeros(STEPS), sp.zeros(STEPS)
    for k in range(STEPS):
        through = backward[k, :] * forward
        rows_u[k, :] = (backward[k, :] * damping + through * rows_u).expand()
        rows_r[k, :] = (through * rows_r).expand()
        rows_r[k, k] += damping[k, k]
    proof.equal_entries("growing the horizon: Ug", rows_u, on_u.expand())
    proof.equal_entries("growing the horizon: Rg", rows_r, on_r.expand())


def nesterov() -> Claim:
    """Nesterov's momentum (torch): the gradient of step s counts 1 + m (1 - m^n)/(1 - m), n = t - s, without decay."""
    proof = Proof()
    eta, gradients = sp.Symbol("eta", positive=True), sp.symbols("g_0:5")
    theta, buffer = sp.S.Zero, sp.S.Zero
    for t, gradient in enumerate(gradients, start=1):
        buffer = momentum * buffer + gradient
        theta = sp.expand(theta - eta * (gradient + momentum * buffer))
        weights = [1 + momentum * sp.cancel((1 - momentum ** (t - s)) / (1 - momentum)) for s in range(t)]
        proof.equal(f"t = {t}", theta, -eta * sum(w * g for w, g in zip(weights, gradients, strict=False)))
    k = sp.Symbol("n", integer=True, positive=True)
    weight = 1 + momentum * (1 - momentum**k) / (1 - momentum)
    more = weight.subs(k, k + 1) - weight
    proof.equal("any t: k_{n+1} - k_n is what the buffer keeps, m^{n+1}", more, momentum ** (k + 1))
    return proof.claim((momentum, k), weight, Domain(()))


def _exact_second_moment(order: int) -> sp.Expr:
    """Return E |h^2'|^2/N at N = order, all variables Gaussian, entries of W of variance 1/N: every pairing."""
    scale = 1 / sp.sqrt(order)
    matrix = sp.Matrix(order, order, lambda i, j: sp.Symbol(f"W{i}{j}", real=True))
    w, h = (sp.Matrix(order, 1, lambda i, j, name=name: sp.Symbol(f"{name}{i}", real=True)) for name in "wh")
    first = h + push * scale * matrix.T * w
    second = (scale * matrix + push * w * h.T / order) * first
    normals = (*matrix, *w, *h)
    return sp.expand(sum(moment(sp.expand(entry**2), *normals) for entry in second) / order)


def cavity() -> Claim:
    """h^2 = W h^1 after one step at width N: its second moment tends to that of u + A g + memory, responses included.

    One sample of length 1, two hidden layers, push p = c y: h^1' = h + p W^T w, W' = W + p w h^T/N, h^2' = W' h^1'.
    """
    proof = Proof()
    exact = 1 + push**2 * (5 + 5 / width) + push**4 * (1 + 2 / width) / width
    for order in (1, 2):
        proof.equal(f"E |h^2'|^2/N at N = {order}, all pairings", _exact_second_moment(order), exact.subs(width, order))
    proof.note("any N: |W h|^2 gives 1, |W W^T w|^2 2 + 1/N, |w|^2 |h|^4 1 + 2/N, their products 2 + 2/N")
    proof.grade = "checked"  # the count of pairings at any N is a note, confirmed at two N
    proof.equal("collected", (2 + 1 / width) + (1 + 2 / width) + (2 + 2 / width), 5 + 5 / width)
    phi, response = 1 + push**2, push  # <h^1' h^1'>, dh^1'/dr
    single = phi + (response + push) ** 2  # u of variance phi; A g + memory, g = w
    proof.equal("N -> infinity: the single-site equation", sp.limit(exact, width, sp.oo), single)
    proof.equal("of which the response A adds", sp.expand(single - phi - push**2), 3 * push**2)
    return proof.claim((push,), single, Domain(()))
