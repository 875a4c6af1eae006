"""Leading corrections in 1/width to the kernels of random networks: a Markov chain of kernels, expanded once.

Notation of one input: K' = w T(K) + v, Theta' = alpha T + alpha' + w Tdot Theta; y = phi(u)^2, s = phi'(u)^2 of one
neuron, u ~ N(0, K); n neurons in every layer, epsilon = 1/n. Variances V, D, A, B, F and shifts contain their 1/n.

"Proved" means here: as a formal expansion in 1/n, whose algebra sympy closes and which polynomial activations and relu,
solved exactly at finite n, confirm; that the rest is O(1/n^2) for every activation is not proved.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from . import relu_width
from .claim import Claim, Domain, Proof, Range
from .gaussian import mean_of, moment

n, k, w, theta, rate = sp.symbols("n K w Theta alpha", positive=True)
v, m, d, a, b, f = sp.symbols("V M D A B F", real=True)
square, fourth, tdot, mixed, tangent_fourth = sp.symbols("square fourth Tdot mixed tangent_fourth", positive=True)
slope, curvature, tangent_slope, tangent_curvature = sp.symbols("T_q T_qq Tdot_q Tdot_qq", real=True)
site, site_cross, site_tangent = sp.symbols("C_yy C_ys C_ss", real=True)
u, z = sp.symbols("u z", real=True)
eps = sp.Symbol("epsilon", positive=True)

_UNIT = (Range(-1.0, 1.0), Range(0.1, 2.0))


def _leading(expression: sp.Expr) -> sp.Expr:
    """Return the coefficient of 1/n as n -> infinity of something that vanishes there."""
    return sp.limit(sp.together(n * expression), n, sp.oo)


def _mean_power(y: sp.Expr, order: int) -> sp.Expr:
    """Return E (mean of y over n independent neurons)^order, u standard normal: sums over patterns of equal indices."""
    series = sum(moment(y**j, u) * z**j / sp.factorial(j) for j in range(order + 1))
    logarithm = sp.series(sp.log(series), z, 0, order + 1).removeO()
    whole = sp.series(sp.exp(n * sp.expand(logarithm)), z, 0, order + 1).removeO()
    return sp.expand(whole.coeff(z, order) * sp.factorial(order) / n**order)


def _formula_variance() -> sp.Expr:
    return w**2 * ((fourth - square**2) / n + slope**2 * v)


def kernel_variance() -> Claim:
    """V' = w^2 ((E phi^4 - (E phi^2)^2)/n + (dE phi^2/dK)^2 V), to leading order in 1/n.

    Source: Roberts, Yaida, Hanin (2022), chapter 4 (the recursion of the four-point vertex).
    """
    proof = Proof()
    formula = _formula_variance()
    proof.note("given K, K' = w/n sum_i y_i + v with independent y_i: Var(K'|K) = w^2 Var(y)/n, E(K'|K) = w T(K) + v")
    proof.note("law of total variance: V' = E Var(K'|K) + Var E(K'|K); K = K_0 + delta, E delta = epsilon m1, ...")
    m1, m2, m3, m4 = sp.symbols("m1 m2 m3 m4", real=True)
    power = {1: eps * m1, 2: eps * m2, 3: eps**2 * m3, 4: eps**2 * m4}
    delta = sp.Symbol("delta")
    expanded = slope * delta + curvature * delta**2 / 2

    def mean(expression: sp.Expr) -> sp.Expr:
        poly = sp.Poly(sp.expand(expression), delta)
        return sum(c * power[p[0]] if p[0] else c for p, c in poly.terms())

    spread = mean(expanded**2) - mean(expanded) ** 2
    proof.equal("Var T(K) at order epsilon", sp.limit(sp.expand(spread) / eps, eps, 0), slope**2 * m2)
    _exact_linear(proof)
    _exact_square(proof)
    names = (v, n, w, square, fourth, slope)
    ranges = (Range(0, 1), Range(1, 1000, "log"), Range(0.3, 3), Range(0.1, 1), Range(1, 9), Range(-1, 2))
    return proof.claim(names, formula, Domain(ranges, edges=((0.0, 1.0, 1.0, 0.5, 1.5, 0.5),)), tolerance=1e-14)


def _exact_linear(proof: Proof) -> None:
    """phi(u) = u, w = 1: E K^2 = K^2 prod (1 + 2/n) exactly."""
    y = u**2
    proof.equal("phi = u, exactly: E (mean y)^2", _mean_power(y, 2), 1 + 2 / n)
    two = (1 + 2 / n) ** 2 - 1
    chain = _formula_variance().subs({w: 1, square: 1, fourth: 3, slope: 1}, simultaneous=True)
    proof.equal("two layers of it", _leading(two), (chain.subs(v, chain.subs(v, 0)) * n).subs(n, 1))


def _exact_square(proof: Proof) -> None:
    """phi(u) = u^2, w = 1: K_2 = mean u^4, E(K_3|K_2) = 3 K_2^2, E(u^8|K_2) = 105 K_2^4."""
    y = u**4
    second, fourth_power = _mean_power(y, 2), _mean_power(y, 4)
    exact = 96 * fourth_power / n + 9 * (fourth_power - second**2)
    one = _formula_variance().subs({w: 1, square: 3, fourth: 105, v: 0}, simultaneous=True)
    at = {w: 1, square: 3 * 9, fourth: 105 * 81, slope: 6 * 3}
    chain = _formula_variance().subs(at, simultaneous=True).subs(v, one)
    proof.equal("phi = u^2, second layer exactly, at order 1/n", _leading(exact), sp.expand(n * chain))
    shift = (slope * m + curvature * v / 2).subs({slope: 18, m: 0, curvature: 6, v: one}, simultaneous=True)
    proof.equal("and the shift of the mean of that layer", _leading(3 * (second - 9)), sp.expand(n * shift))


def kernel_shift() -> Claim:
    """M' = w (T_q M + T_qq V/2): the mean of K' to leading order in 1/n.

    Source: Roberts, Yaida, Hanin (2022), chapter 4 (the next-to-leading-order metric).
    """
    proof = Proof()
    proof.note("E K' = w E T(K) + v; T(K_0 + delta) = T + T_q delta + T_qq delta^2/2, higher moments are O(1/n^2)")
    _exact_square(proof)
    formula = w * (slope * m + curvature * v / 2)
    ranges = (*_UNIT, Range(0.3, 3), Range(-1, 2), Range(-3, 3))
    scale = w * (sp.Abs(slope * m) + sp.Abs(curvature * v))
    return proof.claim((m, v, w, slope, curvature), formula, Domain(ranges), scale=scale)


def excess_kurtosis() -> Claim:
    """An output, Gaussian given its variance K with mean K_0 and variance V, has excess kurtosis 3 V/K_0^2."""
    proof = Proof()
    root = sp.Symbol("r", positive=True)
    proof.equal("given K: E f^4", moment((root * z) ** 4, z), 3 * root**4, mean_of(z**4))
    proof.equal("E f^4 - 3 (E f^2)^2, E K^2 = K_0^2 + V", 3 * (k**2 + v) - 3 * k**2, 3 * v)
    domain = Domain((Range(0, 1), Range(0.1, 3)), edges=((0.0, 1.0),))
    return proof.claim((v, k), 3 * v / k**2, domain)


def _gain() -> sp.Expr:
    return rate * slope + w * theta * tangent_slope


def _chain(proof: Proof) -> None:
    """Expand E(K'|layer below), E(Theta'|layer below) and the covariance of one neuron's terms."""
    dk, dt = sp.symbols("dK dTheta")
    proof.note("Theta_bar = E[Theta of one neuron | layer below]: (K, Theta_bar) of two layers form a Markov chain")
    back = rate * (square + slope * dk) + w * (tdot + tangent_slope * dk) * (theta + dt)
    linear = sp.expand(back - back.subs({dk: 0, dt: 0}))
    first = linear.coeff(dk, 1).coeff(dt, 0) * dk + linear.coeff(dt, 1).coeff(dk, 0) * dt
    proof.equal("response of Theta_bar' to (dK, dTheta)", first, _gain() * dk + w * tdot * dt)
    proof.note("within a layer: neurons independent, K' from w y, Theta_bar' from alpha y + w Theta s")


def tangent_covariance() -> Claim:
    """D' = Cov(K', Theta_bar') = w ((alpha C_yy + w Theta C_ys)/n + T_q (g V + w Tdot D)).

    g = alpha T_q + w Theta Tdot_q, the response of Theta_bar' to K.

    Source: Roberts, Yaida, Hanin (2022), chapter 8 (the tensor D).
    """
    proof = Proof()
    _chain(proof)
    formula = w * ((rate * site + w * theta * site_cross) / n + slope * (_gain() * v + w * tdot * d))
    names = (d, v, n, theta, w, rate, tdot, slope, tangent_slope, site, site_cross)
    ranges = (
        *_UNIT,
        Range(1, 500, "log"),
        Range(0.5, 5),
        *[Range(0.3, 3)] * 4,
        Range(-1, 1),
        Range(0, 4),
        Range(-1, 1),
    )
    scale = w * ((rate * site + w * theta) / n + slope * (rate * slope + w * theta) * v + slope * w * tdot)
    return proof.claim(names, formula, Domain(ranges), scale=scale)


def tangent_variance() -> Claim:
    """A' = Var Theta_bar' = own/n + g^2 V + 2 g w Tdot D + (w Tdot)^2 A, own = Var(alpha y + w Theta s).

    Source: Roberts, Yaida, Hanin (2022), chapter 8 (the tensor A). The variance of one neuron's Theta is A + 2 B.
    """
    proof = Proof()
    _chain(proof)
    own = rate**2 * site + 2 * rate * w * theta * site_cross + w**2 * theta**2 * site_tangent
    formula = own / n + _gain() ** 2 * v + 2 * _gain() * w * tdot * d + (w * tdot) ** 2 * a
    _exact_relu(proof, formula)
    names = (a, d, v, n, theta, w, rate, tdot, slope, tangent_slope, site, site_cross, site_tangent)
    ranges = (Range(0, 2), *_UNIT, Range(1, 500, "log"), Range(0.5, 5), *[Range(0.3, 3)] * 4, Range(-1, 1),
              Range(0, 4), Range(-1, 1), Range(0, 2))  # fmt: skip
    size = (rate * slope + w * theta) ** 2 * v + (rate**2 * site + w**2 * theta**2 * (1 + site_tangent)) / n
    scale = size + 2 * (rate * slope + w * theta) * w * tdot + (w * tdot) ** 2 * a
    return proof.claim(names, formula, Domain(ranges), scale=scale)


def tangent_between() -> Claim:
    """B' = E Theta'_12^2 = w^2 (E phi'^4 Theta^2/n + Tdot^2 B) between two neurons.

    Source: Roberts, Yaida, Hanin (2022), chapter 8 (the tensor B).
    """
    proof = Proof()
    proof.note("Theta'_12 = sum_ij W_1i W_2j phi'_i phi'_j Theta_ij; E W_1i W_2j W_1k W_2l = (w/n)^2 [i = k][j = l]")
    exact = (w / n) ** 2 * (n * tangent_fourth * theta**2 + n * (n - 1) * tdot**2 * b / n)
    formula = w**2 * (tangent_fourth * theta**2 / n + tdot**2 * b)
    proof.equal("equal and different i, j; B/n of the layer below", _leading(exact), formula.subs(n, 1))
    proof.note("one neuron: the two pairings of W_1i W_1j W_1k W_1l that are not the mean give 2 B")
    names = (b, n, theta, w, tdot, tangent_fourth)
    ranges = (Range(0, 2), Range(1, 500, "log"), Range(0.5, 5), Range(0.3, 3), Range(0.1, 2), Range(0.1, 4))
    return proof.claim(names, formula, Domain(ranges))


@cache
def _by_parts() -> Proof:
    """E W_i W_j G(sum W phi) = (w/n)[i = j] E G + (w/n)^2 phi_i phi_j E G'', on powers G and three weights."""
    proof = Proof()
    g = sp.symbols("g1:4", real=True)
    phi = sp.symbols("phi1:4", real=True)
    s, x = sp.Symbol("s", positive=True), sp.Symbol("x", real=True)  # s^2 = w/n
    h = sum(s * gi * pi for gi, pi in zip(g, phi, strict=True))
    for power in (2, 4):
        value = x**power
        for i, j in ((0, 0), (0, 1)):
            left = moment(s**2 * g[i] * g[j] * h**power, *g)
            right = s**2 * int(i == j) * moment(h**power, *g)
            right += s**4 * phi[i] * phi[j] * moment(sp.diff(value, x, 2).subs(x, h), *g)
            proof.equal(
                f"Gaussian integration by parts, G = h^{power}, i = {i + 1}, j = {j + 1}", left, sp.expand(right)
            )
    return proof


before, shift = sp.symbols("w_l S", real=True)


def paired_gradient() -> Claim:
    """F' = E sum_ij phi_i phi'_i Theta_ij phi'_j phi_j/n^2 = E phi^2 phi'^2 Theta/n + (w_l T_q)^2 F.

    Source: Roberts, Yaida, Hanin (2022), chapter 8 (the tensor F).
    """
    proof = Proof()
    proof.include(_by_parts())
    proof.note("i = j: n neurons of E phi^2 phi'^2 Theta/n^2")
    proof.note(
        "i != j: Theta_ij = sum_kl W_ik W_jl phi'_k phi'_l Theta_kl; W_ik contracted in phi phi'(u_i), W_jl in u_j"
    )
    q = sp.Symbol("q", positive=True)
    for power in (1, 2, 3):
        value = u**power
        derivative = moment((sp.diff(value * sp.diff(value, u), u)).subs(u, sp.sqrt(q) * z), z)
        second = moment((value**2).subs(u, sp.sqrt(q) * z), z)
        proof.equal(f"E (phi phi')' = T_q, phi = u^{power}", sp.Derivative(second, q), derivative)
    formula = mixed * theta / n + before**2 * slope**2 * f
    names = (f, n, theta, before, slope, mixed)
    ranges = (Range(0, 1), Range(1, 500, "log"), Range(0.5, 5), Range(0.3, 3), Range(-1, 2), Range(0, 3))
    return proof.claim(names, formula, Domain(ranges))


def tangent_shift() -> Claim:
    """E Theta' - Theta' = alpha N + w (Tdot S + Theta (Tdot_q M + Tdot_qq V/2) + Tdot_q (D + 2 w_l^2 F)).

    N = T_q M + T_qq V/2; S shift of this layer, F of the layer below, w_l the weight variance between the two.
    """
    proof = Proof()
    proof.include(_by_parts())
    proof.note("E Theta' = alpha E T(K) + alpha' + w E phi'_1^2 Theta_11 and, given the layer below,")
    proof.note("E phi'_1^2 Theta_11 = Tdot(K) Theta_bar + w_l^2 E (phi'^2)'' F-sum, E (phi'^2)'' = 2 Tdot_q")
    forward = rate * (slope * m + curvature * v / 2)
    moved = theta * (tangent_slope * m + tangent_curvature * v / 2)
    formula = forward + w * (tdot * shift + moved + tangent_slope * (d + 2 * before**2 * f))
    _exact_tangent_mean(proof, formula)
    names = (shift, m, d, v, f, theta, w, rate, before, tdot, slope, curvature, tangent_slope, tangent_curvature)
    ranges = (*[Range(-1, 1)] * 3, *[Range(0, 1)] * 2, Range(0.5, 5), *[Range(0.3, 3)] * 4, *[Range(-2, 2)] * 4)
    terms = (slope * m, curvature * v, tdot * shift, theta * tangent_slope * m, theta * tangent_curvature * v,
             tangent_slope * d, before**2 * f * tangent_slope)  # fmt: skip
    scale = (1 + rate) * (1 + w) * sum(sp.Abs(term) for term in terms)
    return proof.claim(names, formula, Domain(ranges), scale=scale)


def _exact_tangent_mean(proof: Proof, formula: sp.Expr) -> None:
    """phi = u^2, K_1 = 1, w = 1, alpha = 1, no biases: E Theta_3 with both layers of n neurons, exactly."""
    y, s = u**4, 4 * u**2
    cross = (moment(y * s, u) + (n - 1) * moment(y, u) * moment(s, u)) / n  # E mean(y) mean(s)
    mean_y2, mixed_mean = _mean_power(y, 2), moment(y * s, u)
    proof.note("phi = u^2, two layers, exactly: Theta_2 = mean y + sum W^2 s Theta_1, E 4 h^2 Theta_2 by parts")
    back = 4 * (mean_y2 + cross + 2 * mixed_mean / n)  # Theta_1 = 1
    forward = 3 * mean_y2
    exact = forward + back
    values = {square: 3, theta: 7, tdot: 4 * 3}  # of layer 2: K = 3, Theta_2 = 3 + 4, T = 3 K^2, Tdot = 4 K
    spread, both = 105 - 9, moment(y * s, u) - 12
    numbers = {w: 1, rate: 1, before: 1, m: 0, shift: 0, v: spread / n, d: (spread + both) / n, f: mixed_mean / n,
               slope: 18, curvature: 6, tangent_slope: 4, tangent_curvature: 0}  # fmt: skip
    chain = formula.subs({**values, **numbers}, simultaneous=True)
    proof.equal("infinite width", sp.limit(exact, n, sp.oo), 27 + 12 * 7)
    proof.equal("E Theta_3 at order 1/n", _leading(sp.expand(exact - 27 - 84)), sp.expand(n * chain))


def relu_square() -> Claim:
    """Relu: E s^2/(E s)^2 = 1 + 5/n for s = mean of relu(u_i)^2 over n neurons, at every n.

    Hence E K^2/K^2 = prod_l (1 + 5/n_l): a bias-free layer multiplies |phi|^2 by s, independent of its direction.
    """
    proof = Proof()
    half = sp.Integral(z**2 * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), (z, 0, sp.oo))
    quarter = sp.Integral(z**4 * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi), (z, 0, sp.oo))
    one, two = sp.Rational(1, 2), sp.Rational(3, 2)
    proof.equal("E relu^2", half, one)
    proof.equal("E relu^4", quarter, two)
    second = (n * two + n * (n - 1) * one**2) / n**2
    proof.equal("n neurons", second / one**2, 1 + 5 / n)
    chain = _formula_variance().subs({w: 2, square: one, fourth: two, slope: one, v: 0}, simultaneous=True)
    proof.equal("the chain at w = 2, K = 1 gives the same", chain, 5 / n)
    return proof.claim((n,), 1 + 5 / n, Domain((Range(1, 1e5, "log"),), edges=((1.0,),)))


def _exact_relu(proof: Proof, formula: sp.Expr) -> None:
    """Two hidden layers of relu: the chain gives 232/n, the leading order of the exact variance."""
    relu = {w: 2, rate: 2, tdot: sp.Rational(1, 2), slope: sp.Rational(1, 2), tangent_slope: 0}
    neuron = {site: 5, site_cross: sp.Rational(1, 2), site_tangent: sp.Rational(1, 4)}  # K = 2 in every layer
    first = {**relu, **neuron, theta: 2, v: 0, d: 0, a: 0}
    cross = w * ((rate * site + w * theta * site_cross) / n + slope * (_gain() * v + w * tdot * d))
    between = w**2 * (theta**2 / (2 * n) + tdot**2 * b)
    now = {v: 20 / n, d: cross.subs(first, simultaneous=True), a: formula.subs(first, simultaneous=True)}
    second = {**relu, **neuron, theta: 4, **now}
    both = between.subs({**second, b: between.subs({**first, b: 0}, simultaneous=True)}, simultaneous=True)
    proof.equal("relu, w = alpha = 2, two layers: A + 2 B", formula.subs(second, simultaneous=True) + 2 * both, 232 / n)
    proof.include(relu_width.lemma())
    proof.equal("the exact recursion says the same: 36 times 58/9", sp.Integer(232), 36 * sp.Rational(58, 9))
