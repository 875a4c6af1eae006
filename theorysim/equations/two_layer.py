"""A two-layer linear network on one sample, at any width: three numbers close on themselves.

    f = (1/n) a.h,  A = |a|^2/n,  B = |h|^2/n;   lr eta n (muP), loss (f - y)^2/2, input of length 1

Domain   any real arguments; at width n start from (a.h, |a|^2, |h|^2)/n, at infinite width from (0, 1, 1).
Sources  [Yang2021] for the parameterization. Proof: derivations/two_layer.py.
"""

from __future__ import annotations

from theorysim.equations.registry import equation


@equation("two_layer.linear_step")
def linear_step(f: float, a: float, b: float, push: float) -> tuple[float, float, float]:
    """Return (f, A, B) after a step with push = eta (y - f)."""
    square = push * push
    return (
        f + push * (a + b) + square * f,
        a + 2.0 * push * f + square * b,
        b + 2.0 * push * f + square * a,
    )
