"""What an optimizer sees of an objective: gradients on random batches, for a group of paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from theorysim.backend.random import GRADIENT, LABELS
from theorysim.errors import ProblemError
from theorysim.finite.batches import Order, Rows, batch_order
from theorysim.problem.validation import shown
from theorysim.sde.draws import batch_rows, normal_rows, uniform_signs
from theorysim.sde.finite_sums import FiniteSum, check_batch
from theorysim.sde.functions import Function, sampled
from theorysim.sde.objectives import Objective

Array = NDArray[np.float64]
Landscape: TypeAlias = FiniteSum | Function


def landscape(objective: Landscape | Objective) -> Landscape:
    """Return an objective in the form whose paths are run.

    Raises
    ------
    ProblemError
        If it is none.
    """
    if isinstance(objective, Objective):
        return sampled(objective)
    if not isinstance(objective, FiniteSum | Function):
        raise ProblemError(
            "sde: `objective` must be made by quadratic, least_squares, linear_model, diagonal_network, "
            f"matrix_factorisation, network or function, got {shown(objective)}"
        )
    return objective


def work(objective: Landscape) -> int:
    """Return about how many numbers one path touches in an array."""
    if isinstance(objective, Function):
        return objective.dimension + objective.noises
    widths = getattr(getattr(objective.predictor, "layers", None), "widths", (0, objective.targets.shape[1]))
    return objective.dimension + objective.noises * int(max(widths[1:]))


@dataclass(frozen=True, eq=False)
class Oracle:
    """Gradients of one group of paths, `streams` their numbers; finite sums use the batches of `ts.train`.

    Attributes
    ----------
    objective : FiniteSum or Function
    batch : int or None
    sampling : str
    first, paths : int
        Streams of the generator.
    seed : int
    delta : float
        Noise of the labels, +-delta.
    spread : float
        Covariance of the gradients that the rule sees over that of a batch's (SVAG).
    """

    objective: Landscape
    batch: int | None
    sampling: str
    first: int
    paths: int
    seed: int
    delta: float = 0.0
    spread: float = 1.0
    _order: Order | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if isinstance(self.objective, FiniteSum) and self.batch is not None:
            streams, samples = range(self.first, self.first + self.paths), self.objective.noises
            check_batch(self.batch, self.sampling, samples)
            if self.sampling == "epochs":
                order = batch_order("epochs", self.batch, samples=samples, replicas=streams, seed=self.seed)
                object.__setattr__(self, "_order", order)

    def rows(self, draw: int) -> Rows | None:
        """Return the batches of a draw, shape (paths, B); None for all samples."""
        if isinstance(self.objective, Function) or self.batch is None:
            return None
        if self._order is not None:
            return self._order(draw)
        samples = self.objective.noises
        return batch_rows(self.sampling, samples, self.batch, self.first, self.paths, seed=self.seed, step=draw)

    def gradient(self, x: Array, draw: int) -> Array:
        """Return the gradients at the states of all paths, shape (paths, d)."""
        if isinstance(self.objective, Function):
            return self._noisy(self.objective, x, draw)
        rows = self.rows(draw)
        if self.delta == 0.0:
            return self.objective.gradient(x) if rows is None else self.objective.batch_gradient(x, rows)
        rows = np.tile(np.arange(self.objective.noises), (self.paths, 1)) if rows is None else rows
        size = rows.shape[1] * self.objective.targets.shape[1]
        signs = uniform_signs(self.first, self.paths, size, seed=self.seed, step=draw, purpose=LABELS)
        return self.objective.batch_gradient(x, rows, self.delta * signs.reshape(*rows.shape, -1))

    def _noisy(self, objective: Function, x: Array, draw: int) -> Array:
        if self.batch is None:
            return objective.gradient(x)
        xi = normal_rows(self.first, self.paths, objective.noises, seed=self.seed, step=draw, purpose=GRADIENT)
        return objective.drift_and_product(x, xi, 1.0, float(np.sqrt(objective.strength(self.batch, self.sampling))))

    def loss(self, x: Array, draw: int) -> Array:
        """Return the loss on the batches of a draw, shape (paths,)."""
        rows = self.rows(draw)
        if rows is None or isinstance(self.objective, Function):
            return self.objective.loss(x)
        return self.objective.batch_loss(x, rows)
