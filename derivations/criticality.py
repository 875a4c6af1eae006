"""Where signals and gradients of wide, deep networks neither grow nor shrink."""

from __future__ import annotations

import sympy as sp

from . import dual_abrelu, dual_erf, dual_gelu
from .claim import Claim, Domain, Proof, Range
from .gaussian import moment

q, w, v = sp.symbols("q w v", positive=True)  # variance of pre-activations, sw^2, sb^2
a, b = sp.symbols("a b", real=True)
chi = sp.Symbol("chi", positive=True)
PI = sp.pi


def correlation_length() -> Claim:
    """xi = 1/|ln chi|: what is multiplied by chi in every layer changes by a factor e in xi layers.

    Source: Schoenholz et al., arXiv:1611.01232 (xi_c and xi_q there).
    """
    proof = Proof()
    length = 1 / sp.Abs(sp.log(chi))
    small, large = sp.Symbol("m", negative=True), sp.Symbol("n", positive=True)  # ln chi
    proof.equal("chi < 1: chi^xi", sp.exp(small / sp.Abs(small)), sp.exp(-1))
    proof.equal("chi > 1: chi^xi", sp.exp(large / sp.Abs(large)), sp.E)
    domain = Domain((Range(1e-6, 0.999, "log"),), edges=((1 - 1e-10,), (1 + 1e-10,), (2.0,), (1e100,), (1e-300,)))
    return proof.claim((chi,), length, domain)


def correlation_slope() -> Claim:
    """The map of correlations c' = (sw^2 T(c) + sb^2)/q* has the slope sw^2 E phi'(u) phi'(v); chi_1 at c = 1.

    Source: Poole et al., arXiv:1606.05340.
    """
    proof = Proof()
    c, k = sp.Symbol("c", positive=True), sp.Symbol("k", integer=True, positive=True)
    proof.note("T(c) = sum_k a_k^2 c^k, Tdot = sum_k k a_k^2 c^(k-1)/q (derivations/hermite.py)")
    proof.equal("term by term", sp.Derivative(w * c**k / q, c), w * (k * c ** (k - 1) / q))
    n = sp.Symbol("n", integer=True, nonnegative=True)
    shares = sp.Sum(c**n, (n, 0, 4))
    proof.equal(
        "the trivial root divides out: 1 - c^k = (1 - c)(1 + c + .. + c^(k-1)), k = 5",
        1 - c**5,
        sp.expand((1 - c) * shares.doit()),
    )
    proof.note("q* (1 - c') = sw^2 sum_k a_k^2 (1 - c^k): the bias and sum_k a_k^2 drop out")
    proof.note("all a_k^2 >= 0: T is convex on [0, 1], so that besides c = 1 there is at most one fixed point")
    return proof.claim((w, q, c, k), w * k * c ** (k - 1) / q, Domain(()))


def abrelu_weight_variance() -> Claim:
    """Scale invariance: q' = sw^2 (a^2+b^2)/2 q + sb^2, so sw^2 = 2/(a^2+b^2), sb = 0 keeps every variance.

    Source: He et al., arXiv:1502.01852, for relu; Roberts, Yaida & Hanin, arXiv:2106.10165, for the class.
    """
    proof = Proof()
    square, slope = dual_abrelu.diagonal().expression
    variance, low, high = dual_abrelu.diagonal().symbols
    square, slope = (e.subs({variance: q, low: a, high: b}) for e in (square, slope))
    critical = 2 / (a**2 + b**2)
    proof.equal("chi_perp = sw^2 E phi'^2", critical * slope, 1)
    proof.equal("chi_parallel = sw^2 d/dq E phi^2", critical * sp.Derivative(square, q), 1)
    proof.equal("the variance itself", critical * square, q)
    proof.equal("relu", critical.subs({a: 0, b: 1}), 2)
    domain = Domain((Range(-1, 1), Range(0.5, 1.5)), edges=((0.0, 1.0), (-1.0, 1.0), (1.0, 1.0)))
    return proof.claim((a, b), critical, domain)


def relu_fixed_point() -> Claim:
    """Relu: chi_perp = chi_parallel = sw^2/2 at every variance, q* = sb^2/(1 - sw^2/2) for sw^2 < 2, none beyond."""
    proof = Proof()
    square, slope = (e.subs({dual_abrelu.a: 0, dual_abrelu.b: 1}) for e in dual_abrelu.diagonal().expression)
    variance = dual_abrelu.diagonal().symbols[0]
    proof.equal("chi_perp", w * slope, w / 2)
    proof.equal("chi_parallel", w * sp.Derivative(square, variance), w / 2)
    fixed = v / (1 - w / 2)
    proof.equal("V(q*) = q*", w * square.subs(variance, fixed) + v, fixed)
    return proof.claim((w, v), (fixed, w / 2), Domain(()))


def gelu_half_stable() -> Claim:
    """Gelu: chi_perp = chi_parallel = 1 at K* = (3 + sqrt 17)/2 alone; sw^2 = C_W, sb^2 = C_b there.

    Source: Roberts, Yaida & Hanin, arXiv:2106.10165 (half-stable universality class).
    """
    proof = Proof()
    claim = dual_gelu.diagonal()
    square, slope = (e.subs(claim.symbols[0], q) for e in claim.expression)
    root = sp.sqrt(1 + 2 * q)
    difference = slope - sp.diff(square, q)
    quadratic = q**2 - 3 * q - 2
    proof.equal("E phi'^2 - d/dq E phi^2 is algebraic", difference, q * quadratic / (2 * PI * root**3 * (1 + q) ** 2))
    best = (3 + sp.sqrt(17)) / 2
    proof.equal("its one positive root", quadratic.subs(q, best), 0)
    proof.equal("the other root is negative", sp.expand((q - best) * (q - (3 - sp.sqrt(17)) / 2)), quadratic)
    weight = 1 / slope.subs(q, best)
    bias = best - weight * square.subs(q, best)
    bend = (weight * sp.diff(square, q, 2)).subs(q, best)
    proof.equal("V bends down there: reached from above alone", sp.sign(bend.evalf(30)), -1)
    return proof.claim((), (best, weight, bias), Domain(()))


def no_oscillation() -> Claim:
    """q d/dq E f(u) = E f(u) (u^2/q - 1)/2 >= -E f/2 for f = phi^2 >= 0: the slope of ln V(q) in ln q is at least -1/2.

    So no two variances can follow each other for ever: V(x) = y, V(y) = x needs a mean slope of -1.
    """
    proof = Proof()
    u = sp.Symbol("u", real=True)
    density = sp.exp(-(u**2) / (2 * q)) / sp.sqrt(2 * PI * q)
    proof.equal("derivative of the density", q * sp.Derivative(density, q), density * (u**2 / q - 1) / 2)
    proof.note("u^2/q >= 0 and f >= 0; sb^2 >= 0 in V makes the slope smaller in size")
    return proof.claim((u, q), (u**2 / q - 1) / 2, Domain(()))


def erf_line() -> Claim:
    """Erf: sw^2 = (pi/4) sqrt(1 + 4q), sb^2 = q - (sqrt(1 + 4q)/2) atan(2q/sqrt(1 + 4q)) is the critical line."""
    proof = Proof()
    claim = dual_erf.diagonal()
    rate = {s: 1 for s in claim.symbols[1:]}  # erf(b x) at b = 1
    square, slope = (e.subs(rate).subs(claim.symbols[0], q) for e in claim.expression)
    root = sp.sqrt(1 + 4 * q)
    weight, bias = PI * root / 4, q - root * sp.atan(2 * q / root) / 2
    proof.equal("chi_perp", weight * slope, 1)
    proof.equal("V(q) = q", weight * square + bias, q)
    return proof.claim((q,), (weight, bias), Domain(()))


def sin_line() -> Claim:
    """Sine: sw^2 = 2/(1 + e^(-2q)), sb^2 = q - tanh(q) is the critical line."""
    proof = Proof()
    z, t = sp.symbols("z t", real=True)
    exponential = sp.Integral(sp.exp(t * z - z**2 / 2) / sp.sqrt(2 * PI), (z, -sp.oo, sp.oo))
    proof.equal("mean of an exponential, z ~ N(0, 1)", exponential, sp.exp(t**2 / 2))
    proof.equal("t = 2 i sqrt(q): E cos 2u", sp.exp((2 * sp.I * sp.sqrt(q)) ** 2 / 2), sp.exp(-2 * q))
    square, slope = (1 - sp.exp(-2 * q)) / 2, (1 + sp.exp(-2 * q)) / 2
    weight, bias = 1 / slope, q - sp.tanh(q)
    proof.equal("V(q) = q", weight * square + bias.rewrite(sp.exp), q)
    return proof.claim((q,), (weight, bias), Domain(()))


def power_law() -> Claim:
    """phi(0) = 0, sw^2 = 1/phi'(0)^2, sb = 0: K' = K + a1 K^2 + .., a1 = s3/s1 + (3/4) (s2/s1)^2.

    phi(x) = s1 x + s2 x^2/2 + s3 x^3/6 + .. . For a1 < 0 the variance falls as K ~ 1/(|a1| l): tanh a1 = -2, sine -1.
    Source: Roberts, Yaida & Hanin, arXiv:2106.10165 (the class K* = 0).
    """
    proof = Proof()
    s1, s2, s3, z, t = sp.symbols("s1 s2 s3 z t", real=True)
    u = t * z  # t = sqrt(K)
    phi = s1 * u + s2 * u**2 / 2 + s3 * u**3 / 6
    mean = sp.expand(moment(sp.expand(phi**2), z) / s1**2)
    a1 = s3 / s1 + sp.Rational(3, 4) * (s2 / s1) ** 2
    proof.equal("K'/K at K = 0", mean.coeff(t, 2), 1)
    proof.equal("coefficient of K^2", mean.coeff(t, 4), a1)
    x = sp.Symbol("x", real=True)
    for name, function, value in (("tanh", sp.tanh(x), -2), ("sine", sp.sin(x), -1)):
        derivatives = {s: sp.diff(function, x, k).subs(x, 0) for k, s in enumerate((s1, s2, s3), start=1)}
        proof.equal(name, a1.subs(derivatives), value)
    layer, rate = sp.symbols("l r", positive=True)
    decay = 1 / (rate * layer)
    proof.equal("1/(r l) solves dK/dl = -r K^2", sp.Derivative(decay, layer), -rate * decay**2)
    return proof.claim((s1, s2, s3), a1, Domain(()))
