"""What a theory is: a module with a problem, a verdict and two answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a theory can be trusted for a problem, and by which number.

    Attributes
    ----------
    theory : str
        Dotted name of the theory, for example ``"kernels.mlp"``.
    applies : bool
        True when the theory may be used for the problem.
    number : float
        The measured quantity that decides (``nan`` where a rule, not a number, decides).
    threshold : float
        The value that `number` must not exceed.
    reason : str
        One sentence for the user.
    instead : str or None
        A theory that fits, when this one does not.
    """

    theory: str
    applies: bool
    number: float
    threshold: float
    reason: str
    instead: str | None = None


class Theory(Protocol):
    """The shape of a theory module (PEP 544)."""

    OBSERVABLES: tuple[str, ...]

    def validity(self, problem: Any, /) -> Verdict:
        """Measure whether the theory applies to `problem`."""
        ...

    def limit(
        self, problem: Any, /, *, seed: int = 0, tolerance: float | None = None, device: str = "cpu"
    ) -> xr.Dataset:
        """Answer in the limit: each observable X with X_std and X_error."""
        ...

    def finite(self, problem: Any, /, *, replicas: int, seed: int, device: str = "cpu") -> xr.Dataset:
        """Answer with finite systems: the same observables, plus the dimension ``replica``."""
        ...
