"""Largest stable learning rate of a kernel learner: gradient descent, momentum, minibatches.

Sources  derivations/descent.py (roots of the recursion per mode; second moments of minibatches).
"""

from __future__ import annotations

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from theorysim.backend.linalg import single_thread
from theorysim.equations.descent import heavy_ball_edge, nesterov_edge
from theorysim.infinite.batch_noise import leading_modes, noise_strength
from theorysim.infinite.modes import Modes
from theorysim.problem.optimizer import SGD

Array = NDArray[np.float64]
_PERRON_STEPS, _PERRON_CHANGE = 12, 1e-4
_ACCURACY = 1e-3  # of the limit of full batches
_GROWN = 2.0  # growth of the noise beyond which how much makes no difference


def largest_stable(modes: Modes, optimizer: SGD, kappa: float) -> float:
    """Return the learning rate above which the expected squared residual diverges.

    Parameters
    ----------
    modes : Modes
    optimizer : SGD
        Its momentum, ridge, batch and sampling are used, its learning rate is not. "epochs" is judged as "subset".
    kappa : float
        1/(P C) for the squared loss; for the cross-entropy 1/(2P), the largest curvature of the softmax.
    """
    mean = mean_limit(optimizer) / (kappa * (float(modes.eigenvalues[0]) + optimizer.ridge))
    strength = noise_strength(optimizer, modes.samples)
    if strength == 0.0:
        return mean
    keep = min(leading_modes(modes, optimizer, kappa, 1000), 200)

    def excess(share: float) -> float:
        growth = noise_growth(modes, optimizer, kappa, share * mean, strength, keep) if 0.0 < share < 1.0 else share
        return min(growth, _GROWN) - 1.0 if share < 1.0 else _GROWN - 1.0

    share = scipy.optimize.brentq(excess, 0.0, 1.0, xtol=_ACCURACY, rtol=_ACCURACY)
    return float(share) * mean


def mean_limit(optimizer: SGD) -> float:
    """Return the largest stable x = eta kappa (w + ridge) of the mean dynamics."""
    if optimizer.nesterov:
        return nesterov_edge(optimizer.momentum)
    return heavy_ball_edge(optimizer.momentum)


def noise_growth(modes: Modes, optimizer: SGD, kappa: float, eta: float, strength: float, keep: int) -> float:
    """Return the Perron root of the stationary noise map d -> diag(U C(d) U^T); mean-square stable iff < 1.

    C(d) is the stationary second moment when the batches see the per-sample second moment d.
    """
    vectors = np.ascontiguousarray(modes.vectors[:, :keep])
    values = modes.eigenvalues[:keep]
    gain = _stationary_gain(values, optimizer, kappa, eta, strength)
    if not np.all(np.diagonal(gain) >= 0):
        return np.inf
    gain = gain * strength * modes.samples * np.outer(values, values)
    moment, root = np.ones(modes.samples), 0.0
    with single_thread():
        for _ in range(_PERRON_STEPS):
            inside = gain * (vectors.T @ (moment[:, None] * vectors))
            moment = np.maximum(np.sum((vectors @ inside) * vectors, axis=1), 0.0)
            before, root = root, float(np.linalg.norm(moment))
            moment = moment / root if root > 0 else np.ones(modes.samples)
            if not np.isfinite(root):
                return np.inf
            if abs(root - before) < _PERRON_CHANGE * root:
                break
    return root


def _stationary_gain(values: Array, optimizer: SGD, kappa: float, eta: float, strength: float) -> Array:
    """Return the stationary covariance of dual coordinates per unit source kappa^2 xi, shape (K, K).

    Solves c = M_i c M_j^T + n n^T - strength kappa^2 w_i w_j (aa part of c) n n^T for the 2 x 2 state (a, u); without
    momentum for a alone.
    """
    beta = optimizer.momentum
    lead, look = (1.0, beta) if optimizer.nesterov else (0.0, 1.0)
    x = kappa * (values + optimizer.ridge)
    if beta == 0.0:
        stay = 1.0 - eta * x
        kick = (eta * kappa) ** 2
        lost = strength * kick * np.outer(values, values)
        return np.asarray(kick / (1.0 - np.outer(stay, stay) + lost))
    total, slip = eta * (lead + look), -eta * look * beta
    companion = np.empty((len(x), 2, 2))
    companion[:, 0, 0], companion[:, 0, 1] = 1.0 - total * x, slip
    companion[:, 1, 0], companion[:, 1, 1] = x, beta
    source = np.array([-total, 1.0])
    kicks = kappa**2 * np.outer(source, source).ravel()
    step = np.einsum("iab,jcd->ijacbd", companion, companion).reshape(len(x), len(x), 4, 4)
    step[:, :, :, 0] -= strength * np.outer(values, values)[:, :, None] * kicks
    return np.linalg.solve(np.eye(4) - step, np.broadcast_to(kicks[:, None], (*step.shape[:2], 4, 1)))[..., 0, 0]
