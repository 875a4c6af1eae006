"""Expected accuracy of one network whose outputs follow a Gaussian law.

One output: the sign is right with probability Phi(y m/s). C outputs, independent with one variance s^2 per
sample: P(right) = E_z prod_c Phi(z + (m_right - m_c)/s), a smooth one-dimensional integral.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from theorysim.backend.compile import compiled
from theorysim.backend.errorfunction import erfc

Array = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / np.sqrt(2 * np.pi)
_COUNT, _SQRT_HALF = len(_NODES), float(np.sqrt(0.5))


def gaussian_accuracy(mean: Array, std: Array, classes: NDArray[np.int64]) -> float:
    """Return the expected share of right answers.

    Parameters
    ----------
    mean : ndarray, shape (samples, outputs)
    std : ndarray, shape (samples,)
        Standard deviation of every output of a sample; 0 gives the plain decision.
    classes : ndarray of int, shape (samples,)
        Right class; for one output 0 means negative, 1 positive.
    """
    if len(classes) == 0:
        raise ValueError("classes: at least one sample is needed")
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(std > 0, 1.0 / std, np.inf)
        margin = _margins(mean, classes) * inverse[:, None]
    margin = np.nan_to_num(margin, nan=0.0, posinf=1e300, neginf=-1e300)
    if mean.shape[1] == 1:
        return float(np.mean(ndtr(margin)))
    return float(np.mean(_ahead_of_all(np.ascontiguousarray(margin))))


@compiled
def _ahead_of_all(margin: Array) -> Array:
    """Return E_z prod_c Phi(z + margin_c) of each sample."""
    answer = np.zeros(len(margin))
    right = np.empty(_COUNT)
    for i in range(len(margin)):
        right[:] = _WEIGHTS
        for c in range(margin.shape[1]):
            for k in range(_COUNT):
                right[k] *= 0.5 * erfc(-_SQRT_HALF * (_NODES[k] + margin[i, c]))
        for k in range(_COUNT):
            answer[i] += right[k]
    return answer


def decided_accuracy(outputs: Array, classes: NDArray[np.int64]) -> Array:
    """Return the share of right answers of each network.

    Parameters
    ----------
    outputs : ndarray, shape (samples, outputs, networks)
    classes : ndarray of int, shape (samples,)
    """
    decided = (outputs[:, 0] > 0).astype(np.int64) if outputs.shape[1] == 1 else np.argmax(outputs, axis=1)
    return np.mean(decided == classes[:, None], axis=0)  # type: ignore[no-any-return]


def _margins(mean: Array, classes: NDArray[np.int64]) -> Array:
    """Return m_right - m_c for all c but the right one, (samples, outputs-1); for one output +-m."""
    if mean.shape[1] == 1:
        return mean * np.where(classes > 0, 1.0, -1.0)[:, None]
    rows = np.arange(len(mean))
    others = np.ones(mean.shape, bool)
    others[rows, classes] = False
    return (mean[rows, classes][:, None] - mean)[others].reshape(len(mean), -1)
