"""One mode of a quadratic loss: r_t, its filter (1 - r_t)/x, stability limits, noise of minibatches."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product

import sympy as sp

from .claim import Claim, Domain, Proof, Range

x = sp.Symbol("x", positive=True)
b = sp.Symbol("b", positive=True)
t = sp.Symbol("t", integer=True, nonnegative=True)
time = sp.Symbol("t", nonnegative=True)
tau, det = sp.symbols("tau D", real=True)
STEPS = Range(1, 1e7, "log", whole=True)


def flow() -> Claim:
    """r(t) = e^{-x t} solves dr/dt = -x r, r(0) = 1."""
    proof = Proof()
    r = sp.exp(-x * time)
    proof.equal("dr/dt", sp.Derivative(r, time), -x * r)
    proof.equal("r(0)", r.subs(time, 0), 1)
    domain = Domain((Range(1e-6, 2.0, "log"), Range(1e-3, 200.0, "log")), edges=((0.0, 1.0), (1.0, 0.0)))
    return proof.claim((x, time), r, domain, tolerance=1e-13)


def flow_filter() -> Claim:
    """h(t) = int_0^t r ds = (1 - e^{-x t})/x; t for x -> 0."""
    proof = Proof()
    s = sp.Symbol("s", nonnegative=True)
    h = (1 - sp.exp(-x * time)) / x
    proof.equal("integral of the residual", sp.Integral(sp.exp(-x * s), (s, 0, time)), h)
    proof.equal("x -> 0", sp.Limit(h, x, 0), time)
    edges = ((1e-25, 3.0), (1e-12, 1e6), (2.0, 1e-9))
    return proof.claim((x, time), h, Domain((Range(1e-12, 2.0, "log"), Range(1e-6, 1e7, "log")), edges=edges))


def gradient_descent() -> Claim:
    """r_t = (1 - x)^t solves r_{t+1} = r_t - x r_t, r_0 = 1."""
    proof = Proof()
    r = (1 - x) ** t
    proof.equal("one step", sp.expand((1 - x) ** (t + 1)), sp.expand(r * (1 - x)))
    domain = Domain((Range(1e-9, 1.9, "log"), STEPS), edges=_edges_x(2.0, ()))
    return proof.claim((x, t), r, domain, tolerance=1e-13, scale=sp.Float("1e-200"))


def gradient_descent_filter() -> Claim:
    """h_t = sum_{s<t} r_s = (1 - (1 - x)^t)/x; t for x -> 0."""
    proof = Proof()
    h = (1 - (1 - x) ** t) / x
    proof.equal("h_{t+1} - h_t = r_t", sp.expand(h.subs(t, t + 1) - h), sp.expand((1 - x) ** t))
    proof.equal("h_0", h.subs(t, 0), 0)
    proof.equal("x -> 0 (t = 7)", sp.Limit(h.subs(t, 7), x, 0), 7)
    domain = Domain((Range(1e-9, 1.9, "log"), STEPS), edges=_edges_x(2.0, (), filters=True))
    return proof.claim((x, t), h, domain, tolerance=1e-13, scale=sp.Float("1e-2"))


def _edges_x(edge: float, momentum: tuple[float, ...], filters: bool = False) -> tuple[tuple[float, ...], ...]:
    """Return (x, t, *momentum) at both ends of [0, edge] and on both sides of 1."""
    tiny = 1e-14 if filters else 1e-20
    places = (tiny, 1e-10, 1.0 - 1e-12, 1.0 + 1e-9, edge - 1e-9)
    return tuple((p, steps, *momentum) for p in places for steps in (1, 2, 255, 300, 10_001, 10_000_000))


@cache
def _companion() -> Proof:
    """Solve r_{t+1} = tau r_t - D r_{t-1}: r_t = C_t + (r_1 - tau/2) U_t."""
    proof = Proof()
    m = sp.Matrix([[tau, -det], [1, 0]])
    proof.equal_entries("the companion matrix M: M^2 = tau M - D 1", m**2, tau * m - det * sp.eye(2))
    root = sp.sqrt(tau**2 - 4 * det)
    l1, l2 = (tau + root) / 2, (tau - root) / 2
    for name, value in (("l1", l1), ("l2", l2)):
        proof.equal(f"{name} is an eigenvalue", value**2 - tau * value + det, 0)
    proof.note("so C_t = (l1^t + l2^t)/2 and U_t = (l1^t - l2^t)/(l1 - l2) obey the recursion")
    first = sp.Symbol("r1", real=True)
    proof.note("t = 0: C_0 = 1 and U_0 = 0 give r_0 = 1")
    proof.equal("t = 1: C_1 = tau/2, U_1 = 1", (l1 + l2) / 2 + (first - tau / 2) * (l1 - l2) / root, first)
    return proof


def _solution(trace: sp.Expr, determinant: sp.Expr, first: sp.Expr) -> sp.Expr:
    root = sp.sqrt(trace**2 - 4 * determinant)
    l1, l2 = (trace + root) / 2, (trace - root) / 2
    return (l1**t + l2**t) / 2 + (first - trace / 2) * (l1**t - l2**t) / root


def _momentum_update(proof: Proof, nesterov: bool) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Prove the scalar recursion from PyTorch's update; return (trace, determinant, r_1)."""
    before, now, after, buffer = sp.symbols("r_before r_now r_after v", real=True)
    proof.note("v <- b v + x r; v starts at 0; v is the buffer in units of the step")
    step = (b * (b * buffer + x * now) + x * now) if nesterov else (b * buffer + x * now)
    proof.note("r <- r - (x r + b v), new v" if nesterov else "r <- r - v, new v")
    # The buffer now, from the step that led here.
    led_here = before - x * before - b * buffer if nesterov else before - buffer
    held = sp.solve(sp.Eq(now, led_here), buffer)[0]
    recursion = sp.expand(now - step.subs(buffer, held))
    trace = (1 + b) * (1 - x) if nesterov else 1 + b - x
    determinant = b * (1 - x) if nesterov else b
    proof.equal("eliminate v", recursion, trace * now - determinant * before)
    first = (1 - step.subs({buffer: 0, now: 1})).expand()
    proof.equal("first step", first, 1 - (1 + b) * x if nesterov else 1 - x)
    proof.note("r_{t+1}", sp.Eq(after, trace * now - determinant * before))
    return trace, determinant, first


def _momentum_domain(nesterov: bool, filters: bool) -> Domain:
    def edge(beta: float) -> float:
        return 2 * (1 + beta) / (1 + 2 * beta) if nesterov else 2 * (1 + beta)

    def arguments(share: float, steps: float, beta: float) -> tuple[float, ...]:
        return share * edge(beta), steps, beta

    edges: list[tuple[float, ...]] = []
    for beta in (1e-3, 0.5, 0.9, 0.99):
        edges += _edges_x(edge(beta), (beta,), filters)
        double = ((1 - beta) / (1 + beta)) ** 2 if nesterov else (1 - beta**0.5) ** 2
        edges += [(double * (1 + off), n, beta) for off in (-1e-9, 1e-9) for n in (3, 100, 1000)]
    ranges = (Range(1e-9, 0.999, "log"), STEPS, Range(0.01, 0.99))
    return Domain(ranges, arguments, tuple(edges))


def heavy_ball() -> Claim:
    """r_{t+1} = (1 + b - x) r_t - b r_{t-1}, r_1 = 1 - x, by the companion matrix."""
    proof = Proof()
    trace, determinant, first = _momentum_update(proof, nesterov=False)
    proof.include(_companion())
    r = _solution(trace, determinant, first)
    return proof.claim((x, t, b), r, _momentum_domain(False, False), tolerance=1e-12, scale=1)


def nesterov() -> Claim:
    """r_{t+1} = (1 - x)((1 + b) r_t - b r_{t-1}), r_1 = 1 - (1 + b) x (PyTorch's form), by the companion matrix."""
    proof = Proof()
    trace, determinant, first = _momentum_update(proof, nesterov=True)
    proof.include(_companion())
    r = _solution(trace, determinant, first)
    return proof.claim((x, t, b), r, _momentum_domain(True, False), tolerance=1e-12, scale=1)


def _filter(nesterov: bool) -> Claim:
    proof = Proof()
    trace, determinant, first = _momentum_update(proof, nesterov)
    proof.include(_companion())
    now, before = sp.symbols("h_now h_before", real=True)
    push = (1 - x) if nesterov else sp.Integer(1)
    stepped = (1 - (trace * (1 - x * now) - determinant * (1 - x * before))) / x
    own = (1 + b) * now - b * before
    form = 1 + push * own if nesterov else 1 - x * now + own
    proof.equal("r = 1 - x h: h_{t+1}", sp.expand(stepped), sp.expand(form))
    proof.equal("h_1", sp.expand((1 - first) / x), 1 + b if nesterov else 1)
    gain = b**2 if nesterov else b
    still = (t - gain * (1 - b**t) / (1 - b)) / (1 - b)  # x = 0
    back, here, on = (still.subs(t, t + k) for k in (-1, 0, 1))
    proof.equal("its limit x -> 0", sp.simplify(on - (1 + (1 + b) * here - b * back)), 0)
    h = (1 - _solution(trace, determinant, first)) / x
    return proof.claim((x, t, b), h, _momentum_domain(nesterov, True), tolerance=1e-12, scale=sp.Rational(1, 10))


def heavy_ball_filter() -> Claim:
    """h_t = (1 - r_t)/x of the heavy ball; h_{t+1} = 1 - x h_t + (1 + b) h_t - b h_{t-1}, h_1 = 1."""
    return _filter(nesterov=False)


def nesterov_filter() -> Claim:
    """h_t = (1 - r_t)/x of Nesterov; h_{t+1} = 1 + (1 - x)((1 + b) h_t - b h_{t-1}), h_1 = 1 + b."""
    return _filter(nesterov=True)


def _edge(trace: sp.Expr, determinant: sp.Expr, edge: sp.Expr, fall: sp.Expr) -> Claim:
    proof = Proof()
    proof.note("both roots of l^2 - tau l + D lie in the unit disc iff |tau| < 1 + D and D < 1 (Jury)")
    proof.equal("1 - tau + D = x > 0: no root crosses at l = 1", 1 - trace + determinant, x)
    at_edge = sp.simplify((1 + trace + determinant).subs(x, edge))
    proof.equal("1 + tau + D = 0 at the edge: a root crosses at l = -1", at_edge, 0)
    proof.equal("and 1 + tau + D falls with x", -sp.Derivative(1 + trace + determinant, x), fall)
    proof.note("D < 1 for 0 < b < 1 and all x > 0", determinant)
    return proof.claim((b,), edge, Domain((Range(0.0, 0.9999),), edges=((0.0,),)))


def heavy_ball_edge() -> Claim:
    """Heavy ball is stable iff 0 < x < 2 (1 + b); gradient descent, b = 0, iff x < 2."""
    return _edge(1 + b - x, b, 2 * (1 + b), fall=sp.Integer(1))


def nesterov_edge() -> Claim:
    """Nesterov's momentum is stable iff 0 < x < 2 (1 + b)/(1 + 2 b)."""
    return _edge((1 + b) * (1 - x), b * (1 - x), 2 * (1 + b) / (1 + 2 * b), fall=1 + 2 * b)


def ridge_residual() -> Claim:
    """With ridge d the residual tends to d/(w + d): gradient flow on |f - y|^2/2 + d |theta - theta_0|^2/2."""
    proof = Proof()
    w, d = sp.symbols("w d", positive=True)
    move = sp.Symbol("p", real=True)
    gradient = -sp.sqrt(w) * (1 - sp.sqrt(w) * move) + d * move
    proof.note("one mode: f - f_0 = sqrt(w) p, y - f_0 = 1, p the parameter along the mode")
    rest = sp.solve(gradient, move)[0]
    proof.equal("fixed point of p", rest, sp.sqrt(w) / (w + d))
    proof.equal("residual there", 1 - sp.sqrt(w) * rest, d / (w + d))
    domain = Domain((Range(1e-6, 1e3, "log"), Range(1e-6, 1e3, "log")), edges=((0.0, 1.0), (1.0, 0.0)))
    return proof.claim((w, d), d / (w + d), domain)


def _noise(proof: Proof, samples: int, size: int, replacement: bool) -> sp.Expr:
    """Return Var of the batch mean over the per-sample variance, by listing every batch."""
    values = sp.symbols(f"g0:{samples}", real=True)
    everything = range(samples)
    batches = list(product(everything, repeat=size) if replacement else combinations(everything, size))
    mean = sum(values) / sp.Integer(samples)
    spread = sum((g - mean) ** 2 for g in values) / samples
    total = sum((sum(values[i] for i in batch) / sp.Integer(size) - mean) ** 2 for batch in batches)
    return sp.cancel(total / len(batches) / spread)


def subset_noise() -> Claim:
    """Batches of B different samples out of P: Cov of the batch gradient = (P - B)/(B (P - 1)) C_1."""
    proof = Proof()
    p, size = sp.symbols("P B", positive=True)
    formula = (p - size) / (size * (p - 1))
    for n in (2, 3, 4, 5):
        for k in range(1, n + 1):
            proof.equal(f"all batches, P = {n}, B = {k}", _noise(proof, n, k, False), formula.subs({p: n, size: k}))
    own, cross = 1 / (p * size), (size - 1) / (size * p * (p - 1))
    proof.note("in general E m_i^2 = B/P and E m_i m_j = B (B-1)/(P (P-1)) for indicators m, i != j")
    proof.equal("sum g_i m_i/B: coefficient of sum g_i^2 - (sum g_i)^2/P", own - cross, formula / p)

    def arguments(many: float, share: float) -> tuple[float, ...]:
        return float(round(many)), float(max(1, round(share * many)))

    domain = Domain((Range(2, 1e5, "log"), Range(0, 1)), arguments, edges=((10.0, 10.0), (10.0, 1.0)))
    return proof.claim((p, size), formula, domain)


def replacement_noise() -> Claim:
    """Batches of B samples drawn with replacement: Cov of the batch gradient = C_1/B."""
    proof = Proof()
    size = sp.Symbol("B", positive=True)
    for n in (2, 3):
        for k in (1, 2, 3):
            proof.equal(f"all batches, P = {n}, B = {k}", _noise(proof, n, k, True), sp.Rational(1, k))
    proof.note("in general the B draws are independent and each has covariance C_1")
    return proof.claim((size,), 1 / size, Domain((Range(1, 1e5, "log"),), edges=((1.0,),)))
