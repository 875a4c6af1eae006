"""E phi(u) phi(v) in closed form, for sums of polynomials times e^{a x^2 + b x}, a <= 0 real, b complex (waves).

    E u^m v^n e^{a1 u^2 + a2 v^2 + b1 u + b2 v} = D^{-1/2} e^{(b1 mu1 + b2 mu2)/2} M_mn
    D = 1 - 2 a1 q1 - 2 a2 q2 + 4 a1 a2 (q1 q2 - q12^2),  S11 = (q1 - 2 a2 (q1 q2 - q12^2))/D,  S12 = q12/D,  S22 alike
    mu1 = S11 b1 + S12 b2,  mu2 = S12 b1 + S22 b2
    M_mn = mu1 M_{m-1,n} + (m - 1) S11 M_{m-2,n} + n S12 M_{m-1,n-1}

The integrals are put together as expressions; no machine integrates. Proof: derivations/gaussian_integrals.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp

from theorysim.errors import ProblemError

X = sp.Symbol("x", real=True)
Q1, Q2, Q12 = sp.symbols("q1 q2 q12", real=True)
HIGHEST_DEGREE = 20
MOST_EXPONENTIALS = 8

Pair = tuple[Any, Any]  # real and imaginary part
Terms = dict[tuple[Any, Pair], dict[int, Pair]]  # (a, b) -> power of x -> coefficient


def terms_of(phi: Any) -> Terms | None:
    """Return the polynomial that multiplies each exponential of an expression in `X`; None if it is no such sum.

    Raises
    ------
    ProblemError
        If it grows like e^{x^2}: its kernel is infinite from some variance on.
    """
    waves = {sp.sin: lambda y: (sp.exp(sp.I * y) - sp.exp(-sp.I * y)) / (2 * sp.I),
             sp.cos: lambda y: (sp.exp(sp.I * y) + sp.exp(-sp.I * y)) / 2,
             sp.sinh: lambda y: (sp.exp(y) - sp.exp(-y)) / 2,
             sp.cosh: lambda y: (sp.exp(y) + sp.exp(-y)) / 2}  # fmt: skip
    for wave, exponentials in waves.items():
        phi = phi.replace(wave, exponentials)
    found: Terms = {}
    for term in sp.Add.make_args(sp.expand(phi)):
        split = _split(term)
        if split is None:
            return None
        key, power, coefficient = split
        powers = found.setdefault(key, {})
        powers[power] = _sum(powers.get(power, (0, 0)), coefficient)
    small = len(found) <= MOST_EXPONENTIALS and max(max(powers) for powers in found.values()) <= HIGHEST_DEGREE
    return found if small else None


def _split(term: Any) -> tuple[tuple[Any, Pair], int, Pair] | None:
    """Return ((a, b), n, coefficient) of coefficient x^n e^{a x^2 + b x}."""
    constant, rest = term.as_independent(X, as_Add=False)
    exponent, power = sp.Integer(0), 0
    for factor in sp.Mul.make_args(rest):
        base, n = factor.as_base_exp()
        if isinstance(factor, sp.exp):
            exponent += factor.args[0]
        elif base == X and n.is_Integer and n > 0:
            power += int(n)
        elif factor != 1:
            return None
    if not exponent.is_polynomial(X) or sp.degree(exponent, X) > 2:
        return None
    a, b, c = (exponent.expand().coeff(X, k) for k in (2, 1, 0))
    if not a.is_real:
        return None
    if a > 0:
        raise ProblemError("activation: `expression` must not grow like e^(x^2), whose kernel is infinite")
    return (a, b.as_real_imag()), power, (constant * sp.exp(c)).as_real_imag()


def mean_of_product(terms: Terms) -> Any:
    """Return E phi(u) phi(v) as an expression in `Q1`, `Q2`, `Q12`."""
    total = sp.Integer(0)
    for (a1, b1), one in terms.items():
        for (a2, b2), two in terms.items():
            total += _weighted(a1, b1, one, a2, b2, two)
    return total


def _weighted(a1: Any, b1: Pair, one: dict[int, Pair], a2: Any, b2: Pair, two: dict[int, Pair]) -> Any:
    """Return the real part of the mean of one pair of exponentials with their polynomials."""
    determinant = Q1 * Q2 - Q12**2
    d = 1 - 2 * a1 * Q1 - 2 * a2 * Q2 + 4 * a1 * a2 * determinant
    s11, s12, s22 = (Q1 - 2 * a2 * determinant) / d, Q12 / d, (Q2 - 2 * a1 * determinant) / d
    mu1, mu2 = (_sum(_times((s, 0), b1), _times((t, 0), b2)) for s, t in ((s11, s12), (s12, s22)))
    growth, angle = _sum(_times(b1, mu1), _times(b2, mu2))

    @cache
    def moment(m: int, n: int) -> Pair:
        if m == 0:
            return (sp.Integer(1), sp.Integer(0)) if n == 0 else _moment_of_one(mu2, s22, n)
        found = _times(mu1, moment(m - 1, n))
        if m > 1:
            found = _sum(found, _times(((m - 1) * s11, 0), moment(m - 2, n)))
        return _sum(found, _times((n * s12, 0), moment(m - 1, n - 1))) if n else found

    polynomial: Pair = (sp.Integer(0), sp.Integer(0))
    for m, first in one.items():
        for n, second in two.items():
            polynomial = _sum(polynomial, _times(_times(first, second), moment(m, n)))
    real = sp.cos(angle / 2) * polynomial[0] - sp.sin(angle / 2) * polynomial[1]
    return sp.exp(growth / 2) * real / sp.sqrt(d)


def _moment_of_one(mu: Pair, s: Any, n: int) -> Pair:
    """Return E (mu + g)^n, g ~ N(0, s)."""
    before: Pair = (sp.Integer(0), sp.Integer(0))
    now: Pair = (sp.Integer(1), sp.Integer(0))
    for k in range(n):
        before, now = now, _sum(_times(mu, now), _times((k * s, 0), before))
    return now


def _sum(one: Pair, two: Pair) -> Pair:
    return one[0] + two[0], one[1] + two[1]


def _times(one: Pair, two: Pair) -> Pair:
    return one[0] * two[0] - one[1] * two[1], one[0] * two[1] + one[1] * two[0]
