"""Mean-field limits of training: features move at infinite width."""

from __future__ import annotations

from theorysim.meanfield import deep, fluctuations, linear, linear_two_time, residual, transfer, two_layer, two_time
from theorysim.meanfield.coordinates import coordinate_check
from theorysim.meanfield.exact_width import wide_networks
from theorysim.meanfield.fluctuations import kernel_scatter, prediction_scatter
from theorysim.meanfield.parameterizations import abc, exponents
from theorysim.meanfield.residual_response import responses
from theorysim.meanfield.sweep import sweep

__all__ = [
    "abc",
    "coordinate_check",
    "deep",
    "exponents",
    "fluctuations",
    "kernel_scatter",
    "linear",
    "linear_two_time",
    "prediction_scatter",
    "residual",
    "responses",
    "sweep",
    "transfer",
    "two_layer",
    "two_time",
    "wide_networks",
]
