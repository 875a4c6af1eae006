"""RMSprop and Adam on quadratics: the moments of their equations, exactly, and the algorithms beside them.

    RMSprop   dx = -P^-1 (grad f dt + s0 Sigma^1/2 dW),   du = c2 (diag Sigma - u) dt,   P = s0 sqrt(u) + e0
    Adam      dx = -(sqrt(g2)/g1) P^-1 m dt,   dm = c1 (grad f - m) dt + s0 c1 Sigma^1/2 dW,   g_i = 1 - e^(-c_i t)
              P = s0 sqrt(u) + e0 sqrt(g2);   a step takes the time eta^2, v = u/batch
    s0 = eta/sqrt(batch),  e0 = eta epsilon,  c_i = (1 - beta_i)/eta^2 are held fixed as eta -> 0

Limit    eta -> 0 at fixed s0, e0, c1, c2 and t = eta^2 k.
Valid    noise that dominates: batch covariance above the squared gradient in every component, else refused; additive
         Gaussian noise on a quadratic, where u is deterministic and the moments close.
Error    O(eta^2) in the mean of the parameters (measured in tests/sde); `limit` itself is exact to twelve digits.
Sources  [Malladi2022].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theorysim.backend import random
from theorysim.backend.linalg import single_thread
from theorysim.errors import ProblemError
from theorysim.problem.optimizer import Adam
from theorysim.problem.validation import is_real, shown
from theorysim.sde.adaptive_run import Constants, Run, at_learning_rate, constants
from theorysim.sde.linear import integrated
from theorysim.sde.optimizers import RMSprop

__all__ = [
    "Constants",
    "Run",
    "at_learning_rate",
    "constants",
    "finite",
    "limit",
    "noise_to_signal",
    "scaling_hard_limit",
    "square_root_scaled",
]

Array = NDArray[np.float64]
OBSERVABLES = ("mean", "covariance", "loss")
SOURCES = ("Malladi2022",)
SMALLEST_RATIO = 1.0
"""Noise over squared gradient, in every component, below which the equations do not describe the steps."""
BEGINNING = 1e-13
"""Share of the time that is left out where Adam starts from nothing: its equation is singular at time 0."""


def square_root_scaled(optimizer: RMSprop | Adam, factor: float) -> RMSprop | Adam:
    """Return the optimizer at `factor` times the batch whose equation is the same (square-root scaling rule).

    eta -> sqrt(kappa) eta,  1 - beta -> kappa (1 - beta),  epsilon -> epsilon/sqrt(kappa)

    Raises
    ------
    ProblemError
        If kappa reaches 1/(1 - beta) of a memory (nothing would be remembered), or kappa times the batch is no whole
        number.
    """
    if not is_real(factor) or factor <= 0.0:
        raise ProblemError(f"adaptive: `factor` must be a positive number, got {shown(factor)}")
    limit = scaling_hard_limit(optimizer)
    if factor >= limit * (1.0 - 1e-12):
        raise ProblemError(f"adaptive: `factor` must be below 1/(1 - beta) = {limit:.6g}, got {factor:.6g}")
    batch = factor * (optimizer.batch or 1)
    if optimizer.batch is None or abs(batch - round(batch)) > 1e-9:
        raise ProblemError(f"adaptive: `factor` must give a whole batch, got {factor:.6g} times {optimizer.batch}")
    root = float(np.sqrt(factor))
    change = {name: 1.0 - factor * (1.0 - getattr(optimizer, name)) for name in _memories(optimizer)}
    change |= {"learning_rate": root * optimizer.learning_rate, "epsilon": optimizer.epsilon / root}
    return optimizer.model_copy(update={**change, "batch": round(batch)})


def scaling_hard_limit(optimizer: RMSprop | Adam) -> float:
    """Return the factor of the batch at which the square-root rule ends whatever the loss: the least 1/(1 - beta)."""
    return float(min(1.0 / (1.0 - getattr(optimizer, name)) for name in _memories(optimizer)))


def _memories(optimizer: RMSprop | Adam) -> tuple[str, ...]:
    return ("beta",) if isinstance(optimizer, RMSprop) else ("beta1", "beta2")


def noise_to_signal(run: Run, moments: Array | None = None) -> float:
    """Return the smallest batch variance over E (grad f)^2 among components: at the start, or at `moments`.

    Parameters
    ----------
    run : Run
    moments : ndarray, shape (d + 1, d + 1), optional
        E (x, 1)(x, 1)^T.
    """
    point = np.append(run.position, 1.0)
    moment = np.outer(point, point) if moments is None else moments
    gradient = run.objective.gradient
    squares = np.einsum("ij,jk,ik->i", gradient, moment, gradient)
    return float(np.min(np.diag(run.covariance) / np.maximum(squares, 1e-300)))


def _refuse_signal(ratio: float, when: str) -> None:
    if ratio < SMALLEST_RATIO:
        raise ProblemError(
            f"adaptive: `covariance` must dominate: batch variance over squared gradient must be at least "
            f"{SMALLEST_RATIO:g} in every component, got {ratio:.3g} {when}; take smaller batches, or the flows of "
            "sde.implicit, which have no noise"
        )


def limit(run: Run) -> xr.Dataset:
    """Return ``mean``, ``covariance`` and ``loss`` of the equation at the recorded steps.

    For Adam also ``momentum_mean``, ``momentum_covariance`` and ``cross_covariance`` (of x with m).

    Raises
    ------
    ProblemError
        If the gradient dominates the noise at the start or later.
    """
    _refuse_signal(noise_to_signal(run), "at the start")
    d, found = run.objective.dimension, []
    for moment in _moments(run):
        rows = np.append(np.arange(d), -1)
        _refuse_signal(noise_to_signal(run, moment[np.ix_(rows, rows)]), "later")
        found.append(moment)
    return _labelled(run, np.array(found))


def _moments(run: Run) -> list[Array]:
    """Return E z z^T at the recorded steps; z = (x, 1) or (x, m, 1)."""
    system = _adam if isinstance(run.optimizer, Adam) else _rmsprop
    slope = partial(system, run, run.constants)
    state = np.concatenate([run.position, run.gradients if isinstance(run.optimizer, Adam) else [], [1.0]])
    moment, size, found = np.outer(state, state), len(state), []
    clock = run.optimizer.learning_rate**2
    now = run.begin * clock
    if isinstance(run.optimizer, Adam) and run.begin == 0:
        now = BEGINNING * run.steps * clock  # nothing has moved yet: an error of the order of that share
    with single_thread():
        for step in run.recorded:
            then = (run.begin + step) * clock
            if then > now:
                moment = integrated(slope, moment.ravel(), now, then).reshape(size, size)
                now = then
            found.append(moment)
    return found


def _rmsprop(run: Run, constants: Constants, time: float, flat: Array) -> Array:
    d = run.objective.dimension
    moment = flat.reshape(d + 1, d + 1)
    inverse = 1.0 / (constants.noise * np.sqrt(run.mean_square(time)) + constants.epsilon)
    half = np.zeros_like(moment)
    half[:d] = -inverse[:, None] * (run.objective.gradient @ moment)
    slope = half + half.T
    slope[:d, :d] += constants.noise**2 * run.objective.covariance * np.outer(inverse, inverse)
    return np.asarray(slope.ravel())


def _adam(run: Run, constants: Constants, time: float, flat: Array) -> Array:
    d = run.objective.dimension
    moment = flat.reshape(2 * d + 1, 2 * d + 1)
    c1, rows = constants.momentum_rate, np.append(np.arange(d), 2 * d)
    first, second = -np.expm1(-c1 * time), -np.expm1(-constants.square_rate * time)
    scale = constants.noise * np.sqrt(run.mean_square(time)) + constants.epsilon * np.sqrt(second)
    half = np.zeros_like(moment)
    half[:d] = -(np.sqrt(second) / (first * scale))[:, None] * moment[d : 2 * d]
    half[d : 2 * d] = c1 * (run.objective.gradient @ moment[rows] - moment[d : 2 * d])
    slope = half + half.T
    slope[d : 2 * d, d : 2 * d] += (constants.noise * c1) ** 2 * run.objective.covariance
    return np.asarray(slope.ravel())


def _labelled(run: Run, moments: Array) -> xr.Dataset:
    d = run.objective.dimension
    means = moments[:, :-1, -1]
    spread = moments[:, :-1, :-1] - means[:, :, None] * means[:, None, :]
    rows = np.append(np.arange(d), -1)
    losses = np.array([run.objective.loss(m[np.ix_(rows, rows)]) for m in moments])
    pair = ("step", "component", "component_other")
    variables = {
        "mean": (("step", "component"), means[:, :d]),
        "covariance": (pair, spread[:, :d, :d]),
        "loss": (("step",), losses),
    }
    if isinstance(run.optimizer, Adam):
        variables["momentum_mean"] = (("step", "component"), means[:, d:])
        variables["momentum_covariance"] = (pair, spread[:, d:, d:])
        variables["cross_covariance"] = (pair, spread[:, :d, d:])
    return xr.Dataset(variables, coords=_coordinates(run))


def _coordinates(run: Run) -> dict[str, object]:
    steps = np.array(run.recorded)
    return {"step": steps, "time": ("step", (run.begin + steps) * run.optimizer.learning_rate**2)}


def finite(run: Run, *, replicas: int, seed: int) -> xr.Dataset:
    """Run the algorithm `replicas` times; replica r is the same run however many there are.

    Returns
    -------
    Dataset
        ``position`` over step, component, replica and ``loss`` over step, replica.

    Raises
    ------
    FloatingPointError
        If a run diverges.
    """
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
        raise ProblemError(f"adaptive: `replicas` must be a whole number of at least 1, got {shown(replicas)}")
    o, shape = run.objective, (replicas, run.objective.dimension)
    root = _root(run.covariance)
    step = _adam_step if isinstance(run.optimizer, Adam) else _rmsprop_step
    state = tuple(np.broadcast_to(part, shape) for part in (run.position, run.gradients, run.squares))
    recorded, positions = set(run.recorded), []
    for k in range(run.recorded[-1] + 1):
        if k in recorded:
            positions.append(state[0].T)
        noise = random.normals(shape, seed=seed, stream=0, step=run.begin + k, purpose=random.ADAPTIVE) @ root.T
        with np.errstate(over="ignore", invalid="ignore"):
            state = step(run, run.begin + k, state, state[0] @ o.hessian - o.slope + noise)
    found = np.array(positions)
    if not np.all(np.isfinite(found)):
        raise FloatingPointError("adaptive: a run is not finite; the optimizer diverges at this learning rate")
    losses = 0.5 * np.einsum("kir,ij,kjr->kr", found, o.hessian, found) - np.einsum("i,kir->kr", o.slope, found)
    return xr.Dataset(
        {"position": (("step", "component", "replica"), found), "loss": (("step", "replica"), losses + o.constant)},
        coords=_coordinates(run),
    )


State = tuple[Array, ...]
Step = Callable[[Run, int, State, Array], State]


def _rmsprop_step(run: Run, k: int, state: State, gradient: Array) -> State:
    o = run.optimizer
    assert isinstance(o, RMSprop)
    x, m, v = state
    return x - o.learning_rate * gradient / (np.sqrt(v) + o.epsilon), m, o.beta * v + (1.0 - o.beta) * gradient**2


def _adam_step(run: Run, k: int, state: State, gradient: Array) -> State:
    o = run.optimizer
    assert isinstance(o, Adam)
    x, m, v = state
    m, v = o.beta1 * m + (1.0 - o.beta1) * gradient, o.beta2 * v + (1.0 - o.beta2) * gradient**2
    first, second = 1.0 - o.beta1 ** (k + 1), 1.0 - o.beta2 ** (k + 1)
    return x - o.learning_rate * (m / first) / (np.sqrt(v / second) + o.epsilon), m, v


def _root(covariance: Array) -> Array:
    values, basis = np.linalg.eigh(covariance)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0.0)))
