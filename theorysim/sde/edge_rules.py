"""What a central flow knows: a loss with its derivatives, and a rule, the plug-in of an optimizer.

    step w <- w - P^-1 m,  m <- b m + (1 - b) grad f;  stable where (2 (1 + b)/(1 - b)) P - H >= 0

Sources  [Cohen2021], [Cohen2025]; see sde/edge.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError
from theorysim.problem.validation import is_real, one_of, shown

Array = NDArray[np.float64]
SPACING = 1e-4
"""Relative spacing of the differences that stand for a derivative."""


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss with its gradient and Hessian-vector products.

    Parameters
    ----------
    value, gradient : callable
        w -> f(w) and w -> grad f(w), shape (p,).
    product : callable, optional
        (w, x) -> H(w) x; default: from `hessian`, or differences of the gradient.
    hessian : callable, optional
        w -> H(w), shape (p, p): faster where p is small.
    """

    value: Callable[[Array], float]
    gradient: Callable[[Array], Array]
    product: Callable[[Array, Array], Array] | None = None
    hessian: Callable[[Array], Array] | None = None

    def times(self, w: Array, x: Array) -> Array:
        """Return H(w) x."""
        if self.product is not None:
            return np.asarray(self.product(w, x))
        if self.hessian is not None:
            return np.asarray(self.hessian(w) @ x)
        step = self.spacing(w, x)
        return np.asarray((self.gradient(w + step * x) - self.gradient(w - step * x)) / (2.0 * step))

    def third(self, w: Array, x: Array, y: Array) -> Array:
        """Return grad^3 f [x, y], shape (p,)."""
        step = 10.0 * self.spacing(w, x)
        return np.asarray((self.times(w + step * x, y) - self.times(w - step * x, y)) / (2.0 * step))

    @staticmethod
    def spacing(w: Array, x: Array) -> float:
        """Return the length of x that moves w by 1e-4 of its size."""
        return float(SPACING * (1.0 + np.linalg.norm(w)) / max(float(np.linalg.norm(x)), 1e-300))


@dataclass(frozen=True)
class Rule:
    """What a flow knows of its optimizer: a plug-in.

    Attributes
    ----------
    learning_rate : float
        eta.
    momentum : float
        b of m <- b m + (1 - b) g, w <- w - P^-1 m; heavy ball with eta/(1 - b) for its eta.
    memory : float or None
        b2 of v; None: P = 1/eta.
    epsilon : float
    """

    learning_rate: float
    momentum: float = 0.0
    memory: float | None = None
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        if not is_real(self.learning_rate) or self.learning_rate <= 0.0:
            raise ProblemError(f"edge: `learning_rate` must be a positive number, got {shown(self.learning_rate)}")
        if not is_real(self.momentum) or not 0.0 <= self.momentum < 1.0:
            raise ProblemError(f"edge: `momentum` must be in [0, 1), got {shown(self.momentum)}")
        if self.memory is not None and (not is_real(self.memory) or not 0.0 < self.memory < 1.0):
            raise ProblemError(f"edge: `memory` must be in (0, 1), got {shown(self.memory)}")
        if not is_real(self.epsilon) or self.epsilon < 0.0:
            raise ProblemError(f"edge: `epsilon` must be a number of at least 0, got {shown(self.epsilon)}")

    @property
    def threshold(self) -> float:
        """Largest stable eigenvalue of P^-1 H."""
        return 2.0 * (1.0 + self.momentum) / (1.0 - self.momentum)

    def preconditioner(self, squares: Array) -> Array:
        """Return the diagonal of P, shape (p,)."""
        if self.memory is None:
            return np.full_like(squares, 1.0 / self.learning_rate)
        return np.asarray((np.sqrt(squares) + self.epsilon) / self.learning_rate)


def gradient_descent(*, learning_rate: float) -> Rule:
    """Return the rule of gradient descent."""
    return Rule(learning_rate)


def heavy_ball(*, learning_rate: float, momentum: float) -> Rule:
    """Return the rule of v <- b v - eta g, w <- w + v."""
    return Rule(learning_rate / (1.0 - momentum), momentum)


def rmsprop(*, learning_rate: float, memory: float, epsilon: float = 0.0) -> Rule:
    """Return the rule of RMSprop, v updated first."""
    return Rule(learning_rate, 0.0, memory, epsilon)


def adam(*, learning_rate: float, beta1: float, beta2: float, epsilon: float = 0.0) -> Rule:
    """Return the rule of Adam without bias correction."""
    return Rule(learning_rate, beta1, beta2, epsilon)


FLOWS: Mapping[str, Callable[..., Rule]] = {
    "gradient-descent": gradient_descent, "heavy-ball": heavy_ball, "rmsprop": rmsprop, "adam": adam,
}  # fmt: skip
"""The rules by name."""


def rule(name: str, **settings: float) -> Rule:
    """Return a rule by its name in `FLOWS`, with its own keywords."""
    if name not in FLOWS:
        raise ProblemError(f"edge: `name` {one_of(name, FLOWS)}")
    return FLOWS[name](**settings)
