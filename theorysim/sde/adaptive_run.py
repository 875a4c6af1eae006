"""A run of RMSprop or Adam on a quadratic, and the constants that its equation keeps as the learning rate falls.

Sources  [Malladi2022].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.problem.optimizer import Adam
from theorysim.problem.record import default_steps
from theorysim.problem.validation import is_real, shown
from theorysim.sde.objectives import Objective
from theorysim.sde.optimizers import RMSprop

Array = NDArray[np.float64]
MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class Constants:
    """What the equation knows of the optimizer.

    Attributes
    ----------
    noise, epsilon : float
        s0 = eta/sqrt(batch) (times the covariance of one sample) and e0 = eta epsilon.
    momentum_rate, square_rate : float
        c1 and c2: (1 - beta)/eta^2 of the two memories; RMSprop has no c1 (infinite).
    """

    noise: float
    epsilon: float
    momentum_rate: float
    square_rate: float


def constants(optimizer: RMSprop | Adam) -> Constants:
    """Return s0, e0, c1, c2 of an optimizer with batches."""
    eta, batch = optimizer.learning_rate, optimizer.batch
    if batch is None:
        raise ProblemError("adaptive: `batch` must be given: the equation needs the noise of minibatches")
    noise, epsilon = eta / float(np.sqrt(batch)), eta * optimizer.epsilon
    if isinstance(optimizer, RMSprop):
        return Constants(noise, epsilon, float("inf"), (1.0 - optimizer.beta) / eta**2)
    return Constants(noise, epsilon, (1.0 - optimizer.beta1) / eta**2, (1.0 - optimizer.beta2) / eta**2)


@dataclass(frozen=True, eq=False)
class Run:
    """RMSprop or Adam from a start, for some steps.

    Parameters
    ----------
    objective : Objective
        Made by `sde.quadratic`, with additive noise only.
    optimizer : RMSprop or Adam
        With a batch, a constant learning rate, no weight decay.
    start : array_like, shape (d,)
        Parameters before the first step.
    steps : int
    record : sequence of int, optional
        Steps, counted from the start, at which moments are wanted; default: log-spaced, 0 and the last included.
    mean_squares : array_like, shape (d,), optional
        v before the first step; default: the noise's own (RMSprop), 0 (Adam from step 0).
    momentum : array_like, shape (d,), optional
        m of Adam before the first step; default 0.
    begin : int
        Steps that Adam's bias correction has already counted. From 0, m and v start at 0.
    """

    objective: Objective
    optimizer: RMSprop | Adam
    start: ArrayLike
    steps: int
    record: Sequence[int] | None = None
    mean_squares: ArrayLike | None = None
    momentum: ArrayLike | None = None
    begin: int = 0
    position: Array = field(init=False, repr=False)
    squares: Array = field(init=False, repr=False)
    gradients: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check_parts()
        noise = np.diag(self.covariance)
        fresh = isinstance(self.optimizer, Adam) and self.begin == 0
        if fresh and (self.mean_squares is not None or self.momentum is not None):
            raise ProblemError("adaptive: `begin` must be at least 1 where `mean_squares` or `momentum` is given")
        object.__setattr__(self, "position", self._vector("start", self.start))
        squares = (0.0 * noise if fresh else noise) if self.mean_squares is None else self.mean_squares
        object.__setattr__(self, "squares", self._vector("mean_squares", squares))
        object.__setattr__(self, "gradients", self._vector("momentum", 0.0 if self.momentum is None else self.momentum))
        if np.any(self.squares < 0.0):
            raise ProblemError("adaptive: `mean_squares` must be at least 0, got a negative entry")
        if np.any((self.squares == 0.0) & (np.sqrt(noise) + self.optimizer.epsilon == 0.0)):
            raise ProblemError("adaptive: `covariance` must be positive in every component without `epsilon`")

    def _check_parts(self) -> None:
        o = self.objective
        if not isinstance(o, Objective) or o.samples is not None or o.multiplicative:
            raise ProblemError("adaptive: `objective` must be made by quadratic, with additive noise: moments close")
        if not isinstance(self.optimizer, RMSprop | Adam):
            raise ProblemError(f"adaptive: `optimizer` must be RMSprop or Adam, got {shown(self.optimizer)}")
        if isinstance(self.optimizer, Adam) and (self.optimizer.weight_decay or self.optimizer.schedule is not None):
            raise ProblemError("adaptive: `optimizer` must have no weight decay and no schedule here")
        constants(self.optimizer)
        for name, value, low in (("steps", self.steps, 1), ("begin", self.begin, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= MOST_STEPS:
                raise ProblemError(
                    f"adaptive: `{name}` must be a whole number from {low} to {MOST_STEPS}, got {shown(value)}"
                )
        if self.record is not None:
            rows = list(self.record)
            if not rows or rows != sorted(set(rows)) or rows[0] < 0 or rows[-1] > self.steps:
                raise ProblemError(
                    f"adaptive: `record` must hold ascending steps from 0 to {self.steps}, got {shown(rows)}"
                )

    def _vector(self, name: str, value: ArrayLike) -> Array:
        d = self.objective.dimension
        array = np.asarray(value, float)
        found = np.full(d, float(array)) if array.ndim == 0 else array
        if found.shape != (d,) or not np.all(np.isfinite(found)):
            raise ProblemError(f"adaptive: `{name}` must hold {d} finite numbers, got shape {found.shape}")
        return found

    @property
    def constants(self) -> Constants:
        """s0, e0, c1, c2."""
        return constants(self.optimizer)

    @property
    def covariance(self) -> Array:
        """Covariance of a batch's gradient, shape (d, d)."""
        return np.asarray(self.objective.covariance / (self.optimizer.batch or 1))

    @property
    def recorded(self) -> list[int]:
        """The recorded steps."""
        return list(default_steps(self.steps) if self.record is None else self.record)

    def mean_square(self, time: float) -> Array:
        """Return u at a time of the equation (v times the batch), shape (d,): it relaxes to diag Sigma."""
        target, batch = np.diag(self.objective.covariance), self.optimizer.batch or 1
        passed = time - self.begin * self.optimizer.learning_rate**2
        left = np.exp(-self.constants.square_rate * passed)
        grown = -np.expm1(-self.constants.square_rate * passed)
        return np.asarray(target * grown + batch * self.squares * left)


def at_learning_rate(run: Run, learning_rate: float) -> Run:
    """Return the run at another learning rate whose equation is the same: one step of a ladder in eta^2.

    The noise of one sample and v grow as 1/eta^2, epsilon as 1/eta, 1 - beta falls as eta^2; recorded times stay.

    Raises
    ------
    ProblemError
        If a memory would not be one (1 - beta above 1), or steps would not be whole.
    """
    if not is_real(learning_rate) or learning_rate <= 0.0:
        raise ProblemError(f"adaptive: `learning_rate` must be a positive number, got {shown(learning_rate)}")
    o = run.optimizer
    share = (learning_rate / o.learning_rate) ** 2
    names = ("beta",) if isinstance(o, RMSprop) else ("beta1", "beta2")
    change = {name: 1.0 - share * (1.0 - getattr(o, name)) for name in names}
    if min(change.values()) < 0.0:
        raise ProblemError(f"adaptive: `learning_rate` must keep 1 - beta below 1, got {learning_rate:.6g}")
    change |= {"learning_rate": learning_rate, "epsilon": o.epsilon / float(np.sqrt(share))}
    counts = [run.steps, run.begin, *run.recorded]
    moved = [count / share for count in counts]
    if max(abs(one - round(one)) for one in moved) > 1e-6:
        raise ProblemError(f"adaptive: `learning_rate` must give whole steps, got {learning_rate:.6g}")
    steps, begin, *record = (round(one) for one in moved)
    objective = replace(run.objective, covariance=run.objective.covariance / share)
    fresh = isinstance(o, Adam) and run.begin == 0
    return Run(
        objective, o.model_copy(update=change), run.position, steps, record,
        None if fresh else run.squares / share, None if fresh else run.gradients, begin,
    )  # fmt: skip
