"""Activations as proximal maps: the convex function f of each, and prox_{a f} from rho = prox_f."""

from __future__ import annotations

import sympy as sp

from .activations import LINE, _definition, _derivative, x
from .claim import Claim, Domain, Proof, Range

y, v = sp.symbols("y v", real=True)
a, t, beta = sp.symbols("a t beta", positive=True)
low, high = sp.symbols("low high", real=True)
u = sp.Symbol("u", positive=True)  # |y|, or y where the range is positive
CUTS = Domain((Range(-6, 6), Range(-2, 0), Range(0, 6)), edges=((-1.0, -1.0, 1.0), (7.0, 0.0, 6.0), (0.0, 0.0, 6.0)))
THRESHOLDS = Domain((Range(-6, 6), Range(0.0, 3.0)), edges=((1.0, 1.0), (-1.0, 1.0), (1.0 + 1e-15, 1.0), (0.0, 0.0)))
SYMMETRIC = Domain((Range(-1, 1),), edges=((0.0,), (1e-8,), (-1e-3,), (0.5,), (-0.5,), (1 - 1e-12,), (1e-12 - 1,)))
CLOSED = Domain(SYMMETRIC.ranges, edges=(*SYMMETRIC.edges, (1.0,), (-1.0,)))


def _plain(text: str, formula: sp.Expr, domain: Domain, more: tuple[sp.Symbol, ...]) -> Claim:
    proof = Proof()
    proof.note(text, formula)
    return proof.claim((x, *more), formula, domain, tolerance=1e-15)


def clip() -> Claim:
    """rho(x) = x held between low and high: the projection on an interval, f its indicator."""
    return _plain("definition", sp.Piecewise((low, x < low), (high, x > high), (x, True)), CUTS, (low, high))


def clip_derivative() -> Claim:
    """rho' = 1 inside the interval, 0 outside and (by convention) on its ends."""
    inside = sp.And(x > low, x < high)
    return _plain("slope of x, or of a constant", sp.Piecewise((1, inside), (0, True)), CUTS, (low, high))


def soft_threshold() -> Claim:
    """rho(x) = x - t above t, x + t below -t, else 0."""
    return _plain("definition", sp.Piecewise((x - t, x > t), (x + t, x < -t), (0, True)), THRESHOLDS, (t,))


def soft_threshold_derivative() -> Claim:
    """rho' = 1 for |x| > t, else 0."""
    return _plain("slope of x - t, x + t or 0", sp.Piecewise((1, sp.Abs(x) > t), (0, True)), THRESHOLDS, (t,))


def arctan() -> Claim:
    """rho(x) = (2/pi) atan x."""
    return _definition(2 / sp.pi * sp.atan(x))


def arctan_derivative() -> Claim:
    """rho'(x) = (2/pi)/(1 + x^2)."""
    return _derivative(2 / sp.pi * sp.atan(x), 2 / sp.pi / (1 + x**2))


def isru() -> Claim:
    """rho(x) = x/sqrt(1 + x^2)."""
    return _definition(x / sp.sqrt(1 + x**2))


def isru_derivative() -> Claim:
    """rho'(x) = (1 + x^2)^(-3/2)."""
    return _derivative(x / sp.sqrt(1 + x**2), (1 + x**2) ** sp.Rational(-3, 2))


def softsign() -> Claim:
    """rho(x) = x/(1 + |x|)."""
    return _definition(x / (1 + sp.Abs(x)))


def softsign_derivative() -> Claim:
    """rho'(x) = 1/(1 + |x|)^2."""
    proof = Proof()
    for side in (sp.Symbol("x", positive=True), sp.Symbol("x", negative=True)):
        proof.equal("on one side", sp.Derivative(side / (1 + sp.Abs(side)), side), 1 / (1 + sp.Abs(side)) ** 2)
    return proof.claim((x,), 1 / (1 + sp.Abs(x)) ** 2, LINE, tolerance=4e-15)


def _stationary(proof: Proof, rho: sp.Expr, argument: sp.Symbol, potential: sp.Expr, place: sp.Symbol) -> None:
    """Record that y + f'(y) is mapped to y by rho: y = prox_f(v) for v = y + f'(y)."""
    v_of_y = sp.simplify(place + sp.diff(potential, place))
    proof.note("v = y + f'(y)", v_of_y)
    proof.equal("rho(y + f'(y)) = y", sp.simplify(rho.subs(argument, v_of_y)), place)


def leaky_relu_potential() -> Claim:
    """f = (1/a - 1) y^2/2 for y < 0, else 0: its prox is leaky relu of slope a."""
    proof = Proof()
    below = (1 / a - 1) * y**2 / 2
    _stationary(proof, a * x, x, below, y)
    shown = sp.Piecewise((below, y < 0), (0, True))
    return proof.claim((y, a), shown, Domain((Range(-6, 6), Range(0.01, 1)), edges=((0.0, 0.5), (-1.0, 1.0))))


def soft_threshold_potential() -> Claim:
    """f = t |y|: y + t sign y is mapped to y by the soft threshold; |v| <= t by 0, where the subgradient is [-t, t]."""
    proof = Proof()
    proof.equal("y > 0", (u + sp.diff(t * u, u)) - t, u)
    return proof.claim((y, t), t * sp.Abs(y), Domain((Range(-6, 6), Range(0, 3)), edges=((0.0, 1.0),)))


def tanh_potential() -> Claim:
    """f = y atanh y + log(1 - y^2)/2 - y^2/2: its prox is tanh. Even, y^4/12 + ... at 0, log 2 - 1/2 at the edges."""
    proof = Proof()
    formula = y * sp.atanh(y) + sp.log(1 - y**2) / 2 - y**2 / 2
    _stationary(proof, sp.tanh(x), x, formula, y)
    proof.equal("near 0", sp.series(formula, y, 0, 6).removeO(), y**4 / 12)
    symmetric = ((1 + y) * sp.log(1 + y) + (1 - y) * sp.log(1 - y) - y**2) / 2
    proof.equal("the same, finite at the edges", sp.simplify(sp.diff(symmetric - formula, y).rewrite(sp.log)), 0)
    return proof.claim((y,), _entropy(1 + y) / 2 + _entropy(1 - y) / 2 - y**2 / 2, CLOSED, guard=60)


def _entropy(p: sp.Expr) -> sp.Expr:
    """Return p log p, 0 at p = 0."""
    return sp.Piecewise((0, p <= 0), (p * sp.log(sp.Piecewise((1, p <= 0), (p, True))), True))


def sigmoid_potential() -> Claim:
    """f = y log y + (1 - y) log(1 - y) - y^2/2 on [0, 1]: its prox is 1/(1 + e^-x)."""
    proof = Proof()
    formula = u * sp.log(u) + (1 - u) * sp.log(1 - u) - u**2 / 2
    _stationary(proof, 1 / (1 + sp.exp(-x)), x, formula, u)
    edges = ((0.0,), (1.0,), (1e-300,), (0.5,), (1 - 1e-12,))
    shown = _entropy(y) + _entropy(1 - y) - y**2 / 2
    return proof.claim((y,), shown, Domain((Range(0, 1),), edges=edges), scale=y, guard=320)


def arctan_potential() -> Claim:
    """f = -(2/pi) log cos(pi y/2) - y^2/2 on (-1, 1): its prox is (2/pi) atan x."""
    proof = Proof()
    formula = -2 / sp.pi * sp.log(sp.cos(sp.pi * y / 2)) - y**2 / 2
    slope = sp.simplify(y + sp.diff(formula, y))
    proof.equal("y + f'(y)", slope, sp.tan(sp.pi * y / 2))
    proof.note("|pi y/2| < pi/2, so (2/pi) atan of it is y")
    return proof.claim((y,), formula, SYMMETRIC, tolerance=1e-14, guard=60, scale=y**2)


def isru_potential() -> Claim:
    """f = 1 - sqrt(1 - y^2) - y^2/2 on [-1, 1]: its prox is x/sqrt(1 + x^2)."""
    proof = Proof()
    formula = 1 - sp.sqrt(1 - y**2) - y**2 / 2
    inside = sp.Symbol("s", positive=True)  # sqrt(1 - y^2)
    v_of_y = y / inside
    proof.equal("y + f'(y)", y + sp.diff(formula, y), v_of_y.subs(inside, sp.sqrt(1 - y**2)))
    square = (v_of_y**2 / (1 + v_of_y**2)).subs(inside**2, 1 - y**2)
    proof.equal("rho(y + f'(y))^2 = y^2", sp.simplify(square.subs(inside, sp.sqrt(1 - y**2))), y**2)
    return proof.claim((y,), formula, CLOSED, guard=60)


def softsign_potential() -> Claim:
    """f = -|y| - log(1 - |y|) - y^2/2 on (-1, 1): its prox is x/(1 + |x|)."""
    proof = Proof()
    formula = -u - sp.log(1 - u) - u**2 / 2
    _stationary(proof, x / (1 + x), x, formula, u)
    proof.note("rho is odd and f even: one sign is enough")
    return proof.claim((y,), formula.subs(u, sp.Abs(y)), SYMMETRIC, tolerance=1e-13, guard=60)


def softplus_potential() -> Claim:
    """f = Li_2(e^-y), y >= 0: its prox is log(1 + e^x); int log(e^y - 1) dy - y^2/2 up to a constant."""
    proof = Proof()
    z = sp.Symbol("z", positive=True)
    proof.note("Li_2'(z) = -log(1 - z)/z, so d/dy Li_2(e^-y) = log(1 - e^-y)")
    slope = sp.simplify((-sp.log(1 - z) / z).subs(z, sp.exp(-u)) * sp.diff(sp.exp(-u), u))
    proof.equal("f'", slope, sp.log(1 - sp.exp(-u)))
    proof.equal("e^(y + f'(y))", sp.expand(sp.exp(u) * (1 - sp.exp(-u))), sp.exp(u) - 1)
    proof.equal("rho(y + f'(y)) = y", sp.log(1 + (sp.exp(u) - 1)), u)
    domain = Domain((Range(1e-3, 30.0, "log"),), edges=((0.0,), (1e-12,), (0.6931471805599453,), (700.0,)))
    return proof.claim((y,), sp.polylog(2, sp.exp(-y)), domain, tolerance=4e-15)


def elu_potential() -> Claim:
    """f = (a + y) log(1 + y/a) - y - y^2/2 for -a <= y < 0, else 0: its prox is elu of scale a <= 1."""
    proof = Proof()
    formula = (a + y) * sp.log(1 + y / a) - y - y**2 / 2
    _stationary(proof, a * (sp.exp(x) - 1), x, formula, y)
    shown = sp.Piecewise((0, y >= 0), (a * _entropy(1 + y / a) - y - y**2 / 2, True))
    domain = Domain(
        (Range(-1, 1), Range(0.05, 1.0)), lambda share, scale: (share * scale, scale),
        edges=((0.0, 1.0), (-1.0, 1.0), (-1e-6, 1.0), (-0.5, 1.0), (-0.25, 0.5)),
    )  # fmt: skip
    return proof.claim((y, a), shown, domain, tolerance=1e-14, guard=60)


def softmax_potential() -> Claim:
    """f = sum_i y_i log y_i/beta - y_i^2/2 on the simplex: its prox is softmax(beta s). Convex for beta <= 2.

    On the tangent space of the simplex the Hessian diag(1/(beta y)) - 1 is at least 0: two entries at 1/2, the worst
    place, give 2/beta - 1.
    """
    proof = Proof()
    s, free = sp.symbols("s lambda", real=True)
    formula = u * sp.log(u) / beta - u**2 / 2
    stationary = u + sp.diff(formula, u) - s + free
    solved = sp.solve(stationary, u)[0]
    proof.equal("y_i is proportional to e^(beta s_i)", sp.simplify(sp.log(solved) - beta * s).diff(s), 0)
    proof.equal("curvature at y = 1/2", sp.diff(formula, u, 2).subs(u, sp.Rational(1, 2)), 2 / beta - 1)
    domain = Domain((Range(0, 1), Range(0.1, 2.0)), edges=((0.0, 1.0), (1.0, 2.0), (1e-300, 1.0)))
    return proof.claim((y, beta), _entropy(y) / beta - y**2 / 2, domain, scale=y)


def scaled_prox() -> Claim:
    """prox_{a f}(v) = rho(s) with (1 - a) rho(s) + a s = v, where rho = prox_f: no inverse of rho is needed.

    The left side has slope between min(1, a) and max(1, a): one root, inside a known bracket.
    """
    proof = Proof()
    s, slope = sp.symbols("s slope", real=True)
    value = sp.Symbol("rho", real=True)
    proof.note("y = rho(s) = prox_f(s) means that s - y is a subgradient of f at y")
    proof.equal("v - y = a (s - y)", (1 - a) * value + a * s - value, a * (s - value))
    line = (1 - a) * slope + a
    proof.equal("slope where rho' = 0", line.subs(slope, 0), a)
    proof.equal("slope where rho' = 1, and it is linear in between", line.subs(slope, 1), 1)
    domain = Domain((Range(0, 1), Range(0.1, 3.0)), edges=((0.0, 1.0),))
    return proof.claim((slope, a), line, domain)
