"""Slow and deterministic flows of stochastic gradient descent: what enters them in closed form.

    local SGD      psi(x) = (e^-x - 1 + x)/x,  x = 2 eta h H: spread of K workers that average every H steps
    label noise    R(h) = -((1 + beta)/(2 eta)) log(1 - a/(2 (1 + beta))),  a = eta h: what label noise minimises
    sampling       a (1 + beta)/((1 - beta)(2 (1 + beta) - a)): loss that heavy ball makes of a unit of loss, per mode
    zeroth order   a/(n (2 - a) - a): the same of n random probes
    edge           y^2/2 - alpha log|x| + beta x^2/4: energy of x' = -(1 + eta y) x, y' = y + eta (alpha - beta x^2/2)
    diagonal nets  q(z) = 2 - sqrt(4 + z^2) + z asinh(z/2): what gradient flow of u^2 - v^2 minimises

Domain   x >= 0; 0 <= a < 2 (1 + beta), 0 <= beta < 1; a < 2 n/(n + 1); x != 0 in the energy; z real.
Sources  [Gu2023], [Damian2021], [Malladi2023], [Damian2023], [Woodworth2020]. Proof: derivations/flows.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("flows.local_spread")
def local_spread(x: float) -> float:
    """Return psi(x) = (e^-x - 1 + x)/x; 0 for x = 0, 1 for large x."""
    if x > 1.0:
        return (math.expm1(-x) + x) / x
    term, total = 0.5 * x, 0.0
    for k in range(3, 22):  # x/2 - x^2/6 + ...: the first term left out is below 1e-21
        total += term
        term *= -x / k
    return total


@equation("flows.label_regularizer")
def label_regularizer(a: float, beta: float) -> float:
    """Return eta R = -((1 + beta)/2) log(1 - a/(2 (1 + beta))); a/4 for small a."""
    return -0.5 * (1.0 + beta) * math.log1p(-0.5 * a / (1.0 + beta))


@equation("flows.sampling_gain")
def sampling_gain(a: float, beta: float) -> float:
    """Return a (1 + beta)/((1 - beta)(2 (1 + beta) - a)): the loss diverges where its sum over modes reaches 1."""
    return a * (1.0 + beta) / ((1.0 - beta) * (2.0 * (1.0 + beta) - a))


@equation("flows.probe_gain")
def probe_gain(a: float, n: int) -> float:
    """Return a/(n (2 - a) - a): zeroth-order descent diverges where its sum over modes reaches 1."""
    return a / (n * (2.0 - a) - a)


@equation("flows.hyperbolic_potential")
def hyperbolic_potential(z: float) -> float:
    """Return q(z) = 2 - sqrt(4 + z^2) + z asinh(z/2): z^2/4 for small z, |z| log |z| for large z."""
    size = abs(z)
    return size * math.asinh(0.5 * size) - size * (size / (2.0 + math.hypot(2.0, size)))


@equation("flows.stabilization_energy")
def stabilization_energy(x: float, y: float, progressive: float, restoring: float) -> float:
    """Return y^2/2 - alpha log|x| + beta x^2/4, kept by the cubic model at the edge of stability for small steps."""
    return 0.5 * y * y - progressive * math.log(abs(x)) + 0.25 * restoring * x * x
