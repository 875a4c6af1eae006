"""Eigenvalues of kernels kappa(c) of the cosine on the sphere and on the Boolean cube, and the walks that give them."""

from __future__ import annotations

import sympy as sp

from .claim import Claim, Domain, Proof, Range

k, d, j = sp.symbols("k d j", integer=True, positive=True)
c = sp.Symbol("c", real=True)
PI = sp.pi


def sphere_up() -> Claim:
    """c P_k = p P_{k+1} + (1 - p) P_{k-1}, p = (k + d - 2)/(2k + d - 2); P_k = C_k^(d/2-1)(c)/C_k^(d/2-1)(1).

    Probabilities: p in (0, 1], and both sum to 1. Starting from P_0 = 1, c^n = sum_k Prob(k after n steps) P_k.
    """
    proof = Proof()
    m = d / 2 - 1  # the index of the Gegenbauer polynomials
    one = sp.rf(2 * m, k) / sp.factorial(k)
    up = (k + d - 2) / (2 * k + d - 2)
    proof.note("(k+1) C_{k+1} = 2 (k+m) c C_k - (k+2m-1) C_{k-1}, m = d/2 - 1 (definition)")
    below = sp.combsimp(one.subs(k, k - 1) / one)
    above = sp.combsimp(one.subs(k, k + 1) / one)
    proof.equal("C_k(1) = (2m)_k/k!: ratio to the next", sp.simplify(above), (2 * m + k) / (k + 1))
    proof.equal("p", sp.simplify((k + 1) * above / (2 * (k + m))), up)
    proof.equal("1 - p", sp.simplify((k + 2 * m - 1) * below / (2 * (k + m))), 1 - up)
    for n in range(1, 4):
        p = [sp.gegenbauer(i, sp.Rational(3, 2), c) / sp.gegenbauer(i, sp.Rational(3, 2), 1) for i in (n - 1, n, n + 1)]
        at = up.subs({d: 5, k: n})
        proof.equal(f"directly, d = 5, k = {n}", sp.expand(c * p[1]), sp.expand(at * p[2] + (1 - at) * p[0]))
    proof.equal("k = 0: the walk goes up", sp.limit(up.subs(k, 0), d, 3), 1)
    whole = Range(1, 2000, "log", whole=True)
    domain = Domain((whole, Range(2, 10**6, "log", whole=True)), edges=((1, 2), (1, 3), (500, 2), (0, 3), (0, 1000)))
    return proof.claim((k, d), up, domain)


def cube_up() -> Claim:
    """c Q_k = p Q_{k+1} + (1 - p) Q_{k-1}, p = (d - k)/d; c the mean of d signs, Q_k that of products of k of them."""
    proof = Proof()
    up = (d - k) / d
    proof.note("e_k = sum of all products of k signs, Q_k = e_k/binomial(d, k), c = e_1/d")
    proof.note("e_1 e_k = (k+1) e_{k+1} + (d-k+1) e_{k-1}: a sign beside k others, or one of them twice, x^2 = 1")
    size = 4
    x = sp.symbols(f"x1:{size + 1}")
    squares = {s**n: s ** (n % 2) for s in x for n in (2, 3)}
    e = [sp.Add(*(sp.Mul(*part) for part in sp.utilities.iterables.subsets(x, n))) for n in range(size + 1)] + [0]
    for n in range(1, size + 1):
        product = sp.expand(e[1] * e[n]).subs(squares)
        proof.equal(f"directly, d = 4, k = {n}", product, sp.expand((n + 1) * e[n + 1] + (size - n + 1) * e[n - 1]))
    count = sp.binomial(d, k)
    above = sp.combsimp(count.subs(k, k + 1) / count)
    below = sp.combsimp(count.subs(k, k - 1) / count)
    proof.equal("p", sp.simplify((k + 1) * above / d), up)
    proof.equal("1 - p", sp.simplify((d - k + 1) * below / d), 1 - up)
    domain = Domain((Range(0, 50, whole=True), Range(60, 1000, whole=True)), edges=((0, 1), (1, 1), (200, 200)))
    return proof.claim((k, d), up, domain)


def degeneracy() -> Claim:
    """N_k = (2k + d - 2)/k binomial(k + d - 3, k - 1) harmonics of degree k: N_{k+1}/N_k = up_k/(1 - up_{k+1})."""
    proof = Proof()
    count = (2 * k + d - 2) / k * sp.gamma(k + d - 2) / (sp.gamma(k) * sp.gamma(d - 1))
    up = (k + d - 2) / (2 * k + d - 2)
    ratio = sp.simplify(sp.gammasimp(count.subs(k, k + 1) / count))
    proof.equal("detailed balance of the walk", ratio, sp.simplify(up / (1 - up.subs(k, k + 1))))
    proof.equal(
        "as a difference of homogeneous polynomials, d = 4", sp.simplify(sp.gammasimp(count.subs(d, 4))), (k + 1) ** 2
    )
    proof.equal("d = 3", sp.simplify(sp.gammasimp(count.subs(d, 3))), 2 * k + 1)
    return proof.claim((k, d), count, Domain(()))


def _beta(power: sp.Expr) -> sp.Expr:
    """Return the integral of (1 - c^2)^power over [-1, 1]."""
    return sp.sqrt(PI) * sp.gamma(power + 1) / sp.gamma(power + sp.Rational(3, 2))


def relu_eigenvalues() -> Claim:
    """Eigenvalues 0, 1, 2 on the unit sphere of kappa(c) = (sqrt(1-c^2) + (pi - arccos c) c)/(2 pi): relu, one layer.

    With s = E sqrt(1-c^2) = G(d/2)^2/(G((d-1)/2) G((d+1)/2)): s d/(2 pi (d-1)), 1/(4d), s d/(2 pi (d-1) (d+1)^2).
    By the theorem of Funk and Hecke, eigenvalue_k = E kappa(c) P_k(c) over the law (1-c^2)^((d-3)/2) of c.
    """
    proof = Proof()
    n = sp.Symbol("n", positive=True)
    dimension = sp.Symbol("d", positive=True)
    for value in (1, 2, sp.Rational(1, 2)):
        integral = sp.integrate((1 - c**2) ** value, (c, -1, 1))
        proof.equal(f"integral of (1-c^2)^n, n = {value}", integral, _beta(sp.sympify(value)))
    recursion = _beta(n) / _beta(n - 1)
    proof.equal("for all n: by parts", sp.simplify(sp.expand_func(recursion)), 2 * n / (2 * n + 1))
    proof.note("pi - arccos c = pi/2 + arcsin c: kappa = c/4 + (sqrt(1-c^2) + c arcsin c)/(2 pi), odd and even part")
    half = (dimension - 3) / 2
    mean = {
        m: sp.simplify(sp.expand_func(_beta(half + m) / _beta(half))) for m in (sp.Rational(1, 2), 1, sp.Rational(3, 2))
    }
    s = sp.gamma(dimension / 2) ** 2 / (sp.gamma((dimension - 1) / 2) * sp.gamma((dimension + 1) / 2))
    proof.equal("E sqrt(1-c^2)", sp.gammasimp(mean[sp.Rational(1, 2)] / s), 1)
    proof.equal("E c^2, so that eigenvalue 1 = E c^2/4", 1 - mean[1], 1 / dimension)
    x = sp.Symbol("x", real=True)
    primitive = -((1 - x**2) ** n) / (2 * n)
    proof.equal("c (1-c^2)^(n-1) has a primitive", sp.Derivative(primitive, x), x * (1 - x**2) ** (n - 1))
    proof.note("by parts, arcsin' = (1-c^2)^(-1/2): E c arcsin c = E sqrt(1-c^2)/(d-1), 2n = d - 1")
    first = s * dimension / (2 * PI * (dimension - 1))
    proof.equal("eigenvalue 0", (s + s / (dimension - 1)) / (2 * PI), first)
    third = sp.simplify(sp.expand_func(_beta(n + 1) / _beta(n)).subs(n, half + sp.Rational(1, 2)))
    proof.equal("E (1-c^2)^(3/2)/E sqrt(1-c^2)", third, dimension / (dimension + 1))
    proof.note("c^3 = c - c (1-c^2): E c^3 arcsin c = s/(d-1) - E (1-c^2)^(3/2)/(d+1)")
    root2 = s * (1 - dimension / (dimension + 1))  # E c^2 sqrt(1-c^2)
    arc2 = s / (dimension - 1) - s * dimension / (dimension + 1) ** 2  # E c^3 arcsin c
    even = (dimension * (root2 + arc2) - s - s / (dimension - 1)) / (dimension - 1) / (2 * PI)
    second = s * dimension / (2 * PI * (dimension - 1) * (dimension + 1) ** 2)
    proof.equal("eigenvalue 2, P_2 = (d c^2 - 1)/(d - 1)", sp.simplify(even / s), sp.simplify(second / s))
    return proof.claim((dimension,), (first, 1 / (4 * dimension), second), Domain(()))


def cube_eigenvalue() -> Claim:
    """Eigenvalue of a parity of k of d bits: ((1 - S)/2)^k ((1 + S)/2)^(d-k) kappa at c = 1.

    (S kappa)(c) = kappa(c - 2/d). Source: Yang & Salman, arXiv:1907.10599.
    """
    proof = Proof()
    proof.note("eigenvalue = E kappa(x.1/d) x_1 .. x_k over uniform signs, since parities are eigenfunctions")
    z = sp.Symbol("z", real=True)
    wave, shift = sp.exp(z * c), sp.exp(-2 * z / d)
    proof.equal("a flipped sign takes c to c - 2/d; on e^(z c)", sp.expand(wave.subs(c, c - 2 / d)), wave * shift)
    plus, minus = sp.exp(z / d), sp.exp(-z / d)
    proof.equal("a free bit: its mean", (plus + minus) / 2, plus * (1 + shift) / 2)
    proof.equal("a bit of the parity: x times it", (plus - minus) / 2, plus * (1 - shift) / 2)
    proof.note("product over bits, and e^(z d/d) = e^z at c = 1; any kappa on the d + 1 points is a sum of e^(z c)")
    size, order = 3, 2
    series = [sp.binomial(size - order, i) for i in range(size - order + 1)]
    t = sp.Symbol("t")
    operator = sp.expand(((1 - t) / 2) ** order * ((1 + t) / 2) ** (size - order))
    direct = sum(
        a * b * sp.Rational(1, 2**size) * t ** (sp.Rational(3 - (a + b + e), 2))
        for a in (1, -1) for b in (1, -1) for e in (1, -1)
    )  # fmt: skip
    proof.equal(f"directly, d = 3, k = 2 ({sum(series)} free values)", operator, sp.expand(direct))
    return proof.claim((c, d), shift, Domain(()))
