"""The numbers of every layer: standard deviations, rates, steps and the output scale (conventions, section 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from theorysim.errors import ProblemError

if TYPE_CHECKING:
    from theorysim.problem.network import MLP

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Layers:
    """What a network means at given numbers of inputs and outputs.

    Attributes
    ----------
    widths : tuple of L + 2 ints
        n_0 (inputs), n_1 .. n_L, n_{L+1} (outputs).
    weight_std, bias_std : ndarray, shape (L + 1,)
        sw, sb of each layer: W^l ~ N(0, sw^2/n_{l-1}), b^l ~ N(0, sb^2); sb is 0 where there are no biases.
    has_bias : bool
        Whether the layers have biases (which may start at 0).
    weight_rates, bias_rates : ndarray, shape (L + 1,)
        alpha_l, alpha'_l: how much a layer's weights and biases contribute to the kernel.
    output_scale : float
        s in f = s h^{L+1}; infinite for `mup` at gamma0 = 0.
    weight_steps, bias_steps : ndarray, shape (L + 1,)
        a_l = alpha_l/(s^2 n_{l-1}) and a'_l = alpha'_l/s^2: the factors of eta in one step.
    """

    widths: tuple[int, ...]
    weight_std: Floats
    bias_std: Floats
    has_bias: bool
    weight_rates: Floats
    bias_rates: Floats
    output_scale: float
    weight_steps: Floats
    bias_steps: Floats


def layers_of(network: MLP, inputs: int, outputs: int) -> Layers:
    """Return the numbers of every layer of `network` with `inputs` inputs and `outputs` outputs.

    Raises
    ------
    ProblemError
        If there is not at least one input and one output.
    """
    if inputs < 1 or outputs < 1:
        raise ProblemError(f"network: it must have inputs and outputs, got {inputs} and {outputs}")
    widths = (inputs, *network.widths, outputs)
    fan_in = np.array(widths[:-1], dtype=np.float64)
    weight_std = _each(network.weight_std, network.depth, network.default_weight_std)
    bias_std = _each(network.bias_std, network.depth, 0.0)
    weight_rates = _each(network.weight_rates, network.depth, _default_weight_rates(network, inputs, weight_std))
    bias_rates = _each(network.bias_rates, network.depth, _default_bias_rates(network, bias_std))
    inverse_square = 1.0 if network.gamma0 is None else network.gamma0**2 * widths[-2]
    return Layers(
        widths=widths,
        weight_std=weight_std,
        bias_std=bias_std,
        has_bias=network.bias_std is not None,
        weight_rates=weight_rates,
        bias_rates=bias_rates,
        output_scale=_output_scale(network.gamma0, widths[-2]),
        weight_steps=inverse_square * weight_rates / fan_in,
        bias_steps=inverse_square * bias_rates,
    )


def _output_scale(gamma0: float | None, width: int) -> float:
    if gamma0 is None:
        return 1.0
    return 1.0 / (gamma0 * math.sqrt(width)) if gamma0 > 0.0 else math.inf


def _each(given: float | tuple[float, ...] | None, depth: int, default: float | Floats) -> Floats:
    return np.array(np.broadcast_to(default if given is None else given, depth + 1), dtype=np.float64)


def _default_weight_rates(network: MLP, inputs: int, weight_std: Floats) -> Floats:
    if network.parameterization != "standard":
        return weight_std**2
    return np.array((inputs, *network.rates_widths), dtype=np.float64)


def _default_bias_rates(network: MLP, bias_std: Floats) -> Floats:
    if network.parameterization == "standard" and network.bias_std is not None:
        return np.ones_like(bias_std)
    return bias_std**2
