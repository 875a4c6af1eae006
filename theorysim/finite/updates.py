"""Update rules in place: gradient descent, heavy ball, Nesterov, penalties, Adam.

    p = a g + weight_decay theta + kappa ridge (theta - theta_0)
    buf <- momentum buf + p,  theta <- theta - eta_k buf          (Nesterov: theta - eta_k (p + momentum buf))

with the rates a of the parameterization, one for each weight matrix and one for each bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.compile import compiled
from theorysim.finite.network import Parameters
from theorysim.problem import SGD, Adam, GradientFlow, Layers, Training

Array = NDArray[np.float64]
Update: TypeAlias = Callable[[int, Parameters], None]  # (step, gradients) -> None, changes the parameters


@compiled
def _descend(theta: Any, g: Any, rate: Any) -> None:
    for i in range(theta.size):
        theta[i] -= rate * g[i]


@compiled
def _accumulate(theta: Any, g: Any, buffer: Any, a: Any, momentum: Any, on_buffer: Any, on_gradient: Any) -> None:
    for i in range(theta.size):
        p = a * g[i]
        buffer[i] = momentum * buffer[i] + p
        theta[i] -= on_buffer * buffer[i] + on_gradient * p


@compiled
def _penalise(g: Any, theta: Any, start: Any, a: Any, weight_decay: Any, ridge: Any) -> None:
    for i in range(theta.size):
        g[i] = a * g[i] + weight_decay * theta[i] + ridge * (theta[i] - start[i])


@compiled
def _adapt(
    theta: Any, g: Any, m: Any, v: Any, scale: Any, shrink: Any, rate: Any,
    b1: Any, b2: Any, c1: Any, c2: Any, epsilon: Any,
) -> None:  # fmt: skip
    for i in range(theta.size):
        s = scale * g[i]
        m[i] = b1 * m[i] + (1.0 - b1) * s
        v[i] = b2 * v[i] + (1.0 - b2) * s * s
        theta[i] = shrink * theta[i] - rate * (m[i] / c1) / (np.sqrt(v[i] / c2) + epsilon)


def flat(p: Parameters) -> list[Array]:
    """Return one-dimensional views of all arrays, weights first."""
    return [array.reshape(-1) for array in p.arrays]


class Penalties:
    """Weight decay and the ridge about the initialisation, added to a g in place."""

    def __init__(self, p: Parameters, rates: Sequence[float], weight_decay: float, ridge: float) -> None:
        self.theta, self.rates = flat(p), rates
        self.start = flat(p.copy()) if ridge else self.theta
        self.weight_decay, self.ridge = weight_decay, ridge

    def add(self, gradients: list[Array]) -> None:
        """g <- a g + weight_decay theta + ridge (theta - theta_0)."""
        for g, theta, start, a in zip(gradients, self.theta, self.start, self.rates, strict=True):
            _penalise(g, theta, start, a, self.weight_decay, self.ridge)


class Descent:
    """SGD with or without momentum (PyTorch's semantics, no dampening)."""

    def __init__(self, optimizer: SGD, rates: Sequence[float], p: Parameters, kappa: float, etas: Array) -> None:
        self.theta, self.rates, self.etas = flat(p), rates, etas
        self.momentum, self.nesterov = optimizer.momentum, optimizer.nesterov
        self.buffers = flat(p.zeros()) if optimizer.momentum else []
        self.views: tuple[Parameters, list[Array]] | None = None
        self.penalties: Penalties | None = None
        if optimizer.weight_decay or optimizer.ridge:
            self.penalties = Penalties(p, rates, optimizer.weight_decay, kappa * optimizer.ridge)
            self.rates = [1.0] * len(rates)

    def __call__(self, step: int, gradients: Parameters) -> None:
        """Update the parameters with the gradients of `step`; spends the gradients."""
        if self.views is None or self.views[0] is not gradients:  # the same arrays at every step of a run
            self.views = gradients, flat(gradients)
        g = self.views[1]
        if self.penalties is not None:
            self.penalties.add(g)
        if self.momentum:
            self._with_momentum(float(self.etas[step]), g)
            return
        for theta, gradient, a in zip(self.theta, g, self.rates, strict=True):
            if a:
                _descend(theta, gradient, float(self.etas[step]) * a)

    def _with_momentum(self, eta: float, g: list[Array]) -> None:
        on_buffer, on_gradient = (eta * self.momentum, eta) if self.nesterov else (eta, 0.0)
        for theta, gradient, buffer, a in zip(self.theta, g, self.buffers, self.rates, strict=True):
            if a:
                _accumulate(theta, gradient, buffer, a, self.momentum, on_buffer, on_gradient)


class Adaptive:
    """Adam with bias correction and decoupled weight decay.

    Parameters
    ----------
    scales, rates : sequence of float and ndarray, one number per array
        Moments and epsilon act on scale * g; the step size of an array is eta_k * rate.
    """

    def __init__(self, optimizer: Adam, scales: Sequence[float], rates: Array, p: Parameters, etas: Array) -> None:
        self.theta, self.optimizer, self.etas = flat(p), optimizer, etas
        self.scales, self.rates = scales, rates.tolist()
        self.first, self.second = flat(p.zeros()), flat(p.zeros())

    def __call__(self, step: int, gradients: Parameters) -> None:
        """Update the parameters with the gradients of `step`."""
        o, eta = self.optimizer, float(self.etas[step])
        c1, c2 = 1.0 - o.beta1 ** (step + 1), 1.0 - o.beta2 ** (step + 1)
        rows = zip(self.theta, flat(gradients), self.first, self.second, self.scales, self.rates, strict=True)
        for theta, g, m, v, scale, rate in rows:
            shrink = 1.0 - eta * o.weight_decay
            _adapt(theta, g, m, v, scale, shrink, eta * rate, o.beta1, o.beta2, c1, c2, o.epsilon)


def adam_scales(layers: Layers, parameterization: str, gamma0: float) -> tuple[list[float], list[float]]:
    """Return what multiplies gradients and step sizes of Adam, weights first, then biases (conventions, 4)."""
    n, depth = layers.widths, len(layers.widths) - 2
    if parameterization == "standard":
        return [1.0] * (2 * depth + 2), [1.0] * (2 * depth + 2)
    width = n[-2]
    gamma0 = gamma0 if parameterization == "mup" else width**-0.5
    scales = [gamma0 * width] * depth + [gamma0 * width**0.5]
    weights = [gamma0 / n[i] for i in range(depth)] + [gamma0 / width**0.5]
    return scales * 2, weights + [gamma0] * depth + [gamma0 * width**0.5]


def update_rule(training: Training, p: Parameters) -> Update:
    """Return the update rule of a run: a function of (step, gradients) that changes `p` in place."""
    optimizer, layers, network = training.optimizer, training.layers, training.network
    if isinstance(optimizer, GradientFlow):
        raise TypeError("gradient flow has no steps")
    etas = optimizer.step_sizes(training.steps or 0)
    if isinstance(optimizer, SGD):
        return Descent(optimizer, step_factors(layers), p, training.kappa, etas)
    scales, rates = adam_scales(layers, network.parameterization, network.gamma0 or 0.0)
    return Adaptive(optimizer, scales, np.array(rates) * _layer_factors(optimizer, network.depth + 1), p, etas)


def step_factors(layers: Layers) -> list[float]:
    """Return the factors of eta of all arrays, weights first: 0 for biases that are not there."""
    return [float(a) for a in (*layers.weight_steps, *layers.bias_steps)]


def _layer_factors(optimizer: Adam, layers: int) -> Array:
    """Return the user's factors of the learning rate of all arrays, weights first."""
    given = (optimizer.layer_rates, optimizer.bias_layer_rates)
    return np.concatenate([np.ones(layers) if one is None else np.broadcast_to(one, layers) for one in given])
