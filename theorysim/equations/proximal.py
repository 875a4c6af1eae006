"""Activations as proximal maps: rho = prox_f = (Id + f')^{-1}, with the convex f in closed form.

    rho = prox_f for a proper closed convex f  <=>  rho is nondecreasing with slopes in [0, 1];
    f'(y) = rho^{-1}(y) - y;   prox_{a f}(v) = rho(s),  (1 - a) rho(s) + a s = v

Each f is given up to a constant, finite inside the range of rho and infinite outside. Those of relu, hardtanh and relu6
are indicators of an interval. Also here: activations that only games name (hard tanh, soft threshold, arctan, inverse
square root, softsign) with their slopes.

Domain   y in the closed range of rho (open for arctan, softsign, isru and their like where f is infinite at the edge).
Sources  [Combettes2020] for the correspondence. Proof: derivations/proximal.py.
"""

from __future__ import annotations

import math

from theorysim.backend.compile import body
from theorysim.equations.registry import equation

_ZETA_2 = math.pi * math.pi / 6.0
_TERMS = 56  # of a power series at 1/2: the first left out is below 2^-56


@equation("proximal.clip")
def clip(x: float, low: float, high: float) -> float:
    """Return x held between `low` and `high`: hard tanh at (-1, 1), relu6 at (0, 6)."""
    return low if x < low else (high if x > high else x)


@equation("proximal.clip_derivative")
def clip_derivative(x: float, low: float, high: float) -> float:
    """Return 1 inside (low, high), else 0."""
    return 1.0 if low < x < high else 0.0


@equation("proximal.soft_threshold")
def soft_threshold(x: float, t: float) -> float:
    """Return x moved by t towards 0, and 0 for |x| <= t."""
    return x - t if x > t else (x + t if x < -t else 0.0)


@equation("proximal.soft_threshold_derivative")
def soft_threshold_derivative(x: float, t: float) -> float:
    """Return 1 for |x| > t, else 0."""
    return 1.0 if abs(x) > t else 0.0


@equation("proximal.arctan")
def arctan(x: float) -> float:
    """Return (2/pi) atan(x)."""
    return 2.0 / math.pi * math.atan(x)


@equation("proximal.arctan_derivative")
def arctan_derivative(x: float) -> float:
    """Return (2/pi)/(1 + x^2)."""
    return 2.0 / math.pi / (1.0 + x * x)


@equation("proximal.isru")
def isru(x: float) -> float:
    """Return x/sqrt(1 + x^2)."""
    return x / math.hypot(1.0, x)


@equation("proximal.isru_derivative")
def isru_derivative(x: float) -> float:
    """Return (1 + x^2)^(-3/2)."""
    root = math.hypot(1.0, x)
    return 1.0 / root / root / root


@equation("proximal.softsign")
def softsign(x: float) -> float:
    """Return x/(1 + |x|)."""
    return x / (1.0 + abs(x))


@equation("proximal.softsign_derivative")
def softsign_derivative(x: float) -> float:
    """Return 1/(1 + |x|)^2."""
    return 1.0 / (1.0 + abs(x)) / (1.0 + abs(x))


@equation("proximal.leaky_relu_potential")
def leaky_relu_potential(y: float, a: float) -> float:
    """Return (1/a - 1) y^2/2 for y < 0, else 0: leaky relu of slope 0 < a <= 1."""
    return 0.5 * (1.0 / a - 1.0) * y * y if y < 0.0 else 0.0


@equation("proximal.soft_threshold_potential")
def soft_threshold_potential(y: float, t: float) -> float:
    """Return t |y|."""
    return t * abs(y)


@body
def _x_log_x(x: float) -> float:
    return x * math.log(x) if x > 0.0 else 0.0


@equation("proximal.tanh_potential")
def tanh_potential(y: float) -> float:
    """Return y atanh y + log(1 - y^2)/2 - y^2/2, which is y^4/12 for small y and log 2 - 1/2 at the edges."""
    if abs(y) > 0.5:
        return 0.5 * (_x_log_x(1.0 + y) + _x_log_x(1.0 - y) - y * y)
    square = y * y
    power, total = square, 0.0
    for k in range(2, _TERMS // 2 + 1):
        power *= square
        total += power / (2 * k * (2 * k - 1))
    return total


@equation("proximal.sigmoid_potential")
def sigmoid_potential(y: float) -> float:
    """Return y log y + (1 - y) log(1 - y) - y^2/2 on [0, 1]."""
    other = (1.0 - y) * math.log1p(-y) if y < 1.0 else 0.0
    return _x_log_x(y) + other - 0.5 * y * y


@equation("proximal.arctan_potential")
def arctan_potential(y: float) -> float:
    """Return -(2/pi) log cos(pi y/2) - y^2/2 on (-1, 1)."""
    size = abs(y)
    if size > 0.5:
        return -2.0 / math.pi * math.log(math.sin(0.5 * math.pi * (1.0 - size))) - 0.5 * y * y
    sine = math.sin(0.5 * math.pi * y)
    return -math.log1p(-sine * sine) / math.pi - 0.5 * y * y


@equation("proximal.isru_potential")
def isru_potential(y: float) -> float:
    """Return 1 - sqrt(1 - y^2) - y^2/2 = y^4/(2 (1 + sqrt(1 - y^2))^2) on [-1, 1]."""
    root = 1.0 + math.sqrt((1.0 - y) * (1.0 + y))
    ratio = y * y / root
    return 0.5 * ratio * ratio


@equation("proximal.softsign_potential")
def softsign_potential(y: float) -> float:
    """Return -|y| - log(1 - |y|) - y^2/2 on (-1, 1), which is |y|^3/3 for small y."""
    size = abs(y)
    if size > 0.5:
        return -size - math.log1p(-size) - 0.5 * y * y
    power, total = size * size, 0.0
    for k in range(3, _TERMS):
        power *= size
        total += power / k
    return total


@equation("proximal.softplus_potential")
def softplus_potential(y: float) -> float:
    """Return the dilogarithm Li_2(e^-y), y >= 0: int log(e^y - 1) dy - y^2/2."""
    z = math.exp(-y)
    if z > 0.5:
        rest = -math.expm1(-y)
        product = y * math.log(rest) if rest > 0.0 else 0.0
        return _ZETA_2 + product - _dilogarithm(rest)
    return _dilogarithm(z)


@body
def _dilogarithm(z: float) -> float:
    """Return Li_2(z) = sum z^k/k^2, 0 <= z <= 1/2."""
    power, total = 1.0, 0.0
    for k in range(1, _TERMS):
        power *= z
        total += power / (k * k)
    return total


@equation("proximal.elu_potential")
def elu_potential(y: float, a: float) -> float:
    """Return (a + y) log(1 + y/a) - y - y^2/2 for -a <= y < 0, else 0: elu of scale 0 < a <= 1."""
    if y >= 0.0:
        return 0.0
    u = y / a
    if u < -0.5:
        return a * (_x_log_x(1.0 + u) - u) - 0.5 * y * y
    power, total = u * u, 0.5 * (1.0 - a) * u * u
    for k in range(3, _TERMS):
        power *= -u
        total += power / (k * (k - 1))
    return a * total


@equation("proximal.softmax_potential")
def softmax_potential(y: float, beta: float) -> float:
    """Return y log y/beta - y^2/2, 0 <= y <= 1: what softmax(beta s) adds up over the simplex, beta <= 2."""
    return _x_log_x(y) / beta - 0.5 * y * y
