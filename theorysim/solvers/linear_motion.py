"""Gaussian moments of linear recursions and diffusions, over many steps at once by doubling.

z' = M z + xi, Cov xi = Q;     dz = L z dt + G dW after a time h:  M = e^(L h),  Q = int_0^h e^(L s) G G^T e^(L^T s) ds
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Motion(NamedTuple):
    """A step.

    Attributes
    ----------
    matrix : ndarray, shape (d, d)
        M.
    noise : ndarray, shape (d, d)
        Q.
    """

    matrix: Array
    noise: Array

    def after(self, other: Motion) -> Motion:
        """Return the motion `other`, then this one."""
        return Motion(self.matrix @ other.matrix, self.matrix @ other.noise @ self.matrix.T + self.noise)

    def repeated(self, count: int) -> Motion:
        """Return `count` such motions, in O(log count) products."""
        found, power = Motion(np.eye(len(self.matrix)), np.zeros_like(self.noise)), self
        while count:
            if count & 1:
                found = power.after(found)
            count >>= 1
            if count:
                power = power.after(power)
        return found


def of_diffusion(drift: Any, diffusion: Any, time: float) -> Motion:
    """Return what dz = L z dt + G dW does in a time.

    Parameters
    ----------
    drift, diffusion : ndarray, shape (d, d)
        L and G G^T.
    """
    size, reach = len(drift), time * float(np.abs(drift).sum(axis=1).max())
    halvings = max(0, int(np.ceil(np.log2(max(reach, 1e-300)))))
    short = time * 0.5**halvings  # the block holds growing exponentials as well: short, then doubled
    block = scipy.linalg.expm(short * np.block([[drift, diffusion], [np.zeros_like(drift), -drift.T]]))
    matrix = block[:size, :size]
    noise = block[:size, size:] @ matrix.T
    return Motion(matrix, 0.5 * (noise + noise.T)).repeated(1 << halvings)
