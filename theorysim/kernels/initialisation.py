"""Standard deviations with which a deep network starts at the edge of chaos, and what its signals do there.

Limit    Width -> infinity.
Valid    Activations without jumps for which a variance is reached that keeps gradients alive over the depth: all
         built-in ones but powers and exponentials.
Error    Rounding of the recursion over the layers.
Sources  [Roberts2022] for the classes, [Schoenholz2017] for the depth limit. Proof: derivations/criticality.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.errors import ProblemError
from theorysim.infinite.moments import moments
from theorysim.infinite.variance_map import reached
from theorysim.infinite.variance_table import table_of
from theorysim.kernels.arguments import checked_activation, checked_whole
from theorysim.kernels.criticality import SURVIVAL
from theorysim.kernels.edge_of_chaos import Universality, critical_point, universality
from theorysim.problem.network import LARGEST_DEPTH

Array = NDArray[np.float64]

_REFINEMENTS = 5  # of the weight variance, by a factor of 40 each


@dataclass(frozen=True, kw_only=True)
class Initialisation:
    """Where to start, and why.

    Attributes
    ----------
    weight_std, bias_std : float
        sw, sb of every layer: W ~ N(0, sw^2/fan-in), b ~ N(0, sb^2).
    input_variance : float
        |x|^2/d that the inputs are assumed to have: K* = sw^2 |x|^2/d + sb^2 where the class is half-stable, else 1.
    universality : str
        Class of the activation.
    variance : float
        Variance of the pre-activations in the last hidden layer.
    gradient_factor : float
        Mean square of the gradient with respect to the first hidden layer over that with respect to the last.
    why : str
        One sentence.
    """

    weight_std: float
    bias_std: float
    input_variance: float
    universality: str
    variance: float
    gradient_factor: float
    why: str


def recommended_initialisation(activation: str | Activation, depth: int) -> Initialisation:
    """Return the initialisation for a network of `depth` hidden layers.

    Parameters
    ----------
    activation : str or Activation
    depth : int

    Raises
    ------
    ProblemError
        For wrong arguments, and where no variance keeps gradients as they are and is reached.
    """
    where = "kernels.recommended_initialisation"
    phi = checked_activation(where, activation)
    depth = checked_whole(where, "depth", depth, 1, LARGEST_DEPTH)
    kind = universality(phi)
    weight, bias, inputs, text = _point(where, phi, kind, depth)
    variance, gradient = _through(phi, weight, bias, inputs, depth)
    effect = f"after {depth} layers the variance is {variance:.3g} and squared gradients change by {gradient:.3g}"
    return Initialisation(
        weight_std=math.sqrt(weight), bias_std=math.sqrt(bias), input_variance=inputs, universality=kind.name,
        variance=variance, gradient_factor=gradient, why=f"{phi.name}: {text}; {effect}",
    )  # fmt: skip


def _point(where: str, phi: Activation, kind: Universality, depth: int) -> tuple[float, float, float, str]:
    """Return sw^2, sb^2, the variance of the inputs, and the reason."""
    if kind.weight_variance is None or kind.bias_variance is None:
        found = _on_the_line(phi) or _ordered(phi, depth)
        if found is None:
            raise ProblemError(
                f"{where}: `activation` must have a variance that is reached and keeps gradients alive, got {phi.name}"
            )
        weight, bias, text = found
        return weight, bias, 1.0, f"no variance keeps both slopes at 1; {text}"
    weight, bias = kind.weight_variance, kind.bias_variance
    if kind.name == "scale-invariant":
        return weight, bias, 1.0, "phi(t u) = t phi(u), so both slopes are 1 at every variance"
    if kind.variance == 0.0:
        return weight, bias, 1.0, "both slopes are 1 at variance 0, which is approached as a power of the depth"
    inputs = ((kind.variance or 0.0) - bias) / weight
    text = f"both slopes are 1 at the half-stable variance K* = {kind.variance:.6g}; scale inputs to |x|^2/d = "
    return weight, bias, inputs, f"{text}{inputs:.4g} to start there"


def _on_the_line(phi: Activation) -> tuple[float, float, str] | None:
    """Return sw^2 and sb^2 of the point on the critical line that exists, is stable, and lies closest to q = 1."""
    table = table_of(phi, 1e6)
    q = table.q[table.means.slope > 0.0]
    weight, bias, parallel = critical_point(phi, q)
    good = np.flatnonzero((bias >= 0.0) & (np.abs(parallel) < 1.0))
    if not len(good):
        return None
    best = good[np.argmin(np.abs(np.log(q[good])))]
    text = f"on the critical line (chi_perp = 1: gradients stay) the variance settles at {q[best]:.3g}"
    return float(weight[best]), float(bias[best]), text


def _ordered(phi: Activation, depth: int) -> tuple[float, float, str] | None:
    """Return the smallest sw^2 without biases in the ordered phase whose depth limit is at least `depth`."""
    needed, low, high = math.exp(-SURVIVAL / depth), 1e-4, 1e4
    for _ in range(_REFINEMENTS):
        weights = np.geomspace(low, high, 41)
        ends = reached(phi, weights, np.zeros_like(weights), weights)
        short = np.isfinite(ends.q) & (ends.chi_perp < needed)
        first = int(np.argmin(short))  # beyond, signals live or explode
        if short.all() or first == 0:
            return None
        low, high = float(weights[first - 1]), float(weights[first])
    chi = float(ends.chi_perp[first])
    if not needed <= chi < 1.0 or math.isinf(ends.q[first]):
        return None
    return high, 0.0, f"in the ordered phase without biases chi_perp = {chi:.3g}, and signals survive {depth} layers"


def _through(phi: Activation, weight: float, bias: float, inputs: float, depth: int) -> tuple[float, float]:
    """Return the variance in layer `depth` and the product of chi_perp over the layers before it."""
    q, gradient = np.array([weight * inputs + bias]), 1.0
    for _ in range(depth - 1):
        means = moments(phi, q)
        gradient *= float(weight * means.slope[0])
        q = weight * means.square + bias
    return float(q[0]), gradient
