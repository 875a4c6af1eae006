"""The exceptions and warnings a user can meet."""

from __future__ import annotations


class ProblemError(ValueError):
    """A problem that cannot be stated, or that a theory does not cover.

    The message is one line: what, which field, the requirement, the value.
    """


class NotConverged(RuntimeError):
    """A solver stopped before reaching its tolerance.

    Attributes
    ----------
    iterations : int
        Iterations done.
    residual : float
        Residual reached, in the solver's own norm.
    """

    def __init__(self, solver: str, iterations: int, residual: float, advice: str) -> None:
        super().__init__(
            f"{solver}: no convergence after {iterations} iterations (residual {residual:.3g}); try {advice}"
        )
        self.iterations = iterations
        self.residual = residual


class StabilityWarning(UserWarning):
    """The chosen step size is above the largest stable one."""
