"""Dual maps of phi(x) = a e^{b x}.

    T = a^2 e^{b^2 (q1 + q2 + 2 q12)/2},  Tdot = b^2 T

Domain   q1, q2 >= 0, |q12| <= sqrt(q1 q2); infinite from b^2 q of about 355, which depth reaches quickly.
Sources  the moment generating function of a Gaussian. Proof: derivations/dual_exponential.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from theorysim.backend.compile import body
from theorysim.backend.mathfun import exp
from theorysim.equations.registry import equation

Body = Callable[..., Any]


@equation("dual_exponential.kernel")
def kernel(q1: float, q2: float, q12: float, a: float, b: float) -> tuple[float, float]:
    """Return (T, Tdot) of one pair."""
    t = a * a * exp(0.5 * b * b * (q1 + q2 + 2.0 * q12))
    return t, b * b * t


@equation("dual_exponential.diagonal")
def diagonal(q: float, a: float, b: float) -> tuple[float, float]:
    """Return (E phi(u)^2, E phi'(u)^2) for u ~ N(0, q)."""
    t = a * a * exp(2.0 * b * b * q)
    return t, b * b * t


@cache
def exponential(a: float, b: float) -> tuple[Body, Body, Body]:
    """Return the bodies (prepare, pair, diagonal) of a e^{b x}."""

    @body
    def prepare_exponential(q: float) -> tuple[float, float]:
        return q, 0.0

    @body
    def pair_exponential(q12: float, a1: float, b1: float, a2: float, b2: float) -> tuple[float, float]:
        return kernel(a1, a2, q12, a, b)

    @body
    def diagonal_exponential(q: float) -> tuple[float, float]:
        return diagonal(q, a, b)

    return prepare_exponential, pair_exponential, diagonal_exponential
