"""Whether an equation can be believed: noise against signal, how far scaling rules hold, how Gaussian the noise is.

    linear rule (B, eta) -> (kappa B, kappa eta):   kappa_max = 1 + (1 - 1/C^2) N/G
    N = tr Sigma, G = E |grad f|^2, stationary at (B, eta); C^2 = factor of the loss that is allowed

Valid    stationary states of SGD without momentum on objectives whose moments close.
Error    the rule is first order in kappa G/N; `linear_scaling_limit` beside it is exact.
Sources  [Li2021], sharpened here: G grows with kappa. Proof: derivations/stochastic.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.stochastic import scaling_limit
from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD
from theorysim.problem.validation import is_real, shown
from theorysim.sde.linear import Recursion, stationary
from theorysim.sde.model import Model

Array = NDArray[np.float64]
LARGEST_SKEWNESS = 0.5
"""|skewness|/sqrt B of the gradient noise above which it is not taken for Gaussian."""
DIRECTIONS = 10
ACCURACY = 1e-6


@dataclass(frozen=True)
class Validity:
    """What decides whether the equation describes the steps.

    Attributes
    ----------
    noise_to_signal : float
        N/G, stationary; large where the equation holds.
    predicted_limit, exact_limit : float
        Largest factor of batch and learning rate at which the linear rule keeps the stationary excess loss within
        `factor` (squared C); the second one from the algorithm itself (inf: it holds for all stable ones).
    factor : float
        C^2.
    skewness : float
        Largest |skewness|/sqrt B of the gradient noise at the minimum along its leading directions; 0 for Gaussian
        noise.
    gaussian : bool
        Whether that is below 0.5.
    """

    noise_to_signal: float
    predicted_limit: float
    exact_limit: float
    factor: float
    skewness: float

    @property
    def gaussian(self) -> bool:
        """Whether the noise may be taken for Gaussian."""
        return self.skewness <= LARGEST_SKEWNESS

    def __str__(self) -> str:
        """Say it in three lines."""
        doubt = "" if self.gaussian else ": not Gaussian, the equation has the wrong noise"
        return (
            f"noise over signal {self.noise_to_signal:.3g}\n"
            f"linear scaling keeps the loss within {self.factor:.3g} up to {self.predicted_limit:.3g} times the batch "
            f"(exact: {self.exact_limit:.3g})\n"
            f"skewness of the gradient noise {self.skewness:.2g}{doubt}"
        )


def validity(model: Model, *, factor: float = 2.0) -> Validity:
    """Return the report on a model of SGD.

    Parameters
    ----------
    model : Model
        Of minibatch SGD without momentum.
    factor : float
        C^2 > 1: the loss may grow by this factor.

    Raises
    ------
    ProblemError
        For other optimizers, or a factor of at most 1.
    FloatingPointError
        If SGD is unstable.
    """
    if not isinstance(model, Model):
        raise ProblemError("sde: `model` must have exact moments; measure others by sde.trust(model, start, steps)")
    optimizer = model.optimizer
    if not isinstance(optimizer, SGD) or optimizer.momentum or optimizer.batch is None:
        raise ProblemError("sde: `model` must be of minibatch SGD without momentum for scaling rules")
    if not is_real(factor) or factor <= 1.0:
        raise ProblemError(f"sde: `factor` must be a finite number above 1, got {shown(factor)}")
    base = _stationary(model, 1.0)
    noise = model.algorithm.strength * float(np.trace(model.objective.noise(base)))
    gradient = model.objective.gradient
    signal = float(np.trace(gradient @ base @ gradient.T))
    ratio = noise / signal
    limit = linear_scaling_limit(model, factor)
    return Validity(ratio, scaling_limit(ratio, factor), limit, factor, _skewness(model))


def linear_scaling_limit(model: Model, factor: float) -> float:
    """Return the largest kappa at which the stationary excess loss at (kappa B, kappa eta) is within `factor`."""
    allowed = factor * _excess(model, 1.0)
    high = 2.0
    while high < 1e9 and _excess(model, high) <= allowed:
        high *= 2.0
    if high >= 1e9:
        return float("inf")
    low = 0.5 * high
    while high - low > ACCURACY * low:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _excess(model, middle) <= allowed else (low, middle)
    return low


def _scaled(model: Model, kappa: float) -> Recursion:
    """Return the algorithm at (kappa B, kappa eta)."""
    a = model.algorithm
    eye = np.eye(len(a.matrix))
    return replace(a, matrix=eye + kappa * (a.matrix - eye), kick=kappa * a.kick, strength=a.strength / kappa)


def _stationary(model: Model, kappa: float) -> Array:
    system = _scaled(model, kappa)
    if system.growth() >= 1.0:
        raise FloatingPointError("sde: nothing is stationary at this learning rate: second moments grow")
    with single_thread():
        return stationary(system)


def _excess(model: Model, kappa: float) -> float:
    try:
        return model.objective.loss(_stationary(model, kappa)) - model.objective.minimum
    except FloatingPointError:
        return float("inf")


def _skewness(model: Model) -> float:
    """Return the largest |skewness|/sqrt B of a sample's gradient at the minimum, along leading directions."""
    o, batch = model.objective, getattr(model.optimizer, "batch", None)
    if o.samples is None or batch is None:
        return 0.0
    x = np.linalg.lstsq(o.hessian, o.slope, rcond=None)[0]
    gradients = o.samples[:, :-1] * (o.samples[:, :-1] @ x + o.samples[:, -1])[:, None]
    centred = gradients - gradients.mean(axis=0)
    values, basis = np.linalg.eigh(centred.T @ centred / len(centred))
    leading = [i for i in range(len(values)) if values[i] > 1e-12 * values[-1]][-DIRECTIONS:]
    along = centred @ basis[:, leading] / np.sqrt(values[leading])
    return float(np.abs((along**3).mean(axis=0)).max(initial=0.0) / np.sqrt(batch))
