"""Training and test samples of a learner with a kernel of any size, and what is observed of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theorysim.errors import ProblemError
from theorysim.kernels.operators import Kernel, Operator, rectangular, square, targets, whole
from theorysim.problem.provenance import package_version

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Regression:
    """Training and test samples of a kernel learner.

    Attributes
    ----------
    theta : Operator
        Kernel of the training samples.
    y : ndarray, shape (P, C)
    theta_test : Operator or None
        Kernel of the test samples (rows) with the training samples.
    y_test : ndarray, shape (M, C), or None
    """

    theta: Operator
    y: Array
    theta_test: Operator | None
    y_test: Array | None

    @property
    def kappa(self) -> float:
        """1/(P C): what multiplies eta Theta in one step."""
        return 1.0 / self.y.size

    def row(self, image: Array, dual: Array, error: Array) -> dict[str, Array | float]:
        """Return the observables of outputs `image` = Theta a, known to `error` (per output), with a = `dual`."""
        row = observed("train", image, error, self.y)
        if self.theta_test is None:
            return row
        return row | observed("test", self.theta_test.product(dual), error, self.y_test)


def regression_of(
    where: str, theta: Kernel, y: ArrayLike, theta_test: Kernel | None, y_test: ArrayLike | None, memory: int
) -> Regression:
    """Return the samples of `descend` or `converged`, checked; `where` is the one that asks."""
    whole(where, "memory", memory)
    target = targets(where, "y", y)
    operator, samples = square(where, theta, len(target), memory)
    if theta_test is None:
        if y_test is not None:
            raise ProblemError(f"{where}: `y_test` must come with `theta_test`, got no `theta_test`")
        return Regression(operator, target, None, None)
    test_target = None if y_test is None else targets(where, "y_test", y_test)
    rows = None if test_target is None else len(test_target)
    across, _ = rectangular(where, "theta_test", theta_test, rows, samples)
    if test_target is not None and test_target.shape[1] != target.shape[1]:
        raise ProblemError(f"{where}: `y_test` must have {target.shape[1]} outputs as `y`, got {test_target.shape[1]}")
    return Regression(operator, target, across, test_target)


def observed(side: str, output: Any, error: Array, target: Array | None) -> dict[str, Array | float]:
    """Return outputs and their loss with errors; `error`, shape (C,), bounds that of each output of every sample."""
    found: dict[str, Array | float] = {
        f"{side}_prediction": output,
        f"{side}_prediction_error": np.broadcast_to(error, output.shape),
    }
    if target is None:
        return found
    distance = output - target
    share = np.sqrt(np.sum(distance**2, axis=0) / len(output))  # per output, with Cauchy and Schwarz
    found[f"{side}_loss"] = float(np.sum(distance**2)) / (2 * output.size)
    found[f"{side}_loss_error"] = float(np.sum(share * error + 0.5 * error**2)) / output.shape[1]
    return found


def attributes_of(where: str, learner: Regression) -> dict[str, Any]:
    """Return what every answer says about itself."""
    error = max(learner.theta.error, learner.theta_test.error if learner.theta_test else 0.0)
    return {
        "theory": f"kernels.{where}",
        "version": package_version(),
        "sources": "Jacot2018, Lee2019",
        "initial_output": "zero",
        "kappa": learner.kappa,
        "kernel_error": error,
    }
