"""Where training in a kernel leads, by conjugate gradients: regression with a kernel of any size.

    f_x = Theta_xX (Theta + ridge)^-1 y

Limit    steps -> infinity of `kernels.descend`, at any stable learning rate.
Valid    squared loss, zero initial output, ridge >= 0; a kernel that is positive semidefinite.
Error    training outputs: the residual, computed afresh, bounds it. Test outputs: what they still moved while the
         residual fell to a tenth, generous for what is returned. Not the error of the kernel itself (`kernel_error`).
Sources  [Jacot2018]; [Lee2019, section 2.2].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from theorysim.errors import ProblemError
from theorysim.kernels.operators import Kernel
from theorysim.kernels.plan import MEMORY
from theorysim.kernels.regression import attributes_of, observed, regression_of
from theorysim.observables import attributes, dimensions
from theorysim.problem.validation import is_real, shown
from theorysim.solvers.conjugate_gradient import solve

Report = Callable[[float], None]


def converged(
    theta: Kernel,
    y: ArrayLike,
    ridge: float = 0.0,
    theta_test: Kernel | None = None,
    y_test: ArrayLike | None = None,
    *,
    tolerance: float = 1e-8,
    memory: int = MEMORY,
    progress: Report | None = None,
) -> xr.Dataset:
    """Return where training in a kernel leads, Theta_xX (Theta + ridge)^-1 y, by conjugate gradients.

    Parameters
    ----------
    theta, y, theta_test, y_test, memory, progress
        As for `descend`.
    ridge : float
        What is added to the Gram matrix.
    tolerance : float
        Wanted |y - (Theta + ridge) a|/|y|.

    Returns
    -------
    Dataset
        As `descend`, without ``step``. The error of training outputs is bounded by the residual; that of test outputs
        is estimated by what they still moved while the residual fell to a tenth.

    Raises
    ------
    ProblemError
        As `descend`.
    NotConverged
        If the tolerance is out of reach of rounding: with small ridge the kernel may be too ill-conditioned.
    """
    where = "converged"
    learner = regression_of(where, theta, y, theta_test, y_test, memory)
    if not is_real(ridge) or ridge < 0.0:
        raise ProblemError(f"{where}: `ridge` must be a number of at least 0, got {shown(ridge)}")
    if not is_real(tolerance) or not 0.0 < tolerance < 1.0:
        raise ProblemError(f"{where}: `tolerance` must be a number between 0 and 1, got {shown(tolerance)}")
    try:
        found = solve(learner.theta.product, learner.y, ridge=ridge, tolerance=tolerance, progress=progress)
    except ArithmeticError:
        raise ProblemError(f"{where}: `theta` must be positive semidefinite, got a negative eigenvalue") from None
    values = learner.row(learner.theta.product(found.x), found.x, found.residual)
    if learner.theta_test is not None:
        moved = np.max(np.abs(learner.theta_test.product(found.change)), axis=0)
        values |= observed("test", values["test_prediction"], moved + found.rounding, learner.y_test)
    attrs = attributes_of(where, learner) | {"ridge": ridge, "products": found.iterations}
    return xr.Dataset(
        {name: (dimensions(name)[1:], value, attributes(name)) for name, value in values.items()}, attrs=attrs
    )
