"""Whether the equation of an optimizer can be believed on any objective: measured on runs of the algorithm itself.

    ladder     the algorithm at l = 1, 2, 4, 8 (SVAG): its loss moves to that of the equation as 1/l
    ratio      N/G = tr Sigma/E |grad f|^2 of a batch, at the end of the runs; linear rule up to 1 + (1 - 1/C^2) N/G
    skewness   largest |skewness|/sqrt B of the gradient noise along its ten leading directions
    rules      batch times kappa = 2, 4, 8, ... at the same equation, until the final loss has changed by the factor C^2

Limit    none: Monte Carlo.
Valid    SGD, heavy ball, Nesterov, RMSprop, Adam with batches; others have ratio and skewness alone.
Error    standard errors beside each mean; `valid` means "cannot be told apart by so many runs".
Sources  [Li2021], square-root rule and its ladder [Malladi2022].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg
from numpy.typing import ArrayLike, NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.stochastic import scaling_limit
from theorysim.errors import ProblemError
from theorysim.problem.optimizer import SGD, Adam
from theorysim.problem.validation import is_real, shown
from theorysim.sde.adaptive import scaling_hard_limit, square_root_scaled
from theorysim.sde.algorithms import run_algorithm
from theorysim.sde.draws import group_size
from theorysim.sde.finite_sums import FiniteSum
from theorysim.sde.optimizers import RMSprop
from theorysim.sde.oracles import Landscape, work
from theorysim.sde.paths import PathModel
from theorysim.sde.validity import DIRECTIONS, LARGEST_SKEWNESS

Array = NDArray[np.float64]
LADDER = (1, 2, 4, 8)
LARGEST_SHIFT = 3.0
"""Standard errors by which the loss may move along the ladder."""
LARGEST_DENSE = 600


@dataclass(frozen=True)
class Rung:
    """Runs of the algorithm at one factor: mean and variance of the final loss with standard errors."""

    factor: int
    mean: float
    mean_error: float
    variance: float
    variance_error: float

    def shift(self, other: Rung) -> float:
        """Return the larger difference of mean and variance from another rung, in combined standard errors."""
        mean = (self.mean - other.mean) / np.hypot(self.mean_error, other.mean_error)
        variance = (self.variance - other.variance) / np.hypot(self.variance_error, other.variance_error)
        return float(max(abs(mean), abs(variance)))


@dataclass(frozen=True)
class Trust:
    """What decides whether the equation describes the steps.

    Attributes
    ----------
    ladder : tuple of Rung
        SVAG; empty for optimizers without one.
    noise_to_signal : float
        N/G at the end of the runs.
    skewness : float
    rule : str
        "linear" or "square-root", or empty where there is none.
    predicted_limit : float
        Linear rule: 1 + (1 - 1/C^2) N/G; square-root rule: the hard limit 1/(1 - beta).
    rungs : tuple of Rung
        The scaling ladder by kappa, its last rung the first that broke the rule or the last possible one.
    measured_limit : float
        Largest kappa of the ladder at which the rule held.
    factor : float
        C^2.
    paths : int
    """

    ladder: tuple[Rung, ...]
    noise_to_signal: float
    skewness: float
    rule: str
    predicted_limit: float
    rungs: tuple[Rung, ...]
    measured_limit: float
    factor: float
    paths: int

    @property
    def shift(self) -> float:
        """Largest move of the final loss along the ladder from the algorithm itself, in standard errors."""
        return max((rung.shift(self.ladder[0]) for rung in self.ladder[1:]), default=0.0)

    @property
    def gaussian(self) -> bool:
        """Whether the noise may be taken for Gaussian."""
        return self.skewness <= LARGEST_SKEWNESS

    @property
    def valid(self) -> bool:
        """Whether so many runs cannot tell the algorithm from the equation (of order 1)."""
        return bool(self.ladder) and self.shift <= LARGEST_SHIFT

    def __str__(self) -> str:
        """Say it, a line each."""
        lines = [f"noise over signal {self.noise_to_signal:.3g} at the end"]
        for rung in self.ladder:
            lines.append(f"SVAG l = {rung.factor}: final loss {rung.mean:.6g} +- {rung.mean_error:.2g}")
        if self.ladder:
            verdict = "cannot be told from" if self.valid else "is not"
            lines.append(f"loss moves by {self.shift:.2g} standard errors: the algorithm {verdict} its equation")
        doubt = "" if self.gaussian else ": not Gaussian, slow to reach along the ladder"
        lines.append(f"skewness of the gradient noise {self.skewness:.2g}{doubt}")
        if self.rule:
            what = "predicted up to" if self.rule == "linear" else "ends at"
            lines.append(
                f"{self.rule} scaling rule {what} {self.predicted_limit:.3g} times the batch; within {self.factor:.3g} "
                f"of the loss at {self.measured_limit:g} times, measured by doubling"
            )
        return "\n".join(lines)


def trust(
    model: PathModel, start: ArrayLike, steps: int, *, paths: int = 200, seed: int = 0, factor: float = 2.0,
    ladder: Sequence[int] = LADDER,
) -> Trust:  # fmt: skip
    """Return the report on a model, from runs of its algorithm.

    Parameters
    ----------
    model : PathModel
        Of an optimizer with batches.
    start : array_like, shape (d,) or (paths, d)
    steps : int
    paths, seed : int
        Runs of each rung.
    factor : float
        C^2 > 1: the final loss may change by this factor under a scaling rule.
    ladder : sequence of int
        Factors l of SVAG, the first 1.

    Raises
    ------
    ProblemError
        If an argument does not fit.
    FloatingPointError
        If the algorithm diverges.
    """
    if not isinstance(model, PathModel):
        raise ProblemError(f"sde: `model` must be simulated (sde.simulated, from_optimizer), got {shown(model)}")
    if not is_real(factor) or factor <= 1.0:
        raise ProblemError(f"sde: `factor` must be a finite number above 1, got {shown(factor)}")
    if not ladder or ladder[0] != 1:
        raise ProblemError(f"sde: `ladder` must begin with 1, got {shown(ladder)}")
    o, land, batch = model.optimizer, model.objective, getattr(model.optimizer, "batch", None)
    if batch is None:
        raise ProblemError("sde: `model` must be of an optimizer with batches: without noise there is no equation")
    base = run_algorithm(land, o, start, steps, paths=paths, seed=seed, record=[steps], keep=("loss", "position"))
    first, ends = rung_of(1, base["loss"].values[0]), np.ascontiguousarray(base["position"].values[0].T)
    more = [_rung(model, start, steps, paths, seed, one) for one in ladder[1:]] if _has_ladder(model) else []
    strength = land.strength(batch, getattr(o, "sampling", "subset"))
    ratio = noise_to_signal(land, strength, ends)
    rule = "linear" if isinstance(o, SGD) and not o.momentum else "square-root" if isinstance(o, Adam | RMSprop) else ""
    limit = scaling_limit(ratio, factor) if rule == "linear" else np.inf
    if isinstance(o, Adam | RMSprop):
        limit = scaling_hard_limit(o)
    rungs = _scaling(model, first, start, steps, paths, seed, factor) if rule else ()
    held = max((rung.factor for rung in rungs if _within(rung, rungs[0], factor)), default=1)
    skewed = noise_skewness(land, ends[0]) / np.sqrt(batch)
    runs = (first, *more) if _has_ladder(model) else ()
    return Trust(runs, ratio, skewed, rule, float(limit), rungs, float(held), factor, paths)


def _has_ladder(model: PathModel) -> bool:
    o = model.optimizer
    return isinstance(o, SGD | Adam | RMSprop) and o.sampling != "epochs" and getattr(o, "schedule", None) is None


def rung_of(factor: int, loss: Array) -> Rung:
    """Return mean and variance of losses, shape (paths,), with standard errors."""
    n, mean, variance = len(loss), float(loss.mean()), float(loss.var(ddof=1))
    fourth = float(((loss - mean) ** 4).mean())
    of_variance = max((fourth - variance**2 * (n - 3) / (n - 1)) / n, 2.0 * variance**2 / (n - 1))
    return Rung(factor, mean, float(np.sqrt(variance / n)), variance, float(np.sqrt(of_variance)))


def _rung(model: PathModel, start: ArrayLike, steps: int, paths: int, seed: int, factor: int) -> Rung:
    """Run SVAG; rungs have batches of their own."""
    runs = run_algorithm(
        model.objective, model.optimizer, start, steps, paths=paths, seed=seed + factor - 1, record=[steps], svag=factor
    )
    return rung_of(factor, runs["loss"].values[0])


def noise_to_signal(objective: Landscape, strength: float, x: Array) -> float:
    """Return tr Sigma/E |grad f|^2 over states of shape (paths, d)."""
    size = group_size(work(objective))
    parts = [x[i : i + size] for i in range(0, len(x), size)]
    with single_thread():
        noise = strength * sum(float(objective.variance(part).sum()) for part in parts)
        signal = sum(float((objective.gradient(part) ** 2).sum()) for part in parts)
    return noise / max(signal, np.finfo(float).tiny)


def noise_skewness(objective: Landscape, x: Array) -> float:
    """Return the largest |skewness| of one sample's gradient at a point along the leading directions of its noise.

    A few samples or parameters are diagonalised; more by Lanczos. Functions have Gaussian noise: 0.
    """
    if not isinstance(objective, FiniteSum):
        return 0.0
    with single_thread():
        g = objective.sample_gradients(x)
        g = g - g.mean(axis=0)
        along = _leading(g)
    size = np.sqrt((along**2).mean(axis=0))
    kept = size > 1e-9 * size.max(initial=1e-300)
    return float(np.abs((along[:, kept] ** 3).mean(axis=0) / size[kept] ** 3).max(initial=0.0))


def _leading(g: Array) -> Array:
    """Return the components of the rows of g, shape (n, 10), along the leading right singular vectors."""
    if min(g.shape) <= LARGEST_DENSE:
        u, s, _ = np.linalg.svd(g, full_matrices=False)
        return np.asarray(u[:, :DIRECTIONS] * s[:DIRECTIONS])
    start = np.cos(np.arange(1.0, min(g.shape) + 1.0))
    u, s, _ = scipy.sparse.linalg.svds(g, k=DIRECTIONS, v0=start)
    return np.asarray(u * s)


def _scaling(
    model: PathModel, first: Rung, start: ArrayLike, steps: int, paths: int, seed: int, factor: float
) -> tuple[Rung, ...]:
    """Return the ladder of the scaling rule: kappa = 1, 2, 4, ... in 1/kappa as many steps, until it breaks."""
    o, rungs, kappa = model.optimizer, [first], 2
    samples = model.objective.noises if isinstance(model.objective, FiniteSum) else np.inf
    hard = scaling_hard_limit(o) if isinstance(o, Adam | RMSprop) else np.inf
    while steps >= kappa and getattr(o, "batch", 1) * kappa <= samples and kappa < hard:
        rungs.append(_scaled(model, start, steps // kappa, paths, seed + kappa - 1, kappa))
        if not _within(rungs[-1], first, factor):
            break
        kappa *= 2
    return tuple(rungs)


def _scaled(model: PathModel, start: ArrayLike, steps: int, paths: int, seed: int, kappa: int) -> Rung:
    o = model.optimizer
    if isinstance(o, Adam | RMSprop):
        scaled: SGD | Adam | RMSprop = square_root_scaled(o, float(kappa))
        if isinstance(scaled, RMSprop) and scaled.initial_square is not None:
            scaled = scaled.model_copy(update={"initial_square": scaled.initial_square / kappa})
    else:
        assert isinstance(o, SGD) and o.batch is not None
        scaled = o.model_copy(update={"learning_rate": kappa * o.learning_rate, "batch": kappa * o.batch})
    try:
        runs = run_algorithm(model.objective, scaled, start, steps, paths=paths, seed=seed, record=[steps])
    except FloatingPointError:
        return Rung(kappa, float("inf"), 0.0, float("inf"), 0.0)
    return rung_of(kappa, runs["loss"].values[0])


def _within(rung: Rung, first: Rung, factor: float) -> bool:
    return bool(first.mean / factor <= rung.mean <= factor * first.mean)
