"""The numbers of a run of a residual network as the march sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theorysim.finite.losses import targets
from theorysim.meanfield.domain import effective_gamma0
from theorysim.meanfield.setting import Setting, coordinates
from theorysim.problem.network import activation_of
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of


@dataclass(frozen=True, eq=False, kw_only=True)
class ResidualSetting(Setting):
    """The numbers of a residual network; its hidden layers are h^0 .. h^L.

    Attributes
    ----------
    branch : float
        b.
    """

    branch: float


def at_depth(training: Training, depth: int) -> Training:
    """Return the run of the same residual network with another number of blocks."""
    assert isinstance(training.network, ResidualMLP)
    return Training(**{**fields_of(training), "network": training.network.at_depth(depth)})


def setting_of(training: Training, *, samples: int, tolerance: float) -> ResidualSetting:
    """Return the numbers of a run, for a population of `samples` and a tolerance of its covariances."""
    data, network = training.samples, training.network
    assert isinstance(network, ResidualMLP)
    x, x_test = coordinates(np.array(data.x_train), np.array(data.x_test))
    return ResidualSetting(
        x=x,
        x_test=x_test,
        target=targets(training)[0],
        loss=training.loss,
        layers=network.matrices(inputs=data.x_train.shape[1], outputs=training.outputs),
        ratios=(1.0,) * network.depth,
        shares=(1.0,) * (network.depth + 1),
        activation=activation_of(network),
        gamma0=effective_gamma0(training),
        kappa=training.kappa,
        samples=samples,
        tolerance=tolerance,
        branch=network.branch,
    )
