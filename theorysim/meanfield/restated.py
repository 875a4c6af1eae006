"""Networks of other parameterizations stated as `mup`: the same network, number for number."""

from __future__ import annotations

from theorysim.problem.network import MLP
from theorysim.problem.residual import ResidualMLP
from theorysim.problem.training import Training
from theorysim.problem.validation import fields_of


def restated(training: Training) -> Training:
    """Return the same run with its network stated as `mup`: gamma0 = width^-1/2 and the rates of its own width."""
    network = training.network
    if isinstance(network, ResidualMLP) or network.parameterization == "mup":
        return training
    rates = {"weight_rates": tuple(training.layers.weight_rates.tolist())}
    if network.bias_std is not None:
        rates["bias_rates"] = tuple(training.layers.bias_rates.tolist())
    changed = {"parameterization": "mup", "gamma0": network.widths[-1] ** -0.5, "rates_width": None, **rates}
    return Training(**{**fields_of(training), "network": MLP(**{**fields_of(network), **changed})})
