"""Modified equations of SGD on one mode of a quadratic loss: rates and diffusions, and stationary variances.

    step x' = (1 - a) x - eta xi,  a = eta h,  E xi^2 = s;  time t = k eta
    order 1          dx = -h x dt + sqrt(eta s) dW
    order 2          dx = -h (1 + a/2) x dt + sqrt(eta s) dW
    hessian-aware    dx = (log(1 - a)/eta) x dt + sqrt(D) dW:  the moments of the steps, exactly

Domain   0 <= a < 2 (stationary), a < 1 (hessian-aware).
Sources  [Li2019] (orders 1 and 2), [Li2024] (hessian-aware). Proof: derivations/stochastic.py.
"""

from __future__ import annotations

import math

from theorysim.equations.registry import equation


@equation("stochastic.matched_rate")
def matched_rate(a: float) -> float:
    """Return -log(1 - a)/a, the hessian-aware drift over that of order 1; 1 for a = 0."""
    return -math.log1p(-a) / a if abs(a) > 1e-200 else 1.0


@equation("stochastic.matched_diffusion")
def matched_diffusion(a: float, b: float) -> float:
    """Return log((1-a)(1-b))/((1-a)(1-b) - 1): the hessian-aware diffusion between two modes over that of order 1."""
    total = math.log1p(-a) + math.log1p(-b)
    return total / math.expm1(total) if abs(total) > 1e-200 else 1.0


@equation("stochastic.stationary_steps")
def stationary_steps(a: float) -> float:
    """Return the stationary variance of the steps, times h/(eta s): 1/(2 - a)."""
    return 1.0 / (2.0 - a)


@equation("stochastic.stationary_first")
def stationary_first(a: float) -> float:
    """Return the stationary variance of the order-1 equation, times h/(eta s): 1/2, whatever a."""
    return 0.5 + 0.0 * a


@equation("stochastic.stationary_second")
def stationary_second(a: float) -> float:
    """Return the stationary variance of the order-2 equation, times h/(eta s): 1/(2 + a), on the wrong side."""
    return 1.0 / (2.0 + a)


@equation("stochastic.scaling_limit")
def scaling_limit(noise_to_signal: float, factor: float) -> float:
    """Return 1 + (1 - 1/C^2) N/G, the factor of batch and learning rate at which the loss has grown by C^2."""
    return 1.0 + (factor - 1.0) / factor * noise_to_signal
