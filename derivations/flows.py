"""What enters the slow and deterministic flows of stochastic gradient descent."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

x, s, h, eta, t = sp.symbols("x s h eta t", positive=True)
a, b, z = sp.symbols("a beta z", real=True)
n = sp.Symbol("n", integer=True, positive=True)
_STEPS = ((0.0, 0.0), (1e-300, 0.5), (1e-9, 0.99), (1.99, 0.0), (3.6, 0.9))


def local_spread() -> Claim:
    """psi(x) = (e^-x - 1 + x)/x: mean over a round of 1 - e^(-x s), the share of the noise that a worker has alone.

    A worker on h w^2/2 with noise of variance D per unit time, averaged with K - 1 others every H steps: the mean
    over the round of its stationary variance is D/(2 h K) (1 + (K - 1) psi(2 eta h H)), to first order in eta h.
    """
    proof = Proof()
    value = (sp.exp(-x) - 1 + x) / x
    proof.equal("mean of 1 - e^(-x s) over a round", sp.Integral(1 - sp.exp(-x * s), (s, 0, 1)), value)
    diffusion, rate, workers = sp.symbols("D r K", positive=True)
    alone = diffusion / (2 * h)
    variance = alone / workers * sp.exp(-rate * t) + alone * (1 - sp.exp(-rate * t))
    balance = sp.Derivative(variance, t) + rate * variance
    proof.note("r = 2 h; from an average, whose variance is D/(2 h K), a worker's variance grows inside the round")
    proof.equal("V' = -2 h V + D", sp.simplify(balance.doit().subs(rate, 2 * h)), diffusion)
    mean = variance.subs(t, 0) + alone * (workers - 1) / workers * (1 - sp.exp(-x * s))
    proof.equal("inside the round, x = r T", sp.simplify(variance.subs(rate, x).subs(t, s)), sp.expand(mean))
    found = alone / workers * (1 + (workers - 1) * value)
    proof.equal("mean over the round", sp.simplify(sp.integrate(sp.expand(mean), (s, 0, 1))), sp.simplify(found))
    y = sp.Symbol("y", nonnegative=True)
    zero = sp.Eq(y, 0)
    shown = sp.Piecewise((0, zero), ((sp.exp(-y) - 1 + y) / sp.Piecewise((1, zero), (y, True)), True))
    edges = ((0.0,), (1e-300,), (1e-12,), (1.0,), (1.0000001,), (700.0,), (1e6,))
    return proof.claim((y,), shown, Domain((Range(1e-6, 100.0, "log"),), edges=edges), guard=650)


def label_regularizer() -> Claim:
    """eta R = -((1+b)/2) log(1 - a/(2(1+b))), a = eta h: half the stationary variance of heavy ball is lambda dR/dh.

    Label noise of variance s^2 and batch B has gradient noise s^2 h/B; lambda = eta s^2/(B (1 - b)). The mean force of
    that variance on a slow parameter w is (1/2) Var dh/dw = d(lambda R)/dw.
    """
    proof = Proof()
    noise = sp.Symbol("s2", positive=True)
    value = -(1 + b) / 2 * sp.log(1 - a / (2 * (1 + b)))
    variance = _stationary_heavy_ball(proof, noise * h)
    slope = sp.diff(value.subs(a, eta * h) / eta, h)
    strength = eta * noise / (1 - b)
    proof.equal("half the variance is lambda dR/dh", sp.simplify(variance / 2 - strength * slope), 0)
    domain = Domain((Range(0.0, 1.9), Range(0.0, 0.99)), edges=_STEPS)
    return proof.claim((a, b), value, domain, guard=320)


def _stationary_heavy_ball(proof: Proof, noise: sp.Expr) -> sp.Expr:
    """Return E x^2 of v' = b v - eta (h x + xi), x' = x + v', Var xi = noise; it solves the three balances."""
    xx, xv, vv = sp.symbols("M_xx M_xv M_vv")
    step = sp.Matrix([[1 - eta * h, b], [-eta * h, b]])
    moment = sp.Matrix([[xx, xv], [xv, vv]])
    new = step * moment * step.T + eta**2 * noise * sp.ones(2, 2)
    solved = sp.solve([new[0, 0] - xx, new[0, 1] - xv, new[1, 1] - vv], [xx, xv, vv], dict=True)[0][xx]
    known = eta * noise * (1 + b) / ((1 - b) * h * (2 * (1 + b) - eta * h))
    proof.equal("stationary variance of heavy ball", sp.simplify(solved - known), 0)
    return known


def sampling_gain() -> Claim:
    """a (1+b)/((1-b)(2(1+b)-a)), a = eta lam/n: loss per unit of loss that sampling puts into a mode of f = |r|^2/2n.

    One sample at a time at loss Psi has gradient noise 2 Psi lam/n in the mode of eigenvalue lam of A^T A (other modes
    and the mean gradient squared left out: they vanish as n grows). Small a, b = 0: a/2, that is eta tr(A^T A)/(2 n).
    """
    proof = Proof()
    loss = sp.Symbol("Psi", positive=True)
    variance = _stationary_heavy_ball(proof, 2 * loss * h)
    value = a * (1 + b) / ((1 - b) * (2 * (1 + b) - a))
    proof.equal("loss h Var/2 over Psi", sp.simplify(h * variance / 2 / loss - value.subs(a, eta * h)), 0)
    proof.equal("small steps", sp.limit(value / a, a, 0), 1 / (2 * (1 - b)))
    return proof.claim((a, b), value, Domain((Range(0.0, 1.9), Range(0.0, 0.99)), edges=_STEPS))


def probe_gain() -> Claim:
    """a/(n (2-a) - a), a = eta h: c' = (1-a)^2 c + (a^2 c + eta^2 S)/n with S = sum h^2 c: at the edge its sum is 1.

    Gaussian probes z: E z z^T g g^T z z^T = 2 g g^T + |g|^2, so n of them have covariance (g g^T + |g|^2)/n.
    """
    proof = Proof()
    total = sp.Symbol("S", positive=True)
    z1, z2, g1, g2 = sp.symbols("z1 z2 g1 g2", real=True)
    along = sp.expand((z1 * g1 + z2 * g2) ** 2 * z1**2)
    mean = sum(
        factor * _normal(i) * _normal(j) for (i, j), factor in sp.Poly(along, z1, z2).terms()
    )  # fmt: skip
    proof.equal("E (z.g)^2 z_1^2", sp.expand(mean), 2 * g1**2 + g1**2 + g2**2)
    value = a / (n * (2 - a) - a)
    c = sp.Symbol("c", positive=True)
    fixed = sp.solve(sp.Eq(c, (1 - eta * h) ** 2 * c + ((eta * h) ** 2 * c + eta**2 * total) / n), c)[0]
    proof.equal("h^2 c over S at a fixed point", sp.simplify(h**2 * fixed / total - value.subs(a, eta * h)), 0)
    proof.note("the sum over modes of h^2 c/S is 1 by the definition of S: the largest learning rate solves that")
    size = sp.Symbol("d", positive=True)
    edge = sp.solve(sp.Eq(size * value.subs(n, 1), 1), a)[0]
    proof.equal("one probe, equal curvatures in d dimensions", sp.simplify(edge), 2 / (size + 2))
    whole = Range(1, 1000, "log", whole=True)
    return proof.claim((a, n), value, Domain((Range(0.0, 0.9), whole), edges=((0.0, 1), (1e-12, 1), (1.9, 100))))


def _normal(order: int) -> sp.Integer:
    return sp.S.Zero if order % 2 else sp.factorial2(order - 1) if order else sp.S.One


def hyperbolic_potential() -> Claim:
    """q(z) = 2 - sqrt(4 + z^2) + z asinh(z/2): gradient flow of u^2 - v^2 from u = v = alpha ends where it is least.

    du = 2 c' u/4, dv = -2 c' v/4 with c in the span of the data: u^2 - v^2 = 2 alpha^2 sinh c, and alpha^2 q(w/alpha^2)
    has the gradient asinh(w/(2 alpha^2)) = c, a multiplier of the constraints.
    """
    proof = Proof()
    scale, c = sp.symbols("alpha c", positive=True)
    value = 2 - sp.sqrt(4 + z**2) + z * sp.asinh(z / 2)
    proof.equal("q(0)", value.subs(z, 0), 0)
    proof.equal("q'", sp.simplify(sp.diff(value, z)), sp.asinh(z / 2))
    u, v = scale * sp.exp(c / 2), scale * sp.exp(-c / 2)
    weight = 2 * scale**2 * sp.sinh(c)
    proof.equal("u^2 - v^2", sp.simplify((u**2 - v**2 - weight).rewrite(sp.exp)), 0)
    proof.equal("u v does not move", sp.simplify(u * v), scale**2)
    slope = sp.sinh(sp.diff(value, z).simplify()).subs(z, weight / scale**2)
    proof.equal("c is the gradient of the potential: both have one sinh, which is increasing", slope, sp.sinh(c))
    edges = ((0.0,), (1e-150,), (1e-12,), (-1e-6,), (1e15,), (-1e150,))
    return proof.claim((z,), value, Domain((Range(-50.0, 50.0),), edges=edges), guard=650)


def stabilization_energy() -> Claim:
    """y^2/2 - alpha log|x| + beta x^2/4 is kept by |x|' = (1 + eta y)|x|, y' = y + eta (alpha - beta x^2/2), eta -> 0.

    Its least value is at x^2 = 2 alpha/beta, y = 0: the oscillation of the central flow.
    """
    proof = Proof()
    size, alpha, beta = sp.symbols("x alpha beta", positive=True)
    y = sp.Symbol("y", real=True)
    energy = y**2 / 2 - alpha * sp.log(size) + beta * size**2 / 4
    moved = energy.subs({size: (1 + eta * y) * size, y: y + eta * (alpha - beta * size**2 / 2)}, simultaneous=True)
    change = sp.series(sp.expand_log(moved, force=True), eta, 0, 2).removeO()
    proof.equal("a step changes it by less than the order of eta", sp.simplify(sp.expand(change).coeff(eta, 1)), 0)
    proof.equal("gradient in x at its least value", sp.diff(energy, size).subs(size, sp.sqrt(2 * alpha / beta)), 0)
    place, value = sp.Symbol("x", real=True, nonzero=True), sp.symbols("alpha beta", real=True)
    shown = y**2 / 2 - value[0] * sp.log(sp.Abs(place)) + value[1] * place**2 / 4
    scale = y**2 / 2 + sp.Abs(value[0] * sp.log(sp.Abs(place))) + sp.Abs(value[1]) * place**2 / 4
    ranges = (Range(1e-3, 10.0, "log"), Range(-5.0, 5.0), Range(0.01, 5.0), Range(0.01, 5.0))
    edges = ((-1.0, 0.0, 1.0, 1.0), (1e-300, 1.0, 2.0, 3.0))
    return proof.claim((place, y, *value), shown, Domain(ranges, edges=edges), scale=scale)
