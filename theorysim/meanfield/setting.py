"""The numbers of a run as the march over populations sees them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from theorysim.equations.activations import Activation
from theorysim.finite.losses import targets
from theorysim.meanfield.domain import effective_gamma0
from theorysim.problem.layers import Layers
from theorysim.problem.network import activation_of
from theorysim.problem.training import Training

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Setting:
    """What is the same for all samples of all populations.

    Attributes
    ----------
    x, x_test : ndarray, shapes (P, r) and (M, r)
        Inputs in coordinates whose products are K0 = x.x'/d.
    target : ndarray, shape (P, C)
    loss : {"mse", "cross-entropy"}
    layers : Layers
        Standard deviations and rates; its widths are used for their ratios only.
    ratios : tuple of L - 1 floats
        n_{l+1}/n_l of hidden layers.
    shares : tuple of L floats
        n_l/n_L.
    activation : Activation
    gamma0, kappa : float
    samples : int
        Of each population.
    tolerance : float
        Share of the variance of a feature that may be dropped.
    """

    x: Array
    x_test: Array
    target: Array
    loss: str
    layers: Layers
    ratios: tuple[float, ...]
    shares: tuple[float, ...]
    activation: Activation
    gamma0: float
    kappa: float
    samples: int
    tolerance: float

    @property
    def depth(self) -> int:
        """Number of hidden layers, L."""
        return len(self.shares)

    @property
    def outputs(self) -> int:
        """Number of outputs, C."""
        return int(self.target.shape[1])


def setting_of(training: Training, *, samples: int, tolerance: float) -> Setting:
    """Return the numbers of a run, for populations of `samples` and a tolerance of their covariances."""
    data, layers = training.samples, training.layers
    x, x_test = coordinates(np.array(data.x_train), np.array(data.x_test))
    hidden = layers.widths[1:-1]
    return Setting(
        x=x,
        x_test=x_test,
        target=targets(training)[0],
        loss=training.loss,
        layers=layers,
        ratios=tuple(above / below for below, above in pairwise(hidden)),
        shares=tuple(width / hidden[-1] for width in hidden),
        activation=activation_of(training.network),
        gamma0=effective_gamma0(training),
        kappa=training.kappa,
        samples=samples,
        tolerance=tolerance,
    )


def coordinates(train: Array, test: Array) -> tuple[Array, Array]:
    """Return inputs over sqrt d in an orthonormal basis of the space that they span, if that is smaller than d."""
    x = np.concatenate([train, test]) / np.sqrt(train.shape[1])
    if len(x) < x.shape[1]:
        triangle = np.asarray(np.linalg.qr(x.T, mode="r"))
        x = np.ascontiguousarray(triangle.T)
    return x[: len(train)], x[len(train) :]
